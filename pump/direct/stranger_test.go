package direct

import (
	"net"
	"testing"
	"time"
)

// A host that spends its budget leaves that of the others as it is, and hosts without end do not take
// memory without end.
func TestStrangersBudgetIsTheirHosts(t *testing.T) {
	s := New(nil, Options{})
	now := time.Now()
	peer := func(i int) net.Addr {
		return &net.TCPAddr{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)), Port: 1000 + i%7}
	}
	if wait := s.strangerCalls(now, peer(1), strangersPerSecond); wait > 0 {
		t.Errorf("the first second's calls wait %s", wait)
	}
	for s.strangerCalls(now, peer(1), strangersPerSecond) <= longestWait {
	}
	if wait := s.strangerCalls(now, peer(2), strangersPerSecond/2); wait > 0 {
		t.Errorf("another host waits %s", wait)
	}
	for i := range 3 * maxStrangers {
		s.strangerCalls(now, peer(i), 1)
	}
	if n := len(s.strangers); n > maxStrangers+1 {
		t.Errorf("%d hosts are remembered", n)
	}
	// Hosts for which there is no room share one budget.
	for s.strangerCalls(now, peer(5*maxStrangers), strangersPerSecond) <= longestWait {
	}
	if wait := s.strangerCalls(now, peer(6*maxStrangers), 1); wait <= 0 {
		t.Error("a host that is not remembered has a budget of its own")
	}
}

package direct_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"pumphouse/pump/direct"
)

// TestPartsAreCounted: what has come of a message that has its claim counts as progress, else it would give way to
// others however fast it comes.
func TestPartsAreCounted(t *testing.T) {
	s, addr := start(t, newPump())
	r := dialRaw(t, addr)
	m := message(strings.Repeat("x", 1<<20))
	r.open(1)
	frame := func(n int) {
		r.do(r.fr.WriteData(1, false, m[:n]))
		m = m[n:]
	}
	frame(100)
	r.ping('a')
	was := s.Progress()
	for range 3 {
		frame(16 << 10)
	}
	r.ping('b')
	if got := s.Progress() - was; got != 3*16<<10 {
		t.Errorf("%d bytes are progress, want %d", got, 3*16<<10)
	}
}

// TestWaitingPartsKeepToTheirWindow: who sends more of a message than its window, before there is room for all of it, is
// sent away: the room is bounded by that.
func TestWaitingPartsKeepToTheirWindow(t *testing.T) {
	_, addr := start(t, newPump(), func(o *direct.Options) { o.MaxHeld = 1 << 20 })
	m := message(strings.Repeat("x", 900<<10))[:16<<10]
	first := dialRaw(t, addr)
	first.open(1)
	first.do(first.fr.WriteData(1, false, m))
	first.ping('a')
	r := dialRaw(t, addr)
	r.open(1)
	for range 5 { // more than 64 KiB
		r.do(r.fr.WriteData(1, false, m))
	}
	r.broken(http2.ErrCodeFlowControl)
}

// TestEndedPartsGiveTheirRoomBack: a message that ends too early, is malformed or given up has no room any more.
func TestEndedPartsGiveTheirRoomBack(t *testing.T) {
	_, addr := start(t, newPump(), func(o *direct.Options) { o.MaxHeld = 1 << 20 })
	r := dialRaw(t, addr)
	whole := message(strings.Repeat("x", 900<<10))
	malformed := bytes.Clone(whole)
	malformed[5] = 0xff
	id := uint32(1)
	send := func(m []byte, want string) {
		t.Helper()
		r.open(id)
		for rest := m; len(rest) > 0; {
			n := min(len(rest), 16<<10)
			r.do(r.fr.WriteData(id, n == len(rest), rest[:n]))
			rest = rest[n:]
			r.until("room", func() bool { return r.granted[id] > 0 })
		}
		r.answered(id, want)
		id += 2
	}
	for _, bad := range [][]byte{whole[:40<<10], malformed} {
		send(bad, "13")
		send(whole, "0")
	}
	r.open(id) // given up by its sender
	r.do(r.fr.WriteData(id, false, whole[:16<<10]))
	r.do(r.fr.WriteRSTStream(id, http2.ErrCodeCancel))
	id += 2
	send(whole, "0")
	other := dialRaw(t, addr) // and with its connection
	other.open(1)
	other.do(other.fr.WriteData(1, false, whole[:16<<10]))
	other.ping('a')
	other.nc.Close()
	send(whole, "0")
}

// TestPartsKeepTheirRoomUntilStored: a message that is being stored takes memory as before, so nobody else has its room.
func TestPartsKeepTheirRoomUntilStored(t *testing.T) {
	p := newPump()
	var once sync.Once
	storing, stored := make(chan struct{}), make(chan struct{})
	p.hold = func([]direct.Call) {
		once.Do(func() {
			close(storing)
			<-stored
		})
	}
	_, addr := start(t, p, func(o *direct.Options) { o.MaxHeld = 1 << 20 })
	store := sync.OnceFunc(func() { close(stored) })
	defer store()
	whole := message(strings.Repeat("x", 900<<10))
	first := dialRaw(t, addr)
	first.open(1)
	for rest := whole; len(rest) > 0; {
		n := min(len(rest), 16<<10)
		first.do(first.fr.WriteData(1, n == len(rest), rest[:n]))
		rest = rest[n:]
		first.until("room", func() bool { return first.granted[1] > 0 })
	}
	<-storing
	other := dialRaw(t, addr)
	other.open(1)
	other.do(other.fr.WriteData(1, false, whole[:16<<10]))
	other.ping('a')
	if other.granted[1] > 0 {
		t.Error("another message has room while the first is being stored")
	}
	store()
	first.answered(1, "0")
	other.until("room", func() bool { return other.granted[1] > 0 })
}

// TestTooManyPartsWait: who comes when too many wait is told to try again, and does not wait for nothing.
func TestTooManyPartsWait(t *testing.T) {
	_, addr := start(t, newPump(), func(o *direct.Options) { o.MaxHeld = 1 << 20 })
	r := dialRaw(t, addr)
	m := message(strings.Repeat("x", 900<<10))[:300]
	const has, wait = 1, 200
	last := uint32(2*(has+wait) + 1)
	for id := uint32(1); id <= last; id += 2 {
		r.open(id)
		r.do(r.fr.WriteData(id, false, m))
	}
	r.ping('a')
	if len(r.resets) != 1 || r.resets[last] != http2.ErrCodeRefusedStream {
		t.Errorf("reset are %v, want %d alone", r.resets, last)
	}
}

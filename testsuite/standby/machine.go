package standby

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// cut is a way in which a network is cut.
type cut int

const (
	fromPD  cut = iota // nothing from and to PD arrives
	fromAll            // nothing arrives
	down               // the interface is down, and programs are told so
)

func (c cut) String() string {
	return []string{"from PD, without a word", "from PD, pump and downstream, without a word", "by its interface, which is down"}[c]
}

// link is what a drainer reaches others over. cut cuts it until heal.
type link interface {
	cut(how cut) (heal func())
}

// machine is a network namespace for a drainer, with a link to this one. What listens on 127.0.0.1 here is reached over
// it: the namespace's own loopback interface has no address, and both ends of the link may carry such addresses. So PD's address is the
// same for all, and every packet of the drainer goes over a link that can be cut.
type machine struct {
	t    testing.TB
	ip   netip.Addr // of the drainer
	here string     // this end of the link
	path string     // of the namespace
	pd   string     // PD's port
}

// newMachine makes one, with PD at host:port. It is gone when the process of the test is. The error says why there is none here.
func newMachine(t testing.TB, pd string) (*machine, error) {
	t.Helper()
	_, port, err := net.SplitHostPort(pd)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"ip", "tc", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	space, err := namespace()
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	t.Cleanup(func() { space.Close() })
	m := &machine{t: t, pd: port, here: fmt.Sprintf("ph%08x", rand.Uint32()), path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), space.Fd())}
	end := freeNet(t)
	m.ip = end.Next()
	if err := m.run("ip", "link", "add", m.here, "type", "veth", "peer", "name", "eth0", "netns", m.path); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = m.run("ip", "link", "del", m.here) })
	script := fmt.Sprintf(`echo 1 >/proc/sys/net/ipv4/conf/%[1]s/route_localnet
ip addr add %[2]s/30 dev %[1]s; ip link set %[1]s up; tc qdisc add dev %[1]s clsact
exec nsenter --net=%[3]s sh -ec 'ip link set lo up; ip addr flush dev lo; echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet; ip addr add %[4]s/30 dev eth0; %[5]s'`, m.here, end, m.path, m.ip, m.up(end))
	if err := m.run("sh", "-ec", script); err != nil {
		return nil, err
	}
	return m, nil
}

// up is what connects the drainer's end: routes go with the interface.
func (m *machine) up(end netip.Addr) string {
	return fmt.Sprintf("ip link set eth0 up; ip route add 127.0.0.0/8 via %s dev eth0", end)
}

// namespace makes an empty network namespace, which lives as long as the file is open.
func namespace() (space *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread goes with the goroutine: nothing else runs in the namespace
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			space, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		}
	}()
	<-done
	return space, err
}

// freeNet gives the first address of a /30 of 198.18.0.0/15, which is for tests of networks, that no interface has.
func freeNet(t testing.TB) netip.Addr {
	t.Helper()
	taken, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for {
		n := rand.Uint32N(1 << 15)
		first := netip.AddrFrom4([4]byte{198, byte(18 + n>>14), byte(n >> 6), byte(n<<2) + 1})
		free := true
		for _, a := range taken {
			free = free && !strings.HasPrefix(a.String(), first.String()+"/")
		}
		if free {
			return first
		}
	}
}

func (m *machine) run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// in is what a command begins with that runs on the machine.
func (m *machine) in() []string { return []string{"nsenter", "--net=" + m.path} }

// Filters of packets as classic BPF, whose result 2 drops a packet: all, and those to and from a TCP port.
const (
	everything = "1,6 0 0 2"
	onePort    = "6,40 0 0 36,21 2 0 %[1]s,40 0 0 34,21 0 1 %[1]s,6 0 0 2,6 0 0 4294967295"
)

func (m *machine) cut(how cut) (heal func()) {
	m.t.Helper()
	switch how {
	case fromPD:
		return m.drop(fmt.Sprintf(onePort, m.pd))
	case fromAll:
		return m.drop(everything)
	}
	there := append(m.in(), "sh", "-ec")
	m.must(append(there, "ip link set eth0 down")...)
	return func() { m.must(append(there, m.up(m.ip.Prev()))...) }
}

// drop has the packets of a filter dropped in both directions, without a word to either end.
func (m *machine) drop(filter string) (heal func()) {
	m.t.Helper()
	both := []string{"ingress", "egress"}
	for _, direction := range both {
		m.must("tc", "filter", "add", "dev", m.here, direction, "bpf", "da", "bytecode", filter)
	}
	return func() {
		for _, direction := range both {
			m.must("tc", "filter", "del", "dev", m.here, direction)
		}
	}
}

func (m *machine) must(command ...string) {
	m.t.Helper()
	if err := m.run(command[0], command[1:]...); err != nil {
		m.t.Fatalf("the link of the drainer at %s: %v", m.ip, err)
	}
}

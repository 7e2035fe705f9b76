package pump

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"

	"golang.org/x/sys/unix"
)

// pod is a network namespace with an address of its own, as a pod has it.
type pod struct {
	t    *testing.T
	name string
	dir  string
}

// newPod makes one with the address 10.1.1.1. It needs root.
func newPod(t *testing.T) *pod {
	t.Helper()
	p := &pod{t: t, name: fmt.Sprintf("pumphouse-%d", rand.Uint32()), dir: t.TempDir()}
	if out, err := exec.Command("ip", "netns", "add", p.name).CombinedOutput(); err != nil {
		form.Missing(t, "cannot make a network namespace (ip netns add, as root): %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", p.name).Run() })
	for _, args := range []string{"link set lo up", "addr add 10.1.1.1/32 dev lo"} {
		cmd := exec.Command("ip", append([]string{"-n", p.name}, strings.Fields(args)...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return p
}

// run starts a program of ours in the pod, with more environment variables, and waits until it is ready.
func (p *pod) run(env []string, name string, args ...string) *rig.Proc {
	p.t.Helper()
	all := append([]string{"netns", "exec", p.name, "env"}, env...)
	return rig.AwaitReady(p.t, rig.SpawnCommand(p.t, exec.Command("ip", append(append(all, programs.Path(name)), args...)...)))
}

// get asks a node in the pod for its /status, over a connection made there, and gives the first line of the answer.
func (p *pod) get(addr string) (string, error) {
	type answer struct {
		line string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // the thread goes with the goroutine: nothing else runs in the namespace
		ns, err := os.Open(filepath.Join("/run/netns", p.name))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			done <- answer{err: err}
			return
		}
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			done <- answer{err: err}
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /status HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", addr)
		line, err := bufio.NewReader(c).ReadString('\n')
		done <- answer{strings.TrimSpace(line), err}
	}()
	a := <-done
	return a.line, a.err
}

func (p *pod) reached(what, addr string) {
	p.t.Helper()
	if line, err := p.get(addr); err != nil || line != "HTTP/1.1 200 OK" {
		p.t.Errorf("%s at %s: %q, %v", what, addr, line, err)
	}
}

// TestNodesInAPod: nodes that are started as tidb-operator, tiup's and old scripts do, without -addr, are reached at the address that
// they advertise; and one that is not says so.
func TestNodesInAPod(t *testing.T) {
	p := newPod(t)
	p.run(nil, "pumphouse", "pd", "-data-dir", filepath.Join(p.dir, "pd"))
	empty := filepath.Join(p.dir, "pump.toml") // what the operator writes where nothing is configured
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := func(name string) string { return filepath.Join(p.dir, name) }

	pump := p.run(nil, "pump", "-pd-urls=http://127.0.0.1:2379", "-L", "info", "-log-file=", "-advertise-addr=10.1.1.1:8250", "-data-dir="+dir("pump"), "--config="+empty, "-enable-debug", "-enable-tolerant")
	p.reached("a pump that is told what to advertise", "10.1.1.1:8250")
	p.reached("the same at loopback", "127.0.0.1:8250")
	drainer := p.run(nil, "drainer", "-pd-urls=http://127.0.0.1:2379", "-advertise-addr=10.1.1.1:8249", "-data-dir="+dir("drainer"), "-dest-db-type=file", "-schema-dir="+p.dir)
	p.reached("a drainer that is told what to advertise", "10.1.1.1:8249")
	if text := pump.Output() + drainer.Output(); strings.Contains(text, "cannot be reached at the address") {
		t.Errorf("it warns of an address that is right:\n%s", text)
	}
	drainer.Stop(t)
	pump.Stop(t)

	// Nothing said, but in the environment: the pod's address.
	env := []string{"PUMP_PD_URLS=http://127.0.0.1:2379", "PUMP_DATA_DIR=" + dir("pump2"), "PUMP_NODE_ID=pump2",
		"BINLOG_SERVER_PD_URLS=http://127.0.0.1:2379", "BINLOG_SERVER_DATA_DIR=" + dir("drainer2"), "BINLOG_SERVER_NODE_ID=drainer2", "BINLOG_SERVER_DEST_DB_TYPE=file"}
	pump = p.run(env, "pump")
	p.reached("a pump that is told nothing", "10.1.1.1:8250")
	if _, err := p.get("127.0.0.1:8250"); err == nil {
		t.Error("it listens at loopback too")
	}
	drainer = p.run(env, "drainer", "-schema-dir="+p.dir)
	p.reached("a drainer that is told nothing", "10.1.1.1:8249")
	drainer.Stop(t)
	pump.Stop(t)

	pump = p.run(nil, "pump", "-node-id=pump3", "-data-dir="+dir("pump3"), "-addr=127.0.0.1:8250", "-advertise-addr=10.1.1.1:8250")
	if text := pump.Output(); !strings.Contains(text, "cannot be reached at the address that it advertises, 10.1.1.1:8250") {
		t.Errorf("it does not say that nobody reaches it:\n%s", text)
	}
}

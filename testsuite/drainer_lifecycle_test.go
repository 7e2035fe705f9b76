package testsuite

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
)

// TestDrainerLifecycle holds the drainer's program to every row of the table of states, on a
// real PD. A subtest finds no node in PD.
func TestDrainerLifecycle(t *testing.T) {
	all := newPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*pumps)
	}{
		{"ways to end", drainerEnds},
		{"kill -9 leaves it online", drainerKilled},
		{"one process a node ID", drainerHeld},
		{"a failure pauses", drainerFails},
		{"a signal during the start", drainerSignalledEarly},
		{"pumps start and leave with it", drainerAndPumps},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(all.in(t)) })
	}
}

// drainerNode is one drainer that writes files, and its data; the process may come and go.
type drainerNode struct {
	*proc
	c    *pumps
	id   string
	addr string
	dir  string
	args []string
}

func (c *pumps) newDrainer(id string) *drainerNode {
	n := &drainerNode{c: c, id: id, addr: "127.0.0.1:0", dir: c.t.TempDir()}
	n.args = []string{"-node-id", id, "-data-dir", n.dir, "-pd-urls", strings.Join(c.endpoints, ","),
		"-dest-db-type", "file", "-schema-dir", c.t.TempDir(), "-log-format", "logfmt"}
	return n
}

// launch starts the process, after the first time on the address it had.
func (n *drainerNode) launch() *drainerNode {
	n.c.t.Helper()
	n.proc = launch(n.c.t, "drainer", append(n.args, "-addr", n.addr)...)
	if _, n.addr, _ = strings.Cut(n.ready, " at "); n.addr == "" {
		n.c.t.Fatalf("ready line %q:\n%s", n.ready, n.output())
	}
	return n
}

// ends waits for the end of the process and its exit code.
func (n *drainerNode) ends(code int) {
	n.c.t.Helper()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.c.t.Fatalf("%s still runs:\n%s", n.id, n.output())
	}
	if got := n.cmd.ProcessState.ExitCode(); got != code {
		n.c.t.Fatalf("%s ended with exit code %d, want %d:\n%s", n.id, got, code, n.output())
	}
}

func (n *drainerNode) signal(s os.Signal) {
	n.c.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.c.t.Fatal(err)
	}
}

func (n *drainerNode) record() nodes.Record {
	n.c.t.Helper()
	e, err := n.c.registry.Get(n.c.t.Context(), nodes.Drainer, n.id)
	if err != nil {
		n.c.t.Fatal(err)
	}
	return e.Record
}

func (n *drainerNode) hasState(s nodes.State) {
	n.c.t.Helper()
	if got := n.record().State; got != s {
		n.c.t.Fatalf("%s is %s in PD, want %s:\n%s", n.id, got, s, n.output())
	}
}

// states collects the states that PD shows from now on.
func (n *drainerNode) states() func(want ...nodes.State) { return n.c.states(nodes.Drainer.Key(n.id)) }

func drainerEnds(c *pumps) {
	ctl := func(cmd string) func(*drainerNode) {
		return func(n *drainerNode) {
			if out, ok := c.binlogctl("-cmd", cmd, "-node-id", n.id); !ok {
				c.t.Errorf("%s: %s", cmd, out)
			}
		}
	}
	change := func(s nodes.State) func(*drainerNode) {
		return func(n *drainerNode) {
			if _, _, err := c.registry.SetState(c.t.Context(), nodes.Drainer, n.id, s, nil); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	for i, s := range []struct {
		name        string
		do          func(*drainerNode)
		between, to nodes.State
	}{
		{"SIGTERM", func(n *drainerNode) { n.signal(syscall.SIGTERM) }, nodes.Pausing, nodes.Paused},
		{"SIGINT", func(n *drainerNode) { n.signal(syscall.SIGINT) }, nodes.Pausing, nodes.Paused},
		{"pause-drainer", ctl("pause-drainer"), nodes.Pausing, nodes.Paused},
		{"offline-drainer", ctl("offline-drainer"), nodes.Closing, nodes.Offline},
		{"record pausing", change(nodes.Pausing), nodes.Pausing, nodes.Paused},
		{"record closing", change(nodes.Closing), nodes.Closing, nodes.Offline},
	} {
		n := c.newDrainer(fmt.Sprintf("drainer%d", i))
		states := n.states()
		n.launch()
		s.do(n)
		n.ends(0)
		states(nodes.Paused, nodes.Online, s.between, s.to)
		if strings.Contains(n.output(), "level=error") {
			c.t.Errorf("%s: an ordinary life has errors:\n%s", s.name, n.output())
		}
		n.launch() // and it comes back
		n.hasState(nodes.Online)
		n.signal(syscall.SIGTERM)
		n.ends(0)
	}
}

func drainerKilled(c *pumps) {
	n := c.newDrainer("drainer1").launch()
	n.signal(syscall.SIGKILL)
	<-n.done
	n.hasState(nodes.Online)
	before := n.record().UpdateTS
	n.launch()
	if after := n.record(); after.State != nodes.Online || after.UpdateTS <= before {
		c.t.Errorf("after the restart: %+v", after)
	}
}

func drainerHeld(c *pumps) {
	n := c.newDrainer("drainer1").launch()
	other := c.newDrainer("drainer1")
	other.proc = spawn(c.t, "drainer", append(other.args, "-addr", "127.0.0.1:0")...)
	other.ends(1)
	if !strings.Contains(other.output(), "is run by another process: "+n.addr) {
		c.t.Errorf("it says:\n%s", other.output())
	}
	n.hasState(nodes.Online)
}

func drainerFails(c *pumps) {
	n := c.newDrainer("drainer1").launch()
	n.signal(syscall.SIGKILL)
	<-n.done
	if err := os.WriteFile(filepath.Join(n.dir, "savepoint"), []byte("commitTS = 1\nclusterID = \"7\"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	n.proc = spawn(c.t, "drainer", append(n.args, "-addr", n.addr)...)
	n.ends(1)
	if !strings.Contains(n.output(), "is of cluster 7") {
		c.t.Errorf("it says:\n%s", n.output())
	}
	n.hasState(nodes.Paused) // no pump waits for it any more
}

func drainerSignalledEarly(c *pumps) {
	n := c.newDrainer("drainer1")
	n.proc = spawn(c.t, "drainer", append(n.args, "-addr", n.addr)...)
	n.signal(syscall.SIGTERM) // at any moment of the start, also before the handler is there
	select {
	case <-n.done:
	case <-time.After(15 * time.Second):
		c.t.Fatalf("it still runs:\n%s", n.output())
	}
	if e, err := c.registry.Get(c.t.Context(), nodes.Drainer, "drainer1"); err == nil && e.Record.State != nodes.Paused {
		c.t.Errorf("the record says %s", e.Record.State)
	}
}

// drainerAndPumps: a pump that starts notifies the drainer first, and one that leaves waits for
// it; /status tells of both.
func drainerAndPumps(c *pumps) {
	n := c.newDrainer("drainer1").launch()
	p := c.start("pump1")
	last := c.tso()
	status := func() (st struct {
		PumpPos map[string]nodes.TSO
		LastTS  nodes.TSO
		State   string
	}) {
		resp, err := http.Get("http://" + n.addr + "/status")
		if err != nil {
			c.t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil {
			err = json.Unmarshal(body, &st)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		return st
	}
	eventually(c.t, 15*time.Second, "the drainer passes the pump's time", func() (bool, string) {
		st := status()
		return st.PumpPos["pump1"] >= last && st.LastTS >= last && n.record().MaxCommitTS >= last, fmt.Sprintf("%+v", st)
	})
	if out, ok := c.binlogctl("-cmd", "offline-pump", "-node-id", "pump1"); !ok {
		c.t.Error(out)
	}
	p.ends(0)
	p.hasState(nodes.Offline)
	eventually(c.t, 15*time.Second, "the drainer lets the pump go", func() (bool, string) {
		st := status()
		return len(st.PumpPos) == 0, fmt.Sprintf("%+v", st)
	})

	// A drainer that is dead keeps a pump from starting, until it is marked paused.
	n.signal(syscall.SIGKILL)
	<-n.done
	dead := c.node("pump2")
	dead.spawn()
	dead.ends(1)
	dead.says("update-drainer -node-id drainer1 -state paused")
	if out, err := exec.Command(program("drainer"), "-V").CombinedOutput(); err != nil || !strings.Contains(string(out), "drainer (Pumphouse)") {
		c.t.Errorf("-V: %v %s", err, out)
	}
}

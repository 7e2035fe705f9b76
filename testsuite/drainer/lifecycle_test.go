package drainer

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
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// TestDrainerLifecycle holds the drainer's program to every row of the table of states, on a
// real PD. A subtest finds no node in PD.
func TestDrainerLifecycle(t *testing.T) {
	all := rig.NewPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*rig.Pumps)
	}{
		{"ways to end", drainerEnds},
		{"kill -9 leaves it online", drainerKilled},
		{"one process a node ID", drainerHeld},
		{"a failure pauses", drainerFails},
		{"a signal during the start", drainerSignalledEarly},
		{"pumps start and leave with it", drainerAndPumps},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(all.In(t)) })
	}
}

func drainerEnds(c *rig.Pumps) {
	ctl := func(cmd string) func(*rig.DrainerNode) {
		return func(n *rig.DrainerNode) {
			if out, ok := c.Binlogctl("-cmd", cmd, "-node-id", n.ID); !ok {
				c.T.Errorf("%s: %s", cmd, out)
			}
		}
	}
	change := func(s nodes.State) func(*rig.DrainerNode) {
		return func(n *rig.DrainerNode) {
			if _, _, err := c.Registry.SetState(c.T.Context(), nodes.Drainer, n.ID, s, nil); err != nil {
				c.T.Fatal(err)
			}
		}
	}
	for i, s := range []struct {
		name        string
		do          func(*rig.DrainerNode)
		between, to nodes.State
	}{
		{"SIGTERM", func(n *rig.DrainerNode) { n.Signal(syscall.SIGTERM) }, nodes.Pausing, nodes.Paused},
		{"SIGINT", func(n *rig.DrainerNode) { n.Signal(syscall.SIGINT) }, nodes.Pausing, nodes.Paused},
		{"SIGQUIT", func(n *rig.DrainerNode) { n.Signal(syscall.SIGQUIT) }, nodes.Pausing, nodes.Paused},
		{"pause-drainer", ctl("pause-drainer"), nodes.Pausing, nodes.Paused},
		{"offline-drainer", ctl("offline-drainer"), nodes.Closing, nodes.Offline},
		{"record pausing", change(nodes.Pausing), nodes.Pausing, nodes.Paused},
		{"record closing", change(nodes.Closing), nodes.Closing, nodes.Offline},
	} {
		n := c.NewDrainer(fmt.Sprintf("drainer%d", i))
		states := n.States()
		n.Launch()
		s.do(n)
		n.Ends(0)
		states(nodes.Paused, nodes.Online, s.between, s.to)
		if strings.Contains(n.Output(), "level=error") {
			c.T.Errorf("%s: an ordinary life has errors:\n%s", s.name, n.Output())
		}
		n.Launch() // and it comes back
		n.HasState(nodes.Online)
		n.Signal(syscall.SIGTERM)
		n.Ends(0)
	}
}

func drainerKilled(c *rig.Pumps) {
	n := c.NewDrainer("drainer1").Launch()
	n.Signal(syscall.SIGKILL)
	<-n.Done
	n.HasState(nodes.Online)
	before := n.Record().UpdateTS
	n.Launch()
	if after := n.Record(); after.State != nodes.Online || after.UpdateTS <= before {
		c.T.Errorf("after the restart: %+v", after)
	}
}

func drainerHeld(c *rig.Pumps) {
	n := c.NewDrainer("drainer1").Launch()
	other := c.NewDrainer("drainer1")
	other.Proc = rig.Spawn(c.T, "drainer", append(other.Args, "-addr", "127.0.0.1:0")...)
	other.Ends(1)
	if !strings.Contains(other.Output(), "is run by another process: "+n.Addr) {
		c.T.Errorf("it says:\n%s", other.Output())
	}
	n.HasState(nodes.Online)
}

func drainerFails(c *rig.Pumps) {
	n := c.NewDrainer("drainer1").Launch()
	n.Signal(syscall.SIGKILL)
	<-n.Done
	if err := os.WriteFile(filepath.Join(n.Dir, "savepoint"), []byte("commitTS = 1\nclusterID = \"7\"\n"), 0o600); err != nil {
		c.T.Fatal(err)
	}
	n.Proc = rig.Spawn(c.T, "drainer", append(n.Args, "-addr", n.Addr)...)
	n.Ends(1)
	if !strings.Contains(n.Output(), "is of cluster 7") {
		c.T.Errorf("it says:\n%s", n.Output())
	}
	n.HasState(nodes.Paused) // no pump waits for it any more
}

func drainerSignalledEarly(c *rig.Pumps) {
	n := c.NewDrainer("drainer1")
	n.Proc = rig.Spawn(c.T, "drainer", append(n.Args, "-addr", n.Addr)...)
	n.Signal(syscall.SIGTERM) // at any moment of the start, also before the handler is there
	select {
	case <-n.Done:
	case <-time.After(time.Minute):
		c.T.Fatalf("it still runs:\n%s", n.Output())
	}
	if e, err := c.Registry.Get(c.T.Context(), nodes.Drainer, "drainer1"); err == nil && e.Record.State != nodes.Paused {
		c.T.Errorf("the record says %s", e.Record.State)
	}
}

// drainerAndPumps: a pump that starts notifies the drainer first, and one that leaves waits for
// it; /status tells of both.
func drainerAndPumps(c *rig.Pumps) {
	n := c.NewDrainer("drainer1").Launch()
	p := c.Start("pump1")
	last := c.TSO()
	status := func() (st struct {
		PumpPos map[string]nodes.TSO
		LastTS  nodes.TSO
		State   string
	}) {
		resp, err := http.Get("http://" + n.Addr + "/status")
		if err != nil {
			c.T.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil {
			err = json.Unmarshal(body, &st)
		}
		if err != nil {
			c.T.Fatal(err)
		}
		return st
	}
	rig.Eventually(c.T, 15*time.Second, "the drainer passes the pump's time", func() (bool, string) {
		st := status()
		return st.PumpPos["pump1"] >= last && st.LastTS >= last && n.Record().MaxCommitTS >= last, fmt.Sprintf("%+v", st)
	})
	if out, ok := c.Binlogctl("-cmd", "offline-pump", "-node-id", "pump1"); !ok {
		c.T.Error(out)
	}
	p.Ends(0)
	p.HasState(nodes.Offline)
	rig.Eventually(c.T, 15*time.Second, "the drainer lets the pump go", func() (bool, string) {
		st := status()
		return len(st.PumpPos) == 0, fmt.Sprintf("%+v", st)
	})

	// A drainer that is dead keeps a pump from starting, until it is marked paused.
	n.Signal(syscall.SIGKILL)
	<-n.Done
	dead := c.Node("pump2")
	dead.Spawn()
	dead.Ends(1)
	dead.Says("update-drainer -node-id drainer1 -state paused")
	if out, err := exec.Command(programs.Path("drainer"), "-V").CombinedOutput(); err != nil || !strings.Contains(string(out), "drainer (Pumphouse)") {
		c.T.Errorf("-V: %v %s", err, out)
	}
}

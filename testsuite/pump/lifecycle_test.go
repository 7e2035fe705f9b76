package pump

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestPumpLifecycle holds the pump's program to every row of the table of states, on a
// real PD. A subtest finds no node in PD.
func TestPumpLifecycle(t *testing.T) {
	all := rig.NewPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*rig.Pumps)
	}{
		{"a signal pauses", signalPauses},
		{"kill -9 leaves it online", killStaysOnline},
		{"a second signal while pausing", secondSignal},
		{"a signal while closing", signalWhileClosing},
		{"pause-pump", pausePump},
		{"offline-pump without a drainer", offlineAlone},
		{"offline-pump with a drainer that lags", offlineWaits},
		{"offline-pump with a dead drainer", offlineDeadDrainer},
		{"CHANGE while online", changeOnline},
		{"CHANGE while closing", changeClosing},
		{"start with a dead drainer", deadDrainer},
		{"start with a live drainer", liveDrainerFirst},
		{"a signal during the start", signalDuringStart},
		{"CHANGE during the start", changeDuringStart},
		{"one process a node ID", oneProcess},
		{"records of nonsense", nonsenseRecords},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(all.In(t)) })
	}
}

func signalPauses(c *rig.Pumps) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		id := "pump" + sig.String()[:1]
		states := c.History(id)
		p := c.Start(id)
		cli := p.Client()
		last := cli.Transaction([]byte("v"))
		pull := cli.Pull(0)
		pull.Until(last)
		held, err := cli.Prewrite([]byte("committed after the restart"))
		if err != nil {
			c.T.Fatal(err)
		}
		p.Signal(sig)
		if err := pull.End(); !errors.Is(err, io.EOF) {
			c.T.Errorf("the drainer's stream ended with %v, want a clean end", err)
		}
		p.Ends(0)
		states(nodes.Paused, nodes.Online, nodes.Pausing, nodes.Paused)
		if strings.Contains(p.Output(), "level=warning") || strings.Contains(p.Output(), "level=error") {
			c.T.Errorf("an ordinary life is full of warnings:\n%s", p.Output())
		}

		p.Launch()
		cli = p.Client()
		ts, err := cli.Commit(held)
		if err != nil {
			c.T.Fatal(err)
		}
		if got := cli.Pull(0).Until(ts); !slices.Equal(got, []nodes.TSO{last, ts}) {
			c.T.Errorf("after the restart %v is delivered, want %d and %d", got, last, ts)
		}
	}
}

func killStaysOnline(c *rig.Pumps) {
	p := c.Start("pump1")
	last := p.Client().Transaction([]byte("v"))
	p.Kill()
	p.HasState(nodes.Online)
	before := c.Record("pump1").UpdateTS
	p.Launch() // at once, on its address: it is its own record that stands there
	p.HasState(nodes.Online)
	if after := c.Record("pump1").UpdateTS; after <= before {
		c.T.Errorf("updateTS %d after the restart, %d before", after, before)
	}
	if got := p.Client().Pull(0).Until(last); len(got) != 1 {
		c.T.Errorf("pulled %v", got)
	}
}

func secondSignal(c *rig.Pumps) {
	bounded := c.Start("bounded")
	bounded.Stuck()
	began := time.Now()
	bounded.Signal(syscall.SIGTERM)
	bounded.Ends(0) // a stuck drainer does not hold it for ever
	bounded.HasState(nodes.Paused)
	if took := time.Since(began); took < 2*time.Second {
		c.T.Fatalf("it took %v: this puller does not hold the pump up, so the rest shows nothing", took)
	}

	hurried := c.Start("hurried")
	hurried.Stuck()
	hurried.Signal(syscall.SIGTERM)
	hurried.Reaches(nodes.Pausing)
	hurried.Signal(syscall.SIGTERM)
	hurried.Ends(0)
	hurried.HasState(nodes.Paused)
}

func signalWhileClosing(c *rig.Pumps) {
	p, _ := c.Lagging("pump1")
	p.Change(nodes.Closing)
	p.Reaches(nodes.Closing)
	p.Signal(syscall.SIGTERM)
	p.Ends(0)
	p.HasState(nodes.Paused)
}

func pausePump(c *rig.Pumps) {
	states := c.History("pump1")
	p := c.Start("pump1")
	p.Client().Transaction([]byte("v"))
	out, ok := c.Binlogctl("-cmd", "pause-pump", "-node-id", "pump1")
	if !ok || !strings.Contains(out, "apply action pause success!") {
		c.T.Errorf("binlogctl: %v %s", ok, out)
	}
	p.Ends(0)
	states(nodes.Paused, nodes.Online, nodes.Pausing, nodes.Paused)
}

func offlineAlone(c *rig.Pumps) {
	states := c.History("pump1")
	p := c.Start("pump1")
	if _, err := p.Client().Prewrite([]byte("its commit never comes, and nobody would read it")); err != nil {
		c.T.Fatal(err)
	}
	out, ok := c.Binlogctl("-cmd", "offline-pump", "-node-id", "pump1")
	if !ok || !strings.Contains(out, "apply action close success!") {
		c.T.Errorf("binlogctl: %v %s", ok, out)
	}
	p.Ends(0)
	states(nodes.Paused, nodes.Online, nodes.Closing, nodes.Offline)
}

func offlineWaits(c *rig.Pumps) {
	c.Drainer("gone", form.Addr(c.T), nodes.Offline, 1) // nobody waits for this one
	p, _ := c.Lagging("pump1")
	cli := p.Client()
	held, err := cli.Prewrite([]byte("in flight"))
	if err != nil {
		c.T.Fatal(err)
	}
	if out, ok := c.Binlogctl("-cmd", "offline-pump", "-node-id", "pump1"); !ok {
		c.T.Fatal(out)
	}
	p.Reaches(nodes.Closing)
	if _, err := cli.Prewrite([]byte("new")); err == nil || strings.Contains(err.Error(), "ResourceExhausted") {
		c.T.Errorf("a prewrite while closing: %v", err)
	}
	if err := cli.Raw(nil); err == nil {
		c.T.Error("TiDB's probe finds a closing pump ready")
	}
	last, err := cli.Commit(held)
	if err != nil {
		c.T.Errorf("the commit of a transaction it accepted: %v", err)
	}
	if got := cli.Pull(0).Until(last); len(got) != 2 {
		c.T.Errorf("pulled from a closing pump: %v", got)
	}
	rig.Eventually(c.T, 5*time.Second, "/status says for whom it waits", func() (bool, string) {
		s := p.Status()
		ok := s.State == nodes.Closing && len(s.WaitingFor) == 1 && s.WaitingFor[0].Drainer == "slow" &&
			s.WaitingFor[0].Consumed == 1 && s.WaitingFor[0].Needed == last
		return ok, fmt.Sprintf("%+v", s)
	})
	p.Says("drainer slow", "update-drainer -node-id slow -state offline")
	if got := p.Metric("binlog_pump_waiting_for_drainers"); got != "1" {
		c.T.Errorf("the metric counts %q drainers", got)
	}
	for _, action := range []string{"pause", "close"} {
		code, body := p.Ask(http.MethodPut, "/state/pump1/"+action)
		if want := fmt.Sprintf("this pump's state is closing, apply %s failed!", action); code != http.StatusConflict || !strings.Contains(body, want) {
			c.T.Errorf("%s while closing: %d %s", action, code, body)
		}
	}
	if out, ok := c.Binlogctl("-cmd", "pause-pump", "-node-id", "pump1"); ok || !strings.Contains(out, "closing") {
		c.T.Errorf("binlogctl takes the refusal for success: %s", out)
	}
	c.Drainer("slow", form.Addr(c.T), nodes.Paused, last)
	p.Ends(0)
	p.HasState(nodes.Offline)
}

func offlineDeadDrainer(c *rig.Pumps) {
	console := rig.StartConsole(c.T, c.Endpoints)
	free := map[string]func(){
		"CHANGE": func() {
			if _, err := console.Open(c.T).Exec("CHANGE DRAINER TO NODE_STATE = 'offline' FOR NODE_ID 'slow'"); err != nil {
				c.T.Fatal(err)
			}
		},
		"update-drainer": func() {
			if out, ok := c.Binlogctl("-cmd", "update-drainer", "-node-id", "slow", "-state", "offline"); !ok {
				c.T.Fatal(out)
			}
		},
	}
	for how, set := range free {
		p, _ := c.Lagging("freed-by-" + how)
		if out, ok := c.Binlogctl("-cmd", "offline-pump", "-node-id", p.ID); !ok {
			c.T.Fatal(out)
		}
		rig.Eventually(c.T, 5*time.Second, "it waits", func() (bool, string) { return len(p.Status().WaitingFor) == 1, p.Output() })
		set()
		p.Ends(0)
		p.HasState(nodes.Offline)
	}
}

func changeOnline(c *rig.Pumps) {
	console := rig.StartConsole(c.T, c.Endpoints)
	db := console.Open(c.T)
	for _, s := range []nodes.State{nodes.Paused, nodes.Pausing, nodes.Closing, nodes.Offline} {
		p, last := c.Lagging("set-to-" + string(s))
		states := c.History(p.ID)
		if _, err := db.Exec("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", string(s), p.ID); err != nil {
			c.T.Fatal(err)
		}
		if s == nodes.Paused || s == nodes.Pausing {
			p.Ends(0)
			if s == nodes.Paused {
				states(nodes.Paused, nodes.Pausing, nodes.Paused)
			} else {
				states(nodes.Pausing, nodes.Paused)
			}
			continue
		}
		// Gracefully: the drainer has not consumed it yet.
		rig.Eventually(c.T, 5*time.Second, "it waits", func() (bool, string) { return len(p.Status().WaitingFor) == 1, p.Output() })
		p.HasState(nodes.Closing)
		c.Drainer("slow", form.Addr(c.T), nodes.Paused, last)
		p.Ends(0)
		if s == nodes.Closing {
			states(nodes.Closing, nodes.Offline)
		} else {
			states(nodes.Offline, nodes.Closing, nodes.Offline)
		}
	}
}

func changeClosing(c *rig.Pumps) {
	closing := func(id string) (*rig.PumpNode, nodes.TSO) {
		p, last := c.Lagging(id)
		p.Change(nodes.Closing)
		rig.Eventually(c.T, 5*time.Second, "it waits", func() (bool, string) { return len(p.Status().WaitingFor) == 1, p.Output() })
		return p, last
	}
	back, _ := closing("back")
	back.Change(nodes.Online)
	rig.Eventually(c.T, 5*time.Second, "it takes writes again", func() (bool, string) {
		_, err := back.Client().Prewrite([]byte("v"))
		return err == nil, fmt.Sprint(err)
	})
	back.HasState(nodes.Online)
	rig.Eventually(c.T, 5*time.Second, "/status shows the cancel", func() (bool, string) {
		s := back.Status()
		return s.State == nodes.Online && len(s.WaitingFor) == 0, fmt.Sprintf("%+v", s)
	})
	if got := back.Metric("binlog_pump_waiting_for_drainers"); got != "0" {
		c.T.Errorf("after the cancel the metric says %q", got)
	}
	back.Signal(syscall.SIGTERM) // the first one: it pauses as ever
	back.Ends(0)
	back.HasState(nodes.Paused)

	paused, _ := closing("paused")
	states := c.History(paused.ID)
	paused.Change(nodes.Paused)
	paused.Ends(0)
	states(nodes.Paused, nodes.Pausing, nodes.Paused)

	abandoned, last := closing("abandoned")
	abandoned.Change(nodes.Offline)
	abandoned.Ends(0)
	abandoned.HasState(nodes.Offline)
	abandoned.Says("level=error", "has not consumed", "drainer=slow", "consumed=1", fmt.Sprintf("commit_ts=%d", last))
}

func deadDrainer(c *rig.Pumps) {
	addr := form.Addr(c.T)
	c.Drainer("dead", addr, nodes.Online, 1)
	c.Drainer("resting", addr, nodes.Paused, 1) // is not notified
	states := c.History("pump1")
	p := c.Node("pump1")
	began := time.Now()
	p.Spawn()
	p.Ends(1)
	if took := time.Since(began); took < 9*time.Second {
		c.T.Errorf("it gave the drainer %v, want 10 s", took)
	}
	p.Says("drainer dead", addr, "update-drainer -node-id dead -state paused", "NODE_STATE = 'paused' FOR NODE_ID 'dead'")
	if strings.Contains(p.Output(), "resting") {
		c.T.Errorf("a paused drainer was notified:\n%s", p.Output())
	}
	states(nodes.Paused, "") // never online, and then as before: no drainer waits for what has never run
	if out, ok := c.Binlogctl("-cmd", "update-drainer", "-node-id", "dead", "-state", "paused"); !ok {
		c.T.Fatal(out)
	}
	p.Launch() // the cure works
	p.HasState(nodes.Online)

	p.Kill()
	c.Drainer("dead", addr, nodes.Online, 1)
	p.Spawn()
	p.Ends(1)
	p.HasState(nodes.Paused) // what it holds since it was online is needed
}

func liveDrainerFirst(c *rig.Pumps) {
	d := c.LiveDrainer("drainer1", "pump1")
	p := c.Start("pump1")
	if got := d.Notified(); !slices.Equal(got, []nodes.State{nodes.Paused}) {
		c.T.Errorf("the drainer saw %q, want to be told once, before TiDB is", got)
	}
	p.Kill()
	p.Launch() // after a crash too, although its record was online all the time
	if got := d.Notified(); !slices.Equal(got, []nodes.State{nodes.Paused, nodes.Paused}) {
		c.T.Errorf("after the restart the drainer has seen %q", got)
	}
}

func signalDuringStart(c *rig.Pumps) {
	states := c.History("pump1")
	p := c.Starting("pump1")
	p.Signal(syscall.SIGTERM)
	p.Ends(0)
	states(nodes.Paused, "")
}

func changeDuringStart(c *rig.Pumps) {
	for set, want := range map[nodes.State]nodes.State{nodes.Pausing: nodes.Paused, nodes.Offline: nodes.Offline} {
		d := c.LiveDrainer("drainer1", "pump-"+string(set))
		p := c.Node("pump-" + string(set))
		look := d.Look
		d.Look = func() nodes.State { // while the pump waits for the answer
			p.Change(set)
			return look()
		}
		p.Spawn()
		p.Ends(0)
		p.HasState(want)
	}
}

func oneProcess(c *rig.Pumps) {
	p := c.Start("pump1")
	other := c.Node("pump1")
	other.Spawn()
	other.Ends(1)
	other.Says("pump pump1 is run by another process", p.Addr)

	same := c.Node("pump1")
	same.Args = p.Args // its data directory too
	same.Spawn()
	same.Ends(1)
	same.Says("locked by another process", "-data-dir")

	p.HasState(nodes.Online)
	if got := c.Record("pump1").Host; got != p.Addr {
		c.T.Errorf("the record names %s, want %s", got, p.Addr)
	}
	p.Client().Transaction([]byte("the first one has not noticed"))

	// One that comes when the record is old takes over; the first, alive after all, gives way.
	p.Signal(syscall.SIGSTOP)
	rig.Eventually(c.T, 15*time.Second, "the record gets old", func() (bool, string) {
		age := c.TSO().Time().Sub(c.Record("pump1").UpdateTS.Time())
		return age > 3500*time.Millisecond, age.String()
	})
	heir := c.Start("pump1", "-accept-loss") // its log is empty; the record may say by now what the first one's has
	p.Signal(syscall.SIGCONT)
	p.Ends(1)
	p.Says("run by another process", heir.Addr)
	heir.HasState(nodes.Online)
	if got := c.Record("pump1").Host; got != heir.Addr {
		c.T.Errorf("the record names %s, want the heir at %s", got, heir.Addr)
	}
}

func nonsenseRecords(c *rig.Pumps) {
	rig.Put(c.T, c.Etcd, nodes.Drainer.Key("mad"), "\x00 no JSON")
	rig.Put(c.T, c.Etcd, nodes.Drainer.Key("liar"), `{"nodeId":"somebody else","host":"x","state":"online"}`)
	rig.Put(c.T, c.Etcd, nodes.Pump.Key("pump2"), `{"nodeId":"pump2","state":"asleep"}`)
	rig.Put(c.T, c.Etcd, nodes.Pump.Key("pump1"), `[]`)
	p := c.Start("pump1")
	p.Says("drainers/mad", "drainers/liar", "pumps/pump2")
	last := p.Client().Transaction([]byte("v"))
	rig.Put(c.T, c.Etcd, nodes.Pump.Key("pump1"), "\xff")
	p.Reaches(nodes.Online)
	if _, err := c.Etcd.Delete(c.T.Context(), nodes.Pump.Key("pump1")); err != nil {
		c.T.Fatal(err)
	}
	rig.Eventually(c.T, 10*time.Second, "the record is made again", func() (bool, string) {
		e, err := c.Registry.Get(c.T.Context(), nodes.Pump, "pump1")
		return err == nil && e.Record.State == nodes.Online, fmt.Sprint(err)
	})
	if code, _ := p.Ask(http.MethodGet, "/drainers"); code != http.StatusOK {
		c.T.Errorf("/drainers: %d", code)
	}
	if code, body := p.Ask(http.MethodPost, "/debug/gc/trigger"); code != http.StatusOK {
		c.T.Errorf("gc: %d %s", code, body)
	}
	p.Client().Pull(0).Until(last)
	p.Change(nodes.Closing)
	p.Ends(0)
	p.HasState(nodes.Offline)
}

// TestPumpWithoutPD takes PD away from a pump.
func TestPumpWithoutPD(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	c := rig.NewPumps(t, cluster)
	p := c.Start("pump1")
	cli := p.Client()
	first := cli.Transaction([]byte("v"))

	cluster.Stop(0)
	late := c.Node("pump2")
	late.Spawn()
	rig.Eventually(t, 15*time.Second, "it says that PD is away", func() (bool, string) {
		return strings.Contains(p.Output(), "the record cannot be written"), p.Output()
	})
	// TiDB has time stamps of its own; these are a little ahead of the last ones PD gave.
	start := first + 1000<<18
	commit := start + 5
	if err := cli.Raw(rig.Payload(t, 0, start, 0, []byte("while PD is away"))); err != nil {
		t.Errorf("prewrite while PD is away: %v", err)
	}
	if err := cli.Raw(rig.Payload(t, 1, start, commit, nil)); err != nil {
		t.Errorf("commit while PD is away: %v", err)
	}
	if got := cli.Pull(0).Until(commit); !slices.Equal(got, []nodes.TSO{first, commit}) {
		t.Errorf("pulled %v while PD is away", got)
	}
	if s := p.Status(); s.ErrMsg == nil || !strings.Contains(*s.ErrMsg, "PD") {
		t.Errorf("/status does not say it: %+v", s)
	}
	if code, body := p.Ask(http.MethodPost, "/debug/gc/trigger"); code != http.StatusInternalServerError || !strings.Contains(body, "garbage collection") {
		t.Errorf("gc without PD: %d %s", code, body)
	}
	late.Ends(1)
	late.Says("PD at "+strings.TrimPrefix(c.Endpoints[0], "http://"), "check that PD runs")

	cluster.Start(0)
	rig.Eventually(t, 30*time.Second, "the record catches up", func() (bool, string) {
		r := c.Record("pump1")
		return r.State == nodes.Online && r.MaxCommitTS >= commit, fmt.Sprintf("%+v", r)
	})
	rig.Eventually(t, 10*time.Second, "it says that PD is back", func() (bool, string) {
		return strings.Contains(p.Output(), "the record cannot be written: over"), p.Output()
	})
	rig.Eventually(t, 10*time.Second, "/status has nothing to complain of", func() (bool, string) {
		msg := p.Status().ErrMsg
		return msg != nil && *msg == "", fmt.Sprint(*msg)
	})

	// Without PD it cannot say that it pauses, but it must end, and say what to do.
	cluster.Stop(0)
	p.Signal(syscall.SIGTERM)
	p.Ends(1)
	p.Says("update-pump -node-id pump1 -state paused")
	cluster.Start(0)
	p.HasState(nodes.Online) // as after kill -9, and repaired like that
	p.Launch()

	// Away only while it pauses: the state it ends in is written all the same.
	cluster.Stop(0)
	p.StopWhile(func() { cluster.Start(0) })
	p.HasState(nodes.Paused)
}

func TestPumpKeepsNodeID(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Node("")
	dir := p.Args[slices.Index(p.Args, "-data-dir")+1]
	p.Args = slices.DeleteFunc(slices.Clone(p.Args), func(a string) bool { return a == "" || a == "-node-id" })
	p.Launch()
	_, after, _ := strings.Cut(p.Ready, "pump ")
	p.ID, _, _ = strings.Cut(after, " ")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if want := host + ":" + p.Addr[strings.LastIndex(p.Addr, ":")+1:]; p.ID != want {
		t.Errorf("node ID %q, want %q", p.ID, want)
	}
	kept, err := os.ReadFile(filepath.Join(dir, ".node"))
	if err != nil || strings.TrimSpace(string(kept)) != p.ID {
		t.Errorf(".node holds %q, %v", kept, err)
	}
	p.Signal(syscall.SIGTERM)
	p.Ends(0)
	id := p.ID
	p.Addr = "127.0.0.1:0" // another port, and still the same node
	p.Launch()
	if !strings.Contains(p.Ready, id) {
		t.Errorf("after the restart: %s", p.Ready)
	}
	p.Signal(syscall.SIGTERM)
	p.Ends(0)
	p.Args = append(p.Args, "-node-id", "another")
	p.Spawn()
	p.Ends(1)
	p.Says("belong to node "+id, filepath.Join(dir, ".node"))
	if _, err := c.Registry.Get(t.Context(), nodes.Pump, "another"); !errors.Is(err, nodes.ErrNotFound) {
		t.Errorf("a pump that did not start is in PD: %v", err)
	}
}

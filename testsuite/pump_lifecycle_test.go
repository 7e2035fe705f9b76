package testsuite

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
	"pumphouse/testsuite/pdtest"
)

// TestPumpLifecycle holds the pump's program to every row of the table of states, on a
// real PD. A subtest finds no node in PD.
func TestPumpLifecycle(t *testing.T) {
	all := newPumps(t, pdtest.StartReal(t, 1))
	for _, c := range []struct {
		name string
		test func(*pumps)
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
		t.Run(c.name, func(t *testing.T) { c.test(all.in(t)) })
	}
}

func signalPauses(c *pumps) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		id := "pump" + sig.String()[:1]
		states := c.history(id)
		p := c.start(id)
		cli := p.client()
		last := cli.transaction([]byte("v"))
		pull := cli.pull(0)
		pull.until(last)
		held, err := cli.prewrite([]byte("committed after the restart"))
		if err != nil {
			c.t.Fatal(err)
		}
		p.signal(sig)
		if err := pull.end(); err != io.EOF {
			c.t.Errorf("the drainer's stream ended with %v, want a clean end", err)
		}
		p.ends(0)
		states(nodes.Paused, nodes.Online, nodes.Pausing, nodes.Paused)
		if strings.Contains(p.output(), "level=warning") || strings.Contains(p.output(), "level=error") {
			c.t.Errorf("an ordinary life is full of warnings:\n%s", p.output())
		}

		p.launch()
		cli = p.client()
		ts, err := cli.commit(held)
		if err != nil {
			c.t.Fatal(err)
		}
		if got := cli.pull(0).until(ts); !slices.Equal(got, []nodes.TSO{last, ts}) {
			c.t.Errorf("after the restart %v is delivered, want %d and %d", got, last, ts)
		}
	}
}

func killStaysOnline(c *pumps) {
	p := c.start("pump1")
	last := p.client().transaction([]byte("v"))
	p.kill()
	p.hasState(nodes.Online)
	before := c.record("pump1").UpdateTS
	p.launch() // at once, on its address: it is its own record that stands there
	p.hasState(nodes.Online)
	if after := c.record("pump1").UpdateTS; after <= before {
		c.t.Errorf("updateTS %d after the restart, %d before", after, before)
	}
	if got := p.client().pull(0).until(last); len(got) != 1 {
		c.t.Errorf("pulled %v", got)
	}
}

// stuck opens a pull that nobody reads, and more after it than all buffers hold.
func (n *pumpNode) stuck() {
	cli := n.client()
	for range 12 {
		cli.transaction(make([]byte, 4<<20))
	}
	pull := n.client().pull(0)
	if _, err := pull.Recv(); err != nil {
		n.c.t.Fatal(err)
	}
}

func secondSignal(c *pumps) {
	patient := c.start("patient")
	patient.stuck()
	began := time.Now()
	patient.signal(syscall.SIGTERM)
	patient.ends(0) // a stuck drainer does not hold it for ever
	patient.hasState(nodes.Paused)
	if took := time.Since(began); took < 2*time.Second {
		c.t.Fatalf("it took %v: this puller does not hold the pump up, so the rest shows nothing", took)
	}

	hurried := c.start("hurried")
	hurried.stuck()
	hurried.signal(syscall.SIGTERM)
	hurried.reaches(nodes.Pausing)
	hurried.signal(syscall.SIGTERM)
	hurried.ends(0)
	hurried.hasState(nodes.Paused)
}

// after starts a pump with one transaction that the drainer's record does not show as
// consumed.
func (c *pumps) behind(id string) (p *pumpNode, last nodes.TSO) {
	c.drainer("slow", deadAddr(c.t), nodes.Paused, 1)
	p = c.start(id)
	return p, p.client().transaction([]byte("v"))
}

func signalWhileClosing(c *pumps) {
	p, _ := c.behind("pump1")
	p.change(nodes.Closing)
	p.reaches(nodes.Closing)
	p.signal(syscall.SIGTERM)
	p.ends(0)
	p.hasState(nodes.Paused)
}

func pausePump(c *pumps) {
	states := c.history("pump1")
	p := c.start("pump1")
	p.client().transaction([]byte("v"))
	out, ok := c.binlogctl("-cmd", "pause-pump", "-node-id", "pump1")
	if !ok || !strings.Contains(out, "apply action pause success!") {
		c.t.Errorf("binlogctl: %v %s", ok, out)
	}
	p.ends(0)
	states(nodes.Paused, nodes.Online, nodes.Pausing, nodes.Paused)
}

func offlineAlone(c *pumps) {
	states := c.history("pump1")
	p := c.start("pump1")
	if _, err := p.client().prewrite([]byte("its commit never comes, and nobody would read it")); err != nil {
		c.t.Fatal(err)
	}
	out, ok := c.binlogctl("-cmd", "offline-pump", "-node-id", "pump1")
	if !ok || !strings.Contains(out, "apply action close success!") {
		c.t.Errorf("binlogctl: %v %s", ok, out)
	}
	p.ends(0)
	states(nodes.Paused, nodes.Online, nodes.Closing, nodes.Offline)
}

func offlineWaits(c *pumps) {
	c.drainer("gone", deadAddr(c.t), nodes.Offline, 1) // nobody waits for this one
	p, _ := c.behind("pump1")
	cli := p.client()
	held, err := cli.prewrite([]byte("in flight"))
	if err != nil {
		c.t.Fatal(err)
	}
	if out, ok := c.binlogctl("-cmd", "offline-pump", "-node-id", "pump1"); !ok {
		c.t.Fatal(out)
	}
	p.reaches(nodes.Closing)
	if _, err := cli.prewrite([]byte("new")); err == nil || strings.Contains(err.Error(), "ResourceExhausted") {
		c.t.Errorf("a prewrite while closing: %v", err)
	}
	if err := cli.raw(nil); err == nil {
		c.t.Error("TiDB's probe finds a closing pump ready")
	}
	last, err := cli.commit(held)
	if err != nil {
		c.t.Errorf("the commit of a transaction it accepted: %v", err)
	}
	if got := cli.pull(0).until(last); len(got) != 2 {
		c.t.Errorf("pulled from a closing pump: %v", got)
	}
	eventually(c.t, 5*time.Second, "/status says for whom it waits", func() (bool, string) {
		s := p.status()
		ok := s.State == nodes.Closing && len(s.WaitingFor) == 1 && s.WaitingFor[0].Drainer == "slow" &&
			s.WaitingFor[0].Consumed == 1 && s.WaitingFor[0].Needed == last
		return ok, fmt.Sprintf("%+v", s)
	})
	p.says("drainer slow", "update-drainer -node-id slow -state offline")
	if got := p.metric("binlog_pump_waiting_for_drainers"); got != "1" {
		c.t.Errorf("the metric counts %q drainers", got)
	}
	for _, action := range []string{"pause", "close"} {
		code, body := p.ask(http.MethodPut, "/state/pump1/"+action)
		if want := fmt.Sprintf("this pump's state is closing, apply %s failed!", action); code != http.StatusConflict || !strings.Contains(body, want) {
			c.t.Errorf("%s while closing: %d %s", action, code, body)
		}
	}
	if out, ok := c.binlogctl("-cmd", "pause-pump", "-node-id", "pump1"); ok || !strings.Contains(out, "closing") {
		c.t.Errorf("binlogctl takes the refusal for success: %s", out)
	}
	c.drainer("slow", deadAddr(c.t), nodes.Paused, last)
	p.ends(0)
	p.hasState(nodes.Offline)
}

func offlineDeadDrainer(c *pumps) {
	console := startConsole(c.t, c.endpoints)
	free := map[string]func(){
		"CHANGE": func() {
			if _, err := console.open(c.t).Exec("CHANGE DRAINER TO NODE_STATE = 'offline' FOR NODE_ID 'slow'"); err != nil {
				c.t.Fatal(err)
			}
		},
		"update-drainer": func() {
			if out, ok := c.binlogctl("-cmd", "update-drainer", "-node-id", "slow", "-state", "offline"); !ok {
				c.t.Fatal(out)
			}
		},
	}
	for how, set := range free {
		p, _ := c.behind("freed-by-" + how)
		if out, ok := c.binlogctl("-cmd", "offline-pump", "-node-id", p.id); !ok {
			c.t.Fatal(out)
		}
		eventually(c.t, 5*time.Second, "it waits", func() (bool, string) { return len(p.status().WaitingFor) == 1, p.output() })
		set()
		p.ends(0)
		p.hasState(nodes.Offline)
	}
}

func changeOnline(c *pumps) {
	console := startConsole(c.t, c.endpoints)
	db := console.open(c.t)
	for _, s := range []nodes.State{nodes.Paused, nodes.Pausing, nodes.Closing, nodes.Offline} {
		p, last := c.behind("set-to-" + string(s))
		states := c.history(p.id)
		if _, err := db.Exec("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", string(s), p.id); err != nil {
			c.t.Fatal(err)
		}
		if s == nodes.Paused || s == nodes.Pausing {
			p.ends(0)
			if s == nodes.Paused {
				states(nodes.Paused, nodes.Pausing, nodes.Paused)
			} else {
				states(nodes.Pausing, nodes.Paused)
			}
			continue
		}
		// Gracefully: the drainer has not consumed it yet.
		eventually(c.t, 5*time.Second, "it waits", func() (bool, string) { return len(p.status().WaitingFor) == 1, p.output() })
		p.hasState(nodes.Closing)
		c.drainer("slow", deadAddr(c.t), nodes.Paused, last)
		p.ends(0)
		if s == nodes.Closing {
			states(nodes.Closing, nodes.Offline)
		} else {
			states(nodes.Offline, nodes.Closing, nodes.Offline)
		}
	}
}

func changeClosing(c *pumps) {
	closing := func(id string) (*pumpNode, nodes.TSO) {
		p, last := c.behind(id)
		p.change(nodes.Closing)
		eventually(c.t, 5*time.Second, "it waits", func() (bool, string) { return len(p.status().WaitingFor) == 1, p.output() })
		return p, last
	}
	back, _ := closing("back")
	back.change(nodes.Online)
	eventually(c.t, 5*time.Second, "it takes writes again", func() (bool, string) {
		_, err := back.client().prewrite([]byte("v"))
		return err == nil, fmt.Sprint(err)
	})
	back.hasState(nodes.Online)
	eventually(c.t, 5*time.Second, "/status shows the cancel", func() (bool, string) {
		s := back.status()
		return s.State == nodes.Online && len(s.WaitingFor) == 0, fmt.Sprintf("%+v", s)
	})
	if got := back.metric("binlog_pump_waiting_for_drainers"); got != "0" {
		c.t.Errorf("after the cancel the metric says %q", got)
	}
	back.signal(syscall.SIGTERM) // the first one: it pauses as ever
	back.ends(0)
	back.hasState(nodes.Paused)

	paused, _ := closing("paused")
	states := c.history(paused.id)
	paused.change(nodes.Paused)
	paused.ends(0)
	states(nodes.Paused, nodes.Pausing, nodes.Paused)

	abandoned, last := closing("abandoned")
	abandoned.change(nodes.Offline)
	abandoned.ends(0)
	abandoned.hasState(nodes.Offline)
	abandoned.says("level=error", "has not consumed", "drainer=slow", "consumed=1", fmt.Sprintf("commit_ts=%d", last))
}

func deadDrainer(c *pumps) {
	addr := deadAddr(c.t)
	c.drainer("dead", addr, nodes.Online, 1)
	c.drainer("resting", addr, nodes.Paused, 1) // is not notified
	states := c.history("pump1")
	p := c.node("pump1")
	began := time.Now()
	p.spawn()
	p.ends(1)
	if took := time.Since(began); took < 9*time.Second {
		c.t.Errorf("it gave the drainer %v, want 10 s", took)
	}
	p.says("drainer dead", addr, "update-drainer -node-id dead -state paused", "NODE_STATE = 'paused' FOR NODE_ID 'dead'")
	if strings.Contains(p.output(), "resting") {
		c.t.Errorf("a paused drainer was notified:\n%s", p.output())
	}
	states(nodes.Paused, "") // never online, and then as before: no drainer waits for what has never run
	if out, ok := c.binlogctl("-cmd", "update-drainer", "-node-id", "dead", "-state", "paused"); !ok {
		c.t.Fatal(out)
	}
	p.launch() // the cure works
	p.hasState(nodes.Online)

	p.kill()
	c.drainer("dead", addr, nodes.Online, 1)
	p.spawn()
	p.ends(1)
	p.hasState(nodes.Paused) // what it holds since it was online is needed
}

func liveDrainerFirst(c *pumps) {
	d := c.liveDrainer("drainer1", "pump1")
	p := c.start("pump1")
	if got := d.notified(); !slices.Equal(got, []nodes.State{nodes.Paused}) {
		c.t.Errorf("the drainer saw %q, want to be told once, before TiDB is", got)
	}
	p.kill()
	p.launch() // after a crash too, although its record was online all the time
	if got := d.notified(); !slices.Equal(got, []nodes.State{nodes.Paused, nodes.Paused}) {
		c.t.Errorf("after the restart the drainer has seen %q", got)
	}
}

// starting runs a pump that is held up by a drainer which does not answer.
func (c *pumps) starting(id string) *pumpNode {
	c.drainer("dead", deadAddr(c.t), nodes.Online, 1)
	p := c.node(id)
	p.spawn()
	eventually(c.t, 10*time.Second, "the pump claims its record", func() (bool, string) {
		_, err := c.registry.Get(c.t.Context(), nodes.Pump, id)
		return err == nil, p.output()
	})
	return p
}

func signalDuringStart(c *pumps) {
	states := c.history("pump1")
	p := c.starting("pump1")
	p.signal(syscall.SIGTERM)
	p.ends(0)
	states(nodes.Paused, "")
}

func changeDuringStart(c *pumps) {
	for set, want := range map[nodes.State]nodes.State{nodes.Pausing: nodes.Paused, nodes.Offline: nodes.Offline} {
		d := c.liveDrainer("drainer1", "pump-"+string(set))
		p := c.node("pump-" + string(set))
		look := d.look
		d.look = func() nodes.State { // while the pump waits for the answer
			p.change(set)
			return look()
		}
		p.spawn()
		p.ends(0)
		p.hasState(want)
	}
}

func oneProcess(c *pumps) {
	p := c.start("pump1")
	other := c.node("pump1")
	other.spawn()
	other.ends(1)
	other.says("pump pump1 is run by another process", p.addr)

	same := c.node("pump1")
	same.args = p.args // its data directory too
	same.spawn()
	same.ends(1)
	same.says("locked by another process", "-data-dir")

	p.hasState(nodes.Online)
	if got := c.record("pump1").Host; got != p.addr {
		c.t.Errorf("the record names %s, want %s", got, p.addr)
	}
	p.client().transaction([]byte("the first one has not noticed"))

	// One that comes when the record is old takes over; the first, alive after all, gives way.
	p.signal(syscall.SIGSTOP)
	eventually(c.t, 15*time.Second, "the record gets old", func() (bool, string) {
		age := c.tso().Time().Sub(c.record("pump1").UpdateTS.Time())
		return age > 3500*time.Millisecond, age.String()
	})
	heir := c.start("pump1")
	p.signal(syscall.SIGCONT)
	p.ends(1)
	p.says("run by another process", heir.addr)
	heir.hasState(nodes.Online)
	if got := c.record("pump1").Host; got != heir.addr {
		c.t.Errorf("the record names %s, want the heir at %s", got, heir.addr)
	}
}

func nonsenseRecords(c *pumps) {
	put(c.t, c.etcd, nodes.Drainer.Key("mad"), "\x00 no JSON")
	put(c.t, c.etcd, nodes.Drainer.Key("liar"), `{"nodeId":"somebody else","host":"x","state":"online"}`)
	put(c.t, c.etcd, nodes.Pump.Key("pump2"), `{"nodeId":"pump2","state":"asleep"}`)
	put(c.t, c.etcd, nodes.Pump.Key("pump1"), `[]`)
	p := c.start("pump1")
	p.says("drainers/mad", "drainers/liar", "pumps/pump2")
	last := p.client().transaction([]byte("v"))
	put(c.t, c.etcd, nodes.Pump.Key("pump1"), "\xff")
	p.reaches(nodes.Online)
	if _, err := c.etcd.Delete(c.t.Context(), nodes.Pump.Key("pump1")); err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, 10*time.Second, "the record is made again", func() (bool, string) {
		e, err := c.registry.Get(c.t.Context(), nodes.Pump, "pump1")
		return err == nil && e.Record.State == nodes.Online, fmt.Sprint(err)
	})
	if code, _ := p.ask(http.MethodGet, "/drainers"); code != http.StatusOK {
		c.t.Errorf("/drainers: %d", code)
	}
	if code, body := p.ask(http.MethodPost, "/debug/gc/trigger"); code != http.StatusOK {
		c.t.Errorf("gc: %d %s", code, body)
	}
	p.client().pull(0).until(last)
	p.change(nodes.Closing)
	p.ends(0)
	p.hasState(nodes.Offline)
}

// TestPumpWithoutPD takes PD away from a pump.
func TestPumpWithoutPD(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	c := newPumps(t, cluster)
	p := c.start("pump1")
	cli := p.client()
	first := cli.transaction([]byte("v"))

	cluster.Stop(0)
	late := c.node("pump2")
	late.spawn()
	eventually(t, 15*time.Second, "it says that PD is away", func() (bool, string) {
		return strings.Contains(p.output(), "the record cannot be written"), p.output()
	})
	// TiDB has time stamps of its own; these are a little ahead of the last ones PD gave.
	start := first + 1000<<18
	commit := start + 5
	if err := cli.raw(payload(t, 0, start, 0, []byte("while PD is away"))); err != nil {
		t.Errorf("prewrite while PD is away: %v", err)
	}
	if err := cli.raw(payload(t, 1, start, commit, nil)); err != nil {
		t.Errorf("commit while PD is away: %v", err)
	}
	if got := cli.pull(0).until(commit); !slices.Equal(got, []nodes.TSO{first, commit}) {
		t.Errorf("pulled %v while PD is away", got)
	}
	if s := p.status(); s.ErrMsg == nil || !strings.Contains(*s.ErrMsg, "PD") {
		t.Errorf("/status does not say it: %+v", s)
	}
	if code, body := p.ask(http.MethodPost, "/debug/gc/trigger"); code != http.StatusInternalServerError || !strings.Contains(body, "garbage collection") {
		t.Errorf("gc without PD: %d %s", code, body)
	}
	late.ends(1)
	late.says("PD at "+strings.TrimPrefix(c.endpoints[0], "http://"), "check that PD runs")

	cluster.Start(0)
	eventually(t, 30*time.Second, "the record catches up", func() (bool, string) {
		r := c.record("pump1")
		return r.State == nodes.Online && r.MaxCommitTS >= commit, fmt.Sprintf("%+v", r)
	})
	eventually(t, 10*time.Second, "it says that PD is back", func() (bool, string) {
		return strings.Contains(p.output(), "the record cannot be written: over"), p.output()
	})
	eventually(t, 10*time.Second, "/status has nothing to complain of", func() (bool, string) {
		msg := p.status().ErrMsg
		return msg != nil && *msg == "", fmt.Sprint(*msg)
	})

	// Without PD it cannot say that it pauses, but it must end, and say what to do.
	cluster.Stop(0)
	p.signal(syscall.SIGTERM)
	p.ends(1)
	p.says("update-pump -node-id pump1 -state paused")
	cluster.Start(0)
	p.hasState(nodes.Online) // as after kill -9, and repaired like that
	p.launch()

	// Away only while it pauses: the state it ends in is written all the same.
	cluster.Stop(0)
	p.stopWhile(func() { cluster.Start(0) })
	p.hasState(nodes.Paused)
}

// stopWhile pauses the pump and does something meanwhile.
func (n *pumpNode) stopWhile(do func()) {
	n.c.t.Helper()
	n.signal(syscall.SIGTERM)
	do()
	n.ends(0)
}

func TestPumpKeepsNodeID(t *testing.T) {
	c := newPumps(t, pdtest.StartEmbed(t))
	p := c.node("")
	dir := p.args[slices.Index(p.args, "-data-dir")+1]
	p.args = slices.DeleteFunc(slices.Clone(p.args), func(a string) bool { return a == "" || a == "-node-id" })
	p.launch()
	_, after, _ := strings.Cut(p.ready, "pump ")
	p.id, _, _ = strings.Cut(after, " ")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if want := host + ":" + p.addr[strings.LastIndex(p.addr, ":")+1:]; p.id != want {
		t.Errorf("node ID %q, want %q", p.id, want)
	}
	kept, err := os.ReadFile(filepath.Join(dir, ".node"))
	if err != nil || strings.TrimSpace(string(kept)) != p.id {
		t.Errorf(".node holds %q, %v", kept, err)
	}
	p.signal(syscall.SIGTERM)
	p.ends(0)
	id := p.id
	p.addr = "127.0.0.1:0" // another port, and still the same node
	p.launch()
	if !strings.Contains(p.ready, id) {
		t.Errorf("after the restart: %s", p.ready)
	}
	p.signal(syscall.SIGTERM)
	p.ends(0)
	p.args = append(p.args, "-node-id", "another")
	p.spawn()
	p.ends(1)
	p.says("belong to node "+id, filepath.Join(dir, ".node"))
	if _, err := c.registry.Get(t.Context(), nodes.Pump, "another"); !errors.Is(err, nodes.ErrNotFound) {
		t.Errorf("a pump that did not start is in PD: %v", err)
	}
}

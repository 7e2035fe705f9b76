package drainer

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestHandover: binlogctl -cmd handover stops a drainer at a commit TS up to which everything is
// downstream and nothing after it, while transactions go on; and the drainer can go on.
func TestHandover(t *testing.T) {
	t.Parallel()
	c := rig.NewPumps(t, pdtest.StartReal(t, 1))
	tr := c.NewTrade("pump1", "pump2")
	n := tr.Drainer("drainer1", "-ignore-schemas", "mysql,Old").Launch()
	for round := range 3 {
		stop := tr.SellOn("pump1", "pump2")
		n.Consumes(tr, tr.Sell("pump1")) // in the middle
		var h struct {
			StartTS    nodes.TSO
			Changefeed string
			GCService  string
			Left       []string
		}
		out, ok := c.Binlogctl("-cmd", "handover", "-node-id", "drainer1", "-o", "json")
		last := stop()
		if !ok {
			t.Fatal(out)
		}
		n.Ends(0)
		_, text, found := strings.Cut(out, "\n{") // after what is said of the wait
		if err := json.Unmarshal([]byte("{"+text), &h); !found || err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		if !strings.Contains(h.Changefeed, `"!old.*"`) || !strings.Contains(strings.Join(h.Left, " "), "TiCDC has no such files") || h.GCService != "pumphouse-handover-drainer1" {
			t.Errorf("round %d: %+v", round, h)
		}
		var want []rig.Written
		for _, w := range tr.Want {
			if w.TS <= h.StartTS {
				want = append(want, w)
			}
		}
		if got := n.Files(tr).Written(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: up to %s are %d transactions downstream, want %d", round, h.StartTS, len(got), len(want))
		}
		t.Logf("round %d: %d of %d transactions are up to %s", round, len(want), len(tr.Want), h.StartTS)
		if ts := n.Record().MaxCommitTS; ts != h.StartTS {
			t.Errorf("round %d: the record has %s, the handover %s", round, ts, h.StartTS)
		}
		n.Launch()
		n.Consumes(tr, last)
	}
	n.Signal(syscall.SIGTERM)
	n.Ends(0)
	n.Exact(tr)
	if out, ok := c.Binlogctl("-cmd", "handover", "-node-id", "drainer1"); ok || !strings.Contains(out, "it has to be running") {
		t.Errorf("a drainer that is paused:\n%s", out)
	}
}

// TestHandoverToDatabase: the commands for a database, and no word of a commit TS when the drainer did not
// wait for what was in flight.
func TestHandoverToDatabase(t *testing.T) {
	t.Parallel()
	c := rig.NewPumps(t, pdtest.StartReal(t, 1))
	db := mariadbtest.Start(t)
	tr := c.NewTrade("pump1")
	n := tr.Drainer("drainer1", "-dest-db-type", "mysql", "-config", rig.WriteFile(t, "d.toml", fmt.Sprintf("[syncer.to]\nhost = %q\nport = %d\nuser = \"root\"\n", db.Host, db.Port))).Launch()
	applied := func(ts nodes.TSO) {
		rig.Eventually(t, rig.Timeout, "it is applied", func() (bool, string) { return n.Record().MaxCommitTS >= ts, n.Output() })
	}
	applied(tr.Sell("pump1"))
	out, ok := c.Binlogctl("-cmd", "handover", "-node-id", "drainer1")
	n.Ends(0)
	for _, want := range []string{"# Drainer drainer1 is paused. Everything up to commit TS " + n.Record().MaxCommitTS.String(), "service safe point pumphouse-handover-drainer1",
		"cat > changefeed-drainer1.toml <<'END'\ncase-sensitive = false\n", "rules = [\"*.*\"]\nEND\n",
		fmt.Sprintf("--changefeed-id=drainer1 --start-ts=%s", n.Record().MaxCommitTS), fmt.Sprintf("--sink-uri='mysql://root@%s:%d/?worker-count=16'", db.Host, db.Port)} {
		if !ok || !strings.Contains(out, want) {
			t.Fatalf("it does not print %q:\n%s", want, out)
		}
	}

	// A row that cannot be applied, and a signal that says not to wait for it.
	n.Launch()
	pool := db.Open()
	defer pool.Close()
	lock, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(t.Context(), "LOCK TABLES test.t100 WRITE"); err != nil {
		t.Fatal(err)
	}
	stuck := tr.Sell("pump1")
	rig.Eventually(t, rig.Timeout, "the row is on its way", func() (bool, string) {
		var waiting int
		err := pool.QueryRow("SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'").Scan(&waiting)
		return waiting > 0, fmt.Sprint(err)
	})
	done := make(chan string, 1)
	go func() {
		out, ok := c.Binlogctl("-cmd", "handover", "-node-id", "drainer1")
		done <- fmt.Sprintf("%v %s", ok, out)
	}()
	n.Reaches(nodes.Pausing)
	n.Signal(syscall.SIGTERM)
	if out := <-done; !strings.HasPrefix(out, "false") || !strings.Contains(out, "start it and repeat the handover") || strings.Contains(out, "--start-ts") {
		t.Errorf("a drainer that did not wait, with %s in flight: %s", stuck, out)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

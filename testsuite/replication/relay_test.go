package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// TestRelay: MariaDB died with a part of what was on its way applied, then the drainer, and then
// all pumps. With its relay log the drainer brings MariaDB to what TiDB was at one of its
// commits; and when the pumps are back it goes on from there.
func TestRelay(t *testing.T) {
	s := form.Seed(t)
	c := Start(t, Options{})
	r := &run{t: t, c: c, w: NewWorkload(c.Open, s), b: NewBank(c.Open, s), seed: s}
	r.b.Free = true
	c.StartDrainer(fmt.Sprintf("[syncer.relay]\nlog-dir = %q\nmax-file-size = 100000\n", t.TempDir()))
	if err := r.w.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.b.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	lasts := seconds(t, 15)
	r.work(lasts, func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-time.After(lasts * 3 / 4):
			c.MariaDB.Kill()
		}
		return nil
	})
	if err := c.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Drainer.Kill()
	for _, p := range c.Pumps {
		p.Kill()
	}
	before, err := c.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	c.MariaDB.StartAgain()
	c.Drainer.Start()
	at := reachedByLog(t, c.Drainer)
	t.Logf("from the relay log came %s of transactions", at.Time().Sub(before.MaxCommitTS.Time()))
	if at <= before.MaxCommitTS {
		t.Errorf("the relay log had nothing after the checkpoint %d", before.MaxCommitTS)
	}
	then := c.Open(fmt.Sprintf("tidb_snapshot=%%27%d%%27", at))
	defer then.Close()
	got, err := Compare(t.Context(), then, c.MariaDB.Open())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(got.String())
	// Tables that are being altered are not: TiDB shows the first steps of a DDL before its binlog
	// comes with the last one.
	steady := slices.DeleteFunc(got.Differences, func(d string) bool {
		return !strings.HasPrefix(d, "`types`") && !strings.HasPrefix(d, "`shapes`") && !strings.HasPrefix(d, "`bank`")
	})
	if len(steady) > 0 {
		t.Errorf("MariaDB is not what TiDB was at %d:\n%s", at, strings.Join(steady[:min(40, len(steady))], "\n"))
	}

	for _, p := range c.Pumps {
		p.Start()
	}
	r.equal()
}

// reachedByLog is the commit TS of the relay log's last transaction, by the drainer's log.
func reachedByLog(t *testing.T, d *Node) nodes.TSO {
	t.Helper()
	_, rest, _ := strings.Cut(string(d.tail(200)), "the relay log is ahead of the checkpoint")
	_, rest, _ = strings.Cut(rest, "commit_ts=")
	var ts nodes.TSO
	if _, err := fmt.Sscan(rest, &ts); err != nil {
		t.Fatalf("the drainer does not say how far its relay log goes: %v\n%s", err, d.tail(20))
	}
	return ts
}

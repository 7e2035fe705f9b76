package replication

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/binlogfile"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// TestReplay: what a drainer has written to files, and another one to Kafka, while both of them and
// the broker were killed again and again, has every transaction once and in order, the same
// in both; replayed into a MariaDB each, it makes the databases that TiDB has.
func TestReplay(t *testing.T) {
	s := form.Seed(t)
	c := Start(t, Options{})
	b := startBroker(t)
	dir := t.TempDir()
	files := newNode(t, "drainer", "files", c.PD.Endpoint(0), fmt.Sprintf("[syncer]\ndb-type = \"file\"\n[syncer.to]\ndir = %q\n", dir), "-initial-commit-ts", "0")
	messages := newNode(t, "drainer", "messages", c.PD.Endpoint(0), fmt.Sprintf("[syncer]\ndb-type = \"kafka\"\n[syncer.to]\nkafka-addrs = %q\ntopic-name = %q\n", b.addr(), topic), "-initial-commit-ts", "0")
	files.Start()
	messages.Start()
	r := &run{t: t, c: c, w: NewWorkload(c.Open, s), b: NewBank(c.Open, s), seed: s}
	r.w.Plain = true
	if err := r.w.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.b.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.work(seconds(t, 20), func(ctx context.Context) error { return disturb(ctx, s, files, messages, b) })
	if err := c.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*Node{files, messages} {
		c.Drainer = d
		if err := c.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Stop(); err != nil {
			t.Fatal(err)
		}
	}

	inFiles, inMessages := readFiles(t, dir), b.read(t)
	t.Logf("%d transactions", len(inFiles))
	if len(inFiles) < 100 {
		t.Errorf("these are few")
	}
	sameTransactions(t, inFiles, inMessages)
	for name, all := range map[string][]recorded{"files": inFiles, "messages": inMessages} {
		t.Run(name, func(t *testing.T) {
			srv := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=0",
				"--collation-server=utf8mb4_bin") // the one TiDB means when a statement names none: nobody writes it into the texts here
			newReplayer(t, srv).replay(all)
			tidb := c.Open("")
			defer tidb.Close()
			got, err := Comparison{RowsOnly: true}.Compare(t.Context(), tidb, srv.Open()) // statements are replayed as they are: definitions are those of another server
			if err != nil {
				t.Fatal(err)
			}
			t.Log(got.String())
			if len(got.Differences) > 0 {
				t.Errorf("TiDB and the database replayed differ:\n%s", strings.Join(got.Differences[:min(60, len(got.Differences))], "\n"))
			}
			if got.Tables < 30 || got.Rows < 1000 {
				t.Errorf("only %s were compared", got.String())
			}
		})
	}
}

// disturb ends drainers and the broker and starts them again until ctx is done.
func disturb(ctx context.Context, seed uint64, files, messages *Node, b *broker) error {
	r := rand.New(rand.NewPCG(seed, 99))
	wait := func() {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(500+r.IntN(1500)) * time.Millisecond):
		}
	}
	kill := func(n *Node) error { n.Kill(); return n.TryStart() }
	for i := r.IntN(6); ctx.Err() == nil; i++ {
		var err error
		switch i % 6 {
		case 0:
			err = kill(files)
		case 1:
			b.stop()
			wait()
			err = b.start()
		case 2:
			err = kill(messages)
		case 3:
			b.stop()
			messages.Kill()
			if err = b.start(); err == nil {
				err = messages.TryStart()
			}
		case 4:
			if err = files.Stop(); err == nil {
				err = files.TryStart()
			}
		case 5:
			b.stop()
			if err = b.start(); err == nil {
				if err = messages.Stop(); err == nil {
					err = messages.TryStart()
				}
			}
		}
		if err != nil {
			return err
		}
		wait()
	}
	return nil
}

// sameTransactions checks that both are in order and hold the same.
func sameTransactions(t *testing.T, a, b []recorded) {
	t.Helper()
	for _, list := range [][]recorded{a, b} {
		for i := 1; i < len(list); i++ {
			if list[i].ts <= list[i-1].ts {
				t.Fatalf("%d comes after %d", list[i].ts, list[i-1].ts)
			}
		}
	}
	if len(a) != len(b) {
		t.Errorf("the files have %d transactions, the messages %d", len(a), len(b))
	}
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x.ts != y.ts || len(x.rows) != len(y.rows) || (x.ddl == "") != (y.ddl == "") {
			t.Fatalf("transaction %d is %d with %d rows in the files, %d with %d rows in the messages", i, x.ts, len(x.rows), y.ts, len(y.rows))
		}
	}
}

// readFiles reads what a drainer has written.
func readFiles(t *testing.T, dir string) (all []recorded) {
	t.Helper()
	paths, err := binlogfile.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		err := binlogfile.Each(path, func(rec binlogfile.Record) error {
			b, err := rec.Decode()
			x := recorded{ts: nodes.TSO(b.GetCommitTs())}
			if b.GetTp() == pbfile.BinlogType_DDL {
				x.ddl = string(b.GetDdlQuery())
			}
			for _, e := range b.GetDmlData().GetEvents() {
				x.rows = append(x.rows, eventOf(t, e))
			}
			all = append(all, x)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", filepath.Base(path), err)
		}
	}
	return all
}

func eventOf(t *testing.T, e *pbfile.Event) changed {
	c := changed{schema: e.GetSchemaName(), table: e.GetTableName()}
	for _, raw := range e.GetRow() {
		var col pbfile.Column
		if err := proto.Unmarshal(raw, &col); err != nil {
			t.Fatal(err)
		}
		value, err := binlogfile.Value(col.GetValue())
		if err != nil {
			t.Fatal(err)
		}
		switch e.GetTp() {
		case pbfile.EventType_Insert:
			c.new = append(c.new, cell{col.GetName(), value})
		case pbfile.EventType_Delete:
			c.old = append(c.old, cell{col.GetName(), value})
		case pbfile.EventType_Update:
			then, err := binlogfile.Value(col.GetChangedValue())
			if err != nil {
				t.Fatal(err)
			}
			c.old, c.new = append(c.old, cell{col.GetName(), value}), append(c.new, cell{col.GetName(), then})
		}
	}
	return c
}

package testsuite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"

	"google.golang.org/protobuf/proto"
)

// A drainer brings what two pumps took downstream, in commit order, once, over pauses of
// itself and of the pumps; a pump that comes later takes part.
func TestDrainerMergesPumps(t *testing.T) {
	u := newShop(t)
	one := u.pumpOptions("pump1")
	u.pump(one)
	u.pump(u.pumpOptions("pump2"))
	d := u.drainer("drainer1").start()
	var want []written
	add := func(ts nodes.TSO, what string) { want = append(want, written{ts, what}) }
	add(u.createDatabase("pump1"), "create database test;")
	add(u.createTable("pump2", firstTable), "use `test`; create table t100 (id bigint primary key, v varchar(100));")
	for i := range int64(20) {
		add(u.insert(fmt.Sprintf("pump%d", 1+i%2), firstTable, i, "x"), fmt.Sprintf("t100 %d x", i))
	}
	d.consumes(want[len(want)-1].ts)

	// The drainer is away; the pumps take more.
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for i := int64(20); i < 40; i++ {
		add(u.insert(fmt.Sprintf("pump%d", 1+i%2), firstTable, i, "y"), fmt.Sprintf("t100 %d y", i))
	}
	d.start()
	d.consumes(want[len(want)-1].ts)

	// A pump is away: what the other takes waits for it.
	if err := u.pumps["pump1"].Close(); err != nil {
		t.Fatal(err)
	}
	held := u.insert("pump2", firstTable, 40, "z")
	add(held, "t100 40 z")
	u.pump(one)
	u.pump(u.pumpOptions("pump3"))
	add(u.insert("pump3", firstTable, 41, "z"), "t100 41 z")
	d.consumes(want[len(want)-1].ts)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.written(); !slices.Equal(got, want) {
		t.Errorf("downstream are %d transactions, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

// While several sessions write to all pumps a drainer is paused, and another one is left
// running: both have the same in the end.
func TestDrainersAgree(t *testing.T) {
	u := newShop(t)
	u.pump(u.pumpOptions("pump1"))
	u.pump(u.pumpOptions("pump2"))
	u.createDatabase("pump1")
	u.createTable("pump1", firstTable)
	steady, restless := u.drainer("steady").start(), u.drainer("restless").start()
	var wg sync.WaitGroup
	for s := range int64(4) {
		wg.Go(func() {
			for i := range int64(100) {
				u.insert(fmt.Sprintf("pump%d", 1+(s+i)%2), firstTable, s*1000+i, "x")
			}
		})
	}
	for range 5 {
		if err := restless.Close(); err != nil {
			t.Error(err)
		}
		restless.start()
	}
	wg.Wait()
	last := u.insert("pump1", firstTable, 9999, "x")
	for _, d := range []*files{steady, restless} {
		d.consumes(last)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	a, b := steady.written(), restless.written()
	if len(a) != 403 || !slices.Equal(a, b) {
		t.Errorf("%d transactions here, %d there", len(a), len(b))
	}
	if !slices.IsSortedFunc(a, func(x, y written) int { return int(x.ts - y.ts) }) {
		t.Error("they are not in commit order")
	}
}

// Bad input stops a drainer before it: PD says paused, the error names the thing and the
// cure, and what came before is downstream.
func TestDrainerStops(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(u *shop) nodes.TSO // gives the commit TS
		want  []string
	}{
		{"a row that does not decode", func(u *shop) nodes.TSO { return u.insertRow("pump1", firstTable, []byte{8, 2, 8}) },
			[]string{"table `test`.`t100`", "ignore-txn-commit-ts", `pump "pump1"`}},
		{"an unknown table", func(u *shop) nodes.TSO { return u.insert("pump1", 777, 1, "x") },
			[]string{"777", "ignore-txn-commit-ts"}},
		{"a job that is nonsense", func(u *shop) nodes.TSO {
			id := int64(50)
			if err := os.WriteFile(filepath.Join(u.jobs, "50.json"), []byte(`{"id":"what"}`), 0o600); err != nil {
				u.Fatal(err)
			}
			return u.transact("pump1", &binlogpb.Binlog{DdlQuery: []byte("alter table t100 add index (v)"), DdlJobId: &id, DdlSchemaState: proto.Int32(5)})
		}, []string{"50.json", "ignore-txn-commit-ts"}},
		{"a job that never ends", func(u *shop) nodes.TSO {
			id := int64(51)
			return u.transact("pump1", &binlogpb.Binlog{DdlQuery: []byte("alter table t100 add index (v)"), DdlJobId: &id, DdlSchemaState: proto.Int32(5)})
		}, []string{"wait for DDL job 51", "ADMIN SHOW DDL JOBS"}},
		{"a prewrite value of nonsense", func(u *shop) nodes.TSO {
			return u.transact("pump1", &binlogpb.Binlog{PrewriteValue: []byte("nonsense")})
		}, []string{"malformed binlog"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newShop(t)
			u.pump(u.pumpOptions("pump1"))
			u.createDatabase("pump1")
			u.createTable("pump1", firstTable)
			d := u.drainer("drainer1")
			d.opts.Patience = 300 * time.Millisecond
			d.start()
			before := u.insert("pump1", firstTable, 1, "before")
			bad := c.spoil(u)
			behind := u.insert("pump1", firstTable, 2, "behind")
			err := d.ends()
			if err == nil {
				t.Fatal("it ends without an error")
			}
			for _, want := range append(c.want, bad.String()) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if !strings.Contains(d.log.String(), "cannot go on and pauses") {
				t.Errorf("the log does not say it:\n%s", d.log)
			}
			e, err := u.registry.Get(context.Background(), nodes.Drainer, "drainer1")
			if err != nil || e.Record.State != nodes.Paused {
				t.Errorf("the record: %+v, %v", e.Record, err)
			}
			if at := d.position(); at < before || at >= bad {
				t.Errorf("the checkpoint is %s, not from %s to before %s", at, before, bad)
			}
			if got := d.written(); len(got) != 3 || got[2] != (written{before, "t100 1 before"}) {
				t.Errorf("downstream is %v", got)
			}
			// The cure works; the history itself has to be repaired by hand.
			os.Remove(filepath.Join(u.jobs, "50.json"))
			d.opts.IgnoreTxns = []nodes.TSO{bad}
			d.start()
			d.consumes(behind)
			if got := d.written(); len(got) != 4 || got[3].ts != behind {
				t.Errorf("downstream is %v then", got)
			}
		})
	}
}

// What the configuration leaves out is not downstream, and the checkpoint passes it.
func TestDrainerFilters(t *testing.T) {
	u := newShop(t)
	u.pump(u.pumpOptions("pump1"))
	d := u.drainer("drainer1")
	d.opts.Filter = txn.FilterRules{IgnoreTables: []txn.TableName{{Schema: "test", Table: "t101"}}}
	d.start()
	noDDL := u.drainer("drainer2")
	noDDL.opts.SkipDDL = true
	noDDL.start()
	u.createDatabase("pump1")
	u.createTable("pump1", 100)
	u.createTable("pump1", 101)
	u.insert("pump1", 100, 1, "kept")
	u.insert("pump1", 101, 2, "left out")
	u.ddl("pump1", "rename table t101 to t102", schema.Job{Type: schema.ActionRenameTable, TableID: 101, TableName: "t102",
		Result: schema.Result{TableInfo: tableInfo(101, "t102")}})
	last := u.insert("pump1", 101, 3, "renamed")
	noDDL.consumes(last)
	if err := d.ends(); err == nil || !strings.Contains(err.Error(), "it makes a table one that is replicated") {
		t.Errorf("a table that becomes one that is replicated: %v", err)
	}
	texts := func(f *files) (all []string) {
		for _, w := range f.written() {
			all = append(all, w.what)
		}
		return all
	}
	if got, want := texts(d), []string{"CREATE DATABASE IF NOT EXISTS `test`;", "use `test`; create table t100 (id bigint primary key, v varchar(100));", "t100 1 kept"}; !slices.Equal(got, want) {
		t.Errorf("downstream is %q, want %q", got, want)
	}
	if got, want := texts(noDDL), []string{"t100 1 kept", "t101 2 left out", "t102 3 renamed"}; !slices.Equal(got, want) {
		t.Errorf("without DDL, downstream is %q, want %q", got, want)
	}
}

// gated is a downstream whose Flush waits for the test.
type gated struct {
	downstream.File
	flushing chan struct{} // Flush has been called
	release  chan struct{} // Flush may go on
}

func (g *gated) Open(ctx context.Context, site drainer.Site, from, until nodes.TSO) (sink.Sink, error) {
	s, err := g.File.Open(ctx, site, from, until)
	return &gatedSink{s, g}, err
}

type gatedSink struct {
	sink.Sink
	g *gated
}

func (s *gatedSink) Flush(ctx context.Context) error {
	s.g.flushing <- struct{}{}
	<-s.g.release
	return s.Sink.Flush(ctx)
}

// Going offline can be cancelled as long as something is in flight: the drainer then goes on
// where it was, also with pumps that came meanwhile.
func TestDrainerResumes(t *testing.T) {
	u := newShop(t)
	u.pump(u.pumpOptions("pump1"))
	g := &gated{flushing: make(chan struct{}, 1), release: make(chan struct{}, 1)}
	d := u.drainer("drainer1")
	d.opts.Downstream = g
	d.start()
	want := []written{{u.createDatabase("pump1"), "create database test;"}}
	want = append(want, written{u.createTable("pump1", firstTable), "use `test`; create table t100 (id bigint primary key, v varchar(100));"})
	set := func(s nodes.State) {
		t.Helper()
		if _, _, err := u.registry.SetState(context.Background(), nodes.Drainer, "drainer1", s, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(3) {
		set(nodes.Closing)
		<-g.flushing
		want = append(want, written{u.insert("pump1", firstTable, i, "x"), fmt.Sprintf("t100 %d x", i)})
		u.pump(u.pumpOptions(fmt.Sprintf("pump%d", i+2)))
		set(nodes.Online)
		eventually(t, 20*time.Second, "hearing of it", func() (bool, string) {
			return strings.Count(d.log.String(), "is to be cancelled") > int(i), d.log.String()
		})
		g.release <- struct{}{}
		eventually(t, 20*time.Second, "being online again", func() (bool, string) { return d.State() == nodes.Online, string(d.State()) })
		want = append(want, written{u.insert(fmt.Sprintf("pump%d", i+2), firstTable, 100+i, "x"), fmt.Sprintf("t100 %d x", 100+i)})
		d.consumes(want[len(want)-1].ts)
	}
	g.release <- struct{}{}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.written(); !slices.Equal(got, want) {
		t.Errorf("downstream is %v, want %v", got, want)
	}
}

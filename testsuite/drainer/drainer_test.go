package drainer

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

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/rig"
)

// A drainer brings what two pumps took downstream, in commit order, once, over pauses of
// itself and of the pumps; a pump that comes later takes part.
func TestDrainerMergesPumps(t *testing.T) {
	u := rig.NewShop(t)
	one := u.PumpOptions("pump1")
	u.Pump(one)
	u.Pump(u.PumpOptions("pump2"))
	d := u.Drainer("drainer1").Start()
	var want []rig.Written
	add := func(ts nodes.TSO, what string) { want = append(want, rig.Written{TS: ts, What: what}) }
	add(u.CreateDatabase("pump1"), "create database test;")
	add(u.CreateTable("pump2", rig.FirstTable), "use `test`; create table t100 (id bigint primary key, v varchar(100));")
	for i := range int64(20) {
		add(u.Insert(fmt.Sprintf("pump%d", 1+i%2), rig.FirstTable, i, "x"), fmt.Sprintf("t100 %d x", i))
	}
	d.Consumes(want[len(want)-1].TS)

	// The drainer is away; the pumps take more.
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for i := int64(20); i < 40; i++ {
		add(u.Insert(fmt.Sprintf("pump%d", 1+i%2), rig.FirstTable, i, "y"), fmt.Sprintf("t100 %d y", i))
	}
	d.Start()
	d.Consumes(want[len(want)-1].TS)

	// A pump is away: what the other takes waits for it.
	if err := u.Pumps["pump1"].Close(); err != nil {
		t.Fatal(err)
	}
	held := u.Insert("pump2", rig.FirstTable, 40, "z")
	add(held, "t100 40 z")
	u.Pump(one)
	u.Pump(u.PumpOptions("pump3"))
	add(u.Insert("pump3", rig.FirstTable, 41, "z"), "t100 41 z")
	d.Consumes(want[len(want)-1].TS)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.Written(); !slices.Equal(got, want) {
		t.Errorf("downstream are %d transactions, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

// While several sessions write to all pumps a drainer is paused, and another one is left
// running: both have the same in the end.
func TestDrainersAgree(t *testing.T) {
	u := rig.NewShop(t)
	u.Pump(u.PumpOptions("pump1"))
	u.Pump(u.PumpOptions("pump2"))
	u.CreateDatabase("pump1")
	u.CreateTable("pump1", rig.FirstTable)
	steady, restless := u.Drainer("steady").Start(), u.Drainer("restless").Start()
	var wg sync.WaitGroup
	for s := range int64(4) {
		wg.Go(func() {
			for i := range int64(100) {
				u.Insert(fmt.Sprintf("pump%d", 1+(s+i)%2), rig.FirstTable, s*1000+i, "x")
			}
		})
	}
	for range 5 {
		if err := restless.Close(); err != nil {
			t.Error(err)
		}
		restless.Start()
	}
	wg.Wait()
	last := u.Insert("pump1", rig.FirstTable, 9999, "x")
	for _, d := range []*rig.Files{steady, restless} {
		d.Consumes(last)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	a, b := steady.Written(), restless.Written()
	if len(a) != 403 || !slices.Equal(a, b) {
		t.Errorf("%d transactions here, %d there", len(a), len(b))
	}
	if !slices.IsSortedFunc(a, func(x, y rig.Written) int { return int(x.TS - y.TS) }) {
		t.Error("they are not in commit order")
	}
}

// Bad input stops a drainer before it: PD says paused, the error names the thing and the
// cure, and what came before is downstream.
func TestDrainerStops(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(u *rig.Shop) nodes.TSO // gives the commit TS
		want  []string
	}{
		{"a row that does not decode", func(u *rig.Shop) nodes.TSO { return u.InsertRow("pump1", rig.FirstTable, []byte{8, 2, 8}) },
			[]string{"table `test`.`t100`", "ignore-txn-commit-ts", `pump "pump1"`}},
		{"an unknown table", func(u *rig.Shop) nodes.TSO { return u.Insert("pump1", 777, 1, "x") },
			[]string{"777", "ignore-txn-commit-ts"}},
		{"a job that is nonsense", func(u *rig.Shop) nodes.TSO {
			id := int64(50)
			if err := os.WriteFile(filepath.Join(u.Jobs, "50.json"), []byte(`{"id":"what"}`), 0o600); err != nil {
				u.Fatal(err)
			}
			return u.Transact("pump1", &binlogpb.Binlog{DdlQuery: []byte("alter table t100 add index (v)"), DdlJobId: &id, DdlSchemaState: proto.Int32(5)})
		}, []string{"50.json", "ignore-txn-commit-ts"}},
		{"a job that never ends", func(u *rig.Shop) nodes.TSO {
			id := int64(51)
			return u.Transact("pump1", &binlogpb.Binlog{DdlQuery: []byte("alter table t100 add index (v)"), DdlJobId: &id, DdlSchemaState: proto.Int32(5)})
		}, []string{"wait for DDL job 51", "ADMIN SHOW DDL JOBS"}},
		{"a prewrite value of nonsense", func(u *rig.Shop) nodes.TSO {
			return u.Transact("pump1", &binlogpb.Binlog{PrewriteValue: []byte("nonsense")})
		}, []string{"malformed binlog"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := rig.NewShop(t)
			u.Pump(u.PumpOptions("pump1"))
			u.CreateDatabase("pump1")
			u.CreateTable("pump1", rig.FirstTable)
			d := u.Drainer("drainer1")
			d.Opts.JobTimeout = 300 * time.Millisecond
			d.Start()
			before := u.Insert("pump1", rig.FirstTable, 1, "before")
			bad := c.spoil(u)
			behind := u.Insert("pump1", rig.FirstTable, 2, "behind")
			err := d.Ends()
			if err == nil {
				t.Fatal("it ends without an error")
			}
			for _, want := range append(c.want, bad.String()) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if !strings.Contains(d.Log.String(), "cannot go on and pauses") {
				t.Errorf("the log does not say it:\n%s", d.Log)
			}
			e, err := u.Registry.Get(context.Background(), nodes.Drainer, "drainer1")
			if err != nil || e.Record.State != nodes.Paused {
				t.Errorf("the record: %+v, %v", e.Record, err)
			}
			if at := d.Position(); at < before || at >= bad {
				t.Errorf("the checkpoint is %s, not from %s to before %s", at, before, bad)
			}
			if got := d.Written(); len(got) != 3 || got[2] != (rig.Written{TS: before, What: "t100 1 before"}) {
				t.Errorf("downstream is %v", got)
			}
			// The cure works; the history itself has to be repaired by hand.
			os.Remove(filepath.Join(u.Jobs, "50.json"))
			d.Opts.IgnoreTxns = []nodes.TSO{bad}
			d.Start()
			d.Consumes(behind)
			if got := d.Written(); len(got) != 4 || got[3].TS != behind {
				t.Errorf("downstream is %v then", got)
			}
		})
	}
}

// What the configuration leaves out is not downstream, and the checkpoint passes it.
func TestDrainerFilters(t *testing.T) {
	u := rig.NewShop(t)
	u.Pump(u.PumpOptions("pump1"))
	d := u.Drainer("drainer1")
	d.Opts.Filter = txn.FilterRules{IgnoreTables: []txn.TableName{{Schema: "test", Table: "t101"}}}
	d.Start()
	noDDL := u.Drainer("drainer2")
	noDDL.Opts.SkipDDL = true
	noDDL.Start()
	u.CreateDatabase("pump1")
	u.CreateTable("pump1", 100)
	u.CreateTable("pump1", 101)
	u.Insert("pump1", 100, 1, "kept")
	u.Insert("pump1", 101, 2, "left out")
	u.DDL("pump1", "rename table t101 to t102", schema.Job{Type: schema.ActionRenameTable, TableID: 101, TableName: "t102",
		Result: schema.Result{TableInfo: rig.TableInfo(101, "t102")}})
	last := u.Insert("pump1", 101, 3, "renamed")
	noDDL.Consumes(last)
	if err := d.Ends(); err == nil || !strings.Contains(err.Error(), "it makes a table one that is replicated") {
		t.Errorf("a table that becomes one that is replicated: %v", err)
	}
	texts := func(f *rig.Files) (all []string) {
		for _, w := range f.Written() {
			all = append(all, w.What)
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
	u := rig.NewShop(t)
	u.Pump(u.PumpOptions("pump1"))
	g := &gated{flushing: make(chan struct{}, 1), release: make(chan struct{}, 1)}
	d := u.Drainer("drainer1")
	d.Opts.Downstream = g
	d.Start()
	want := []rig.Written{{TS: u.CreateDatabase("pump1"), What: "create database test;"}}
	want = append(want, rig.Written{TS: u.CreateTable("pump1", rig.FirstTable), What: "use `test`; create table t100 (id bigint primary key, v varchar(100));"})
	set := func(s nodes.State) {
		t.Helper()
		if _, _, err := u.Registry.SetState(context.Background(), nodes.Drainer, "drainer1", s, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(3) {
		set(nodes.Closing)
		<-g.flushing
		want = append(want, rig.Written{TS: u.Insert("pump1", rig.FirstTable, i, "x"), What: fmt.Sprintf("t100 %d x", i)})
		u.Pump(u.PumpOptions(fmt.Sprintf("pump%d", i+2)))
		set(nodes.Online)
		rig.Eventually(t, 20*time.Second, "hearing of it", func() (bool, string) {
			return strings.Count(d.Log.String(), "is to be cancelled") > int(i), d.Log.String()
		})
		g.release <- struct{}{}
		rig.Eventually(t, 20*time.Second, "being online again", func() (bool, string) { return d.State() == nodes.Online, string(d.State()) })
		want = append(want, rig.Written{TS: u.Insert(fmt.Sprintf("pump%d", i+2), rig.FirstTable, 100+i, "x"), What: fmt.Sprintf("t100 %d x", 100+i)})
		d.Consumes(want[len(want)-1].TS)
	}
	g.release <- struct{}{}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.Written(); !slices.Equal(got, want) {
		t.Errorf("downstream is %v, want %v", got, want)
	}
}

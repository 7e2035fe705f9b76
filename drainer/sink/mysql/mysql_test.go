package mysql

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Values of a unique column get in each other's way if any collation takes them for equal.
func TestKeys(t *testing.T) {
	table := &schema.Table{ID: 7, Columns: []schema.Column{
		sinktest.Column("s", pmysql.TypeVarchar, pmysql.NotNullFlag),
		sinktest.Column("b", pmysql.TypeVarchar, pmysql.NotNullFlag|pmysql.BinaryFlag),
		sinktest.Column("n", pmysql.TypeLong, 0),
	}, Keys: []schema.Key{{Primary: true, Columns: []int{0}}, {Columns: []int{1}}, {Columns: []int{2}}}}
	h := hasher{seed: maphash.MakeSeed()}
	sh := newShape(table, nil)
	of := func(values ...string) ([]uint64, bool) {
		var row txn.Row
		for i, v := range values {
			if v == "NULL" {
				row = append(row, sinktest.Null())
			} else {
				row = append(row, sinktest.Value(table.Columns[i], v))
			}
		}
		return h.change(nil, sh, &txn.Change{Table: table, Op: txn.Insert, New: row})
	}
	base, whole := of("Key", "Key", "5")
	if len(base) != 3 || whole || base[0] == base[1] {
		t.Fatal(base, whole)
	}
	for _, c := range []struct {
		row   []string
		same  []bool
		whole bool
	}{
		{[]string{"key  ", "Key\x00", "5"}, []bool{true, true, true}, false},
		{[]string{"kex", "key", "6"}, []bool{false, false, false}, false},
		{[]string{"kéy", "Key", "5"}, []bool{true, true}, true},
		{[]string{"Ke\x01y", "Key", "5"}, []bool{true, true}, true},
		{[]string{"Key", "Key", "NULL"}, []bool{true, true}, false},
	} {
		keys, whole := of(c.row...)
		if whole != c.whole || len(keys) != len(c.same) {
			t.Errorf("%q: %v %v", c.row, keys, whole)
			continue
		}
		for i, k := range keys {
			if slices.Contains(base, k) != c.same[i] {
				t.Errorf("%q: key %d", c.row, i)
			}
		}
	}
}

// TestExactKeys: text that is not ASCII tells rows apart where the downstream compares exactly, and only there.
func TestExactKeys(t *testing.T) {
	table := &schema.Table{ID: 7, Columns: []schema.Column{sinktest.Column("s", pmysql.TypeVarchar, pmysql.NotNullFlag)}, Keys: []schema.Key{{Primary: true, Columns: []int{0}}}}
	h := hasher{seed: maphash.MakeSeed()}
	sh := newShape(table, nil)
	of := func(text string) ([]uint64, bool) {
		return h.change(nil, sh, &txn.Change{Table: table, Op: txn.Insert, New: txn.Row{txn.TextOf([]byte(text))}})
	}
	for _, exact := range []bool{false, true} {
		if exact {
			sh.exactly.Store(&[]bool{true})
		}
		first, whole := of("ключ")
		if whole == exact || len(first) != 0 != exact {
			t.Fatalf("exact %v: %v %v", exact, first, whole)
		}
		if !exact {
			continue
		}
		for text, same := range map[string]bool{"ключ  ": true, "КЛЮЧ": false, "ключи": false, "key": false} {
			if k, whole := of(text); whole || (k[0] == first[0]) != same {
				t.Errorf("%q: %v %v", text, k, whole)
			}
		}
		lower, _ := of("key")
		if upper, _ := of("KEY"); upper[0] != lower[0] {
			t.Error("ASCII is told apart by case")
		}
	}
}

func TestAppliedList(t *testing.T) {
	for _, want := range [][]nodes.TSO{{1}, {1, 2, 470642465486929921}, {470642465486929920, 470642465486929921}} {
		var jobs []*job
		for _, ts := range want {
			jobs = append(jobs, &job{txn: &sink.Txn{CommitTS: ts}})
		}
		got, err := decodeTxns(want[len(want)-1], encodeTxns(jobs))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
	for _, bad := range []string{"\x00", "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if got, err := decodeTxns(100, []byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestParseCheckpoint(t *testing.T) {
	p, err := parseCheckpoint(`{"consistent":false,"commitTS":470642465486929921,"ts-map":{},"schema-version":9}`)
	if err != nil || p.CommitTS != 470642465486929921 || p.Exact {
		t.Error(p, err)
	}
	p, err = parseCheckpoint(`{"commitTS":5,"ddl-reached":[118]}`)
	if err != nil || !p.Exact || !slices.Equal(p.Reached, []int64{118}) {
		t.Error(p, err)
	}
	for _, bad := range []string{"", "null", "{}", "{", `{"commitTS":-1}`, `{"commitTS":"x"}`} {
		if p, err := parseCheckpoint(bad); err == nil {
			t.Errorf("%q: %v", bad, p)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"worker-count": {Workers: -1}, "txn-batch": {TxnBatch: -1}, "sql-mode": {SQLMode: "x'; DROP"}, "negative": {MaxBytes: -1},
	} {
		if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	secret := Options{Server: Server{Host: "127.0.0.1", Port: 1, Password: "hunter2"}}
	if _, err := New(t.Context(), secret); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// A job waits for those that touch the same, at whichever worker, and for no others.
func TestScheduler(t *testing.T) {
	s := newScheduler(limits{workers: 2, rows: 1, bytes: 1000, inFlight: 10}, 0)
	put := func(ts nodes.TSO, keys ...uint64) *job {
		t.Helper()
		j := &job{txn: &sink.Txn{CommitTS: ts}, upto: ts, rows: 1, bytes: 1}
		if err := s.put(t.Context(), j, touched{keys: keys}); err != nil {
			t.Fatal(err)
		}
		return j
	}
	a, b := put(1, 10), put(2, 20)
	if a.worker == b.worker {
		t.Fatal("both went to one worker")
	}
	c := put(3, 10, 20)
	d := put(4, 20)
	if d.worker != c.worker {
		t.Error("it went past the job before it")
	}
	first, second := a, b // of which c's worker is the second's
	if c.worker == a.worker {
		first, second = b, a
	}
	s.finish(second.worker, s.take(second.worker, nil))
	if s.mayLocked(c.worker, c) {
		t.Error("it does not wait for the other worker")
	}
	s.finish(first.worker, s.take(first.worker, nil))
	if _, applied, _ := s.state(); applied != 2 || !s.mayLocked(c.worker, c) {
		t.Error(applied)
	}
	s.pass(9)
	s.finish(c.worker, s.take(c.worker, nil))
	s.finish(c.worker, s.take(c.worker, nil))
	if _, applied, _ := s.state(); applied != 9 {
		t.Error(applied)
	}
	why := errors.New("why")
	s.fail(why)
	if err := s.flush(context.Background()); !errors.Is(err, why) {
		t.Error(err)
	}
}

// A job that goes alone, of DDL, waits for every one before it, and every one after it waits for that.
func TestSchedulerAlone(t *testing.T) {
	s := newScheduler(limits{workers: 3, rows: 1, bytes: 1000, inFlight: 10}, 0)
	put := func(ts nodes.TSO, alone bool, keys ...uint64) *job {
		t.Helper()
		j := &job{txn: &sink.Txn{CommitTS: ts}, upto: ts, rows: 1, bytes: 1, alone: alone}
		if err := s.put(t.Context(), j, touched{keys: keys}); err != nil {
			t.Fatal(err)
		}
		return j
	}
	before := []*job{put(1, false, 10), put(2, false, 20), put(3, false, 30)}
	ddl := put(4, true)
	after := []*job{put(5, false, 40), put(6, false, 50)}
	for _, j := range before {
		if j.worker != ddl.worker && s.mayLocked(ddl.worker, ddl) {
			t.Fatalf("the DDL does not wait for the job at %d", j.upto)
		}
		s.finish(j.worker, s.take(j.worker, nil))
	}
	if !s.mayLocked(ddl.worker, ddl) {
		t.Error("the DDL waits for nobody and does not go on")
	}
	waits := func(j *job) bool { return j.worker == ddl.worker || !s.mayLocked(j.worker, j) }
	if !waits(after[0]) || !waits(after[1]) {
		t.Error("a job does not wait for the DDL before it")
	}
	s.finish(ddl.worker, s.take(ddl.worker, nil))
	if _, applied, _ := s.state(); applied != 4 || !s.mayLocked(after[0].worker, after[0]) {
		t.Errorf("after the DDL: applied %d", applied)
	}
}

// TestExpect: what a statement is to leave is asked for of the tables it names, under their names
// downstream, and not where the downstream cannot have them.
func TestExpect(t *testing.T) {
	table := func(name string, kind schema.Kind) *schema.Table {
		return &schema.Table{ID: 1, Schema: "d", Name: name, Kind: kind, Info: &schema.TableInfo{}}
	}
	d := &schema.DDL{Job: &schema.Job{}, After: table("t", schema.BaseTable)}
	show := func(d *schema.DDL, f flavour, named ...tableName) string {
		var list []string
		for _, e := range expect(d, named, f) {
			list = append(list, fmt.Sprintf("%s %t %t", e.name, e.before != nil, e.after != nil))
		}
		return strings.Join(list, ", ")
	}
	if got := show(d, mySQL, tableName{"D", "T"}); got != "d.t false true" {
		t.Error(got)
	}
	if got := show(d, mySQL, tableName{"d", "other"}); got != "" {
		t.Errorf("a table that is not named: %s", got)
	}
	d.Before = table("old", schema.BaseTable)
	if got := show(d, mySQL, tableName{"d", "old"}, tableName{"d", "t"}); got != "d.old true false, d.t false true" {
		t.Error(got)
	}
	d.Route = func(schema, table string) (string, string) { return "r_" + schema, table }
	if got := show(d, mySQL, tableName{"r_d", "t"}); got != "r_d.t false true" {
		t.Error(got)
	}
	d = &schema.DDL{Job: &schema.Job{}, After: table("s", schema.Sequence)}
	if show(d, mySQL, tableName{"d", "s"}) != "" || show(d, tiDB, tableName{"d", "s"}) == "" {
		t.Error("only a TiDB has sequences")
	}
	d = &schema.DDL{Job: &schema.Job{Result: schema.Result{SchemaVersion: 5}}, After: table("t", schema.BaseTable)}
	if got := show(d, mySQL, tableName{"d", "t"}); got != "" {
		t.Errorf("a definition that is not the job's: %s", got)
	}
}

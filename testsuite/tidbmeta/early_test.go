package tidbmeta

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/pump"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// TestColumnsInUseBeforeTheirBinlog lets clients use columns as soon as TiDB takes them, while
// they are added, and follows the binlogs live as a drainer does. A column that ADD COLUMN adds is
// in no row before its DDL binlog with a value that a client gave it. In a multi-schema change such
// rows come first, and none of their values is lost.
func TestColumnsInUseBeforeTheirBinlog(t *testing.T) {
	cluster := pdtest.StartReal(t, 1)
	tidbtest.StartUnistore(t, cluster.Endpoint(0))
	p := startPump(t, cluster)
	tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: cluster.Endpoint(0), Store: tidbtest.TiKV, Binlog: true})
	db := tidb.Open(t, "")
	source := newSource(t, cluster)

	cases := []struct {
		table, ddl string
		early      bool // rows with values come before the binlog
	}{
		{"plain", "add column c int default 1", false},
		{"modify", "modify column x varchar(40)", false},
		{"index", "modify column x varchar(40), add index kv (v)", true},
		{"two", "add column c int default 1, add column d varchar(10)", true},
		{"dropping", "add column c int not null default 1, drop column x", true},
		{"mixed", "add column c int, modify column x varchar(20), drop index kx", true},
	}
	for _, c := range cases {
		mustExec(t, db, fmt.Sprintf("create table test.%s (id bigint primary key, v int, x int default 3, key kx (x))", c.table))
	}
	mustExec(t, db, "create table test.other (id bigint primary key auto_increment, v int)")
	from, err := source.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := follow(t, p, source, cluster, from)
	for _, c := range cases {
		w := startWriters(t, db, c.table)
		w.goesOn()
		mustExec(t, db, fmt.Sprintf("alter table test.%s %s", c.table, c.ddl))
		w.goesOn()
		w.stop()
	}
	last, err := source.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.until(last)
	for _, c := range cases {
		want := contents(t, db, c.table)
		got := f.contents(c.table)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %d rows here, %d in TiDB; first difference: %s", c.ddl, len(got), len(want), differ(got, want))
		}
		if early := f.early[c.table] > 0; early != c.early {
			t.Errorf("%s: reached before its binlog: %v, want %v", c.ddl, early, c.early)
		}
		t.Logf("%s: %d rows, DDL reached early %d times, unknown columns in %d transactions", c.ddl, len(want), f.early[c.table], f.unknown[c.table])
	}
}

// startPump runs one in this process.
func startPump(t *testing.T, cluster *pdtest.Cluster) *pump.Pump {
	t.Helper()
	clock, err := pd.New(pd.Options{Endpoints: cluster.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clock.Close() })
	p, err := pump.New(pump.Options{Options: life.Options{NodeID: "pump1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), PD: clock, Registry: nodes.NewRegistry(cluster.Etcd(), 5*time.Second)},
		StopWriteAtAvailable: 1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// writers insert and update rows, with a value in the column c as soon as there is one.
type writers struct {
	t    *testing.T
	stop func()
	done atomic.Int64
}

func startWriters(t *testing.T, db *sql.DB, table string) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	w := &writers{t: t, stop: sync.OnceFunc(func() { cancel(); wg.Wait() })}
	t.Cleanup(w.stop)
	for i := range 4 {
		wg.Go(func() {
			for id := int64(i) << 32; ctx.Err() == nil; id++ {
				if err := w.write(db, table, i, id); err != nil {
					t.Errorf("write into %s: %v", table, err)
					return
				}
				w.done.Add(1)
			}
		})
	}
	return w
}

// write is one transaction. Errors of a column that is not there or a changing definition are
// expected.
func (w *writers) write(db *sql.DB, table string, kind int, id int64) error {
	with := fmt.Sprintf("insert into test.%s (id, v, c) values (%d, %d, %d)", table, id, id&0xffff, 1000+id&0xffff)
	without := fmt.Sprintf("insert into test.%s (id, v) values (%d, %d)", table, id, id&0xffff)
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if kind%2 == 0 { // its binlog then carries the schema version of this statement
		if _, err := tx.Exec("insert into test.other (v) values (1)"); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(with); err != nil {
		if _, err := tx.Exec(without); err != nil {
			return nil // the definition has changed under the transaction
		}
	} else if id&7 == 7 {
		if _, err := tx.Exec(fmt.Sprintf("update test.%s set c = -1 where id = %d", table, id-5)); err != nil {
			return nil
		}
	}
	if err := tx.Commit(); err != nil && !strings.Contains(err.Error(), "chema is changed") {
		return err
	}
	return nil
}

// goesOn waits for another 50 transactions.
func (w *writers) goesOn() {
	w.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for until := w.done.Load() + 50; w.done.Load() < until; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) || w.t.Failed() {
			w.t.Fatal("the writers stand still")
		}
	}
}

// follower replays binlogs as they come, into rows by their column IDs.
type follower struct {
	t      *testing.T
	stream binlogpb.Pump_PullBinlogsClient
	h      *schema.History
	tables map[string]map[string]map[int64]string // by name and ID of the row

	early, unknown map[string]int // by table

	seen   chan struct{} // closed at the end
	target atomic.Int64
}

func follow(t *testing.T, p *pump.Pump, source schema.Source, cluster *pdtest.Cluster, from nodes.TSO) *follower {
	t.Helper()
	conn, err := grpc.NewClient(p.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h, err := schema.Open(t.Context(), source, schema.Position{CommitTS: from, Exact: true}, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := binlogpb.NewPumpClient(conn).PullBinlogs(t.Context(),
		&binlogpb.PullBinlogReq{ClusterID: cluster.ClusterID(), StartFrom: &binlogpb.Pos{Offset: int64(from)}})
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, stream: stream, h: h, tables: make(map[string]map[string]map[int64]string),
		early: make(map[string]int), unknown: make(map[string]int), seen: make(chan struct{})}
	f.target.Store(1<<63 - 1)
	go f.run()
	return f
}

func (f *follower) run() {
	defer close(f.seen)
	for {
		r, err := f.stream.Recv()
		if err != nil {
			f.t.Errorf("pull: %v", err)
			return
		}
		m := r.Entity.Meta
		if m.GetStartTs() != m.GetCommitTs() {
			if err := f.apply(r.Entity.Payload); err != nil {
				f.t.Error(err)
				return
			}
		}
		if m.GetCommitTs() >= f.target.Load() {
			return
		}
	}
}

// until waits for a commit TS.
func (f *follower) until(ts nodes.TSO) {
	f.t.Helper()
	f.target.Store(int64(ts))
	select {
	case <-f.seen:
	case <-time.After(60 * time.Second):
		f.t.Fatal("the binlogs do not arrive")
	}
}

func (f *follower) apply(payload []byte) error {
	ctx := f.t.Context()
	b, err := txn.Parse(payload)
	if err != nil {
		return err
	}
	if b.DDL() {
		d, err := f.h.Reach(ctx, b.CommitTS, b.DDLJobID, b.DDLState, string(b.DDLQuery))
		if err == nil && d.Skip == "" {
			f.ddl(d)
		}
		return err
	}
	if err := f.h.Advance(ctx, b.CommitTS, b.SchemaVersion); err != nil {
		return err
	}
	find := func(id int64) (*schema.Table, error) { return f.h.Find(ctx, id, b.CommitTS) }
	err = b.Tables(find, func(t *schema.Table, unknown func() []int64) error {
		if len(unknown()) > 0 {
			f.unknown[t.Name]++
		}
		d, err := f.h.Early(ctx, b.CommitTS, b.SchemaVersion, t.ID, unknown)
		if err == nil && d != nil {
			f.early[t.Name]++
			f.ddl(d)
		}
		return err
	})
	if err != nil {
		return err
	}
	return b.Each(find, time.UTC, func(c *txn.Change) error {
		f.change(c)
		return nil
	})
}

// ddl does what ALTER TABLE does to rows that are there.
func (f *follower) ddl(d *schema.DDL) {
	if d.After == nil {
		return
	}
	for _, row := range f.tables[d.After.Name] {
		f.complete(d.After, row)
		maps.DeleteFunc(row, func(id int64, _ string) bool {
			i := d.After.Column(id)
			return i < 0 || !d.After.Columns[i].Public
		})
	}
}

// complete gives columns that a row has not their value: of the one with that name before, or the
// default.
func (f *follower) complete(def *schema.Table, row map[int64]string) {
	for i := range def.Columns {
		c := &def.Columns[i]
		if _, ok := row[c.ID]; ok || !c.Public {
			continue
		}
		v, err := txn.Default(c, time.UTC)
		if err != nil {
			f.t.Error(err)
		}
		row[c.ID] = v.String()
		if c.Name == "x" { // changed to text, under a new ID
			for id, old := range row {
				if id == 3 {
					row[c.ID] = old
				}
			}
		}
	}
}

func (f *follower) change(c *txn.Change) {
	rows := f.tables[c.Table.Name]
	if rows == nil {
		rows = make(map[string]map[int64]string)
		f.tables[c.Table.Name] = rows
	}
	if c.Op != txn.Insert {
		delete(rows, c.Old[0].String())
	}
	if c.Op == txn.Delete {
		return
	}
	row := make(map[int64]string)
	for i, v := range c.New {
		if v.Kind != txn.Missing && c.Table.Columns[i].Public {
			row[c.Table.Columns[i].ID] = v.String()
		}
	}
	f.complete(c.Table, row)
	rows[c.New[0].String()] = row
}

// contents are a table's rows as text, in the order of the definition.
func (f *follower) contents(table string) (list []string) {
	def, ok := f.h.Tables().Named("test", table)
	if !ok {
		f.t.Fatalf("no table %s", table)
	}
	for _, row := range f.tables[table] {
		var values []string
		for _, c := range def.Columns {
			if c.Public {
				values = append(values, row[c.ID])
			}
		}
		list = append(list, strings.Join(values, " "))
	}
	slices.Sort(list)
	return list
}

func contents(t *testing.T, db *sql.DB, table string) []string {
	t.Helper()
	columns := texts(t, db, "select column_name from information_schema.columns where table_schema = 'test' and table_name = '"+table+"' order by ordinal_position")
	for i, c := range columns {
		columns[i] = "ifnull(" + c + ", 'NULL')"
	}
	list := texts(t, db, "select concat_ws(' ', "+strings.Join(columns, ", ")+") from test."+table)
	slices.Sort(list)
	return list
}

func differ(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%q and %q", a[i], b[i])
		}
	}
	return "one has more"
}

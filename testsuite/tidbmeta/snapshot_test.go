package tidbmeta

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/util/codec"

	"pumphouse/drainer/schema"
	drainertikv "pumphouse/drainer/tikv"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// emptyHistory takes all jobs out of TiDB's history, as in a cluster whose tables BR has restored: no job
// tells of them.
func emptyHistory(t *testing.T, client *txnkv.Client) {
	t.Helper()
	tx, err := client.Begin()
	if err != nil {
		t.Fatal(err)
	}
	from := codec.EncodeBytes([]byte{'m'}, []byte("DDLJobHistory"))
	it, err := tx.Iter(from, append(slices.Clone(from), 0xff))
	if err != nil {
		t.Fatal(err)
	}
	deleted := 0
	for ; it.Valid(); deleted++ {
		if err := tx.Delete(slices.Clone(it.Key())); err != nil {
			t.Fatal(err)
		}
		if err := it.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil || deleted == 0 {
		t.Fatalf("%d keys of the history deleted, %v", deleted, err)
	}
}

// openKV is a client of the storage.
func openKV(t *testing.T, pd *pdtest.Cluster) *txnkv.Client {
	t.Helper()
	client, err := txnkv.NewClient([]string{strings.TrimPrefix(pd.Endpoint(0), "http://")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// TestTablesThatNoJobMade: definitions come from TiDB's meta data where the history has none: at the
// start, when asked or when a job shows that it is incomplete, and for rows and DDL on the way.
func TestTablesThatNoJobMade(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	tidbtest.StartUnistore(t, pd.Endpoint(0))
	db := tidbtest.StartTiDB(t, tidbtest.Options{PD: pd.Endpoint(0), Store: tidbtest.TiKV}).Open(t, "")
	runDDL(t, db)
	mustExec(t, db, "create database restored")
	mustExec(t, db, "create table restored.t (id int primary key, v varchar(10))")
	mustExec(t, db, "create table restored.plain (id int, yr int)")
	mustExec(t, db, "create table restored.parted (id int, yr int) partition by range (yr) (partition p0 values less than (2000), partition p1 values less than maxvalue)")
	mustExec(t, db, "create table restored.left_alone (id int primary key)")
	mustExec(t, db, "create table restored.gone (id int primary key)")
	s := newSource(t, pd)
	kv := openKV(t, pd)
	emptyHistory(t, kv)
	at := now(t, s)
	open := func(at nodes.TSO, asked bool) *schema.History {
		t.Helper()
		h, err := schema.Open(t.Context(), s, schema.Position{CommitTS: at, Exact: true}, schema.Options{LoadSnapshot: asked})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	sameTables(t, db, open(at, true).Tables())

	// Not asked: each table is looked up when its first rows come, and when its first DDL does.
	h := open(at, false)
	if all := h.Tables().All(); len(all) > 0 {
		t.Fatalf("the history is not empty: %v", all)
	}
	id := tableID(t, db, "restored", "t")
	table, err := h.Find(t.Context(), id, at)
	if err != nil || table == nil || table.String() != "`restored`.`t`" || len(table.Columns) != 2 || table.PrimaryKey() == nil {
		t.Fatalf("rows of restored.t: %+v, %v", table, err)
	}
	if _, err := h.Find(t.Context(), 1<<40, at); !errors.Is(err, schema.ErrNoTable) || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("a table that is nowhere: %v", err)
	}
	gone := tableID(t, db, "restored", "gone")
	mustExec(t, db, "drop table restored.gone") // between its rows and now
	if table, err = h.Find(t.Context(), gone, at); err != nil || table == nil || table.Name != "gone" {
		t.Errorf("rows of a table that was dropped later: %v, %v", table, err)
	}
	reach(t, s, h, func() { mustExec(t, db, "alter table restored.left_alone add column w int") }, func(d *schema.DDL) {
		if d.Schema != "restored" || d.Table != "left_alone" || d.Before == nil || public(d.Before) != "id" || public(d.After) != "id w" {
			t.Errorf("alter: %+v", d)
		}
	})
	reach(t, s, h, func() { mustExec(t, db, "rename table restored.t to restored.t2") }, func(d *schema.DDL) {
		if d.Table != "t" || d.After.Name != "t2" {
			t.Errorf("rename: %+v", d)
		}
	})
	reach(t, s, h, func() {
		mustExec(t, db, "alter table restored.parted exchange partition p0 with table restored.plain")
	}, func(d *schema.DDL) {
		if d.Table != "plain" && d.Table != "parted" {
			t.Errorf("exchange: %+v", d)
		}
	})
	later := now(t, s)
	for _, name := range []string{"plain", "parted"} {
		if table, err := h.Find(t.Context(), tableID(t, db, "restored", name), later); err != nil || table == nil || table.Name != name {
			t.Errorf("restored.%s after the exchange: %v, %v", name, table, err)
		}
	}

	// The history now begins with jobs on tables that it does not explain: it is incomplete, and
	// what it lacks is taken from the meta data without being asked.
	sameTables(t, db, open(later, false).Tables())

	// Garbage collection overtakes the position: what has not changed since is known, what has is not.
	mustExec(t, db, "alter table restored.t2 add column late int")
	mustExec(t, db, "alter table restored.t2 drop column late")
	if _, err := kv.GetPDClient().UpdateGCSafePoint(t.Context(), uint64(now(t, s))); err != nil {
		t.Fatal(err)
	}
	h = open(later, true)
	if table, err := h.Find(t.Context(), tableID(t, db, "restored", "plain"), later); err != nil || table == nil || table.Name != "plain" {
		t.Errorf("restored.plain: %v, %v", table, err)
	}
	emptyHistory(t, kv)
	h = open(later, true)
	table, err = h.Find(t.Context(), id, later)
	if !errors.Is(err, schema.ErrNoMeta) || !errors.Is(err, schema.ErrNoTable) || !strings.Contains(err.Error(), "garbage collection") {
		t.Errorf("restored.t2, which has changed since: %v, %v", table, err)
	}
}

func now(t *testing.T, s *drainertikv.Source) nodes.TSO {
	t.Helper()
	ts, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func tableID(t *testing.T, db *sql.DB, schema, name string) (id int64) {
	t.Helper()
	if err := db.QueryRow("select tidb_table_id from information_schema.tables where table_schema = ? and table_name = ?", schema, name).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// public are the columns that clients see.
func public(table *schema.Table) string {
	var names []string
	for _, c := range table.Columns {
		if c.Public {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, " ")
}

// reach runs a statement, and takes its job as a drainer does when the DDL binlog comes.
func reach(t *testing.T, s *drainertikv.Source, h *schema.History, run func(), check func(*schema.DDL)) {
	t.Helper()
	last := int64(0)
	each := func(j *schema.Job) error { last = max(last, j.ID); return nil }
	if err := s.History(t.Context(), 0, each); err != nil {
		t.Fatal(err)
	}
	before := last
	// The binlog's commit TS is that of the job's last transaction. What comes before that is what is
	// there now, but for steps that clients do not see.
	commitTS := now(t, s) + 1
	run()
	if err := s.History(t.Context(), before, each); err != nil || last == before {
		t.Fatal("no job: ", err)
	}
	job, err := s.Job(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.Reach(t.Context(), commitTS, job.ID, schema.StatePublic, job.Query)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", job.Query, err))
	}
	check(d)
}

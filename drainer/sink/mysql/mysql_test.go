package mysql

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
)

// Values of a unique column get in each other's way if any collation takes them for equal.
func TestKeys(t *testing.T) {
	table := &schema.Table{ID: 7, Columns: []schema.Column{
		sinktest.Column("s", pmysql.TypeVarchar, pmysql.NotNullFlag),
		sinktest.Column("b", pmysql.TypeVarchar, pmysql.NotNullFlag|pmysql.BinaryFlag),
		sinktest.Column("n", pmysql.TypeLong, 0),
	}, Keys: []schema.Key{{Primary: true, Columns: []int{0}}, {Columns: []int{1}}, {Columns: []int{2}}}}
	h := hasher{seed: maphash.MakeSeed()}
	sh := newShape(table)
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

func TestPrepare(t *testing.T) {
	for _, c := range []struct {
		query, text, use, tables string
		job                      schema.Action
	}{
		{"DROP TABLE `a`, `b`;", "DROP TABLE `d`.`t`", "d", "d.a d.b", 4},
		{"DROP VIEW `a`, `b`;", "DROP VIEW `d`.`t`", "d", "d.a d.b", 24},
		{"DROP TABLE `t`;", "DROP TABLE `t`;", "d", "d.t", 4},
		{"CREATE DATABASE `d`;", "CREATE DATABASE `d` COLLATE = utf8mb4_bin", "", "d.t", 1},
		{"create database lag;", "create database lag CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "", "d.t", 1},
		{"create database lag charset latin1", "create database lag charset latin1", "", "d.t", 1},
		{"drop database lag", "drop database lag", "", "d.t", 2},
		{"alter database lag charset utf8mb4", "alter database lag charset utf8mb4", "", "d.t", 26},
		{"RENAME TABLE `a` TO `x`.`b`;", "RENAME TABLE `a` TO `x`.`b`;", "d", "d.a x.b", 14},
		{"nonsense", "nonsense", "d", "d.t", 5},
	} {
		st := prepare(sink.Statement{Query: c.query, DDL: &schema.DDL{Schema: "d", Table: "t", Job: &schema.Job{Type: c.job}}}, ddlMode, mariaDB)
		var tables []string
		for _, n := range st.tables {
			tables = append(tables, n.schema+"."+n.table)
		}
		if st.text != c.text || st.use != c.use || strings.Join(tables, " ") != c.tables {
			t.Errorf("%s: %+v", c.query, st)
		}
	}
}

// TestCollate: statements say the collations that the upstream has, and are not changed otherwise.
func TestCollate(t *testing.T) {
	column := func(name, set, collation string) schema.Column {
		ft := types.NewFieldType(pmysql.TypeVarchar)
		ft.SetCharset(set)
		ft.SetCollate(collation)
		return schema.Column{Name: name, Type: *ft, Public: true}
	}
	after := &schema.Table{Schema: "d", Name: "t", Columns: []schema.Column{
		column("a", "utf8mb4", "utf8mb4_bin"), column("g", "utf8mb4", "utf8mb4_general_ci"), column("n", "utf8mb4", "utf8mb4_0900_ai_ci"), column("b", "binary", "binary"),
	}}
	for _, c := range []struct {
		query, text string
		downstream  flavour
	}{
		{"CREATE TABLE t (a VARCHAR(9) NOT NULL DEFAULT 'x\\\\y', g ENUM('1'), i INT)",
			"CREATE TABLE `t` (`a` VARCHAR(9) COLLATE utf8mb4_bin NOT NULL DEFAULT _UTF8MB4'x\\y',`g` ENUM('1') COLLATE utf8mb4_general_ci,`i` INT)", mariaDB},
		{"CREATE TABLE t (a TEXT) CHARSET=utf8mb4", "CREATE TABLE `t` (`a` TEXT COLLATE utf8mb4_bin) DEFAULT CHARACTER SET = UTF8MB4 DEFAULT COLLATE = UTF8MB4_BIN", mySQL},
		{"CREATE TABLE t (a TEXT) CHARSET=utf8mb4", "CREATE TABLE t (a TEXT) CHARSET=utf8mb4", tiDB},
		{"CREATE TABLE t (i INT, b BLOB, j JSON)", "CREATE TABLE t (i INT, b BLOB, j JSON)", mariaDB},
		{"ALTER TABLE t ADD COLUMN a CHAR(1) COLLATE utf8mb4_bin", "ALTER TABLE t ADD COLUMN a CHAR(1) COLLATE utf8mb4_bin", mariaDB},
		{"ALTER TABLE t ADD COLUMN g CHAR(1), ADD COLUMN i INT", "ALTER TABLE `t` ADD COLUMN `g` CHAR(1) COLLATE utf8mb4_general_ci, ADD COLUMN `i` INT", mariaDB},
		{"ALTER TABLE t ADD COLUMN n CHAR(1)", "ALTER TABLE t ADD COLUMN n CHAR(1)", mariaDB},
		{"ALTER TABLE t ADD COLUMN n CHAR(1)", "ALTER TABLE `t` ADD COLUMN `n` CHAR(1) COLLATE utf8mb4_0900_ai_ci", mySQL},
		{"ALTER TABLE t ADD COLUMN gone CHAR(1) CHARACTER SET latin1", "ALTER TABLE `t` ADD COLUMN `gone` CHAR(1) CHARACTER SET LATIN1 COLLATE latin1_bin", mariaDB},
		{"ALTER TABLE t CONVERT TO CHARACTER SET utf8", "ALTER TABLE `t` CONVERT TO CHARACTER SET UTF8 COLLATE UTF8_BIN", mariaDB},
		{"ALTER TABLE t CHARACTER SET utf8 COLLATE utf8_unicode_ci", "ALTER TABLE t CHARACTER SET utf8 COLLATE utf8_unicode_ci", mariaDB},
	} {
		st := prepare(sink.Statement{Query: c.query, DDL: &schema.DDL{Schema: "d", Table: "t", After: after}}, ddlMode, c.downstream)
		if st.text != c.text {
			t.Errorf("%s, on %s:\n%s\nwant\n%s", c.query, c.downstream, st.text, c.text)
		}
		if literally := strings.Contains(st.mode, "NO_BACKSLASH_ESCAPES"); literally == (st.text == c.query) {
			t.Errorf("%s: mode %s", st.text, st.mode)
		}
	}
}

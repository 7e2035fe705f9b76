package compare

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pumphouse/drainer/compare"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// lab are both servers.
type lab struct {
	up, down   *sql.DB
	upstream   mysql.Server
	downstream mysql.Server
}

// startTiDB runs a TiDB without a TiKV.
func startTiDB(t *testing.T) mysql.Server {
	tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: pdtest.StartEmbed(t).Endpoint(0)})
	host, port, err := net.SplitHostPort(tidb.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return mysql.Server{Host: host, Port: number}
}

func newLab(t *testing.T, downstream mysql.Server) *lab {
	l := &lab{upstream: startTiDB(t), downstream: downstream}
	l.up, l.down = l.pool(t, l.upstream, nil), l.pool(t, l.downstream, map[string]string{"sql_mode": "'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'"})
	// Garbage collection, which there is none of without a TiKV, says how far snapshots go back.
	exec(t, l.up, "INSERT INTO mysql.tidb (variable_name, variable_value) VALUES ('tikv_gc_safe_point', '20200101-00:00:00 +0000')")
	return l
}

func (l *lab) pool(t *testing.T, s mysql.Server, vars map[string]string) *sql.DB {
	t.Helper()
	db, err := s.Pool(vars)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%.300s: %v", q, err)
		}
	}
}

// both runs statements upstream and downstream.
func (l *lab) both(t *testing.T, statements ...string) {
	t.Helper()
	exec(t, l.up, statements...)
	exec(t, l.down, statements...)
}

// now is a TS of the upstream after everything that was committed.
func (l *lab) now(t *testing.T) nodes.TSO {
	t.Helper()
	tx, err := l.up.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var ts nodes.TSO
	if err := tx.QueryRow("SELECT @@tidb_current_ts").Scan(&ts); err != nil {
		t.Fatal(err)
	}
	return ts
}

// options are those of a comparison at this time of a database.
func (l *lab) options(t *testing.T, database string) compare.Options {
	t.Helper()
	ts := l.now(t)
	return compare.Options{Upstream: l.pool(t, l.upstream, map[string]string{"tidb_snapshot": "'" + ts.String() + "'"}), Downstream: l.down, TS: ts,
		ChunkRows: 100, Threads: 3, Skip: func(schema, _ string) bool { return schema != database }}
}

func run(t *testing.T, o compare.Options) *compare.Report {
	t.Helper()
	r, err := compare.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func printed(t *testing.T, r *compare.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	maria := mariadbtest.Start(t)
	l := newLab(t, mysql.Server{Host: maria.Host, Port: maria.Port})
	t.Run("all types", func(t *testing.T) { l.allTypes(t) })
	t.Run("keys", func(t *testing.T) { l.keys(t) })
	t.Run("differences", func(t *testing.T) { l.differences(t) })
	t.Run("without a key", func(t *testing.T) { l.withoutKey(t) })
	t.Run("definitions", func(t *testing.T) { l.definitions(t) })
	t.Run("many extra rows", func(t *testing.T) { l.manyExtra(t) })
	t.Run("interrupted", func(t *testing.T) { l.interrupted(t) })
	t.Run("not held", func(t *testing.T) { l.notHeld(t) })
	t.Run("routes", func(t *testing.T) { l.routes(t) })
	t.Run("a snapshot", func(t *testing.T) { l.snapshot(t) })
}

// TestCompareTiDB is the same with a TiDB downstream.
func TestCompareTiDB(t *testing.T) {
	l := newLab(t, startTiDB(t))
	t.Run("keys", func(t *testing.T) { l.keys(t) })
	t.Run("differences", func(t *testing.T) { l.differences(t) })
	t.Run("without a key", func(t *testing.T) { l.withoutKey(t) })
	t.Run("definitions", func(t *testing.T) { l.definitions(t) })
	t.Run("many extra rows", func(t *testing.T) { l.manyExtra(t) })
}

// typeColumns have values that servers print differently; each list has values as literals, NULL apart.
var typeColumns = []struct {
	name, definition string
	values           []string
}{
	{"i", "INT(6) UNSIGNED ZEROFILL", []string{"0", "42", "4294967295"}},
	{"b", "BIGINT", []string{"-9223372036854775808", "9223372036854775807", "1"}},
	{"u", "BIGINT UNSIGNED", []string{"18446744073709551615", "0", "9223372036854775808"}},
	{"y", "YEAR", []string{"2024", "0", "1901"}},
	{"bits", "BIT(64)", []string{"b'1'", "b'1111111111111111111111111111111111111111111111111111111111111111'", "b'0'"}},
	{"d", "DECIMAL(65,30)", []string{"0.1", "-99999999999999999999999999999999999.999999999999999999999999999999", "0"}},
	{"f", "FLOAT", []string{"0.1", "16777216", "-2.5e28", "8", "123456789"}},
	{"g", "DOUBLE", []string{"0.1", "8", "0.30000000000000004", "123456789012345678", "-2.5e-5", "1e29", "-0.0"}},
	{"c", "CHAR(20) COLLATE utf8mb4_general_ci", []string{"'abc'", "'Straße 😀'", "''"}},
	{"v", "VARCHAR(200) COLLATE utf8mb4_bin", []string{"'a,b'", "'trailing  '", "'quote '' \\\\ \\n'"}},
	{"l", "VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_bin", []string{"'café'", "'plain'"}},
	{"x", "TEXT", []string{"'text'", "REPEAT('long ', 2000)"}},
	{"bin", "BINARY(4)", []string{"x'00ff'", "x'61620000'"}},
	{"vb", "VARBINARY(20)", []string{"x'00ff80'", "x''", "'a'"}},
	{"bl", "LONGBLOB", []string{"x'deadbeef'", "REPEAT(x'ff00', 3000)"}},
	{"e", "ENUM('x','y','ä')", []string{"'x'", "'ä'"}},
	{"s", "SET('p','q','r')", []string{"'p,r'", "''"}},
	{"dt", "DATE", []string{"'2024-02-29'", "'1000-01-01'"}},
	{"tm", "TIME(3)", []string{"'-838:59:58.999'", "'12:34:56.7'"}},
	{"dtm", "DATETIME(6)", []string{"'2024-02-29 12:34:56.789012'", "'1000-01-01 00:00:00'"}},
	{"ts", "TIMESTAMP(2) NULL", []string{"'2024-02-29 12:34:56.78'", "'1970-01-01 00:00:01'"}},
	{"j", "JSON", []string{`'{"bb": 1.50, "a": [1, 2e0, null, true], "c": {"z": "ü\\"", "y": -0.0}}'`, "'[]'", "'1e2'", `'"text"'`}},
}

// allTypes: equal values are equal, with every type and with and without a key, and any other value of
// each is found.
func (l *lab) allTypes(t *testing.T) {
	l.both(t, "CREATE DATABASE types CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	var definitions, names []string
	most := 0
	for _, c := range typeColumns {
		definitions = append(definitions, c.name+" "+c.definition)
		names = append(names, c.name)
		most = max(most, len(c.values))
	}
	list := strings.Join(names, ",")
	l.both(t, "CREATE TABLE types.k (id INT PRIMARY KEY, "+strings.Join(definitions, ",")+") DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
		"CREATE TABLE types.n (id INT, "+strings.Join(definitions, ",")+") DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin")
	for i := range most + 1 {
		var values []string
		for _, c := range typeColumns {
			if i < most {
				values = append(values, c.values[i%len(c.values)])
			} else {
				values = append(values, "NULL")
			}
		}
		row := strings.Join(values, ",")
		for _, table := range []string{"k", "n", "n"} {
			l.both(t, fmt.Sprintf("INSERT INTO types.%s (id,%s) VALUES (%d,%s)", table, list, i, row))
		}
	}
	// The drainer writes JSON as TiDB prints it, and MariaDB keeps the text.
	for i := range most {
		var document string
		if err := l.up.QueryRow("SELECT j FROM types.k WHERE id = ?", i).Scan(&document); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{"UPDATE types.k SET j = ? WHERE id = ?", "UPDATE types.n SET j = ? WHERE id = ?"} {
			if _, err := l.down.Exec(q, document, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := l.prepared(t)
	r := run(t, l.options(t, "types"))
	if !r.Equal() || len(r.Tables) != 2 || r.Tables[0].Rows != int64(most+1) || r.Tables[1].Rows != int64(2*most+2) {
		t.Fatal(printed(t, r))
	}
	if n := l.prepared(t) - before; n > 0 {
		t.Errorf("checksums differed: rows were read %d times", n)
	}
	// What is written otherwise is the same nevertheless.
	exec(t, l.down, "UPDATE types.k SET j = JSON_COMPACT(j)", "UPDATE types.n SET j = JSON_COMPACT(j)")
	for _, table := range []string{"k", "n"} {
		l.both(t, "UPDATE types."+table+" SET f = -3.4028235e38, g = 1.7976931348623157e308 WHERE id = 1", "UPDATE types."+table+" SET f = 1e-30, g = 5e-324 WHERE id = 2")
	}
	if r := run(t, l.options(t, "types")); !r.Equal() {
		t.Error(printed(t, r))
	}
	exec(t, l.down, "CREATE DATABASE kept CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE kept.k LIKE types.k", "CREATE TABLE kept.n LIKE types.n", "INSERT INTO kept.k SELECT * FROM types.k", "INSERT INTO kept.n SELECT * FROM types.n")
	for _, c := range typeColumns {
		exec(t, l.down, fmt.Sprintf("UPDATE types.k SET %s = %s WHERE id = 0", c.name, c.values[1]),
			fmt.Sprintf("UPDATE types.n SET %s = NULL WHERE id = 0 LIMIT 1", c.name))
		r := run(t, l.options(t, "types"))
		k, n := r.Tables[0], r.Tables[1]
		if k.Different != 1 || len(k.Examples) != 1 || !strings.HasPrefix(k.Examples[0], "different: id=0: "+c.name+" is ") || strings.Count(k.Examples[0], "upstream") != 1 {
			t.Errorf("%s: %s", c.name, printed(t, r))
		}
		if n.Missing != 1 || n.Extra != 1 {
			t.Errorf("%s, without a key: %s", c.name, printed(t, r))
		}
		exec(t, l.down, "REPLACE INTO types.k SELECT * FROM kept.k", "DELETE FROM types.n", "INSERT INTO types.n SELECT * FROM kept.n")
	}
}

// prepared is how often a statement was prepared downstream: rows are read with such.
func (l *lab) prepared(t *testing.T) (n int) {
	t.Helper()
	var name string
	if err := l.down.QueryRow("SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// keys: tables of every kind of key are compared by chunks, also where the downstream orders otherwise, and a row that
// is missing, one that is there only and one that differs are told with their keys.
func (l *lab) keys(t *testing.T) {
	l.both(t, "CREATE DATABASE keyed CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	for i, c := range []struct{ columns, key, value, shown string }{
		{"k INT", "k", "%d", "k=77"},
		{"k BIGINT UNSIGNED", "k", "18446744073709000000 + %d", "k=18446744073709000077"},
		{"k VARCHAR(30) COLLATE utf8mb4_bin", "k", "CONCAT(CHAR(97 + %[1]d MOD 26), CHAR(65 + %[1]d MOD 13), ' ', %[1]d)", `k="zM 77"`},
		{"k VARCHAR(30) COLLATE utf8mb4_general_ci", "k", "CONCAT(IF(%[1]d MOD 2, 'ä', 'Z'), ' ', %[1]d)", `k="ä 77"`},
		{"k VARBINARY(30)", "k", "CONCAT(x'ff00', %d)", "k=X'FF003737'"},
		{"k DECIMAL(20,5)", "k", "%d / 10", "k=7.70000"},
		{"k DATETIME(3)", "k", "TIMESTAMPADD(SECOND, %d, '2024-01-01')", `k="2024-01-01 00:01:17.000"`},
		{"k TIMESTAMP", "k", "TIMESTAMPADD(SECOND, %d, '2024-01-01')", `k="2024-01-01 00:01:17"`},
		{"a INT, k VARCHAR(20)", "a, k", "%[1]d MOD 7, %[1]d", `a=0 AND k="77"`},
		{"a INT, k INT, c INT", "c, k, a", "%[1]d, %[1]d MOD 3, %[1]d MOD 5", "c=2 AND k=2 AND a=77"},
	} {
		table := fmt.Sprintf("keyed.t%d", i)
		key := "PRIMARY KEY (" + c.key + ")"
		if i%2 == 1 && !strings.Contains(c.key, ",") { // a unique key without NULL does as well
			c.columns += " NOT NULL"
			key = "UNIQUE KEY u (" + c.key + "), UNIQUE KEY nullable (n)"
		}
		l.both(t, fmt.Sprintf("CREATE TABLE %s (%s, n INT, v VARCHAR(20), %s) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin", table, c.columns, key))
		var rows []string
		for n := 1; n <= 950; n++ {
			rows = append(rows, fmt.Sprintf("(%s, %d, 'v%d')", fmt.Sprintf(c.value, n), n, n))
		}
		l.both(t, "INSERT INTO "+table+" VALUES "+strings.Join(rows, ","))
		if r := run(t, l.options(t, "keyed")); !r.Equal() || r.Tables[i].Rows != 950 {
			t.Fatal(printed(t, r))
		}
		exec(t, l.down, "DELETE FROM "+table+" WHERE n = 77", "UPDATE "+table+" SET v = 'other' WHERE n IN (1, 555)", "UPDATE "+table+" SET v = 'none' WHERE n = 950")
		exec(t, l.up, "DELETE FROM "+table+" WHERE n = 950")
		r := run(t, l.options(t, "keyed"))
		got := r.Tables[i]
		if got.Missing != 1 || got.Different != 2 || got.Extra != 1 || got.Rows != 949 || r.Equal() {
			t.Errorf("%s: %s", c.columns, printed(t, r))
		}
		if !slices.Contains(got.Examples, "missing downstream: "+c.shown) || !strings.Contains(strings.Join(got.Examples, "\n"), `v is "v555" upstream, "other" downstream`) {
			t.Errorf("%s: %q", c.columns, got.Examples)
		}
		exec(t, l.down, "DROP TABLE "+table)
		exec(t, l.up, "DROP TABLE "+table)
		l.both(t, fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY)", table)) // its place in the list
	}
}

// differences: more rows than the report names are counted; too many end the table's comparison, which says so.
func (l *lab) differences(t *testing.T) {
	l.both(t, "CREATE DATABASE differ CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE differ.a (id INT PRIMARY KEY, v INT)", "CREATE TABLE differ.b (id INT PRIMARY KEY, v INT)", "CREATE TABLE differ.c (id INT PRIMARY KEY)")
	fill(t, l, "differ.a", 3000)
	fill(t, l, "differ.b", 3000)
	exec(t, l.down, "UPDATE differ.a SET v = v + 1 WHERE id MOD 10 = 0", "DELETE FROM differ.b")
	r := run(t, l.options(t, "differ"))
	a, b, c := r.Tables[0], r.Tables[1], r.Tables[2]
	if a.Different != 300 || a.Rows != 3000 || len(a.Examples) != 20 || a.Unfinished != "" {
		t.Errorf("a: %s", printed(t, r))
	}
	if b.Missing < 1000 || b.Unfinished == "" || b.Equal() {
		t.Errorf("b: %s", printed(t, r))
	}
	if !c.Equal() || r.Equal() {
		t.Errorf("c: %s", printed(t, r))
	}
	if text := printed(t, r); !strings.Contains(text, "3 tables") || !strings.Contains(text, "2 differ") || !strings.Contains(text, "and 280 more") || !strings.Contains(text, "differ.b:") {
		t.Error(text)
	}
}

// fill inserts rows (id, id) into a table of both sides.
func fill(t *testing.T, l *lab, table string, n int) {
	t.Helper()
	var rows []string
	for i := 1; i <= n; i++ {
		rows = append(rows, fmt.Sprintf("(%d,%d)", i, i))
	}
	l.both(t, "INSERT INTO "+table+" VALUES "+strings.Join(rows, ","))
}

// withoutKey: equal rows are counted, however often they are there.
func (l *lab) withoutKey(t *testing.T) {
	l.both(t, "CREATE DATABASE bare CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE bare.t (a INT, b VARCHAR(10))", "INSERT INTO bare.t VALUES (1,'x'),(1,'x'),(1,'x'),(2,NULL),(NULL,NULL)")
	if r := run(t, l.options(t, "bare")); !r.Equal() {
		t.Error(printed(t, r))
	}
	exec(t, l.down, "DELETE FROM bare.t WHERE a = 1 LIMIT 2", "INSERT INTO bare.t VALUES (2,NULL)", "UPDATE bare.t SET b = '' WHERE a IS NULL")
	r := run(t, l.options(t, "bare"))
	if got := r.Tables[0]; got.Missing != 3 || got.Extra != 2 || got.Rows != 5 {
		t.Error(printed(t, r))
	}
	if text := printed(t, r); !strings.Contains(text, `missing downstream: a=1 AND b="x"`) || !strings.Contains(text, "downstream only: a=2 AND b=NULL") {
		t.Error(text)
	}
}

// definitions: tables and columns that one side lacks are told; those of servers and of the drainer are not looked at, nor
// what filters leave out; generated columns follow from the others.
func (l *lab) definitions(t *testing.T) {
	l.both(t, "CREATE DATABASE defs CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE defs.same (id INT PRIMARY KEY, a INT, g INT AS (a + 1) STORED, v INT AS (a * 2) VIRTUAL)",
		"INSERT INTO defs.same (id, a) VALUES (1, 2)", "CREATE TABLE defs.`odd``name` (`a``b` INT PRIMARY KEY, `select` TEXT)", "INSERT INTO defs.`odd``name` VALUES (1, 'x')")
	exec(t, l.down, "ALTER TABLE defs.same ADD KEY by_hand (a)")
	exec(t, l.up, "CREATE TABLE defs.kinds (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(10))")
	exec(t, l.down, "CREATE TABLE defs.kinds (id INT PRIMARY KEY, n BIGINT, s VARCHAR(20) DEFAULT 'x')")
	exec(t, l.up, "CREATE TABLE defs.missing (id INT)", "CREATE TABLE defs.columns (id INT PRIMARY KEY, a INT, b INT)", "INSERT INTO defs.columns VALUES (1, 2, 3)", "CREATE VIEW defs.view AS SELECT 1")
	exec(t, l.down, "CREATE TABLE defs.extra (id INT)", "CREATE TABLE defs.columns (id INT PRIMARY KEY, b INT, c INT)", "INSERT INTO defs.columns VALUES (1, 4, 5)", "CREATE TABLE defs.own (id INT)", "CREATE DATABASE `else` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE `else`.t (id INT)")
	// Without its key downstream a row can be there twice.
	exec(t, l.up, "CREATE TABLE defs.twice (id INT PRIMARY KEY)", "INSERT INTO defs.twice VALUES (1), (2)")
	exec(t, l.down, "CREATE TABLE defs.twice (id INT)", "INSERT INTO defs.twice VALUES (1), (2), (2), (NULL)")
	o := l.options(t, "defs")
	o.Own = func(_, table string) bool { return table == "own" }
	o.Skip = func(schema, _ string) bool { return schema != "defs" && schema != "else" }
	r := run(t, o)
	if text := printed(t, r); len(r.Others) != 1 || !strings.Contains(text, "downstream only: the databases else") {
		t.Error(text)
	}
	want := map[string]string{"defs.same": "", "defs.odd`name": "", "defs.missing": "the table is missing downstream", "defs.extra": "the table is downstream only",
		"defs.columns": "column `a` is missing downstream: int; column `c` is only downstream: int",
		"defs.kinds": "column `n`: type is int upstream, bigint downstream; column `n`: NULL allowed is no upstream, yes downstream; " +
			"column `s`: type is varchar(10) upstream, varchar(20) downstream; column `s`: default is none upstream, \"x\" downstream",
		"defs.twice": "column `id`: NULL allowed is no upstream, yes downstream; the primary key is missing downstream: PRIMARY KEY (`id`)"}
	for _, got := range r.Tables {
		if text, ok := want[got.Name]; !ok || strings.Join(got.Definition, "; ") != text {
			t.Errorf("%s: %q", got.Name, got.Definition)
		}
		if got.Name == "defs.columns" && got.Different != 1 {
			t.Errorf("the column that both have is not compared: %+v", got)
		}
		if got.Name == "defs.twice" && (got.Extra != 2 || got.Missing != 0) {
			t.Errorf("%+v", got)
		}
		delete(want, got.Name)
	}
	o.Partial = true
	if got := run(t, o).Tables[0]; got.Name != "defs.columns" || len(got.Definition) != 0 || got.Different != 1 {
		t.Errorf("with partial columns: %+v", got)
	}
	if len(want) > 0 {
		t.Errorf("not compared: %v\n%s", want, printed(t, r))
	}
}

// manyExtra: rows that are downstream only are found wherever they are, also many of them after the last upstream row.
func (l *lab) manyExtra(t *testing.T) {
	l.both(t, "CREATE DATABASE extra CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE extra.t (id INT PRIMARY KEY, v INT)")
	fill(t, l, "extra.t", 900)
	exec(t, l.up, "DELETE FROM extra.t WHERE id > 10")
	if got := run(t, l.options(t, "extra")).Tables[0]; got.Extra != 890 || got.Missing+got.Different != 0 || got.Unfinished != "" || got.Rows != 10 {
		t.Errorf("%+v", got)
	}
}

// interrupted: the comparison goes on where it was ended, with what it had found, and begins anew for another TS.
func (l *lab) interrupted(t *testing.T) {
	l.both(t, "CREATE DATABASE pause CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE pause.a (id INT PRIMARY KEY, v INT)", "CREATE TABLE pause.b (id INT PRIMARY KEY, v INT)", "CREATE TABLE pause.c (id INT PRIMARY KEY)")
	fill(t, l, "pause.a", 500)
	fill(t, l, "pause.b", 500)
	exec(t, l.down, "DELETE FROM pause.a WHERE id = 7")
	o := l.options(t, "pause")
	o.State = filepath.Join(t.TempDir(), "state.json")
	looks := 0
	o.Held = func(context.Context) error {
		if looks++; looks == 3 { // after the second table
			return errors.New("interrupted")
		}
		return nil
	}
	if _, err := compare.Run(t.Context(), o); err == nil || err.Error() != "interrupted" {
		t.Fatalf("%v", err)
	}
	exec(t, l.down, "UPDATE pause.a SET v = 0") // what has been compared is not looked at again
	o.Held = nil
	var last compare.Progress
	o.Progress = func(p compare.Progress) { last = p }
	r := run(t, o)
	if a := r.Tables[0]; a.Missing != 1 || a.Different != 0 || a.Rows != 500 || !r.Tables[1].Equal() || r.Tables[1].Rows != 500 {
		t.Error(printed(t, r))
	}
	if last.Tables != 3 || last.TablesDone != 3 || last.Rows != 1000 || last.RowsInAll < 1000 || last.Differences != 1 {
		t.Errorf("progress: %+v", last)
	}
	if _, err := os.Stat(o.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state file is still there: %v", err)
	}
	if got := run(t, o).Tables[0]; got.Different != 499 {
		t.Errorf("after the end nothing is remembered: %+v", got)
	}
}

// notHeld: when the downstream was written to there is no result.
func (l *lab) notHeld(t *testing.T) {
	o := l.options(t, "types")
	moved := errors.New("the checkpoint has moved")
	n := 0
	o.Held = func(context.Context) error {
		if n++; n == 3 {
			return moved
		}
		return nil
	}
	if r, err := compare.Run(t.Context(), o); !errors.Is(err, moved) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

// routes: tables are compared under the names that they have downstream; those that share one are not.
func (l *lab) routes(t *testing.T) {
	exec(t, l.up, "CREATE DATABASE up CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE up.one (id INT PRIMARY KEY)", "CREATE TABLE up.s1 (id INT PRIMARY KEY)", "CREATE TABLE up.s2 (id INT PRIMARY KEY)", "INSERT INTO up.one VALUES (1)")
	exec(t, l.down, "CREATE DATABASE target CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE target.renamed (id INT PRIMARY KEY)", "INSERT INTO target.renamed VALUES (1)", "CREATE TABLE target.shards (id INT PRIMARY KEY)")
	o := l.options(t, "up")
	o.Route = func(_, table string) (string, string, error) {
		if table == "one" {
			return "target", "renamed", nil
		}
		return "target", "shards", nil
	}
	r := run(t, o)
	if len(r.Tables) != 3 || !r.Tables[0].Equal() || r.Tables[0].Name != "up.one" || r.Tables[0].Rows != 1 || !strings.Contains(r.Tables[1].Unfinished, "2 tables of the upstream go into target.shards") {
		t.Error(printed(t, r))
	}
}

// snapshot: what is written upstream after the TS does not count.
func (l *lab) snapshot(t *testing.T) {
	l.both(t, "CREATE DATABASE later CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CREATE TABLE later.t (id INT PRIMARY KEY, v INT)")
	fill(t, l, "later.t", 200)
	o := l.options(t, "later")
	exec(t, l.up, "UPDATE later.t SET v = 0", "DELETE FROM later.t WHERE id < 50", "CREATE TABLE later.u (id INT)", "ALTER TABLE later.t ADD COLUMN w INT")
	if r := run(t, o); !r.Equal() || len(r.Tables) != 1 || r.Tables[0].Rows != 200 {
		t.Error(printed(t, r))
	}
}

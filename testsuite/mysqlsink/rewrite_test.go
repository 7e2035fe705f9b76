package mysqlsink

import (
	"strings"
	"testing"
	"time"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// TestDroppedColumn: while a statement with several changes drops a column, rows lack it before the
// downstream does.
func TestDroppedColumn(t *testing.T) {
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, a INT NOT NULL, e ENUM('x','y') NOT NULL, s VARCHAR(5) NOT NULL, b INT, d INT NOT NULL DEFAULT 7)")
	enum := sinktest.Column("e", pmysql.TypeEnum, pmysql.NotNullFlag)
	enum.Type.SetElems([]string{"x", "y"})
	preset := sinktest.Column("d", pmysql.TypeLong, pmysql.NotNullFlag)
	preset.Default = "7"
	tab := &schema.Table{ID: 10, Schema: "d", Name: "t", Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}}, Columns: []schema.Column{
		sinktest.Column("id", pmysql.TypeLong, pmysql.NotNullFlag|pmysql.PriKeyFlag), sinktest.Column("a", pmysql.TypeLong, pmysql.NotNullFlag), enum,
		sinktest.Column("s", pmysql.TypeVarchar, pmysql.NotNullFlag), sinktest.Column("b", pmysql.TypeLong, 0), preset}}
	lacks := func(id string) *txn.Change {
		r := row(tab, id, "1", "x", "s", "1", "1")
		for i := 1; i < len(r); i++ {
			r[i] = txn.Value{}
		}
		return &txn.Change{Table: tab, Op: txn.Insert, New: r}
	}
	full := &txn.Change{Table: tab, Op: txn.Insert, New: row(tab, "3", "3", "y", "3", "3", "3")}
	s := l.open(t, 50)
	mustApply(t, s, &sink.Txn{CommitTS: 100, Changes: []*txn.Change{lacks("1"), lacks("2"), full}})
	l.opts.SafeMode = true
	s.Close()
	mustApply(t, l.open(t, 100), &sink.Txn{CommitTS: 200, Changes: []*txn.Change{lacks("2")}})
	const first, second = "\"0\" \"x\" \"\" \"NULL\" \"7\" \n", "\"3\" \"y\" \"3\" \"3\" \"3\" \n"
	if got := l.dump(t, "d.t ORDER BY id"); got != "\"1\" "+first+"\"2\" "+first+"\"3\" "+second {
		t.Errorf("%s", got)
	}
}

// TestTimeZone: without a definition, the times in statements are in the configured zone; a
// conversion needs a zone that the downstream knows.
func TestTimeZone(t *testing.T) {
	srv := mariadbtest.Start(t, "--default-time-zone=-07:00", "--explicit-defaults-for-timestamp=OFF")
	l := newLab(t, srv)
	l.exec(t, "SET time_zone = '+00:00'; CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a TIMESTAMP NULL, b DATETIME); INSERT INTO d.t VALUES (1, '2024-05-05 04:00:00', '2024-05-05 12:00:00')")
	l.opts.DDLTimeZone = time.FixedZone("", 8*3600)
	s := l.open(t, 50)
	at := nodes.MakeTSO(time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), 0)
	next := func(query string) *sink.Txn {
		at += 10
		return ddl(at, "t", query)
	}
	mustApply(t, s, next("ALTER TABLE `t` MODIFY COLUMN `a` DATETIME"), next("ALTER TABLE `t` MODIFY COLUMN `b` TIMESTAMP NULL"),
		next("ALTER TABLE `t` ADD COLUMN `c` TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'"), next("ALTER TABLE `t` ADD COLUMN `n` TIMESTAMP"),
		next("ALTER TABLE `t` ADD COLUMN `now` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP"), next("ALTER TABLE `t` ADD COLUMN `clock` DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP"))
	want := `id="1" a="2024-05-05 12:00:00" b="2024-05-05 04:00:00" c="2019-12-31 16:00:00" n="NULL" now="2024-01-02 03:04:05" clock="2024-01-02 11:04:05" ` + "\n"
	if got := valuesOf(t, l, "d.t"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	s.Close()

	var err error
	if l.opts.DDLTimeZone, err = time.LoadLocation("America/New_York"); err != nil {
		t.Fatal(err)
	}
	s = l.open(t, at)
	x := next("ALTER TABLE `t` MODIFY COLUMN `a` TIMESTAMP NULL")
	if err := s.Apply(t.Context(), one(x)); err != nil {
		t.Fatal(err)
	}
	err = s.Flush(t.Context())
	if err == nil || !strings.Contains(err.Error(), "America/New_York") || !strings.Contains(err.Error(), "mysql_tzinfo_to_sql") {
		t.Errorf("a zone that the server does not know: %v", err)
	}
}

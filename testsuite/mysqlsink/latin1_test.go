package mysqlsink

import (
	"errors"
	"strings"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/mariadbtest"
)

// TestLatin1: a latin1 column of TiDB holds any UTF-8. Where the definition says so, the column is utf8mb4
// downstream; where only a row does, the sink stops and says how to make it so. It then stays so.
func TestLatin1(t *testing.T) {
	l, u := newLab(t, mariadbtest.Start(t)), newUpstream(t)
	l.exec(t, "CREATE DATABASE d")
	latin1 := func(id int, name, kind string, more ...string) string {
		return strings.ReplaceAll(col(id, name, kind, more...), "utf8mb4", "latin1")
	}
	id, pk := col(1, "id", "int not null"), key("PRIMARY", true, "id/0")
	a, b := latin1(2, "a", "varchar(5)", `"origin_default":"中","default":"中"`), latin1(3, "b", "varchar(5)")
	s := l.open(t, 50)
	create := u.create("CREATE TABLE `t` (`id` INT PRIMARY KEY, `a` VARCHAR(5) CHARACTER SET latin1 DEFAULT '中', `b` VARCHAR(5) CHARACTER SET latin1)", 10, "t", id, pk, a, b)
	mustApply(t, s, create)
	insert := func(id, a, b string) *sink.Txn {
		u.n++ // a commit TS
		tab := create.DDL.After
		return &sink.Txn{CommitTS: u.ts(), Changes: []*txn.Change{{Table: tab, Op: txn.Insert, New: row(tab, id, a, b)}}}
	}
	mustApply(t, s, insert("1", "中", "é"))

	bad := insert("2", "é", "中")
	err := applyOne(t, s, bad)
	var refused *mysql.StatementError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "MODIFY ... CHARACTER SET utf8mb4 COLLATE utf8mb4_bin") {
		t.Fatalf("a row that latin1 lacks: %v", err)
	}
	from := s.Applied()
	s.Close()
	l.exec(t, "ALTER TABLE d.t MODIFY b VARCHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	s = l.open(t, from)
	mustApply(t, s, bad)

	a, b = latin1(2, "a", "varchar(7)"), latin1(3, "c", "varchar(8)")
	mustApply(t, s, u.alter("ALTER TABLE `t` MODIFY `a` VARCHAR(7) CHARACTER SET latin1, CHANGE `b` `c` VARCHAR(8) CHARACTER SET latin1", 10, "t", id, pk, a, b))
	mustApply(t, s, u.job(22, "ALTER TABLE `t` CONVERT TO CHARACTER SET latin1", `"table_id":10,"binlog":{"TableInfo":`+
		strings.Replace(tableInfo(10, "t", id, pk, a, b), `"charset":"utf8mb4","collate":"utf8mb4_bin"`, `"charset":"latin1","collate":"latin1_bin"`, 1)+`}`))
	want := "id=\"1\" a=\"中\" c=\"é\" \nid=\"2\" a=\"é\" c=\"中\" \n"
	if got := valuesOf(t, l, "d.t"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

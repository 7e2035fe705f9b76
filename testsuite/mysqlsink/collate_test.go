package mysqlsink

import (
	"strings"
	"testing"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// texts is a table with columns of text, by their collations upstream.
func texts(name string, collations map[string]string) *schema.Table {
	t := &schema.Table{Schema: "d", Name: name}
	for column, collation := range collations {
		ft := types.NewFieldType(pmysql.TypeVarchar)
		set, _, _ := strings.Cut(collation, "_")
		ft.SetCharset(set)
		ft.SetCollate(collation)
		t.Columns = append(t.Columns, schema.Column{Name: column, Type: *ft, Public: true})
	}
	return t
}

// TestCollations: what a statement does not say is downstream as it is upstream, whatever the
// downstream's own defaults are; so text that is not equal upstream is not equal downstream.
func TestCollations(t *testing.T) {
	srv := mariadbtest.Start(t, "--character-set-server=latin1")
	l := newLab(t, srv)
	l.exec(t, "CREATE DATABASE byhand CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
	s := l.open(t, 50)
	ts := nodes.TSO(100)
	do := func(database string, after *schema.Table, job schema.Job, query string) {
		t.Helper()
		x := &sink.Txn{CommitTS: ts, Query: query, DDL: &schema.DDL{Schema: database, Job: &job, After: after}}
		if after != nil {
			x.DDL.Table = after.Name
		}
		mustApply(t, s, x)
		ts++
	}
	create := func(after *schema.Table, query string) {
		t.Helper()
		for _, database := range []string{"d", "byhand"} {
			do(database, after, schema.Job{Type: schema.ActionCreateTable}, query)
		}
	}
	do("d", nil, schema.Job{Type: schema.ActionCreateSchema}, "CREATE DATABASE `d`")
	do("utf", nil, schema.Job{Type: schema.ActionCreateSchema}, "create database utf charset utf8mb4")
	do("gci", nil, schema.Job{Type: schema.ActionCreateSchema, Result: schema.Result{DBInfo: &schema.DBInfo{Charset: "utf8mb4", Collate: "utf8mb4_unicode_ci"}}}, "CREATE DATABASE `gci`")
	do("utf", nil, schema.Job{Type: schema.ActionModifySchemaCharset}, "ALTER DATABASE `utf` CHARACTER SET = latin1")

	k := map[string]string{"k": "utf8mb4_bin"}
	create(texts("t", k), "CREATE TABLE `t` (`k` VARCHAR(20) PRIMARY KEY)")
	k["e"], k["g"] = "utf8mb4_bin", "utf8mb4_general_ci"
	for _, database := range []string{"d", "byhand"} {
		do(database, texts("t", k), schema.Job{Type: schema.ActionMultiSchemaChange}, "ALTER TABLE `t` ADD COLUMN `e` ENUM('a','A') NOT NULL, ADD COLUMN `g` TEXT COLLATE utf8mb4_general_ci")
	}
	create(texts("u", k), "CREATE TABLE `u` (`k` VARCHAR(20) CHARACTER SET utf8mb4, `e` VARCHAR(20), `g` LONGTEXT) DEFAULT CHARSET = utf8mb4")
	create(texts("v", map[string]string{"k": "latin1_bin"}), "CREATE TABLE `v` (`k` VARCHAR(20)) CHARACTER SET = latin1")
	create(texts("v", map[string]string{"k": "utf8mb4_bin"}), "ALTER TABLE `v` CONVERT TO CHARACTER SET utf8mb4")

	got := column[string](t, l, "SELECT CONCAT(schema_name, ' ', default_collation_name) FROM information_schema.schemata WHERE schema_name IN ('d','utf','gci') ORDER BY 1")
	if want := "d utf8mb4_bin, gci utf8mb4_unicode_ci, utf latin1_bin"; strings.Join(got, ", ") != want {
		t.Errorf("databases: %q, want %s", got, want)
	}
	const of = "SELECT GROUP_CONCAT(CONCAT_WS('.', table_name, column_name, collation_name) ORDER BY 1 SEPARATOR ', ') FROM information_schema.columns WHERE table_schema="
	const want = "t.e.utf8mb4_bin, t.g.utf8mb4_general_ci, t.k.utf8mb4_bin, u.e.utf8mb4_bin, u.g.utf8mb4_general_ci, u.k.utf8mb4_bin, v.k.utf8mb4_bin"
	for _, database := range []string{"d", "byhand"} {
		if got := column[string](t, l, of+"'"+database+"'"); got[0] != want {
			t.Errorf("%s:\n%s\nwant\n%s", database, got[0], want)
		}
		l.exec(t, "INSERT INTO "+database+".t (k, e) VALUES ('a', 'A'), ('A', 'a')")
	}
}

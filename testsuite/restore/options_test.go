package restore

import (
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// shop are files with the tables shop.items, shop.carts and log.entries; rows are the commit TSs of the first and of the last
// transaction with rows, after which there is a statement about tables of both databases.
func shop(t *testing.T) (dir string, rows [2]nodes.TSO) {
	t.Helper()
	var txns []*sink.Txn
	add := func(x *sink.Txn) nodes.TSO {
		x.CommitTS = base + nodes.TSO(len(txns))
		txns = append(txns, x)
		return x.CommitTS
	}
	statement := func(db, query string, tp schema.Action) {
		add(&sink.Txn{Query: query, DDL: &schema.DDL{Schema: db, Job: &schema.Job{Type: tp}}})
	}
	columns := []schema.Column{sinktest.Column("id", mysql.TypeLonglong, mysql.PriKeyFlag|mysql.NotNullFlag), sinktest.Column("n", mysql.TypeLonglong, 0)}
	row := func(id, n int64) txn.Row { return txn.Row{txn.IntOf(id), txn.IntOf(n)} }
	var tables []*schema.Table
	for _, db := range []string{"shop", "log"} {
		statement(db, "CREATE DATABASE "+db, schema.ActionCreateSchema)
	}
	for _, name := range []string{"shop.items", "shop.carts", "log.entries"} {
		db, table, _ := strings.Cut(name, ".")
		statement(db, "CREATE TABLE "+table+" (id BIGINT PRIMARY KEY, n BIGINT)", schema.ActionCreateTable)
		tables = append(tables, &schema.Table{ID: int64(len(tables) + 1), Schema: db, Name: table, Columns: columns})
	}
	for i := range int64(20) {
		for _, tab := range tables {
			ts := add(&sink.Txn{Changes: []*txn.Change{{Table: tab, New: row(i, i)}}})
			if rows[0] == 0 {
				rows[0] = ts
			}
		}
	}
	for _, tab := range tables {
		rows[1] = add(&sink.Txn{Changes: []*txn.Change{{Table: tab, Op: txn.Update, Old: row(1, 1), New: row(1, 100)}, {Table: tab, Op: txn.Delete, Old: row(2, 2)}, {Table: tab, Op: txn.Update, Old: row(3, 3), New: row(30, 3)}}})
	}
	statement("shop", "RENAME TABLE carts TO log.carts", schema.ActionRenameTable)
	return written(t, txns), rows
}

// contents says which of shop's tables are there, with how many rows and which sum.
func contents(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	var names []string
	list, err := db.Query("SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema IN ('shop', 'log') ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for list.Next() {
		var name string
		if err := list.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var text string
		if err := db.QueryRow("SELECT CONCAT(COUNT(*), ' rows, ', SUM(id), ', ', SUM(n)) FROM " + name).Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, name+": "+text)
	}
	return all
}

// whole are contents of each of shop's tables: ids 0 to 19 without 2, with 30 for 3, and 100 for one 1.
const whole = ": 19 rows, 215, 287"

func wants(t *testing.T, db *sql.DB, tables ...string) {
	t.Helper()
	for i := range tables {
		tables[i] += whole
	}
	if got := contents(t, db); !slices.Equal(got, tables) {
		t.Errorf("the database has %q, want %q", got, tables)
	}
}

// In safe mode a database that has some of the range already, or all, gets the rest; without, reparo stops and says how to go on.
func TestRestoreSafeMode(t *testing.T) {
	dir, rows := shop(t)
	srv := startMariaDB(t)
	db := srv.open(t)
	restored(t, into(t, dir, srv, "-stop-tso", rows[1].String())...)
	if _, err := db.Exec("DELETE FROM shop.items WHERE id > 10; UPDATE shop.carts SET n = 7; DELETE FROM log.entries"); err != nil {
		t.Fatal(err)
	}
	again := into(t, dir, srv, "-start-tso", rows[0].String(), "-stop-tso", rows[1].String()) // another start than before: not resumed
	_, stderr, code := reparo(t, again...)
	if code != 1 || strings.Contains(stderr, "drainer") {
		t.Errorf("without safe-mode it ends with %d, want 1 and no word of a drainer:\n%s", code, stderr)
	}
	for _, want := range []string{"Duplicate entry", "INSERT INTO", "in reparo's configuration file", "run the same command again"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the error lacks %q:\n%s", want, stderr)
		}
	}
	restored(t, append(again, "-safe-mode")...)
	wants(t, db, "log.entries", "shop.carts", "shop.items")
}

// After the dump has been loaded again the same command does nothing, and with -restart all of it.
func TestRestoreRestart(t *testing.T) {
	dir, rows := shop(t)
	srv := startMariaDB(t)
	db := srv.open(t)
	args := into(t, dir, srv, "-stop-tso", rows[1].String())
	restored(t, args...)
	if _, err := db.Exec("DROP DATABASE shop; DROP DATABASE log"); err != nil {
		t.Fatal(err)
	}
	if stdout := restored(t, args...); !strings.Contains(stdout, "give -restart to do it again") {
		t.Errorf("the second run says %q", stdout)
	}
	if got := contents(t, db); len(got) > 0 {
		t.Errorf("the second run has restored %q", got)
	}
	restored(t, append(args, "-restart")...)
	wants(t, db, "log.entries", "shop.carts", "shop.items")
}

// Filters restore the tables that they name alone, and a statement about others as well stops the restore.
func TestRestoreFilters(t *testing.T) {
	dir, rows := shop(t)
	srv := startMariaDB(t)
	db := srv.open(t)
	stop := rows[1].String()
	for _, x := range []struct {
		keys, sections string
		tables         []string
	}{
		{"replicate-do-db = [\"~^sh\"]\n", "", []string{"shop.carts", "shop.items"}},
		{"replicate-ignore-db = [\"shop\"]\n", "", []string{"log.entries"}},
		{"replicate-do-db = [\"shop\"]\n", "[[replicate-do-table]]\ndb-name = \"log\"\ntbl-name = \"~entries\"\n", []string{"log.entries", "shop.carts", "shop.items"}},
		{"", "[[replicate-ignore-table]]\ndb-name = \"shop\"\ntbl-name = \"carts\"\n", []string{"log.entries", "shop.items"}},
	} {
		if _, err := db.Exec("DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS log"); err != nil {
			t.Fatal(err)
		}
		restored(t, with(t, x.keys, x.sections, into(t, dir, srv, "-restart", "-stop-tso", stop))...)
		t.Log(x.keys + x.sections)
		wants(t, db, x.tables...)
	}
	_, stderr, code := reparo(t, with(t, "replicate-ignore-db = [\"log\"]\n", "", into(t, dir, srv, "-start-tso", rows[1].String()))...)
	if want := "is about tables that are restored and others that are not"; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("a statement about both ends with %d, want 1 and %q:\n%s", code, want, stderr)
	}
}

// with puts more into the configuration file of flags that into has made.
func with(t *testing.T, keys, sections string, args []string) []string {
	t.Helper()
	text, err := os.ReadFile(args[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(args[1], []byte(keys+string(text)+sections), 0o600); err != nil {
		t.Fatal(err)
	}
	return args
}

package drainer_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// upstream makes a history and its binlogs, ten commit TSs apart.
type upstream struct {
	*rig
	dir  string
	base nodes.TSO
	pump listPump
}

func newUpstream(r *rig) *upstream {
	return &upstream{rig: r, dir: r.TempDir(), base: r.tso()}
}

func (u *upstream) next() nodes.TSO { return u.base + 10*nodes.TSO(len(u.pump.binlogs)+1) }

// ddl adds a statement and its job: about is the job without what all have.
func (u *upstream) ddl(query, about, result string) {
	u.Helper()
	ts, id := u.next(), int64(len(u.pump.binlogs)+1)
	job := fmt.Sprintf(`{"id":%d,"state":6,"start_ts":%d,"query":%q,%s,"binlog":{%s,"SchemaVersion":%d,"FinishedTS":%d}}`, id, ts-1, query, about, result, id, ts+1)
	if err := os.WriteFile(filepath.Join(u.dir, fmt.Sprintf("%d.json", id)), []byte(job), 0o600); err != nil {
		u.Fatal(err)
	}
	u.pump.binlogs = append(u.pump.binlogs, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(int64(ts) - 1), CommitTs: proto.Int64(int64(ts)),
		DdlQuery: []byte(query), DdlJobId: proto.Int64(id), DdlSchemaState: proto.Int32(5)})
}

// createDatabase, createTable and so on are statements with their jobs.
func (u *upstream) createDatabase(id int, name string) {
	u.Helper()
	u.ddl("CREATE DATABASE `"+name+"`", fmt.Sprintf(`"type":1,"schema_id":%d,"schema_name":%q`, id, name), fmt.Sprintf(`"DBInfo":{"id":%d,"db_name":{"O":%q,"L":%q},"charset":"utf8mb4","collate":"utf8mb4_bin"}`, id, name, name))
}

// ints is a table of INT columns.
func ints(id int, name string, columns ...string) string {
	var list []string
	for i, c := range columns {
		list = append(list, fmt.Sprintf(`{"id":%d,"name":{"O":%q,"L":%q},"offset":%d,"state":5,"type":{"Tp":3,"Flag":0,"Flen":11,"Decimal":0,"Charset":"binary","Collate":"binary"},"version":2}`, i+1, c, c, i))
	}
	return fmt.Sprintf(`{"id":%d,"name":{"O":%q,"L":%q},"state":5,"charset":"utf8mb4","collate":"utf8mb4_bin","cols":[%s]}`, id, name, name, strings.Join(list, ","))
}

// table is a statement about one table that leaves it as info.
func (u *upstream) table(tp, schemaID, id int, query, info string) {
	u.Helper()
	result := `"none":0`
	if info != "" {
		result = `"TableInfo":` + info
	}
	u.ddl(query, fmt.Sprintf(`"type":%d,"schema_id":%d,"table_id":%d`, tp, schemaID, id), result)
}

// row inserts a row into a table.
func (u *upstream) row(table int64, values ...int64) {
	u.Helper()
	b := insert(u.TB.(*testing.T), u.next(), 1000, values...)
	var v binlogpb.PrewriteValue
	if err := proto.Unmarshal(b.PrewriteValue, &v); err != nil {
		u.Fatal(err)
	}
	v.Mutations[0].TableId = proto.Int64(table)
	var err error
	if b.PrewriteValue, err = binlogpb.EncodePrewriteValue(&v); err != nil {
		u.Fatal(err)
	}
	u.pump.binlogs = append(u.pump.binlogs, b)
}

// replicate brings everything to a MariaDB; the error is the drainer's.
func (u *upstream) replicate(srv *mariadbtest.Server, o drainer.Options) error {
	u.Helper()
	last := u.next() - 10
	u.pump.upTo.Store(int64(last))
	u.serve(&u.pump)
	o.InitialCommitTS, o.Schema = u.base, schema.Dir(u.dir)
	o.Downstream = &downstream.MySQL{Host: srv.Host, Port: srv.Port, Workers: 4}
	d := u.open(o)
	ended := make(chan error, 1)
	go func() { ended <- d.Wait() }()
	var err error
	over := false
	u.eventually("what the pump has is downstream", func() bool {
		select {
		case err = <-ended:
			over = true
		default:
		}
		return over || u.record(d.NodeID()).MaxCommitTS >= last
	})
	if !over {
		err = d.Close()
	}
	return err
}

// tables are the tables of a database downstream, with how many rows each has.
func tables(t *testing.T, db *sql.DB, schema string) (list []string) {
	t.Helper()
	rows, err := db.Query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", schema)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM `" + schema + "`.`" + name + "`").Scan(&n); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(name, ":", n))
	}
	slices.Sort(list)
	return list
}

// TestFiltersDownstream: statements that cross the filters, in a real downstream: what is not replicated
// stays, what is goes.
func TestFiltersDownstream(t *testing.T) {
	u, srv := newUpstream(newRig(t)), mariadbtest.Start(t)
	db := srv.Open()
	for _, q := range []string{"CREATE DATABASE db", "CREATE TABLE db.ig (a INT)", "INSERT INTO db.ig VALUES (1)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	u.createDatabase(1, "db")
	u.table(3, 1, 10, "CREATE TABLE `db`.`t1` (`a` INT)", ints(10, "t1", "a"))
	u.table(3, 1, 11, "CREATE TABLE `db`.`t2` (`a` INT)", ints(11, "t2", "a"))
	u.table(3, 1, 12, "CREATE TABLE `db`.`ig` (`a` INT)", ints(12, "ig", "a"))
	u.row(10, 1)
	u.row(12, 2)
	u.table(21, 1, 13, "CREATE VIEW `db`.`v` AS SELECT * FROM `ig`",
		`{"id":13,"name":{"O":"v","L":"v"},"state":5,"cols":[],"view":{"view_select":"SELECT * FROM `+"`db`.`ig`"+`"}}`)
	u.table(24, 1, 13, "DROP VIEW `db`.`v`", "")
	u.table(14, 1, 10, "RENAME TABLE `db`.`t1` TO `db`.`igout`", ints(10, "igout", "a"))
	u.row(10, 3) // not replicated any more
	u.table(3, 1, 14, "CREATE TABLE `db`.`t1` (`a` INT)", ints(14, "t1", "a"))
	u.row(14, 1)
	q := "RENAME TABLE `db`.`ig` TO `db`.`ig2`, `db`.`t2` TO `db`.`t3`"
	u.ddl(q, `"type":47,"schema_id":1`, `"MultipleTableInfos":[`+ints(12, "ig2", "a")+","+ints(11, "t3", "a")+"]")
	u.row(11, 4)
	u.table(4, 1, 11, "DROP TABLE `db`.`t3`, `db`.`ig2`", "")
	u.ddl("DROP DATABASE `db`", `"type":2,"schema_id":1`, `"none":0`)
	u.createDatabase(2, "db")
	u.table(3, 2, 15, "CREATE TABLE `db`.`t2` (`a` INT)", ints(15, "t2", "a"))
	o := u.options("drainer1")
	o.Filter = txn.FilterRules{IgnoreTables: []txn.TableName{{Schema: "db", Table: "~^ig"}}}
	if err := u.replicate(srv, o); err != nil {
		t.Fatal(err)
	}
	if got, want := tables(t, db, "db"), []string{"ig:1", "igout:1", "t2:0"}; !slices.Equal(got, want) {
		t.Errorf("downstream: %q, want %q", got, want)
	}
}

// TestRoutesDownstream: tables under other names, statements and rows, and what rules leave out.
func TestRoutesDownstream(t *testing.T) {
	srv := mariadbtest.Start(t)
	rules := txn.MigrateRules{
		Tables: []txn.MigrateRule{
			{Source: txn.MigrateName{Schema: "shop_*", Table: "orders_*"}, Target: &txn.MigrateName{Schema: "shop", Table: "orders"}, Events: []string{"keep"}},
			{Source: txn.MigrateName{Schema: "shop_*"}, Target: &txn.MigrateName{Schema: "shop"}},
		},
		Events: map[string]txn.EventRule{"keep": {Events: []string{"truncate table"}, SQL: []string{"COMMENT 'no'"}}},
	}
	begin := func(t *testing.T) (*upstream, drainer.Options) {
		u := newUpstream(newRig(t))
		u.createDatabase(1, "shop_1")
		u.table(3, 1, 10, "CREATE TABLE `orders_1` (`a` INT)", ints(10, "orders_1", "a"))
		u.row(10, 1)
		o := u.options("drainer1")
		o.Migrate = rules
		return u, o
	}
	db := srv.Open()
	u, o := begin(t)
	u.table(5, 1, 10, "ALTER TABLE `orders_1` ADD COLUMN `b` INT", ints(10, "orders_1", "a", "b"))
	u.row(10, 2, 2)
	u.table(17, 1, 10, "ALTER TABLE `shop_1`.`orders_1` COMMENT 'no'", ints(10, "orders_1", "a", "b"))
	u.table(11, 1, 10, "TRUNCATE TABLE `orders_1`", ints(11, "orders_1", "a", "b"))
	u.row(11, 3, 3)
	u.createDatabase(2, "shop_2")
	u.table(3, 2, 12, "CREATE TABLE `shop_2`.`orders_2` (`a` INT, `b` INT)", ints(12, "orders_2", "a", "b"))
	u.row(12, 4, 4)
	u.table(3, 2, 13, "CREATE TABLE `shop_2`.`Users` (`a` INT)", ints(13, "Users", "a"))
	u.row(13, 5)
	if err := u.replicate(srv, o); err != nil {
		t.Fatal(err)
	}
	if got, want := tables(t, db, "shop"), []string{"Users:1", "orders:4"}; !slices.Equal(got, want) {
		t.Errorf("downstream: %q, want %q", got, want)
	}
	for _, name := range []string{"shop_1", "shop_2"} {
		if got := tables(t, db, name); len(got) > 0 {
			t.Errorf("%s downstream: %q", name, got)
		}
	}

	if _, err := db.Exec("DROP DATABASE shop"); err != nil {
		t.Fatal(err)
	}
	u, o = begin(t)
	u.table(3, 1, 12, "CREATE TABLE `orders_2` (`a` INT)", ints(12, "orders_2", "a"))
	u.table(4, 1, 12, "DROP TABLE `orders_2`", "")
	err := u.replicate(srv, o)
	if err == nil || !strings.Contains(err.Error(), "`shop_1`.`orders_2` and `shop_1`.`orders_1` to the one table `shop`.`orders`") {
		t.Errorf("a statement about one of two tables with a target: %v", err)
	}
	if got, want := tables(t, db, "shop"), []string{"orders:1"}; !slices.Equal(got, want) {
		t.Errorf("downstream: %q, want %q", got, want)
	}
}

// TestPartsInFiles: a statement of which parts go downstream is several records, and they are there once
// when the drainer begins again in front of it.
func TestPartsInFiles(t *testing.T) {
	u := newUpstream(newRig(t))
	u.createDatabase(1, "db")
	for i, name := range []string{"t1", "ig", "t2"} {
		u.table(3, 1, 10+i, "CREATE TABLE `db`.`"+name+"` (`a` INT)", ints(10+i, name, "a"))
	}
	u.ddl("DROP DATABASE `db`", `"type":2,"schema_id":1`, `"none":0`)
	u.createDatabase(2, "other")
	u.pump.upTo.Store(int64(u.next()))
	u.serve(&u.pump)
	o := u.options("drainer1")
	o.InitialCommitTS, o.Schema, o.AcceptLoss = u.base, schema.Dir(u.dir), true
	o.Filter = txn.FilterRules{IgnoreTables: []txn.TableName{{Schema: "db", Table: "~^ig"}}}
	want := []string{"10 CREATE DATABASE IF NOT EXISTS `db`;", "20 use `db`; CREATE TABLE `db`.`t1` (`a` INT);", "40 use `db`; CREATE TABLE `db`.`t2` (`a` INT);",
		"48 use `db`; DROP TABLE `db`.`t1`;", "49 use `db`; DROP TABLE `db`.`t2`;", "60 CREATE DATABASE `other`;"}
	for _, from := range []nodes.TSO{u.base, u.base + 45, u.base + 48, u.base + 49} {
		at := checkpoint.Position{CommitTS: from, ClusterID: u.cluster, Exact: true}
		if err := checkpoint.InDir(o.DataDir).Save(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		d := u.open(o)
		u.eventually("what the pump has is downstream", func() bool { return u.record("drainer1").MaxCommitTS >= u.next()-10 })
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if got := u.written(o, u.base); !slices.Equal(got, want) {
			t.Errorf("from %s:\n%s\nwant\n%s", from, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

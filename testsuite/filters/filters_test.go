package filters

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/tikv"
	"pumphouse/drainer/txn"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/tikvconn"
	"pumphouse/pump"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// timeout is how long anything may take that should happen soon, on a busy machine.
const timeout = 2 * time.Minute

// lab is a TiDB with a pump, and a MariaDB.
type lab struct {
	*testing.T
	registry *nodes.Registry
	pd       *pd.Client
	source   *tikv.Source
	up, down *sql.DB
	maria    *mariadbtest.Server
	options  drainer.Options
}

// newLab starts them; year is that of the TiDB (see tidbtest.Options).
func newLab(t *testing.T, year int) *lab {
	cluster := pdtest.StartReal(t, 1)
	tidbtest.StartUnistore(t, cluster.Endpoint(0))
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	t.Cleanup(tikvconn.RedirectLogs(quiet))
	l := &lab{T: t, registry: nodes.NewRegistry(cluster.Etcd(), 5*time.Second), maria: mariadbtest.Start(t)}
	var err error
	if l.pd, err = pd.New(pd.Options{Endpoints: cluster.Endpoints()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.pd.Close() })
	p, err := pump.New(pump.Options{Options: life.Options{NodeID: "pump1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), Registry: l.registry, PD: l.pd}, StopWriteAtAvailable: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if l.source, err = tikv.New(cluster.Endpoints(), certfile.Security{}, quiet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.source.Close() })
	l.up = tidbtest.StartTiDB(t, tidbtest.Options{PD: cluster.Endpoint(0), Store: tidbtest.TiKV, Binlog: true, Year: year}).Open(t, "")
	l.down = l.maria.Open()
	l.options = drainer.Options{Options: life.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: t.TempDir(), Registry: l.registry, PD: l.pd}, Schema: l.source, InitialCommitTS: l.now()}
	return l
}

func (l *lab) now() nodes.TSO {
	l.Helper()
	ts, err := l.pd.TSO(context.Background())
	if err != nil {
		l.Fatal(err)
	}
	return ts
}

func (l *lab) exec(db *sql.DB, statements ...string) {
	l.Helper()
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			l.Fatalf("%s: %v", q, err)
		}
	}
}

// replicate runs a drainer until everything is downstream, or until it ends with an error.
func (l *lab) replicate() error {
	l.Helper()
	upTo := l.now()
	o := l.options
	o.Downstream = &downstream.MySQL{Host: l.maria.Host, Port: l.maria.Port, Workers: 4}
	d, err := drainer.New(o)
	if err != nil {
		l.Fatal(err)
	}
	if err := d.Open(l.Context()); err != nil {
		l.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Wait() }()
	for end := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			return err
		default:
		}
		e, err := l.registry.Get(l.Context(), nodes.Drainer, "drainer1")
		if err == nil && e.Record.MaxCommitTS >= upTo {
			break
		}
		if time.Now().After(end) {
			l.Fatalf("the drainer does not come to %s: %+v, %v", upTo, e.Record, err)
		}
	}
	return d.Close()
}

// skip has the drainer leave out the transaction that it stopped at.
func (l *lab) skip(stopped error, reason string) {
	l.Helper()
	if stopped == nil || !strings.Contains(stopped.Error(), reason) {
		l.Fatalf("the drainer ended with %v, want %q", stopped, reason)
	}
	m := regexp.MustCompile(`(?:add |ignore-txn-commit-ts = \[)(\d+)(?: to ignore-txn-commit-ts|\])`).FindStringSubmatch(stopped.Error())
	if m == nil {
		l.Fatalf("no cure in %v", stopped)
	}
	ts, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		l.Fatal(err)
	}
	l.options.IgnoreTxns = append(l.options.IgnoreTxns, nodes.TSO(ts))
}

// tables are the tables of a database downstream, with how many rows each has, and its views.
func (l *lab) tables(schema string) string {
	l.Helper()
	rows, err := l.down.Query("SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", schema)
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			l.Fatal(err)
		}
		if kind == "VIEW" {
			list = append(list, name+":view")
			continue
		}
		var n int
		if err := l.down.QueryRow("SELECT COUNT(*) FROM `" + schema + "`.`" + name + "`").Scan(&n); err != nil {
			l.Fatal(err)
		}
		list = append(list, fmt.Sprint(name, ":", n))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// expect is what a database has downstream.
func (l *lab) expect(schema, want string) {
	l.Helper()
	if got := l.tables(schema); got != want {
		l.Errorf("%s has %q downstream, want %q", schema, got, want)
	}
}

// TestFilters: DDL that crosses the filters. Each stop is cured as its error says.
func TestFilters(t *testing.T) {
	l := newLab(t, 2023)
	l.options.Filter = txn.FilterRules{IgnoreSchemas: []string{"mysql", "trash"}, IgnoreTables: []txn.TableName{{Schema: "db", Table: "~^ig"}}}
	l.exec(l.down, "CREATE DATABASE db", "CREATE DATABASE trash", "CREATE TABLE db.ig (id INT PRIMARY KEY, v INT)", "INSERT INTO db.ig VALUES (99, 99)")

	const columns = " (id INT PRIMARY KEY, v INT)"
	l.exec(l.up, "CREATE DATABASE db", "CREATE DATABASE trash", "CREATE DATABASE whole",
		"CREATE TABLE db.t1"+columns, "CREATE TABLE db.t2"+columns, "CREATE TABLE db.ig"+columns, "CREATE TABLE whole.a"+columns,
		"CREATE TABLE db.p (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN (200))",
		"INSERT INTO db.t1 VALUES (1, 1), (2, 2)", "INSERT INTO db.ig VALUES (3, 3)", "INSERT INTO db.p VALUES (5, 5), (150, 5)",
		"CREATE VIEW db.v AS SELECT * FROM db.ig", "DROP VIEW db.v",
		"CREATE TABLE db.l LIKE db.ig", "INSERT INTO db.l VALUES (1, 1)",
		"RENAME TABLE db.ig TO db.ig2, db.t2 TO db.t3", "INSERT INTO db.t3 VALUES (1, 1)",
		"DROP TABLE db.t3, db.ig2",
		"RENAME TABLE db.t1 TO db.ig_old", "INSERT INTO db.ig_old VALUES (4, 4)",
		"CREATE TABLE db.t1"+columns, "INSERT INTO db.t1 VALUES (6, 6), (7, 7)",
		"ALTER TABLE db.p EXCHANGE PARTITION p0 WITH TABLE db.t1",
		"RENAME TABLE whole.a TO trash.a", "CREATE TABLE whole.b"+columns, "INSERT INTO whole.b VALUES (1, 1)")
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("db", "ig:1 ig_old:2 l:1 p:3 t1:1")
	l.expect("whole", "b:1")
	l.expect("trash", "a:0")

	l.exec(l.up, "CREATE TABLE db.ig"+columns, "INSERT INTO db.ig VALUES (8, 8)", "ALTER TABLE db.p EXCHANGE PARTITION p0 WITH TABLE db.ig", "INSERT INTO db.l VALUES (2, 2)")
	l.skip(l.replicate(), "it moves rows between a table that is replicated and one that is not")
	l.expect("db", "ig:1 ig_old:2 l:1 p:3 t1:1")
	l.exec(l.down, "DELETE FROM db.p WHERE id < 100", "INSERT INTO db.p VALUES (8, 8)") // the cure
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("db", "ig:1 ig_old:2 l:2 p:2 t1:1")

	l.exec(l.up, "RENAME TABLE db.ig TO db.back", "INSERT INTO db.back VALUES (9, 9)")
	l.skip(l.replicate(), "it makes a table one that is replicated")
	l.exec(l.down, "CREATE TABLE db.back"+columns, "INSERT INTO db.back VALUES (6, 6), (7, 7)") // the cure
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("db", "back:3 ig:1 ig_old:2 l:2 p:2 t1:1")

	l.exec(l.up, "CREATE VIEW db.w AS SELECT * FROM db.t1", "DROP DATABASE db", "DROP DATABASE whole", "DROP DATABASE trash",
		"CREATE DATABASE db", "CREATE TABLE db.t1"+columns)
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("db", "ig:1 ig_old:2 t1:0")
	l.expect("whole", "")
	l.expect("trash", "a:0")
}

// TestRenameOfSeveral: one statement that moves tables between databases, with and without naming them, of which some are not
// replicated. A TiDB of 2024 writes into the job where each went (involving_schema_info); one of 2023 does for those
// whose database follows from the others.
func TestRenameOfSeveral(t *testing.T) {
	for _, c := range []struct {
		year   int
		rename string
	}{
		{2023, "RENAME TABLE db.a TO other.a2, db.ig TO other.ig2, other.b TO db.b2, db.c TO trash.c2"},
		{2024, "RENAME TABLE db.a TO a2, db.ig TO ig2, other.b TO db.b2, db.c TO trash.c2"},
	} {
		t.Run(strconv.Itoa(c.year), func(t *testing.T) {
			if c.year == 2024 {
				form.LongOnly(t, "the last TiDB with binlog")
			}
			l := newLab(t, c.year)
			l.options.Filter = txn.FilterRules{IgnoreSchemas: []string{"mysql", "sys", "trash"}, IgnoreTables: []txn.TableName{{Schema: "~.", Table: "~^ig"}}}
			const columns = " (id INT PRIMARY KEY, v INT)"
			l.exec(l.down, "CREATE DATABASE trash")
			l.exec(l.up, "CREATE DATABASE db", "CREATE DATABASE other", "CREATE DATABASE trash",
				"CREATE TABLE db.a"+columns, "CREATE TABLE db.ig"+columns, "CREATE TABLE other.b"+columns, "CREATE TABLE db.c"+columns,
				"INSERT INTO db.a VALUES (1, 1)", "INSERT INTO db.ig VALUES (1, 1)", "INSERT INTO other.b VALUES (1, 1), (2, 2)", "INSERT INTO db.c VALUES (1, 1), (2, 2), (3, 3)")
			session, err := l.up.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			for _, q := range []string{"USE other", c.rename} {
				if _, err := session.ExecContext(t.Context(), q); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
			}
			l.exec(l.up, "INSERT INTO other.a2 VALUES (2, 2), (3, 3), (4, 4)", "INSERT INTO other.ig2 VALUES (2, 2)", "INSERT INTO db.b2 VALUES (3, 3)", "INSERT INTO trash.c2 VALUES (4, 4)")
			if err := l.replicate(); err != nil {
				t.Fatal(err)
			}
			l.expect("db", "b2:3")
			l.expect("other", "a2:4")
			l.expect("trash", "c2:3")
		})
	}
}

// TestRestored: tables that come back with RECOVER and FLASHBACK TABLE.
func TestRestored(t *testing.T) {
	l := newLab(t, 2023)
	l.options.Filter = txn.FilterRules{IgnoreSchemas: []string{"mysql"}, IgnoreTables: []txn.TableName{{Schema: "db", Table: "~^ig"}}}
	const columns = " (id INT PRIMARY KEY, v INT)"
	l.exec(l.up, "INSERT INTO mysql.tidb (variable_name, variable_value) VALUES ('tikv_gc_safe_point', '20200101-00:00:00 +0000') ON DUPLICATE KEY UPDATE variable_value = VALUES(variable_value)",
		"CREATE DATABASE db", "CREATE TABLE db.t"+columns, "INSERT INTO db.t VALUES (1, 1)", "CREATE TABLE db.ig"+columns,
		"DROP TABLE db.ig", "RECOVER TABLE db.ig", "DROP TABLE db.ig", "FLASHBACK TABLE db.ig TO ig2",
		"DROP TABLE db.t", "FLASHBACK TABLE db.t TO igt", "CREATE TABLE db.t"+columns)
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("db", "t:0")
	l.exec(l.up, "DROP TABLE db.ig2", "FLASHBACK TABLE db.ig2 TO back")
	l.skip(l.replicate(), "it brings back a table that was not replicated")
	l.exec(l.down, "CREATE TABLE db.back"+columns) // the cure
	l.exec(l.up, "INSERT INTO db.back VALUES (1, 1)", "DROP TABLE db.back", "RECOVER TABLE db.back")
	l.skip(l.replicate(), "bring back what was dropped") // a MariaDB cannot
	l.exec(l.down, "CREATE TABLE db.back"+columns, "INSERT INTO db.back VALUES (1, 1)")
	l.exec(l.up, "INSERT INTO db.back VALUES (2, 2)")
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("db", "back:2 t:0")
}

// TestRules: tables under other names, and changes that are left out.
func TestRules(t *testing.T) {
	l := newLab(t, 2023)
	l.options.Migrate = txn.MigrateRules{
		Tables: []txn.MigrateRule{
			{Source: txn.MigrateName{Schema: "shop_*", Table: "orders_*"}, Target: &txn.MigrateName{Schema: "shop", Table: "orders"}, Events: []string{"no truncate", "no delete"}},
			{Source: txn.MigrateName{Schema: "shop_*"}, Target: &txn.MigrateName{Schema: "shop"}},
		},
		Events: map[string]txn.EventRule{
			"no truncate": {Events: []string{"truncate table", "drop table"}, SQL: []string{"^ALTER TABLE .* ADD COLUMN `?aaa"}},
			"no delete":   {Events: []string{"delete"}},
		},
	}
	const columns = " (id INT PRIMARY KEY, v INT)"
	l.exec(l.up, "CREATE DATABASE Shop_1", "CREATE TABLE Shop_1.Orders_1"+columns, "INSERT INTO shop_1.orders_1 VALUES (1, 1), (2, 2)",
		"ALTER TABLE shop_1.orders_1 ADD COLUMN w INT", "ALTER TABLE shop_1.orders_1 ADD INDEX (w)", "INSERT INTO shop_1.orders_1 VALUES (3, 3, 3)",
		"UPDATE shop_1.orders_1 SET v = 7 WHERE id = 1", "DELETE FROM shop_1.orders_1 WHERE id = 2", "TRUNCATE TABLE shop_1.orders_1",
		"CREATE TABLE shop_1.users"+columns, "INSERT INTO shop_1.users VALUES (1, 1)", "CREATE VIEW shop_1.v AS SELECT * FROM shop_1.users",
		"CREATE DATABASE shop_2", "CREATE TABLE shop_2.orders_2 (id INT PRIMARY KEY, v INT, w INT)", "INSERT INTO shop_2.orders_2 VALUES (4, 4, 4)",
		"DELETE FROM shop_1.users", "ALTER TABLE shop_1.users RENAME TO shop_1.people", "INSERT INTO shop_1.people VALUES (5, 5)",
		"CREATE DATABASE other", "CREATE TABLE other.orders_1"+columns)
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("shop", "orders:4 people:1 v:view")
	l.expect("shop_1", "")
	l.expect("shop_2", "")
	l.expect("other", "orders_1:0")
	var v, indexes int
	if err := l.down.QueryRow("SELECT v FROM shop.orders WHERE id = 1").Scan(&v); err != nil || v != 7 {
		t.Errorf("the row is %d, %v", v, err)
	}
	if err := l.down.QueryRow("SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'orders' AND COLUMN_NAME = 'w'").Scan(&indexes); err != nil || indexes != 1 {
		t.Errorf("%d indexes, %v", indexes, err)
	}
	l.exec(l.up, "ALTER TABLE shop_2.orders_2 COMMENT 'x'")
	l.skip(l.replicate(), "to the one table `shop`.`orders`")
	l.exec(l.up, "ALTER TABLE shop_2.orders_2 ADD COLUMN aaa INT", "DROP DATABASE other", "DROP TABLE shop_1.people")
	if err := l.replicate(); err != nil {
		t.Fatal(err)
	}
	l.expect("other", "")
}

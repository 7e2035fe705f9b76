package replication

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"pumphouse/testsuite/form"
)

// statements are what one client does.
type statements struct {
	name  string
	setup []string // what it sets in its session
	list  []string
}

// sessionCases are statements that mean something only in the session that runs them.
var sessionCases = []statements{
	{"time zone", []string{"set time_zone = '+08:00'"}, []string{
		"create table d.t (id int primary key, a timestamp null, b datetime)", "insert into d.t values (1, '2024-05-05 12:00:00', '2024-05-05 12:00:00'), (2, null, null)",
		"alter table d.t add column c timestamp not null default '2020-01-01 00:00:00'", "insert into d.t (id) values (3)",
		"alter table d.t modify column a datetime", "alter table d.t modify column b timestamp null", "alter table d.t alter column c set default '2021-06-07 08:09:10'", "insert into d.t (id) values (4)"}},
	{"time of the statement", []string{"set time_zone = '-11:00'"}, []string{
		"create table d.t (id int primary key)", "insert into d.t values (1), (2)", "alter table d.t add column n timestamp default current_timestamp", "alter table d.t add column m datetime(3) not null default now(3)", "insert into d.t (id, n, m) values (3, null, '2020-01-01')"}},
	{"bounds of partitions in a time zone", []string{"set time_zone = '+08:00'"}, []string{
		"create table d.t (id int, ts timestamp not null) partition by range (unix_timestamp(ts)) (partition p0 values less than (unix_timestamp('2020-01-01 00:00:00')), partition p1 values less than (maxvalue))",
		"insert into d.t values (1, '2020-01-01 04:00:00'), (2, '2019-12-31 23:00:00')", "alter table d.t drop partition p0"}},
	{"another database", []string{"use d1"}, []string{
		"create table d1.s (right_one int)", "create table d.s (wrong_one int)", "create table d.l like s", "create table d.a (x int)", "rename table d.a to moved", "create view d.v as select right_one from s",
		"create table d.b (x int)", "alter table d.b rename moved_too", "rename table s to d.s2, moved to s"}},
	{"letter case", nil, []string{
		"create table d.Mixed (Id int primary key, V int)", "insert into D.MIXED values (1, 2)", "alter table D.mixed add column W int after v", "create index I on d.mIXED (W)",
		"truncate table D.MIXED", "insert into d.mixed values (3, 4, 5)", "rename table d.mixed to d.other, D.OTHER to d.MIXED", "insert into d.mixed values (6, 7, 8)", "alter table d.mixed drop column v", "create table D.Twice like d.MIXED", "drop table if exists D.MIXED"}},
	{"sql_mode", []string{"set sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'"}, []string{
		`create table d."t" ("a" varchar(20) default 'b\n', b varchar(20) default 'x''y', c varchar(40) as (a || b) stored)`, `insert into d.t (a) values ('q')`, `alter table d.t add column "d" varchar(20) default '\'`, "insert into d.t (b) values ('z')",
		`create view d.v as select a || '-' || b as ab from d.t`, `alter table d.t comment 'a\'`}},
	{"what servers do otherwise with a statement", nil, []string{
		"create table d.k (id int, at timestamp not null default current_timestamp on update current_timestamp, primary key (id), key (id), unique (id, at))", "alter table d.k add index (id), add unique (at)", "insert into d.k (id) values (1)",
		"alter table d.k alter column at set default '2022-03-04 05:06:07'", "insert into d.k (id) values (2)", "alter table d.k alter column at drop default",
		"create table d.p (a int) partition by range (a) (partition Pa values less than (10), partition pB values less than (20))", "insert into d.p values (1), (11)", "create table d1.x (a int)",
		"alter table d.p exchange partition pA with table d1.x", "alter table d.p truncate partition PA", "alter table d.p drop partition PB"}},
	{"zero dates", []string{"set sql_mode = ''"}, []string{
		"create table d.t (id int primary key, a date not null default '0000-00-00', b datetime default '2020-00-00 00:00:00')", "insert into d.t (id) values (1)", "alter table d.t add column c timestamp not null default 0", "insert into d.t (id) values (2)", "alter table d.t add column e varchar(3) not null"}},
}

// TestSessions: what a statement means by its client's time zone, current database, letter case and
// sql_mode it means downstream, where the session is another one; so does what servers do otherwise than TiDB.
func TestSessions(t *testing.T) {
	s := form.Seed(t)
	c := Start(t, Options{MariaDB: oddMariaDB(t, s)})
	c.StartDrainer("")
	db := c.Open("")
	defer db.Close()
	c.runCases(t, db, append(sessionCases, otherwiseCases...))
	t.Run("columns dropped while clients insert", func(t *testing.T) { dropWhileInserting(t, c, db) })
}

// TestSessionsLastVersion is the same with what the last TiDB that writes binlogs has beside.
func TestSessionsLastVersion(t *testing.T) {
	form.LongOnly(t, "the last TiDB with binlog")
	s := form.Seed(t)
	c := Start(t, Options{Year: 2024, MariaDB: oddMariaDB(t, s)})
	c.StartDrainer("")
	db := c.Open("")
	defer db.Close()
	execAll(t, db, []string{"set global tidb_enable_check_constraint = on"})
	c.runCases(t, db, append(otherwiseCases, lastVersionCases...))
}

func (c *Cluster) runCases(t *testing.T, db *sql.DB, cases []statements) {
	t.Helper()
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, q := range append(append([]string{"drop database if exists d", "drop database if exists d1", "create database d", "create database d1"}, x.setup...), x.list...) {
				if _, err := conn.ExecContext(t.Context(), q); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
			}
			_, _ = conn.ExecContext(t.Context(), "set sql_mode = default, time_zone = default") // the pool's next user
			c.sameAs(t, db)
		})
	}
}

// sameAs compares when everything is downstream.
func (c *Cluster) sameAs(t *testing.T, db *sql.DB) {
	t.Helper()
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := Compare(t.Context(), db, c.Downstream())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Differences) > 0 {
		t.Errorf("TiDB and the downstream differ:\n%s", strings.Join(got.Differences, "\n"))
	}
	if got.Tables == 0 {
		t.Error("nothing was compared")
	}
}

// dropWhileInserting drops columns that must have a value, in one statement, while clients insert with
// and without them.
func dropWhileInserting(t *testing.T, c *Cluster, db *sql.DB) {
	execAll(t, db, []string{"create database if not exists d", "create table d.m (id int primary key auto_increment, a int not null, b varchar(10) not null, v int)"})
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := db.ExecContext(ctx, "insert into d.m (a, b, v) values (1, 'x', 2)"); err != nil {
					_, _ = db.ExecContext(ctx, "insert into d.m (v) values (3)")
				}
			}
		})
	}
	atLeast := func(n int) {
		for rows := 0; rows < n; {
			if err := db.QueryRowContext(t.Context(), "select count(*) from d.m").Scan(&rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	atLeast(50)
	execAll(t, db, []string{"alter table d.m drop column a, drop column b"})
	var rows int
	if err := db.QueryRowContext(t.Context(), "select count(*) from d.m").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	atLeast(rows + 20)
	stop()
	clients.Wait()
	c.sameAs(t, db)
}

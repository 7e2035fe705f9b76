package mysqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
	"pumphouse/testsuite/tidbtest/golden"
)

// clients use a real TiDB whose DDL jobs become transactions for sinks.
type clients struct {
	tidb *tidbtest.TiDB
	db   *sql.DB
	dir  string
	h    *schema.History
	seen int64 // the last job
}

func startClients(t *testing.T, year int) *clients {
	t.Helper()
	u := &clients{tidb: tidbtest.StartTiDB(t, tidbtest.Options{PD: pdtest.StartEmbed(t).Endpoint(0), Year: year}), dir: t.TempDir()}
	u.db = u.tidb.Open(t, "")
	jobs := u.jobs(t)
	h, err := schema.Open(t.Context(), schema.Dir(u.dir), schema.Position{CommitTS: jobs[len(jobs)-1].Result.FinishedTS, Exact: true}, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u.h = h
	return u
}

// jobs are those that have ended since the last call.
func (u *clients) jobs(t *testing.T) []*schema.Job {
	t.Helper()
	texts, err := u.tidb.Jobs()
	if err != nil {
		t.Fatal(err)
	}
	var list []*schema.Job
	for _, text := range texts {
		job, err := schema.ParseJob(text)
		if err != nil {
			t.Fatal(err)
		}
		if job.ID <= u.seen {
			continue
		}
		if err := os.WriteFile(filepath.Join(u.dir, fmt.Sprint(job.ID, ".json")), text, 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, job)
	}
	slices.SortFunc(list, func(a, b *schema.Job) int { return int(a.ID - b.ID) })
	if n := len(list); n > 0 {
		u.seen = list[n-1].ID
	}
	return list
}

// session is a connection of a client, with what it sets.
func (u *clients) session(t *testing.T, settings ...string) *sql.Conn {
	t.Helper()
	conn, err := u.db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	for _, q := range settings {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return conn
}

// ddl runs a statement and gives what a drainer would make of its binlogs.
func (u *clients) ddl(t *testing.T, conn *sql.Conn, query string) (list []*sink.Txn) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("upstream: %s: %v", query, err)
	}
	for _, job := range u.jobs(t) {
		text := job.Query // TiDB's form of it is in the binlog, if TiDB can read it with its default sql_mode
		if nodes, err := schema.ParseStatements(text); err == nil {
			if text, err = schema.RestoreStatements(nodes); err != nil {
				t.Fatal(err)
			}
		}
		at := job.Result.FinishedTS - 1
		d, err := u.h.Reach(t.Context(), at, job.ID, schema.StatePublic, text)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		list = append(list, &sink.Txn{CommitTS: at, DDL: d, Query: text})
	}
	return list
}

// described are the columns of all tables of some databases, as information_schema has them.
func described(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.Query(`SELECT LOWER(table_schema), table_name, column_name, is_nullable, ordinal_position, IF(data_type = 'json', 'longtext', data_type), IFNULL(collation_name, ''), LOWER(extra)
		FROM information_schema.columns WHERE LOWER(table_schema) IN ('d1', 'dat2') AND table_name <> 'sq'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var f [8]string
		if err := rows.Scan(&f[0], &f[1], &f[2], &f[3], &f[4], &f[5], &f[6], &f[7]); err != nil {
			t.Fatal(err)
		}
		if f[1] == "Vw" || f[1] == "Joined" {
			f[5] = "" // of expressions, servers say the type in their own words
		}
		if f[5] == "longtext" || f[5] == "" {
			f[6] = "" // MariaDB's JSON; TiDB tells none of views
		}
		f[7] = strings.NewReplacer("default_generated ", "", "default_generated", "", "()", "").Replace(f[7])
		list = append(list, strings.Join(f[:], " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// TestSessions: sessions of every kind define tables in a real TiDB; the downstreams, which have other
// defaults, have the same tables and values.
func TestSessions(t *testing.T) {
	years := []int{2023}
	if form.Long() {
		years = golden.Years()
	}
	for _, year := range years {
		t.Run(fmt.Sprint(year), func(t *testing.T) { testSessions(t, year) })
	}
}

func testSessions(t *testing.T, year int) {
	u := startClients(t, year)
	srv := mariadbtest.Start(t, "--explicit-defaults-for-timestamp=OFF", "--default-time-zone=+05:00", "--character-set-server=latin1", "--default-storage-engine=MyISAM")
	other := tidbtest.StartTiDB(t, tidbtest.Options{PD: pdtest.StartEmbed(t).Endpoint(0)})
	host, port, err := net.SplitHostPort(other.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	labs := map[string]*lab{"MariaDB": newLab(t, srv), "TiDB": {db: other.Open(t, "multiStatements=true"), opts: mysql.Options{
		Server: mysql.Server{Host: host, Port: number}, Place: mysql.Place{ClusterID: 9000 + clusters.Add(1)}, Metrics: equals(t)}}}
	sinks := map[string]sink.Sink{}
	for name, l := range labs {
		sinks[name] = l.open(t, 1)
	}
	utc := u.session(t, "SET time_zone = '+00:00'")
	east := u.session(t, "SET time_zone = '+08:00'")
	odd := u.session(t, "SET time_zone = '-03:30'", "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,REAL_AS_FLOAT,NO_BACKSLASH_ESCAPES'")
	everywhere := func(q string) { // what is the same in all of them, in UTC
		t.Helper()
		if _, err := utc.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("upstream: %s: %v", q, err)
		}
		for _, l := range labs {
			l.exec(t, "SET time_zone = '+00:00'; "+q)
		}
	}
	define := func(conn *sql.Conn, list ...string) {
		t.Helper()
		for _, q := range list {
			if strings.HasPrefix(q, "USE ") {
				if _, err := conn.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
				continue
			}
			txns := u.ddl(t, conn, q)
			if len(txns) == 0 {
				t.Fatalf("upstream: %s: there is no job", q)
			}
			for name, s := range sinks {
				if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
					t.Fatalf("%s: %s: %v", name, q, err)
				}
				if err := s.Flush(t.Context()); err != nil {
					t.Fatalf("%s: %s: %v", name, q, err)
				}
			}
		}
	}
	define(east, "CREATE DATABASE d1", "CREATE DATABASE Dat2 COLLATE utf8mb4_general_ci", "USE D1",
		"CREATE TABLE T (id INT PRIMARY KEY, ts TIMESTAMP, lit TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00', dt DATETIME, f FLOAT, v VARCHAR(20), UNIQUE KEY (v)) ENGINE = MyISAM COMPRESSION = 'zlib'")
	everywhere("INSERT INTO d1.T VALUES (1, NULL, '2020-01-01 00:00:00', NULL, 0.1, 'a'), (2, '2024-05-05 04:00:00', '2020-02-02 00:00:00', '2024-05-05 12:00:00', 2.5, 'A')")
	define(east, "ALTER TABLE t ADD COLUMN added TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, ADD COLUMN clock DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3)",
		"ALTER TABLE t ADD COLUMN alone DATETIME NOT NULL DEFAULT NOW(), LOCK = NONE", "ALTER TABLE t ADD COLUMN stamp TIMESTAMP(2) NULL DEFAULT NOW(2) ON UPDATE NOW(2)",
		"ALTER TABLE t ADD COLUMN other TIMESTAMP DEFAULT '2021-05-05 05:05:05', ALGORITHM = INPLACE",
		"ALTER TABLE t MODIFY COLUMN ts DATETIME", "ALTER TABLE t MODIFY COLUMN dt TIMESTAMP NULL DEFAULT '2021-05-05 05:05:05', ADD COLUMN j JSON",
		"ALTER TABLE t ALTER COLUMN other SET DEFAULT '2022-02-02 02:02:02'", "ALTER TABLE t ADD COLUMN k INT DEFAULT 5 CHECK (k > 100)")
	define(odd, "USE dat2", `RENAME TABLE "d1"."t" TO "Moved"`, `CREATE TABLE "d1"."Copy" LIKE "mOVED"`,
		`CREATE TABLE "Quoted" ("a" VARCHAR(10) DEFAULT 'x\y' COMMENT 'c\d', b REAL, c VARCHAR(30) AS ("a" || 'z') STORED, KEY ("a" DESC))`,
		`ALTER TABLE "Quoted" ADD COLUMN "d" VARCHAR(20) DEFAULT '\' COMMENT 'x\'`, `ALTER TABLE Quoted COMMENT 'a\n'`, `CREATE INDEX "k2" ON "quoted" (b) COMMENT 'k\'`,
		`CREATE VIEW "Joined" AS SELECT a || '-' || c AS ac FROM "qUOTED"`,
		`CREATE GLOBAL TEMPORARY TABLE "temp" ("a" INT PRIMARY KEY) ON COMMIT DELETE ROWS`, `DROP TABLE "temp"`,
		`RENAME TABLE "Quoted" TO "Away", "mOVED" TO "Back"`, `RENAME TABLE "away" TO "Quoted", "BACK" TO "Moved"`,
		`ALTER TABLE "d1"."cOPY" ADD COLUMN "s" SET('a','b') NOT NULL DEFAULT 'b' FIRST`)
	everywhere("INSERT INTO Dat2.Quoted (b) VALUES (0.1)")
	everywhere("INSERT INTO d1.Copy (id, added, clock, alone, stamp) VALUES (1, '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01')")
	define(east, "CREATE TABLE p (id INT, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, KEY (id)) PARTITION BY RANGE (UNIX_TIMESTAMP(ts)) "+
		"(PARTITION p0 VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01 00:00:00')), PARTITION p1 VALUES LESS THAN (MAXVALUE))")
	everywhere("INSERT INTO d1.p VALUES (1, '2019-12-31 15:59:59'), (2, '2019-12-31 16:00:00')")
	define(east, "ALTER TABLE p DROP PARTITION P0",
		"CREATE TABLE iv (id INT) PARTITION BY RANGE (id) INTERVAL (100) FIRST PARTITION LESS THAN (100) LAST PARTITION LESS THAN (300)",
		"ALTER TABLE iv LAST PARTITION LESS THAN (500)", "ALTER TABLE iv ADD INDEX i (id) INVISIBLE")
	everywhere("INSERT INTO d1.iv VALUES (50), (450)")
	define(east, "ALTER TABLE IV FIRST PARTITION LESS THAN (200)",
		"CREATE VIEW Vw AS SELECT p.id, M.v FROM P JOIN dat2.MOVED m ON m.ID = p.id",
		"CREATE TABLE dat2.child (id INT PRIMARY KEY, pid INT, CONSTRAINT fk FOREIGN KEY (pid) REFERENCES mOVED (id))",
		"CREATE TABLE other (id INT PRIMARY KEY, a INT, b INT, FOREIGN KEY (a) REFERENCES other (id), FOREIGN KEY (b) REFERENCES other (id))",
		"ALTER TABLE other DROP FOREIGN KEY FK_2", "ALTER TABLE other ADD COLUMN c INT, ADD FOREIGN KEY (b) REFERENCES other (id)",
		"CREATE INDEX e ON dat2.moved ((LOWER(v)))", "DROP INDEX E ON dat2.moved",
		"CREATE SEQUENCE sq START WITH 7", "CREATE TABLE fs (id BIGINT DEFAULT NEXTVAL(SQ) PRIMARY KEY, r BIGINT)",
		"RENAME TABLE IV TO x, Fs TO iv, X TO fs", "CREATE TABLE doomed (id BIGINT AUTO_RANDOM PRIMARY KEY)", "ALTER DATABASE CHARACTER SET latin1")
	everywhere("INSERT INTO d1.iv VALUES (1, 1)")
	define(east, "TRUNCATE TABLE Iv", "DROP TABLE Doomed, DAT2.cHILD", "ALTER SEQUENCE SQ CACHE 5")
	random := u.ddl(t, east, "CREATE TABLE rnd (id BIGINT AUTO_RANDOM(3) PRIMARY KEY CLUSTERED, v INT)")
	table := random[0].DDL.After
	random = append(random, &sink.Txn{CommitTS: random[0].CommitTS + 1, Changes: []*txn.Change{{Table: table, Op: txn.Insert, New: row(table, "288230376151711745", "1")}}})
	setval := &sink.Txn{CommitTS: random[0].CommitTS + 2, Query: "select setval(`d1`.`SQ`, 500)"}
	if setval.DDL, err = u.h.Reach(t.Context(), setval.CommitTS, 1<<40, schema.StatePublic, setval.Query); err != nil {
		t.Fatal(err)
	}
	for name, s := range sinks {
		mustApply(t, s, append(random, setval)...)
		if got := valuesOf(t, labs[name], "d1.rnd"); got != "id=\"288230376151711745\" v=\"1\" \n" {
			t.Errorf("%s: a row with an AUTO_RANDOM value: %s", name, got)
		}
	}
	if next := column[int64](t, labs["TiDB"], "SELECT NEXTVAL(d1.sq)"); next[0] <= 500 {
		t.Errorf("the sequence goes on with %d", next[0])
	}

	want := described(t, u.db)
	for name, l := range labs {
		if got := described(t, l.db); !slices.Equal(got, want) {
			t.Errorf("%s: columns differ:\n%s", name, difference(got, want))
		}
		for _, table := range []string{"Dat2.Moved", "Dat2.Quoted", "d1.Copy", "d1.p", "d1.fs", "d1.iv", "d1.Vw", "Dat2.Joined"} {
			up := &lab{db: u.db}
			if got, want := valuesOf(t, l, table), valuesOf(t, up, table); got != want {
				t.Errorf("%s: %s has\n%s\nupstream\n%s", name, table, got, want)
			}
		}
	}
	if engines := column[string](t, labs["MariaDB"], "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema IN ('d1', 'Dat2') AND engine IS NOT NULL"); fmt.Sprint(engines) != "[InnoDB]" {
		t.Errorf("engines: %v", engines)
	}
}

// valuesOf is a table's rows in UTC, in order, floats as doubles.
func valuesOf(t *testing.T, l *lab, table string) string {
	t.Helper()
	conn, err := l.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "SET time_zone = '+00:00'"); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(t.Context(), "SELECT * FROM "+table+" ORDER BY 1")
	if err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			fmt.Fprintf(&b, "%s=%q ", names[i], v.String)
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

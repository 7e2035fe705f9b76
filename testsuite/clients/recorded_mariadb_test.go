package clients

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// answer is what a client sees of one statement's result.
type answer struct {
	errno   uint16
	columns []string // none for an OK
	rows    []string // values joined by |
}

// differs describes in what the console's answer differs from MariaDB's, empty where they
// agree. Values are compared if both have the same columns and values is set.
func differs(console, mariadb answer, values bool) string {
	if console.errno != mariadb.errno {
		return fmt.Sprintf("error %d, MariaDB %d", console.errno, mariadb.errno)
	}
	var all []string
	if !slices.Equal(console.columns, mariadb.columns) {
		all = append(all, "columns "+missing(console.columns, mariadb.columns)+", MariaDB "+missing(mariadb.columns, console.columns))
	}
	if (len(console.rows) > 0) != (len(mariadb.rows) > 0) {
		all = append(all, fmt.Sprintf("rows %t, MariaDB %t", len(console.rows) > 0, len(mariadb.rows) > 0))
	} else if values && len(all) == 0 && !slices.Equal(console.rows, mariadb.rows) {
		all = append(all, fmt.Sprintf("values\n%s\nMariaDB\n%s", strings.Join(console.rows, "\n"), strings.Join(mariadb.rows, "\n")))
	}
	return strings.Join(all, "; ")
}

// missing are the names that are in a and not in b.
func missing(a, b []string) string {
	var only []string
	for _, name := range a {
		if !slices.Contains(b, name) {
			only = append(only, name)
		}
	}
	return strings.Join(only, ",")
}

// TestRecordedAgainstMariaDB sends the recorded statements to the console and to a real
// MariaDB that holds the console's tables, made from its own SHOW CREATE TABLE and rows.
// Errors, names of columns, whether there are rows, and the values agree, but for what is
// listed with its reason. A listed difference that is not exactly so any more fails.
func TestRecordedAgainstMariaDB(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	cli := rig.Etcd(t, pd.Endpoints())
	rig.Put(t, cli, rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	rig.Put(t, cli, rig.NodesPrefix+"drainers/drainer1", rig.Drainer1Record)
	console := rig.StartConsole(t, pd.Endpoints()).Open(t)
	mariadb := mariadbtest.Start(t).Open()
	copyDatabase(t, console, mariadb)

	compared, withValues, used := 0, 0, map[string]bool{}
	for _, text := range readStatements(t) {
		if why, found := listedFor(onlyHere, text, used); found {
			t.Logf("not sent to MariaDB: %.60s: %s", text, why)
			continue
		}
		_, own := listedFor(ownValues, text, used)
		got, want := answerOf(t, console, text), answerOf(t, mariadb, text)
		difference, known := listedFor(differences, text, used)
		if d := differs(got, want, !own && !known); d != difference {
			t.Errorf("%.200s:\n%s\nlisted: %q", text, d, difference)
		}
		compared++
		if !own && !known && len(got.rows) > 0 {
			withValues++
		}
	}
	for _, list := range []map[string]string{onlyHere, ownValues, differences} {
		for start := range list {
			if !used[start] {
				t.Errorf("%q is listed and no recorded statement starts so", start)
			}
		}
	}
	t.Logf("%d statements compared, the values of %d, %d differences", compared, withValues, len(differences))
}

// listedFor looks for the entry of a list that a statement starts with, the longest.
func listedFor(list map[string]string, text string, used map[string]bool) (entry string, found bool) {
	longest := -1
	for start, e := range list {
		if strings.HasPrefix(text, start) && len(start) > longest {
			longest, entry, found = len(start), e, true
			used[start] = true
		}
	}
	return entry, found
}

// copyDatabase makes the console's database binlog in MariaDB.
func copyDatabase(t *testing.T, console, mariadb *sql.DB) {
	t.Helper()
	run := func(text string) {
		t.Helper()
		if _, err := mariadb.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("copy the console's tables to MariaDB: %.200s: %v", text, err)
		}
	}
	run("CREATE DATABASE binlog")
	names, err := console.QueryContext(t.Context(), "SHOW TABLES FROM binlog")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range rig.ScanRows(t, names) {
		var name, create string
		if err := console.QueryRowContext(t.Context(), "SHOW CREATE TABLE binlog."+table).Scan(&name, &create); err != nil {
			t.Fatal(err)
		}
		run("USE binlog; " + create)
		rows, err := console.QueryContext(t.Context(), "SELECT * FROM binlog."+table)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range scanLiterals(t, rows) {
			run("INSERT INTO binlog." + table + " VALUES (" + row + ")")
		}
	}
}

// scanLiterals gives rows as lists of SQL literals.
func scanLiterals(t *testing.T, rows *sql.Rows) (all []string) {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, targets, literals := make([]sql.NullString, len(columns)), make([]any, len(columns)), make([]string, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			literals[i] = "NULL"
			if v.Valid {
				literals[i] = quote(v.String)
			}
		}
		all = append(all, strings.Join(literals, ","))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// answerOf runs a statement in a session of its own, with the database binlog; one with
// parameters is prepared and gets 1, 2, ….
func answerOf(t *testing.T, db *sql.DB, text string) answer {
	t.Helper()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// What the statement set must not reach the next one's session.
	defer func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		conn.Close()
	}()
	if _, err := conn.ExecContext(ctx, "USE binlog"); err != nil {
		t.Fatal(err)
	}
	var args []any
	for i := range strings.Count(text, "?") {
		args = append(args, i+1)
	}
	rows, err := conn.QueryContext(ctx, text, args...)
	if err != nil {
		return answer{errno: errorNumber(err)}
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	a := answer{columns: columns, rows: scanLiterals(t, rows)}
	if !strings.Contains(strings.ToUpper(text), "ORDER BY") {
		slices.Sort(a.rows) // in any order
	}
	return a
}

// The lists name statements by how they start.

// onlyHere are statements that are not sent to MariaDB, and why.
var onlyHere = map[string]string{
	"set password=":   "it would change the password of the user of this test",
	"CHANGE PUMP TO":  "MariaDB has no nodes, and the rows of pumps would not be the same any more",
	"change pump to ": "MariaDB has no nodes",
}

// ownValues are statements whose values belong to the server that answers, and why.
var ownValues = map[string]string{
	"CHECK TABLE":                              "MariaDB's MEMORY tables cannot be checked, and it says so in a row",
	"SELECT * FROM `pumps`":                    "lag_seconds and warning are of the moment",
	"SELECT @@lower_case_table_names":          "the console compares names without regard to case",
	"SELECT @@max_allowed_packet":              "a setting of the server",
	"SELECT DISTINCT User, Host":               "accounts of the server",
	"SELECT LEFT(NOW()":                        "the time",
	"SELECT NOW()":                             "the time",
	"SELECT VERSION()":                         "the version",
	"SELECT version()":                         "the version",
	"select version()":                         "the version",
	"select @@version_comment":                 "the version",
	"select connection_id()":                   "a number of the server",
	"select DATABASE(), USER()":                "the client's address as the server sees it",
	"select @@collation_database":              "the default of MySQL 8 and that of MariaDB",
	"SHOW VARIABLES LIKE 'lower_case":          "the console compares names without regard to case",
	"SHOW VARIABLES LIKE 'old_pass":            "a number in MySQL, ON or OFF in MariaDB",
	"SHOW VARIABLES LIKE 'version%'":           "the version",
	"SHOW /*!40100 GLOBAL*/ VARIABLES":         "settings of the server",
	"SHOW /*40003 GLOBAL*/ VARIABLES":          "settings of the server",
	"show /*!40003 GLOBAL */ variables":        "settings of the server",
	"SHOW /*!50000 GLOBAL*/ STATUS":            "counters of the server",
	"show /*!50002 GLOBAL */ status":           "counters of the server",
	"SHOW GLOBAL STATUS":                       "counters of the server",
	"SHOW STATUS":                              "counters of the server",
	"SHOW PLUGINS":                             "plugins of the server",
	"SHOW ENGINES":                             "engines of the server",
	"SHOW schemas":                             "MariaDB has a schema sys",
	"SHOW DATABASES LIKE '%'":                  "MariaDB has a schema sys",
	"SHOW /*!50002 FULL*/ TABLES FROM `mysql`": "tables of the server",
	"SHOW CREATE DATABASE":                     "MariaDB names the collation; a dump from the console must load into MySQL and MariaDB",
	"SHOW CREATE TABLE":                        "MariaDB names the collation; a dump from the console must load into MySQL and MariaDB",
	"show create table":                        "MariaDB names the collation; a dump from the console must load into MySQL and MariaDB",
	"SHOW FULL COLUMNS":                        "collation and privileges",
	"show /*!32332 FULL */ columns":            "collation and privileges",
	"SELECT `SCHEMA_NAME`":                     "schemas and collations of the server",
	"SELECT `TABLE_SCHEMA`, `TABLE_NAME`":      "tables of the server",
	"SELECT TABLE_SCHEMA TABLE_CAT, NULL TABLE_SCHEM, TABLE_NAME, IF(": "tables of the server",
	"select column_name, extra, generation_expression":                 "an expression that is not there is empty in MySQL, NULL in MariaDB",
}

// differences are what two servers of different kind and version answer differently, as
// [differs] describes it: the console has the tables of MySQL 8.
var differences = map[string]string{
	"SELECT * FROM `INFORMATION_SCHEMA`.`COLUMNS`":                       "columns SRS_ID, MariaDB IS_GENERATED",
	"SELECT `s`.* FROM (SELECT * FROM `INFORMATION_SCHEMA`.`STATISTICS`": "columns IS_VISIBLE,EXPRESSION, MariaDB IGNORED",
	"select * from information_schema.tables":                            "columns , MariaDB MAX_INDEX_LENGTH,TEMPORARY",
	"show table status":                    "columns , MariaDB Max_index_length,Temporary",
	"SHOW FULL PROCESSLIST":                "columns , MariaDB Progress",
	"show processlist":                     "columns , MariaDB Progress",
	"SELECT @@transaction_isolation":       "error 0, MariaDB 1193", // @@tx_isolation there
	"SHOW VARIABLES LIKE 'innodb_version'": "rows true, MariaDB false",
	"SELECT COUNT(*), SUM(user=\"\"), SUM(authentication_string=\"\")": "error 0, MariaDB 1054", // mysql.user of MySQL 8
	"SELECT COUNT(*), SUM(user=\"\"), SUM(password=\"\")":              "error 1054, MariaDB 0", // mysql.user of MariaDB
	"SELECT DISTINCT User 'Role Name'":                                 "error 0, MariaDB 1146", // mysql.role_edges of MySQL 8
	"SHOW ALL SLAVES STATUS NONBLOCKING":                               "error 0, MariaDB 1064",
	"SHOW SLAVE HOSTS":                                                 "columns Slave_UUID, MariaDB ",
	// The console's position is PD's clock; MariaDB runs without binary logs here.
	"SHOW MASTER STATUS": "columns Executed_Gtid_Set, MariaDB ; rows true, MariaDB false",
	// The console's own statements and texts.
	"SHOW PUMP STATUS": "error 0, MariaDB 1064",
	"help 'contents'":  "columns description,example, MariaDB source_category_name,is_it_category",
}

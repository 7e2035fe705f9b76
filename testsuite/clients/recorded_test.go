package clients

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// What clients and their tools send before a person has typed anything: each must be
// answered, or the person never gets to type. Package session checks what they answer;
// here they go over the wire, as text and prepared.
var onConnect = []string{
	"SET NAMES utf8mb4",
	"SET NAMES 'latin1' COLLATE 'latin1_swedish_ci'",
	"SET NAMES utf8mb4",
	"SET autocommit=0",
	"SET autocommit=1",
	"SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
	"SET sql_mode = DEFAULT, wait_timeout = 600",
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	"SET time_zone = '+08:00'",
	"SET @@session.net_write_timeout = 60",
	"SET character_set_results = NULL",
	"SELECT @@version_comment LIMIT 1",
	"SELECT @@max_allowed_packet, @@wait_timeout, @@lower_case_table_names",
	"SELECT @@session.transaction_isolation AS level",
	"SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, " +
		"@@collation_server AS collation_server, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, " +
		"@@license AS license, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone",
	"SELECT VERSION(), CONNECTION_ID(), DATABASE(), USER(), CURRENT_USER()",
	"SELECT UNIX_TIMESTAMP(), NOW(), UTC_TIMESTAMP()",
	"SHOW VARIABLES LIKE 'version%'",
	"SHOW VARIABLES WHERE Variable_name IN ('language', 'net_write_timeout', 'sql_mode', 'time_zone')",
	"SHOW SESSION STATUS LIKE 'Ssl_cipher'",
	"SHOW GLOBAL STATUS",
	"SHOW COLLATION",
	"SHOW CHARACTER SET",
	"SHOW ENGINES",
	"SHOW PLUGINS",
	"SHOW DATABASES",
	"SHOW FULL PROCESSLIST",
	"SHOW GRANTS",
	"SHOW WARNINGS",
	"USE binlog",
	"SHOW FULL TABLES",
	"SHOW TABLE STATUS FROM binlog",
	"START TRANSACTION",
	"COMMIT",
	"ROLLBACK",
	"DO 1",
	"/* ping */ SELECT 1",
}

func TestStatementsOnConnect(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	c := rig.StartConsole(t, pd.Endpoints())
	ctx := context.Background()
	conn, err := c.Open(t).Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range onConnect {
		if _, err := rig.Query(conn, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		stmt, err := conn.PrepareContext(ctx, text)
		if err != nil {
			t.Errorf("prepare %s: %v", text, err)
			continue
		}
		rows, err := stmt.QueryContext(ctx)
		if err != nil {
			t.Errorf("execute %s: %v", text, err)
			continue
		}
		rig.ScanRows(t, rows)
		stmt.Close()
	}
	// After all of this the session still does what it is for.
	if rows, err := rig.Query(conn, "SHOW PUMP STATUS"); err != nil || len(rows) != 1 {
		t.Errorf("%q, %v", rows, err)
	}
}

// refusedByAll are recorded statements that every MySQL server refuses as well, with its
// error; SET PASSWORD it refuses to users who may not.
var refusedByAll = map[string]uint16{
	"":                                                      1065,
	"KILL 99999":                                            1094,
	"DESCRIBE `mysql`.`pumps` '%'":                          1146,
	"SHOW CREATE TABLE `mysql`.`pumps`":                     1146,
	"SHOW CREATE TABLE `binlog`.`heartbeat`":                1146,
	"SHOW FULL TABLES FROM `test`":                          1049,
	"SELECT @@query_response_time_stats":                    1193,
	"SHOW MASTER LOGS":                                      1381,
	"show /*!50000 ENGINE*/ NDB STATUS":                     1286,
	"set password='606706156665cd86',sql_log_off=0":         1235,
	"change pump to node_state='bogus' for node_id 'pump1'": 1105,
	// Of MySQL 8, which has no such column: the client asks in the next statement's way then.
	"SELECT COUNT(*), SUM(user=\"\"), SUM(password=\"\"), SUM(password NOT LIKE \"*%\") FROM mysql.user": 1054,
}

// TestRecordedStatements replays, over the wire, what real clients and tools were seen to
// send: each is answered as a MySQL server would, as text and prepared.
func TestRecordedStatements(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	db := rig.StartConsole(t, pd.Endpoints()).Open(t)
	ctx := context.Background()
	for _, text := range readStatements(t) {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(ctx, "USE binlog"); err != nil {
			t.Fatal(err)
		}
		want := refusedByAll[text]
		if !strings.Contains(text, "?") {
			_, err := rig.Query(conn, text)
			if got := errorNumber(err); got != want {
				t.Errorf("%.200s: error %d, want %d: %v", text, got, want, err)
			}
		}
		if strings.HasPrefix(text, "/*M!") {
			want = 1065 // prepared, a comment is no statement, in MySQL too
		}
		if got, err := prepareAndRun(conn, text); got != want {
			t.Errorf("prepared %.200s: error %d, want %d: %v", text, got, want, err)
		}
		conn.Close()
	}
}

// prepareAndRun runs a statement by the binary protocol, with 1, 2, … for its parameters.
func prepareAndRun(conn *sql.Conn, text string) (uint16, error) {
	ctx := context.Background()
	stmt, err := conn.PrepareContext(ctx, text)
	if err != nil {
		return errorNumber(err), err
	}
	defer stmt.Close()
	var args []any
	for i := range strings.Count(text, "?") {
		args = append(args, i+1)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return errorNumber(err), err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return errorNumber(rows.Err()), rows.Err()
}

func errorNumber(err error) uint16 {
	var my *mysql.MySQLError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &my):
		return my.Number
	}
	return 1 // of the driver
}

// readStatements are the recorded statements: those of clients and tools, and Grafana's.
func readStatements(t *testing.T) []string {
	t.Helper()
	return append(readLines(t, "clients.txt"), readLines(t, "grafana.txt")...)
}

// readLines reads a file of statements, a JSON string a line. grafana.txt is what Grafana's
// MySQL data source sends: its query builder, and queries with each of its macros expanded for
// 2019-05-22 07:00 to 08:00.
func readLines(t *testing.T, name string) (all []string) {
	t.Helper()
	file := filepath.Join(programs.Root, "server", "session", "testdata", name)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var text string
		if err := json.Unmarshal(in.Bytes(), &text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := in.Err(); err != nil || len(all) == 0 {
		t.Fatal(file, err)
	}
	return all
}

// TestCommandLineTools runs what comes with the client: a person looks at a server with
// these before anything else.
func TestCommandLineTools(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	rig.Put(t, rig.Etcd(t, pd.Endpoints()), rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
	c := rig.StartConsole(t, pd.Endpoints())
	login := []string{"--no-defaults", "-h", c.Host, "-P", c.Port, "-u", "root"}
	for _, tool := range []struct {
		name string
		args []string
		want []string // in what it prints
	}{
		{"mariadb-admin", []string{"ping"}, []string{"is alive"}},
		{"mariadb-admin", []string{"status"}, []string{"Uptime: ", "Threads: 1", "Questions: "}},
		{"mariadb-admin", []string{"version"}, []string{"Server version", "pumphouse"}},
		{"mariadb-admin", []string{"processlist"}, []string{"| root |", "processlist"}},
		{"mariadb-admin", []string{"extended-status"}, []string{"Threads_connected", "Pumphouse_goroutines"}},
		{"mariadb-admin", []string{"variables"}, []string{"log_bin", "max_allowed_packet"}},
		{"mariadb-show", nil, []string{"| binlog", "| information_schema"}},
		{"mariadb-show", []string{"binlog"}, []string{"Database: binlog"}},
		{"mariadb", []string{"-e", `\s`}, []string{"Current user:", "root@", "Server version:", "pumphouse"}},
		{"mariadb", []string{"-t", "-e", "show pump status"}, []string{
			"+--------+----------------+--------+--------------------+---------------------+",
			"| NodeID | Address        | State  | Max_Commit_Ts      | Update_Time         |",
			"| pump1  | 127.0.0.1:8250 | Online | 408553768673342237 | 2019-05-22 07:09:04 |"}},
		{"mariadb-show", []string{"--count", "binlog"}, []string{"| pumps      |       15 |          1 |"}},
		{"mariadb-show", []string{"-k", "binlog", "pumps"}, []string{"| node_id ", "utf8mb4_bin", "PRIMARY"}},
		{"mariadb-check", []string{"binlog"}, []string{"binlog.drainers ", "binlog.pumps ", " OK"}},
		{"mariadb-dump", []string{"binlog"}, []string{"CREATE TABLE `pumps`", "INSERT INTO `pumps` VALUES", "('pump1','127.0.0.1:8250','Online',0,408553768673342237,'2019-05-22 07:09:04.218',",
			"-- Dump completed"}},
		{"mariadb-dump", []string{"--all-databases", "--routines", "--events", "--triggers", "--single-transaction"},
			[]string{"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `binlog`", "CREATE TABLE `positions`", "-- Dump completed"}},
		{"mariadb", []string{"-D", "binlog", "-N", "-e", "select database()"}, []string{"binlog"}},
	} {
		r := rig.RunCommand(t, "", nil, tool.name, append(login[:len(login):len(login)], tool.args...)...)
		if r.Code != 0 {
			t.Errorf("%s %v: exit code %d\n%s", tool.name, tool.args, r.Code, r.Stderr)
		}
		for _, want := range tool.want {
			if !strings.Contains(r.Out, want) {
				t.Errorf("%s %v: %q is missing in\n%s", tool.name, tool.args, want, r.Out)
			}
		}
	}
}

package testsuite

import (
	"context"
	"strings"
	"testing"

	"pumphouse/testsuite/pdtest"
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
	put(t, etcd(t, pd.Endpoints()), nodesPrefix+"pumps/pump1", pump1Record)
	c := startConsole(t, pd.Endpoints())
	ctx := context.Background()
	conn, err := c.open(t).Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range onConnect {
		if _, err := query(conn, text); err != nil {
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
		scanRows(t, rows)
		stmt.Close()
	}
	// After all of this the session still does what it is for.
	if rows, err := query(conn, "SHOW PUMP STATUS"); err != nil || len(rows) != 1 {
		t.Errorf("%q, %v", rows, err)
	}
}

// TestCommandLineTools runs what comes with the client: a person looks at a server with
// these before anything else.
func TestCommandLineTools(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	put(t, etcd(t, pd.Endpoints()), nodesPrefix+"pumps/pump1", pump1Record)
	c := startConsole(t, pd.Endpoints())
	login := []string{"--no-defaults", "-h", c.host, "-P", c.port, "-u", "root"}
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
		{"mariadb", []string{"-D", "binlog", "-N", "-e", "select database()"}, []string{"binlog"}},
	} {
		r := runCommand(t, "", nil, tool.name, append(login[:len(login):len(login)], tool.args...)...)
		if r.code != 0 {
			t.Errorf("%s %v: exit code %d\n%s", tool.name, tool.args, r.code, r.stderr)
		}
		for _, want := range tool.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s %v: %q is missing in\n%s", tool.name, tool.args, want, r.out)
			}
		}
	}
}

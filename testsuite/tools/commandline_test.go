package tools

import (
	"encoding/xml"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// commandLine are the programs of a shell.
var commandLine = []tool{
	{name: "mariadb", run: mariadb},
	{name: "mysqladmin", limits: "shutdown, flush-*, debug, start-slave: refused (1235)", run: mysqladmin},
	{name: "mysqlshow", limits: "--count: rows of the moment", run: mysqlshow},
	{name: "mariadb-dump", limits: "one moment of live tables", run: dump},
	{name: "mycli", run: mycli},
	{name: "pt-mysql-summary", limits: "what there is of InnoDB, binary logs and users is empty", run: summary},
}

// server gives the options that every client program of MariaDB and MySQL takes.
func (s *session) server(more ...string) []string {
	return append([]string{"--no-defaults", "-h", s.host, "-P", s.port, "-u", "root"}, more...)
}

const offlinePump = "SELECT node_id, labels FROM binlog.pumps WHERE node_id = 'pump3'"

func mariadb(t *testing.T, s *session) {
	s.version = number(strings.SplitN(command(t, "", "mariadb", "--version"), "Distrib", 2)[1])
	s.does(t, "-t, -E, -X, -H, --batch, -N", func(t *testing.T) {
		for option, want := range map[string]string{
			"-t": "+---------+--------+\n| node_id | labels |\n+---------+--------+\n| pump3   | NULL   |\n+---------+--------+\n",
			"-E": "*************************** 1. row ***************************\nnode_id: pump3\n labels: NULL\n",
			"-H": "<TABLE BORDER=1><TR><TH>node_id</TH><TH>labels</TH></TR><TR><TD>pump3</TD><TD>NULL</TD></TR></TABLE>",
			"-B": "node_id\tlabels\npump3\tNULL\n", "-N": "pump3\tNULL\n",
		} {
			same(t, option, command(t, "", "mariadb", s.server(option, "-e", offlinePump)...), want)
		}
		var doc struct {
			Rows []struct {
				Fields []struct {
					Name string `xml:"name,attr"`
				} `xml:"field"`
			} `xml:"row"`
		}
		if err := xml.Unmarshal([]byte(command(t, "", "mariadb", s.server("-X", "-e", offlinePump)...)), &doc); err != nil {
			t.Fatal(err)
		}
		same(t, "XML", doc, "{[{[{node_id} {labels}]}]}")
	})
	s.does(t, "rehash and completion at a terminal, `\\s`, `\\u`, HELP", func(t *testing.T) {
		at := func(want, input string) {
			t.Helper()
			contains(t, terminal(t, input+"\nexit\n", "mariadb", s.server("--auto-rehash", "binlog")...), want)
		}
		at("| pump2   | 408553768673342335 |", "SELECT node_id, max_comm\t FROM pumps WHERE node_id = 'pump2';")
		at("CREATE TABLE `events`", "SHOW CREATE TABLE even\t\\G")
		at("Server version:\t\t8.0.11-TiDB", "\\s")
		at("Database changed", "\\u information_schema")
		at("CHANGE", "HELP 'binlog';")
	})
	s.does(t, "`SHOW … STATUS`, `CHANGE`, `--show-warnings`, errors", func(t *testing.T) {
		text := "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '" + s.node + "'; SHOW PUMP STATUS LIKE '" + s.node + "'"
		contains(t, command(t, "", "mariadb", s.server("-vvv", "--show-warnings", "-e", text)...),
			"Query OK, 0 rows affected", "| Paused |", "1 row in set")
		_, stderr, err := try(t, nil, "SELECT 1;\nSELEC 2;\n", "mariadb", s.server()...)
		if err == nil {
			t.Fatal("no error")
		}
		contains(t, stderr, "ERROR 1064 (42000) at line 2", "SELEC 2")
	})
}

// terminal runs a program at a pseudo terminal and gives what it showed.
func terminal(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	out, stderr, err := try(t, []string{"TERM=dumb"}, input, "script", "-qec", name+" '"+strings.Join(args, "' '")+"'", "/dev/null")
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, stderr)
	}
	return strings.ReplaceAll(out, "\r", "")
}

func mysqladmin(t *testing.T, s *session) {
	s.version = number(strings.SplitN(command(t, "", "mysqladmin", "--version"), "Distrib", 2)[1])
	admin := func(args ...string) string {
		t.Helper()
		return command(t, "", "mysqladmin", s.server(args...)...)
	}
	s.does(t, "ping, status, extended-status, variables, version", func(t *testing.T) {
		contains(t, admin("ping"), "mysqld is alive")
		contains(t, admin("status"), "Uptime: ", "Threads: ", "Questions: ")
		contains(t, admin("extended-status"), "| Threads_connected ", "| Uptime ")
		contains(t, admin("variables"), "| log_bin ", "| version ")
		contains(t, admin("version"), "Server version\t\t8.0.11-TiDB", "TCP port\t\t"+s.port)
		contains(t, admin("-i1", "-c2", "-r", "extended-status"), "| Questions ")
	})
	s.does(t, "processlist, kill", func(t *testing.T) {
		conn, err := s.open(t, "").Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var id string
		if err := conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
			t.Fatal(err)
		}
		contains(t, admin("-v", "processlist"), "| "+id+" ")
		admin("kill", id)
		if err := conn.PingContext(t.Context()); err == nil {
			t.Fatal("the killed connection answers")
		}
		if strings.Contains(admin("processlist"), "| "+id+" ") {
			t.Fatal("the killed connection is listed")
		}
	})
	s.does(t, "a server that is down", func(t *testing.T) {
		_, stderr, err := try(t, nil, "", "mysqladmin", "--no-defaults", "-h", "127.0.0.1", "-P", strconv.Itoa(form.Port(t)), "ping")
		if err == nil {
			t.Fatal("alive")
		}
		contains(t, stderr, "Can't connect")
	})
}

func mysqlshow(t *testing.T, s *session) {
	s.version = number(strings.SplitN(command(t, "", "mysqlshow", "--version"), "Distrib", 2)[1])
	show := func(args ...string) string {
		t.Helper()
		return command(t, "", "mysqlshow", s.server(args...)...)
	}
	s.does(t, "databases, tables, columns", func(t *testing.T) {
		contains(t, show(), "| binlog ", "| information_schema ")
		contains(t, show("binlog"), "| drainers ", "| events ", "| positions ", "| pumps ")
		contains(t, show("binlog", "pumps"), "| max_commit_ts | bigint ", "Largest commit TS it has sorted")
		contains(t, show("binlog", "pumps", "sta%"), "Wildcard: sta%", "| state ")
	})
	s.does(t, "--status, --keys, --count, --show-table-type", func(t *testing.T) {
		contains(t, show("--status", "binlog"), "The pumps of the cluster")
		contains(t, show("--keys", "binlog", "positions"), "| PRIMARY  | 1            | drainer ", "| PRIMARY  | 2            | pump ")
		if !regexp.MustCompile(`\| drainers +\| +15 \| +1 \|`).MatchString(show("--count", "binlog")) {
			t.Fatal(show("--count", "binlog"))
		}
		contains(t, show("--show-table-type", "binlog"), "BASE TABLE")
	})
}

// dump copies the database binlog into a real MariaDB and compares.
func dump(t *testing.T, s *session) {
	s.version = number(strings.SplitN(command(t, "", "mariadb-dump", "--version"), "Distrib", 2)[1])
	db := s.open(t, "")
	for _, state := range []string{"paused", "online"} { // something for the table of events
		if _, err := db.ExecContext(t.Context(), "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", state, s.node); err != nil {
			t.Fatal(err)
		}
	}
	there := mariadbtest.Start(t)
	target := []string{"--no-defaults", "-h", there.Host, "-P", strings.TrimPrefix(there.Addr(), there.Host+":"), "-u", "root"}
	const steady = " node_id, address, state, alive, max_commit_ts, commit_time, update_ts, update_time, score, labels, version FROM "
	for name, options := range map[string][]string{
		"one":       {"binlog"},
		"databases": {"--databases", "binlog", "--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--skip-extended-insert"},
		"some":      {"--complete-insert", "--where=node_id IS NOT NULL", "binlog", "pumps", "drainers", "events"},
	} {
		text := command(t, "", "mariadb-dump", s.server(options...)...)
		contains(t, text, "-- Dump completed", "INSERT INTO `pumps`")
		there.Exec("DROP DATABASE IF EXISTS binlog", "CREATE DATABASE binlog")
		command(t, text, "mariadb", append(target, "binlog")...)
		for _, query := range []string{
			"SELECT" + steady + "binlog.pumps WHERE node_id LIKE 'pump%' ORDER BY node_id",
			"SELECT" + steady + "binlog.drainers ORDER BY node_id",
			"SELECT id, kind, node_id, address, old_state, new_state, source, statement, user, result FROM binlog.events WHERE node_id = '" + s.node + "' ORDER BY id",
		} {
			// Dumps carry times in UTC, where the console lives too.
			want := command(t, "", "mariadb", s.server("-e", query)...)
			if len(strings.Split(want, "\n")) < 3 {
				t.Fatalf("%s: nothing to compare:\n%s", query, want)
			}
			same(t, name+": "+query, command(t, "", "mariadb", append(target, "-e", query)...), want)
		}
	}
	s.does(t, "dump of `binlog`: whole, with --databases and every kind of object, some tables with --where", func(*testing.T) {})
	s.does(t, "loaded into MariaDB, rows compared", func(*testing.T) {})
	s.does(t, "--no-data, --xml", func(t *testing.T) {
		contains(t, command(t, "", "mariadb-dump", s.server("--no-data", "binlog")...), "CREATE TABLE `positions`")
		contains(t, command(t, "", "mariadb-dump", s.server("--xml", "binlog")...), `<field name="node_id">pump3</field>`)
	})
}

func mycli(t *testing.T, s *session) {
	env := []string{"HOME=" + t.TempDir(), "TERM=xterm"}
	run := func(input string, args ...string) string {
		t.Helper()
		args = append([]string{"-h", s.host, "-P", s.port, "-u", "root", "--no-warn"}, args...)
		out, stderr, err := try(t, env, input, "mycli", args...)
		if err != nil {
			t.Fatalf("mycli %q: %v\n%s%s", args, err, out, stderr)
		}
		return out
	}
	s.version = number(run("", "--version"))
	s.does(t, "-e, --csv, -t, statements from a pipe, `CHANGE PUMP`", func(t *testing.T) {
		same(t, "csv", run("", "--csv", "-e", offlinePump), "\"node_id\",\"labels\"\n\"pump3\",\"\"\n")
		contains(t, run("", "-t", "-e", "SHOW PUMP STATUS LIKE 'pump1'"), "| pump1  | 127.0.0.1:8250 | Online | 408553768673342237 | 2019-05-22 07:09:04 |")
		run("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '"+s.node+"';", "-D", "binlog")
		contains(t, run("", "-e", "SELECT state FROM binlog.pumps WHERE node_id = '"+s.node+"'"), "Paused")
	})
	s.script(t, "/usr/bin/python3", filepath.Join("python", "completion.py"))
	s.version = number(run("", "--version"))
}

func summary(t *testing.T, s *session) {
	s.version = number(command(t, "", "pt-mysql-summary", "--version"))
	s.does(t, "a summary, all sections to the end", func(t *testing.T) {
		out, stderr, err := try(t, []string{"HOME=" + t.TempDir()}, "", "pt-mysql-summary", "--sleep", "2", "--all-databases", "--",
			"--no-defaults", "--host", s.host, "--port", s.port, "--user", "root")
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out, stderr)
		}
		contains(t, out, "# Report On Port "+s.port, "Version | 8.0.11-TiDB", "# Processlist", "# Status Counters", "binlog", "# The End")
	})
}

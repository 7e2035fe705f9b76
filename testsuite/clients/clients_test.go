package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/rig"
)

// step is one statement and what every client must get for it.
type step struct {
	SQL  string   `json:"sql"`
	Args []string `json:"args"`

	rows  []string // rows, values joined by |
	ok    bool     // an OK packet
	errno uint16
	text  string // the error's text

	pump1, drainer1 string // the state PD holds afterwards, where it changed
}

// document is what the operations document shows, and the same with the forms that
// drivers give it: one scenario for every client.
var document = []step{
	{SQL: "show variables like \"log_bin\"", rows: []string{"log_bin|0"}},
	{SQL: "show pump status", rows: []string{
		"pump1|127.0.0.1:8250|Online|408553768673342237|2019-05-22 07:09:04",
		"pump2|127.0.0.2:8250|Online|408553768673342335|2019-05-22 07:09:04"}},
	{SQL: "SHOW DRAINER STATUS", rows: []string{"drainer1|127.0.0.3:8249|Online|408553768673342532|2019-05-22 07:09:04"}},
	{SQL: "change pump to node_state ='paused' for node_id 'pump1'", ok: true, pump1: "paused"},
	{SQL: "show pump status like 'pump1'", rows: []string{"pump1|127.0.0.1:8250|Paused|408553768673342237|2019-05-22 07:09:04"}},
	{SQL: "SHOW PUMP STATUS WHERE State = 'online'", rows: []string{"pump2|127.0.0.2:8250|Online|408553768673342335|2019-05-22 07:09:04"}},
	{SQL: "change drainer to node_state ='paused' for node_id 'drainer1'", ok: true, drainer1: "paused"},
	{SQL: "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", Args: []string{"Online", "pump1"}, ok: true, pump1: "online"},
	{SQL: "CHANGE DRAINER TO NODE_STATE = 'ONLINE' FOR NODE_ID ?", Args: []string{"drainer1"}, ok: true, drainer1: "online"},
	{SQL: "SHOW PUMP STATUS LIKE ?", Args: []string{"%2"}, rows: []string{"pump2|127.0.0.2:8250|Online|408553768673342335|2019-05-22 07:09:04"}},
	{SQL: "SHOW DRAINER STATUS WHERE NodeID = ? AND Max_Commit_Ts > 1", Args: []string{"drainer1"}, rows: []string{"drainer1|127.0.0.3:8249|Online|408553768673342532|2019-05-22 07:09:04"}},
	{SQL: "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?", Args: []string{"online", "nope"}, errno: 1105, text: "node pump, id nope from etcd ENDPOINTS not found"},
	{SQL: "change pump to node_state='bogus' for node_id 'pump1'", errno: 1105, text: "state bogus is illegal"},
	{SQL: "change pump to node_state='paused' for node_id 'pump1' x", errno: 1064, text: "You have an error in your SQL syntax"},
	{SQL: "select 1", rows: []string{"1"}},
}

// runner carries one step to the console through one client.
type runner func(t *testing.T, s step) (rows []string, ok bool, errno uint16, text string)

func TestDocumentThroughEveryClient(t *testing.T) {
	clients := map[string]func(t *testing.T, c *rig.Console) runner{
		"mariadb":       mariadbRunner,
		"PyMySQL":       scriptRunner("/usr/bin/python3", "testsuite/clients/scenario.py"),
		"node mysql2":   scriptRunner("node", "testsuite/clients/scenario.js"),
		"go-sql-driver": goRunner,
	}
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		cli := rig.Etcd(t, pd.Endpoints())
		for name, open := range clients {
			t.Run(name, func(t *testing.T) {
				rig.Put(t, cli, "/tidb-binlog/v1/pumps/pump1", rig.Pump1Record)
				rig.Put(t, cli, "/tidb-binlog/v1/pumps/pump2", rig.Pump2Record)
				rig.Put(t, cli, "/tidb-binlog/v1/pumps/pump3", rig.Pump3Record)
				rig.Put(t, cli, "/tidb-binlog/v1/drainers/drainer1", rig.Drainer1Record)
				c := rig.StartConsole(t, pd.Endpoints())
				run := open(t, c)
				endpoints := strings.ReplaceAll(strings.Join(pd.Endpoints(), ","), "http://", "")
				pump1, drainer1 := "online", "online"
				for _, s := range document {
					rows, ok, errno, text := run(t, s)
					s.text = strings.ReplaceAll(s.text, "ENDPOINTS", endpoints)
					if errno != s.errno || !strings.HasPrefix(text, s.text) || (s.text == "") != (text == "") {
						t.Fatalf("%s %q: error %d %q, want %d %q", s.SQL, s.Args, errno, text, s.errno, s.text)
					}
					if ok != s.ok || strings.Join(rows, "\n") != strings.Join(s.rows, "\n") {
						t.Fatalf("%s %q: ok %v, rows\n%s\nwant ok %v, rows\n%s", s.SQL, s.Args, ok, strings.Join(rows, "\n"), s.ok, strings.Join(s.rows, "\n"))
					}
					pump1, drainer1 = orElse(s.pump1, pump1), orElse(s.drainer1, drainer1)
					// Nothing but the state may differ from what the nodes wrote.
					for key, want := range map[string]string{
						"pumps/pump1":       strings.Replace(rig.Pump1Record, `"online"`, `"`+pump1+`"`, 1),
						"pumps/pump2":       rig.Pump2Record,
						"pumps/pump3":       rig.Pump3Record,
						"drainers/drainer1": strings.Replace(rig.Drainer1Record, `"online"`, `"`+drainer1+`"`, 1),
					} {
						if got := rig.Get(t, cli, "/tidb-binlog/v1/"+key); got != want {
							t.Fatalf("after %s %q PD holds for %s\n%s\nwant\n%s", s.SQL, s.Args, key, got, want)
						}
					}
				}
			})
		}
	})
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// goRunner is go-sql-driver: statements with arguments are prepared by the server.
func goRunner(t *testing.T, c *rig.Console) runner {
	db := c.Open(t)
	return func(t *testing.T, s step) ([]string, bool, uint16, string) {
		args := make([]any, len(s.Args))
		for i, a := range s.Args {
			args[i] = a
		}
		if s.ok {
			res, err := db.ExecContext(context.Background(), s.SQL, args...)
			if err != nil {
				return nil, false, 0, err.Error()
			}
			n, err := res.RowsAffected()
			return nil, n == 0 && err == nil, 0, ""
		}
		rows, err := db.QueryContext(context.Background(), s.SQL, args...)
		var my *mysql.MySQLError
		if errors.As(err, &my) {
			return nil, false, my.Number, my.Message
		}
		if err != nil {
			t.Fatal(err)
		}
		return rig.ScanRows(t, rows), false, 0, ""
	}
}

// scriptRunner talks JSON lines to a script of testsuite/clients.
func scriptRunner(interpreter, script string) func(*testing.T, *rig.Console) runner {
	return func(t *testing.T, c *rig.Console) runner {
		cmd := exec.Command(interpreter, script, c.Host, c.Port)
		cmd.Dir = programs.Root
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if interpreter == "node" {
			cmd.Env = append(cmd.Environ(), "NODE_CLIENTS="+filepath.Join(form.Clients(t, programs.Root, "node"), "node_modules"))
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatalf("%v (make deps installs what is missing)", err)
		}
		t.Cleanup(func() {
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, stderr.String())
			}
		})
		answers := bufio.NewReader(out)
		return func(t *testing.T, s step) ([]string, bool, uint16, string) {
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := in.Write(append(b, '\n')); err != nil {
				t.Fatal(err)
			}
			line, err := answers.ReadBytes('\n')
			if err != nil {
				rest, _ := io.ReadAll(answers)
				t.Fatalf("%s ended: %v %s\n%s", script, err, rest, stderr.String())
			}
			var a struct {
				Rows     [][]string
				Columns  []string
				Affected *int
				Errno    uint16
				Error    string
			}
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatal(err)
			}
			rows := make([]string, len(a.Rows))
			for i, r := range a.Rows {
				rows[i] = strings.Join(r, "|")
			}
			return rows, a.Columns == nil && a.Errno == 0 && a.Affected != nil && *a.Affected == 0, a.Errno, a.Error
		}
	}
}

// mariadbRunner is the command line client; statements with arguments are sent through
// SQL's own PREPARE, which is what a person has at its prompt.
func mariadbRunner(t *testing.T, c *rig.Console) runner {
	return func(t *testing.T, s step) ([]string, bool, uint16, string) {
		text := s.SQL + ";"
		if len(s.Args) > 0 {
			text = "PREPARE s FROM " + quote(s.SQL) + ";"
			var names []string
			for i, a := range s.Args {
				name := "@a" + string(rune('0'+i))
				text += "SET " + name + " = " + quote(a) + ";"
				names = append(names, name)
			}
			text += "EXECUTE s USING " + strings.Join(names, ", ") + ";"
		}
		cmd := exec.Command("mariadb", "--no-defaults", "-h", c.Host, "-P", c.Port, "-u", "root", "-v", "-v", "--batch", "-e", text)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			var errno uint16
			msg := strings.TrimSpace(stderr.String())
			if _, rest, found := strings.Cut(msg, "ERROR "); found {
				num, after, _ := strings.Cut(rest, " ")
				for _, d := range num {
					errno = errno*10 + uint16(d-'0')
				}
				_, msg, _ = strings.Cut(after, ": ")
			}
			return nil, false, errno, msg
		}
		return mariadbOutput(string(out))
	}
}

// mariadbOutput reads what `mariadb -vv --batch` prints: each statement between lines of
// dashes, then rows under a header and their count, or the words of an OK.
func mariadbOutput(out string) (rows []string, ok bool, errno uint16, text string) {
	blocks := strings.Split(out, "--------------\n")
	lines := strings.Split(strings.TrimSpace(blocks[len(blocks)-1]), "\n")
	if strings.HasPrefix(lines[0], "Query OK, 0 rows affected") {
		return nil, true, 0, ""
	}
	for _, line := range lines[1:] {
		if strings.Contains(line, " in set") || strings.HasPrefix(line, "Empty set") {
			break
		}
		rows = append(rows, strings.ReplaceAll(line, "\t", "|"))
	}
	return rows, false, 0, ""
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

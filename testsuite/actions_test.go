package testsuite

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"

	"github.com/go-sql-driver/mysql"
)

// client runs statements in the command line client.
func (c *console) client(t testing.TB, text string) result {
	t.Helper()
	return runCommand(t, "", nil, "mariadb", "--no-defaults", "-h", c.host, "-P", c.port, "-u", "root", "--batch", "--show-warnings", "-e", text)
}

// events is what the audit says, oldest first: node, states, source, statement, result.
func (c *console) events(t testing.TB) []string {
	t.Helper()
	rows, err := c.open(t).Query("SELECT node_id, ifnull(lower(old_state), '-'), ifnull(lower(new_state), '-'), source, ifnull(statement, '-'), " +
		"ifnull(user, '-'), ifnull(from_host, '-'), result FROM binlog.events ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, row := range scanRows(t, rows) {
		out = append(out, strings.ReplaceAll(row, "|", " "))
	}
	return out
}

// TestActions carries the operators' statements out on real pumps, with two consoles that
// watch.
func TestActions(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		all := newPumps(t, pd)
		for _, c := range []struct {
			name string
			test func(*pumps, *console)
		}{
			{"pause", actPause},
			{"offline", actOffline},
			{"kill the wait", actKilled},
			{"a dead node", actDead},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := all.in(t)
				c.test(in, startConsole(t, in.endpoints))
			})
		}
	})
}

func actPause(c *pumps, console *console) {
	other := startConsole(c.t, c.endpoints)
	p := c.start("pump1")
	p.client().transaction([]byte("v"))
	r := console.client(c.t, "PAUSE PUMP 'pump1' WAIT 30; SHOW PUMP STATUS; PAUSE PUMP 'pump1'")
	if r.code != 0 || !strings.Contains(r.out, "pump1\t"+p.addr+"\tPaused\t") || !strings.Contains(r.out+r.stderr, `pump "pump1" is paused already`) {
		c.t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	p.ends(0)
	// The other console has seen the node's own steps too; each stands there once.
	want := []string{
		"pump1 - paused node - - - done", "pump1 paused online node - - - done",
		"pump1 online paused console PAUSE root 127.0.0.1 accepted",
		"pump1 online pausing node - - - done", "pump1 pausing paused node - - - done",
	}
	eventually(c.t, 10*time.Second, "the audit is complete", func() (bool, string) {
		got := onlyOf(other.events(c.t), "pump1")
		sorted := slices.Sorted(slices.Values(got))
		return slices.Equal(sorted, slices.Sorted(slices.Values(want))), strings.Join(got, "\n")
	})
	p.launch()
	p.hasState(nodes.Online)
	if _, err := other.open(c.t).Exec("PAUSE PUMP ? WAIT ?", "pump1", 30); err != nil { // a prepared statement
		c.t.Error(err)
	}
	p.hasState(nodes.Paused)
	p.ends(0)
}

// onlyOf keeps the last life of a node: from its record's appearance on.
func onlyOf(events []string, node string) (out []string) {
	for _, e := range events {
		if strings.HasPrefix(e, node+" - ") {
			out = nil
		}
		if strings.HasPrefix(e, node+" ") {
			out = append(out, e)
		}
	}
	return out
}

func actOffline(c *pumps, console *console) {
	p, last := c.behind("pump2")
	r := console.client(c.t, "OFFLINE PUMP 'pump2' WAIT 1")
	if r.code == 0 || !strings.Contains(r.stderr, "ERROR 1105") || !strings.Contains(r.stderr, "waits for drainer slow (paused, ") ||
		!strings.Contains(r.stderr, fmt.Sprintf("which has consumed nothing yet of what there is up to commit TS %d", last)) {
		c.t.Errorf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	p.hasState(nodes.Closing)
	if r := console.client(c.t, "PAUSE PUMP 'pump2'"); !strings.Contains(r.stderr, "this pump's state is closing, apply pause failed!") {
		c.t.Errorf("pause while closing: %s", r.stderr)
	}
	if r := console.client(c.t, "DROP PUMP 'pump2'"); !strings.Contains(r.stderr, "pump pump2 is closing") {
		c.t.Errorf("drop while closing: %s", r.stderr)
	}
	done := make(chan error, 1)
	go func() {
		_, err := console.open(c.t).Exec("CHANGE PUMP TO NODE_STATE = 'online' FOR NODE_ID 'pump2'")
		if err == nil {
			_, err = console.open(c.t).Exec("OFFLINE PUMP ? WAIT ?", "pump2", "60")
			for tries := 0; err != nil && strings.Contains(err.Error(), "state is closing") && tries < 100; tries++ { // it has not come back yet
				time.Sleep(50 * time.Millisecond)
				_, err = console.open(c.t).Exec("OFFLINE PUMP ? WAIT ?", "pump2", "60")
			}
		}
		done <- err
	}()
	eventually(c.t, 20*time.Second, "it waits again", func() (bool, string) {
		s := strings.Join(console.events(c.t), "\n")
		return strings.Count(s, "pump2 online offline console OFFLINE root 127.0.0.1 accepted") == 2, s
	})
	c.drainer("slow", deadAddr(c.t), nodes.Paused, last)
	if err := <-done; err != nil {
		c.t.Errorf("with the drainer caught up: %v", err)
	}
	p.ends(0)
	r = console.client(c.t, "DROP PUMP 'pump2'; SHOW FULL PUMP STATUS; SELECT count(*) AS n FROM binlog.events WHERE node_id = 'pump2' AND statement = 'DROP'")
	if r.code != 0 || !strings.Contains(r.out+r.stderr, "no pump record any more") || strings.Contains(r.out, "pump2\t") || !strings.Contains(r.out, "n\n1\n") {
		c.t.Errorf("drop: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	if _, err := c.registry.Get(c.t.Context(), nodes.Pump, "pump2"); !errors.Is(err, nodes.ErrNotFound) {
		c.t.Errorf("after the drop: %v", err)
	}
}

// actKilled: KILL QUERY from another connection, as Ctrl-C in the client does.
func actKilled(c *pumps, console *console) {
	p, _ := c.behind("pump3")
	db := console.open(c.t)
	conn, err := db.Conn(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	var id int64
	if err := conn.QueryRowContext(c.t.Context(), "SELECT connection_id()").Scan(&id); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(c.t.Context(), "OFFLINE PUMP 'pump3' WAIT 3600")
		done <- err
	}()
	p.reaches(nodes.Closing)
	eventually(c.t, 10*time.Second, "it waits", func() (bool, string) {
		s := strings.Join(console.events(c.t), "\n")
		return strings.Contains(s, "pump3 online offline console OFFLINE"), s
	})
	if _, err := db.Exec(fmt.Sprintf("KILL QUERY %d", id)); err != nil {
		c.t.Fatal(err)
	}
	var e *mysql.MySQLError
	if err := <-done; !errors.As(err, &e) || e.Number != 1317 || !strings.Contains(e.Message, "has accepted to go offline and goes on") {
		c.t.Errorf("killed: %v", err)
	}
	if _, err := conn.ExecContext(c.t.Context(), "DO 1"); err != nil {
		c.t.Errorf("the connection after it: %v", err)
	}
	p.hasState(nodes.Closing)
	p.change(nodes.Offline)
	p.ends(0)
}

func actDead(c *pumps, console *console) {
	p := c.start("pump4")
	p.kill()
	r := console.client(c.t, "PAUSE PUMP 'pump4' WAIT 30")
	const cure = "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump4'"
	if r.code == 0 || !strings.Contains(r.stderr, p.addr) || !strings.Contains(r.stderr, cure) {
		c.t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	console.client(c.t, cure).expect(c.t, "the cure", 0, "Warning", "")
	p.hasState(nodes.Paused)
	// An old node answers a refusal with HTTP 200; see TestBinlogctlAsksNodes for the rest.
	console.client(c.t, "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump4'; DROP PUMP 'pump4'").expect(c.t, "drop", 0, "no pump record any more", "")
}

// TestTwoConsolesDrop: two consoles drop the same nodes at the same time, while a third
// only watches. Each node is dropped once, by who was told so.
func TestTwoConsolesDrop(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		c := newPumps(t, pd).in(t)
		const count = 60
		for i := range count {
			put(t, c.etcd, nodes.Drainer.Key(fmt.Sprint("d", i)), strings.NewReplacer("drainer1", fmt.Sprint("d", i), "online", "offline").Replace(drainer1Record))
		}
		consoles := []*console{startConsole(t, c.endpoints), startConsole(t, c.endpoints), startConsole(t, c.endpoints)}
		h := follow(t, c.etcd)
		var wg sync.WaitGroup
		var dropped [2][count]bool
		for i := range dropped {
			db := consoles[i].open(t)
			wg.Go(func() {
				for n := range count {
					id := fmt.Sprint("d", n)
					_, err := db.Exec("DROP DRAINER '" + id + "'")
					var e *mysql.MySQLError
					switch {
					case err == nil:
						dropped[i][n] = true
						if left := countDrainers(t, db, id); left != 0 {
							t.Errorf("console %d dropped %s and still shows it", i, id)
						}
					case !errors.As(err, &e) || e.Number != 1105 || !strings.Contains(e.Message, "not found"):
						t.Errorf("console %d: DROP %s: %v", i, id, err)
					}
				}
			})
		}
		wg.Wait()
		versions := h.complete(t)
		events := consoles[2].events(t)
		for n := range count {
			id := fmt.Sprint("d", n)
			if dropped[0][n] == dropped[1][n] {
				t.Errorf("%s: dropped by console 0: %v, by console 1: %v", id, dropped[0][n], dropped[1][n])
			}
			if v := versions["drainers/"+id]; len(v) != 1 || v[0].raw != "" {
				t.Errorf("%s: PD's history is %+v", id, v)
			}
			if got := slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !strings.HasPrefix(e, id+" ") }); len(got) != 1 || !strings.Contains(got[0], "console DROP root") {
				t.Errorf("%s: the audit says %q", id, got)
			}
		}
	})
}

// countDrainers counts the drainers with an ID.
func countDrainers(t *testing.T, db *sql.DB, id string) (n int) {
	t.Helper()
	rows, err := db.Query("SHOW FULL DRAINER STATUS LIKE '" + id + "'")
	if err != nil {
		t.Error(err)
		return -1
	}
	return len(scanRows(t, rows))
}

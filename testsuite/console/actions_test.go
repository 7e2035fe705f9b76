package console

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestActions carries the operators' statements out on real pumps, with two consoles that
// watch.
func TestActions(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		all := rig.NewPumps(t, pd)
		for _, c := range []struct {
			name string
			test func(*rig.Pumps, *rig.Console)
		}{
			{"pause", actPause},
			{"offline", actOffline},
			{"kill the wait", actKilled},
			{"a dead node", actDead},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := all.In(t)
				c.test(in, rig.StartConsole(t, in.Endpoints))
			})
		}
	})
}

func actPause(c *rig.Pumps, console *rig.Console) {
	other := rig.StartConsole(c.T, c.Endpoints)
	p := c.Start("pump1")
	p.Client().Transaction([]byte("v"))
	r := console.Client(c.T, "PAUSE PUMP 'pump1' WAIT 30; SHOW PUMP STATUS; PAUSE PUMP 'pump1'")
	if r.Code != 0 || !strings.Contains(r.Out, "pump1\t"+p.Addr+"\tPaused\t") || !strings.Contains(r.Out+r.Stderr, `pump "pump1" is paused already`) {
		c.T.Errorf("exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
	p.Ends(0)
	// The other console has seen the node's own steps too; each stands there once.
	want := []string{
		"pump1 - paused node - - - done", "pump1 paused online node - - - done",
		"pump1 online paused console PAUSE root 127.0.0.1 accepted",
		"pump1 online pausing node - - - done", "pump1 pausing paused node - - - done",
	}
	rig.Eventually(c.T, 10*time.Second, "the audit is complete", func() (bool, string) {
		got := onlyOf(other.Events(c.T), "pump1")
		sorted := slices.Sorted(slices.Values(got))
		return slices.Equal(sorted, slices.Sorted(slices.Values(want))), strings.Join(got, "\n")
	})
	p.Launch()
	p.HasState(nodes.Online)
	if _, err := other.Open(c.T).Exec("PAUSE PUMP ? WAIT ?", "pump1", 30); err != nil { // a prepared statement
		c.T.Error(err)
	}
	p.HasState(nodes.Paused)
	p.Ends(0)
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

func actOffline(c *rig.Pumps, console *rig.Console) {
	p, last := c.Lagging("pump2")
	r := console.Client(c.T, "OFFLINE PUMP 'pump2' WAIT 1")
	if r.Code == 0 || !strings.Contains(r.Stderr, "ERROR 1105") || !strings.Contains(r.Stderr, "waits for drainer slow (paused, ") ||
		!strings.Contains(r.Stderr, fmt.Sprintf("which has consumed nothing yet of what there is up to commit TS %d", last)) {
		c.T.Errorf("exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
	p.HasState(nodes.Closing)
	if r := console.Client(c.T, "PAUSE PUMP 'pump2'"); !strings.Contains(r.Stderr, "this pump's state is closing, apply pause failed!") {
		c.T.Errorf("pause while closing: %s", r.Stderr)
	}
	if r := console.Client(c.T, "DROP PUMP 'pump2'"); !strings.Contains(r.Stderr, "pump pump2 is closing") {
		c.T.Errorf("drop while closing: %s", r.Stderr)
	}
	done := make(chan error, 1)
	go func() {
		_, err := console.Open(c.T).Exec("CHANGE PUMP TO NODE_STATE = 'online' FOR NODE_ID 'pump2'")
		if err == nil {
			_, err = console.Open(c.T).Exec("OFFLINE PUMP ? WAIT ?", "pump2", "60")
			for tries := 0; err != nil && strings.Contains(err.Error(), "state is closing") && tries < 100; tries++ { // it has not come back yet
				time.Sleep(50 * time.Millisecond)
				_, err = console.Open(c.T).Exec("OFFLINE PUMP ? WAIT ?", "pump2", "60")
			}
		}
		done <- err
	}()
	rig.Eventually(c.T, 20*time.Second, "it waits again", func() (bool, string) {
		s := strings.Join(console.Events(c.T), "\n")
		return strings.Count(s, "pump2 online offline console OFFLINE root 127.0.0.1 accepted") == 2, s
	})
	c.Drainer("slow", form.Addr(c.T), nodes.Paused, last)
	if err := <-done; err != nil {
		c.T.Errorf("with the drainer caught up: %v", err)
	}
	p.Ends(0)
	r = console.Client(c.T, "DROP PUMP 'pump2'; SHOW FULL PUMP STATUS; SELECT count(*) AS n FROM binlog.events WHERE node_id = 'pump2' AND statement = 'DROP'")
	if r.Code != 0 || !strings.Contains(r.Out+r.Stderr, "no pump record any more") || strings.Contains(r.Out, "pump2\t") || !strings.Contains(r.Out, "n\n1\n") {
		c.T.Errorf("drop: exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
	if _, err := c.Registry.Get(c.T.Context(), nodes.Pump, "pump2"); !errors.Is(err, nodes.ErrNotFound) {
		c.T.Errorf("after the drop: %v", err)
	}
}

// actKilled: KILL QUERY from another connection, as Ctrl-C in the client does.
func actKilled(c *rig.Pumps, console *rig.Console) {
	p, _ := c.Lagging("pump3")
	db := console.Open(c.T)
	conn, err := db.Conn(c.T.Context())
	if err != nil {
		c.T.Fatal(err)
	}
	defer conn.Close()
	var id int64
	if err := conn.QueryRowContext(c.T.Context(), "SELECT connection_id()").Scan(&id); err != nil {
		c.T.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(c.T.Context(), "OFFLINE PUMP 'pump3' WAIT 3600")
		done <- err
	}()
	p.Reaches(nodes.Closing)
	rig.Eventually(c.T, 10*time.Second, "it waits", func() (bool, string) {
		s := strings.Join(console.Events(c.T), "\n")
		return strings.Contains(s, "pump3 online offline console OFFLINE"), s
	})
	if _, err := db.Exec(fmt.Sprintf("KILL QUERY %d", id)); err != nil {
		c.T.Fatal(err)
	}
	var e *mysql.MySQLError
	if err := <-done; !errors.As(err, &e) || e.Number != 1317 || !strings.Contains(e.Message, "has accepted to go offline and goes on") {
		c.T.Errorf("killed: %v", err)
	}
	if _, err := conn.ExecContext(c.T.Context(), "DO 1"); err != nil {
		c.T.Errorf("the connection after it: %v", err)
	}
	p.HasState(nodes.Closing)
	p.Change(nodes.Offline)
	p.Ends(0)
}

func actDead(c *rig.Pumps, console *rig.Console) {
	p := c.Start("pump4")
	p.Kill()
	r := console.Client(c.T, "PAUSE PUMP 'pump4' WAIT 30")
	const cure = "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump4'"
	if r.Code == 0 || !strings.Contains(r.Stderr, p.Addr) || !strings.Contains(r.Stderr, cure) {
		c.T.Fatalf("exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
	console.Client(c.T, cure).Expect(c.T, "the cure", 0, "Warning", "")
	p.HasState(nodes.Paused)
	// An old node answers a refusal with HTTP 200; see TestBinlogctlAsksNodes for the rest.
	console.Client(c.T, "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump4'; DROP PUMP 'pump4'").Expect(c.T, "drop", 0, "no pump record any more", "")
}

// TestTwoConsolesDrop: two consoles drop the same nodes at the same time, while a third
// only watches. Each node is dropped once, by who was told so.
func TestTwoConsolesDrop(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		c := rig.NewPumps(t, pd).In(t)
		const count = 60
		for i := range count {
			rig.Put(t, c.Etcd, nodes.Drainer.Key(fmt.Sprint("d", i)), strings.NewReplacer("drainer1", fmt.Sprint("d", i), "online", "offline").Replace(rig.Drainer1Record))
		}
		consoles := []*rig.Console{rig.StartConsole(t, c.Endpoints), rig.StartConsole(t, c.Endpoints), rig.StartConsole(t, c.Endpoints)}
		h := follow(t, c.Etcd)
		var wg sync.WaitGroup
		var dropped [2][count]bool
		for i := range dropped {
			db := consoles[i].Open(t)
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
		events := consoles[2].Events(t)
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
	return len(rig.ScanRows(t, rows))
}

package engineoracle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
	"pumphouse/server/engine"
	"pumphouse/server/session"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/privilege"
	"pumphouse/testsuite/pdtest"
)

// clock is PD's time in these tests.
var clock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestTablesAgainstMariaDB runs random queries over the tables of the database binlog:
// once on a session of the console, once on MariaDB with copies of them.
func TestTablesAgainstMariaDB(t *testing.T) {
	conn := oracle(t)
	s := console(t)
	copyTables(t, conn, s)
	n := number(t, "PUMPHOUSE_ORACLE_QUERIES", 2000)
	g := tableGenerator{&generator{r: random(t),
		nums:  []string{"p.alive", "p.score", "p.lag_seconds"},
		texts: []string{"p.node_id", "p.state", "p.address"},
		dates: []string{"p.commit_time", "p.update_time"},
		id:    "p.node_id"}}
	bad := 0
	for range n {
		query := g.query()
		want, got := askMariaDB(t, conn, query), askSession(s, query)
		if !differ(query, want, got) {
			continue
		}
		t.Errorf("%s\nMariaDB: %v\nconsole: %v", query, want, got)
		if bad++; bad >= 20 {
			t.Fatalf("stopped after %d differences", bad)
		}
	}
}

// console is a session over a PD with nodes in every state.
func console(t *testing.T) *session.Session {
	t.Helper()
	pd := pdtest.StartEmbed(t)
	client, err := nodes.NewClient(pd.Endpoints(), nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	reg := nodes.NewRegistry(client, 10*time.Second)
	cache := nodes.OpenCache(reg, nodes.CacheOptions{})
	t.Cleanup(func() { cache.Close() })
	for i := range 12 {
		for _, kind := range nodes.Kinds() {
			seen := clock.Add(-time.Duration(i*i) * time.Second)
			r := nodes.Record{NodeID: fmt.Sprintf("%s%d", kind, i), Host: fmt.Sprintf("10.0.%d.%d:8250", kind, i/2),
				State: nodes.States()[(i+int(kind))%5], Score: int64(i % 4), UpdateTS: nodes.MakeTSO(seen, int64(i)),
				MaxCommitTS: nodes.MakeTSO(seen.Add(-1234*time.Millisecond), 0)}
			if i == 7 {
				r.MaxCommitTS = 0
			}
			if i%3 == 0 {
				r.Label = &nodes.Label{Labels: map[string]string{"zone": fmt.Sprint("z", i%2), "rack": fmt.Sprint(i)}}
			}
			if _, err := reg.Put(t.Context(), kind, r, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	fixed := func() time.Time { return clock }
	s := session.New(session.Options{Config: nodestmt.Config{Cluster: nodes.NewCluster(reg, cache), Now: fixed, NodeClock: fixed,
		Reports: reports{}, Audit: events{}}}, 1, privilege.Account{Name: "root", Host: "localhost", Role: privilege.Admin})
	for _, q := range []string{"SET NAMES utf8mb4 COLLATE utf8mb4_general_ci", "SET time_zone = '+00:00'",
		"SET sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'", "USE binlog"} {
		if a := askSession(s, q); a.code != 0 {
			t.Fatalf("%s: %v", q, a)
		}
	}
	return s
}

// reports is what the nodes say of themselves.
type reports struct{}

func (reports) Exit(nodes.Kind, string) (e nodes.LastExit, ok bool) { return }
func (reports) Troubles(nodes.Kind) []survey.Trouble                { return nil }
func (reports) Own() []nodes.Problem                                { return nil }

func (reports) Report(kind nodes.Kind, nodeID string) (survey.Report, bool) {
	n := int(nodeID[len(nodeID)-1] - '0')
	if n%3 == 2 {
		return survey.Report{}, false
	}
	r := survey.Report{At: clock.Add(-time.Second), Status: nodes.Status{Version: fmt.Sprintf("v1.%d", n)}}
	if kind == nodes.Drainer {
		r.Waiting = []string{"pump1"}
		r.Positions = map[string]nodes.TSO{}
		for i := range 5 {
			r.Positions[fmt.Sprintf("pump%d", i*n)] = nodes.MakeTSO(clock.Add(-time.Duration(i*7)*time.Second), 0)
		}
	}
	return r, true
}

// events is what stands in the audit.
type events struct{ *audit.Log }

func (events) List(context.Context, int) ([]audit.Event, error) {
	var list []audit.Event
	for i := range 20 {
		list = append(list, audit.Event{Revision: int64(100 - i), At: clock.Add(-time.Duration(i) * time.Hour), Kind: nodes.Kind(i % 2),
			NodeID: fmt.Sprintf("pump%d", i%4), Old: nodes.States()[i%5], New: nodes.States()[(i+1)%5], Source: audit.Console,
			Statement: "CHANGE", User: "root", Result: audit.Done})
	}
	return list, nil
}

// tables are those that are copied.
var tables = []string{"pumps", "drainers", "positions", "events"}

// copyTables makes the tables in MariaDB from what the console says of them.
func copyTables(t *testing.T, conn *client.Conn, s *session.Session) {
	t.Helper()
	do := func(q string) {
		if _, err := conn.Execute(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	do("CREATE DATABASE binlog")
	do("USE binlog")
	for _, name := range tables {
		create := rowsOf(t, s, "SHOW CREATE TABLE "+name)[0][1].Text()
		// MariaDB has the order of utf8mb4_0900_ai_ci under another name.
		do(strings.ReplaceAll(create, "utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci"))
		rows := rowsOf(t, s, "SELECT * FROM "+name)
		if len(rows) < 12 {
			t.Fatalf("%s has %d rows", name, len(rows))
		}
		for _, row := range rows {
			var cells []string
			for _, v := range row {
				if v.IsNull() {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, "'"+strings.ReplaceAll(v.Text(), "'", "''")+"'")
				}
			}
			do("INSERT INTO " + name + " VALUES (" + strings.Join(cells, ",") + ")")
		}
	}
}

func rowsOf(t *testing.T, s *session.Session, query string) (rows [][]engine.Value) {
	t.Helper()
	err := s.Query(t.Context(), query, func(o *session.Outcome, _ bool) error {
		rows = o.Rows.Rows
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func askSession(s *session.Session, query string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var a answer
	err := s.Query(ctx, query, func(o *session.Outcome, _ bool) error {
		if o.Rows != nil {
			a = answerOf(o.Rows)
		}
		return nil
	})
	var my *engine.Error
	if errors.As(err, &my) {
		return answer{code: my.Code}
	}
	return a
}

// tableGenerator makes queries over the tables of the database binlog.
type tableGenerator struct{ *generator }

func (g tableGenerator) query() string {
	kind := g.pick("pumps", "drainers")
	switch g.r.IntN(12) {
	case 0:
		return fmt.Sprintf("SELECT p.node_id, %s AS x FROM %s p WHERE %s ORDER BY p.node_id", g.colAny(2), kind, g.condition(2))
	case 1:
		return fmt.Sprintf("SELECT p.node_id, %s AS x FROM binlog.%s p ORDER BY %s, p.node_id LIMIT %d OFFSET %d", g.colAny(1), kind,
			g.pick("p.state", "p.lag_seconds DESC", "p.commit_time", "x", "p.score", "p.alive DESC"), g.r.IntN(6), g.r.IntN(4))
	case 2:
		return fmt.Sprintf("SELECT p.state, COUNT(*) n, %s, %s FROM %s p WHERE %s GROUP BY p.state %s ORDER BY p.state", g.aggregate(), g.aggregate(),
			kind, g.condition(1), g.pick("", "HAVING n > 1", "HAVING MAX(p.lag_seconds) > 10", "HAVING p.state <> 'online'"))
	case 3:
		return fmt.Sprintf("SELECT DISTINCT %s AS x FROM %s p ORDER BY x", g.pick("p.state", "p.score", "p.address", "p.alive + p.score",
			"UPPER(p.state)", "p.waiting_for", "p.version IS NULL", "DATE(p.commit_time)", "ROUND(p.lag_seconds)"), kind)
	case 4:
		return fmt.Sprintf("SELECT p.node_id, q.drainer, q.pump, q.left_seconds FROM pumps p %s JOIN positions q ON q.pump = p.node_id AND %s ORDER BY p.node_id, q.drainer, q.pump",
			g.pick("LEFT", "INNER", "RIGHT"), g.compare(1, true))
	case 5:
		return fmt.Sprintf("SELECT p.node_id FROM %s p WHERE p.node_id %s (SELECT q.pump FROM positions q WHERE %s) ORDER BY 1", kind,
			g.pick("IN", "NOT IN", "= ANY", "> ALL"), g.position())
	case 6:
		return fmt.Sprintf("SELECT p.node_id, (SELECT %s FROM positions q WHERE q.pump = p.node_id) AS x FROM pumps p WHERE %s ORDER BY p.node_id",
			g.pick("COUNT(*)", "MAX(q.left_seconds)", "MIN(q.position_time)", "SUM(q.left_seconds)", "AVG(q.left_seconds)", "MAX(q.drainer)"), g.condition(1))
	case 7:
		return fmt.Sprintf("SELECT p.state AS x FROM pumps p WHERE %s %s SELECT p.state FROM drainers p WHERE %s ORDER BY x", g.compare(1, true),
			g.pick("UNION", "UNION ALL"), g.compare(1, true))
	case 8:
		return fmt.Sprintf("SELECT t.s, t.n FROM (SELECT p.state s, COUNT(*) n FROM %s p WHERE %s GROUP BY p.state) t WHERE t.n > %d ORDER BY t.s",
			kind, g.compare(1, true), g.r.IntN(3))
	case 9:
		return fmt.Sprintf("SELECT e.id, %s AS x FROM events e WHERE %s ORDER BY e.id %s LIMIT %d", g.event(), g.eventCondition(),
			g.pick("", "DESC"), g.r.IntN(12))
	case 10:
		return fmt.Sprintf("SELECT e.node_id, e.kind, COUNT(*), MAX(e.time) FROM events e JOIN %s p USING (node_id) WHERE %s GROUP BY e.node_id, e.kind ORDER BY 1, 2",
			kind, g.eventCondition())
	}
	return fmt.Sprintf("WITH late AS (SELECT p.* FROM %s p WHERE p.lag_seconds > %d) SELECT p.node_id, %s AS x FROM late p WHERE EXISTS (SELECT 1 FROM positions q WHERE %s) ORDER BY p.node_id",
		kind, g.r.IntN(60), g.colAny(1), g.position())
}

func (g tableGenerator) position() string {
	return g.pick("q.left_seconds > 5", "q.drainer = 'drainer1'", "q.pump_commit_ts IS NULL", "q.position_ts < q.pump_commit_ts", "1",
		"q.position_time > '2026-03-01 11:59:50'", "q.drainer LIKE 'DRAINER%'", "TIMESTAMPDIFF(SECOND, q.position_time, q.reported_time) > 10")
}

func (g tableGenerator) event() string {
	return g.pick("e.time", "HOUR(e.time)", "DATE_FORMAT(e.time, '%Y-%m-%d %H:%i')", "UNIX_TIMESTAMP(e.time)", "CONCAT(e.old_state, '>', e.new_state)",
		"e.address", "IFNULL(e.address, e.kind)", "CASE e.kind WHEN 'PUMP' THEN 1 ELSE 0 END", "e.id % 7", "e.time - INTERVAL 90 MINUTE", "e.new_state LIKE '%ING'")
}

func (g tableGenerator) eventCondition() string {
	return g.pick("e.time > '2026-03-01'", "e.kind = 'Pump'", "e.old_state IN ('online', 'PAUSED')", "e.new_state = e.old_state", "e.user = 'root' AND e.id < 95",
		"e.node_id = 'pump1'", "e.node_id = 'Pump1'", "e.address IS NULL", "e.id BETWEEN 85 AND 90", "DATE(e.time) = '2026-02-28'")
}

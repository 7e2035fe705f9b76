package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/result"
)

// told is what nodes say of themselves; it counts how often somebody asks.
type told struct {
	reports map[string]survey.Report
	asked   int
}

func (r *told) Report(kind nodes.Kind, id string) (survey.Report, bool) {
	r.asked++
	report, ok := r.reports[kind.String()+" "+id]
	return report, ok
}

func (r *told) Exit(nodes.Kind, string) (e nodes.LastExit, ok bool) { return }
func (r *told) Troubles(nodes.Kind) []survey.Trouble                { return nil }
func (r *told) Own() []nodes.Problem                                { return nil }

// pastEvents is an audit, newest event first.
type pastEvents struct {
	*audit.Log
	events []audit.Event
}

func (h pastEvents) List(context.Context, int) ([]audit.Event, error) {
	return slices.Clone(h.events), nil
}

// TestReportsFillTheTables: what the nodes say of themselves; of those that say nothing,
// nothing is shown.
func TestReportsFillTheTables(t *testing.T) {
	takePD(t, standard())
	said := &told{reports: map[string]survey.Report{
		"pump pump1": {At: testNow, Status: nodes.Status{Version: "v1.0.0"}},
		"pump pump2": {At: testNow, Err: "connection refused"},
		"drainer drainer1": {At: testNow, Status: nodes.Status{Version: "v1.0.1", Waiting: []string{"pump2"}, Positions: map[string]nodes.TSO{
			"pump2": 408553768673342335 - 2500<<18, "pump1": 408553768673342237, "gone": ago(time.Hour)}}},
	}}
	opts := testOptions()
	opts.Reports = said
	opts.Audit = pastEvents{events: []audit.Event{
		{Revision: 9, At: testNow, Kind: nodes.Pump, NodeID: "pump2", Old: nodes.Online, New: nodes.Paused, Source: audit.Console,
			Statement: "CHANGE", User: "root", From: "10.0.0.1", Result: audit.Done},
		{Revision: 5, At: testNow.Add(-time.Hour), Kind: nodes.Drainer, NodeID: "drainer1", New: nodes.Online, Source: audit.Node, Result: audit.Done},
	}}
	s := newSession(t, opts, admin)
	for sql, want := range map[string]string{
		"SELECT node_id, version, waiting_for FROM binlog.pumps":    "pump1|v1.0.0|\npump2|NULL|NULL\npump3|NULL|NULL",
		"SELECT node_id, version, waiting_for FROM binlog.drainers": "Drainer2|NULL|NULL\ndrainer1|v1.0.1|pump2",
		"SELECT * FROM binlog.positions": "drainer1|gone|408070457917440000|2019-04-30 23:01:00.000|NULL|NULL|2019-05-01 00:01:00.000\n" +
			"drainer1|pump1|408553768673342237|2019-05-22 07:09:04.218|408553768673342237|0.000|2019-05-01 00:01:00.000\n" +
			"drainer1|pump2|408553768017982335|2019-05-22 07:09:01.718|408553768673342335|2.500|2019-05-01 00:01:00.000",
		"SELECT id, time, kind, node_id, old_state, new_state, source, user FROM binlog.events": "5|2019-04-30 23:01:00.000|drainer|drainer1|NULL|Online|node|NULL\n" +
			"9|2019-05-01 00:01:00.000|pump|pump2|Online|Paused|console|root",
	} {
		if got := lines(cells(t, s, sql)); got != want {
			t.Errorf("%s gives\n%s\nwant\n%s", sql, got, want)
		}
	}
	said.asked = 0
	cells(t, s, "SELECT node_id, state FROM binlog.pumps WHERE lag_seconds >= 0")
	if said.asked != 0 {
		t.Errorf("the nodes' reports were read %d times for columns that do not need them", said.asked)
	}
}

func lines(rows [][]string) string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = strings.Join(r, "|")
	}
	return strings.Join(out, "\n")
}

// TestLabelsAreJSON: what a deployment tool noted can be asked for by name.
func TestLabelsAreJSON(t *testing.T) {
	records := standard()
	records[nodes.Pump][0].Label = &nodes.Label{Labels: map[string]string{"zone": "eu \"1\"", "host": "a"}}
	takePD(t, records)
	s := newSession(t, testOptions(), admin)
	for sql, want := range map[string]string{
		"SELECT labels FROM binlog.pumps WHERE node_id = 'pump1'":                                     `{"host":"a","zone":"eu \"1\""}`,
		"SELECT node_id FROM binlog.pumps WHERE labels->'$.host' = 'a'":                               "pump1",
		"SELECT labels->>'$.zone' z FROM binlog.pumps WHERE labels IS NOT NULL GROUP BY z ORDER BY z": `eu "1"`,
		"SELECT COUNT(*) FROM binlog.pumps WHERE labels->'$.zone' IS NULL":                            "2",
	} {
		if got := lines(cells(t, s, sql)); got != want {
			t.Errorf("%s gives %s, want %s", sql, got, want)
		}
	}
}

// countingCluster counts reads and changes the records under a statement's feet.
type countingCluster struct {
	nodestmt.Cluster
	views int
}

func (c *countingCluster) View(ctx context.Context, revision int64) (*nodes.Snapshot, error) {
	c.views++
	return c.Cluster.View(ctx, revision)
}

// TestOneSnapshotForAStatement: a join never sees two states of the cluster, and every
// statement sees a new one. What does not read nodes does not ask PD.
func TestOneSnapshotForAStatement(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	c := &countingCluster{Cluster: pd.cluster}
	opts.Cluster = c
	s := newSession(t, opts, admin)
	for sql, want := range map[string]int{
		"SELECT COUNT(*) FROM binlog.pumps a, binlog.drainers b, binlog.pumps c WHERE a.node_id IN (SELECT node_id FROM binlog.pumps)": 1,
		"SELECT COUNT(*) FROM information_schema.columns": 0,
		"SHOW TABLE STATUS FROM binlog":                   1,
		"EXPLAIN SELECT * FROM binlog.pumps":              0,
	} {
		for range 2 {
			c.views = 0
			cells(t, s, sql)
			if c.views != want {
				t.Errorf("%s reads the nodes %d times, want %d", sql, c.views, want)
			}
		}
	}
}

// TestTablesNeverShowStaleRows: without PD the tables of nodes fail, as SHOW does; what
// tools ask of the schema goes on.
func TestTablesNeverShowStaleRows(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	opts.Cluster = downCluster{pd.cluster}
	opts.Reports = &told{}
	s := newSession(t, opts, admin)
	for _, table := range []string{"pumps", "drainers", "positions"} {
		if e := codeOf(t, s, "SELECT * FROM binlog."+table); e.Message != errDown.Error() {
			t.Errorf("%s: %v", table, e)
		}
	}
	for _, schema := range catalog.Schemas() {
		for _, table := range catalog.Tables(schema) {
			if schema != catalog.Binlog {
				cells(t, s, "SELECT * FROM `"+schema+"`.`"+table.Name+"`")
			}
		}
	}
}

// TestRowsFitTheirColumns: every table gives as many cells as it has columns, and NULL
// only where a column may be NULL.
func TestRowsFitTheirColumns(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	rows := 0
	for _, schema := range catalog.Schemas() {
		for _, table := range catalog.Tables(schema) {
			o := mustRun(t, s, "SELECT * FROM `"+schema+"`.`"+table.Name+"`")
			for _, row := range o.Rows.Rows {
				rows++
				if len(row) != len(table.Columns) {
					t.Fatalf("%s.%s: a row of %d cells for %d columns", schema, table.Name, len(row), len(table.Columns))
				}
				for i, v := range row {
					if c := table.Columns[i]; v.IsNull() && !c.Nullable {
						t.Fatalf("%s.%s.%s may not be NULL", schema, table.Name, c.Name)
					}
				}
			}
			if described := cells(t, s, "DESCRIBE `"+schema+"`.`"+table.Name+"`"); len(described) != len(table.Columns) {
				t.Errorf("DESCRIBE %s.%s: %d rows", schema, table.Name, len(described))
			}
		}
	}
	if rows < 1000 {
		t.Errorf("only %d rows in all", rows)
	}
}

// TestTiDBSpelling: in the mode of TiDB's answers the tables spell states in lower case,
// as SHOW does.
func TestTiDBSpelling(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	opts.Compat = nodestmt.CompatTiDB
	s := newSession(t, opts, admin)
	if got := lines(cells(t, s, "SELECT DISTINCT state FROM binlog.pumps ORDER BY 1")); got != "offline\nonline\npaused" {
		t.Error(got)
	}
}

// TestLimitsOfAStatement: a statement that reads too much or takes too long ends, with
// an error that says why, and the session goes on.
func TestLimitsOfAStatement(t *testing.T) {
	takePD(t, many(100))
	opts := testOptions()
	opts.Limits.Rows = 5000
	s := newSession(t, opts, admin)
	if e := codeOf(t, s, "SELECT * FROM binlog.pumps a, binlog.pumps b"); e.Code != 1038 {
		t.Errorf("10,000 rows: %v", e)
	}
	mustRun(t, s, "SET max_execution_time = 50")
	const long = "SELECT COUNT(*) FROM binlog.pumps a, binlog.pumps b, binlog.pumps c, binlog.pumps d"
	if e := codeOf(t, s, long); e.Code != result.ErrTimeout {
		t.Errorf("100,000,000 combinations: %v", e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var known interface{ Error() string }
	if err := s.Query(ctx, long, func(*Outcome, bool) error { return nil }); !errors.As(err, &known) {
		t.Error("a statement that was killed has no error")
	}
	cells(t, s, "SELECT 1")
}

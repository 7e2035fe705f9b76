package session

import (
	"testing"

	"pumphouse/nodes"
	"pumphouse/server/engine"
)

// TestTimestampsCompareExactly: a commit TS beside a text that differs by one, in every
// statement of the console that compares. A double would not see the difference.
func TestTimestampsCompareExactly(t *testing.T) {
	const ts = 470763089353768991
	nodesOf := standard()
	nodesOf[nodes.Pump][0].MaxCommitTS, nodesOf[nodes.Pump][1].MaxCommitTS = ts, ts-1
	takePD(t, nodesOf)
	s := newSession(t, testOptions(), admin)
	for _, sql := range []string{
		"SHOW PUMP STATUS WHERE Max_Commit_Ts >= '470763089353768991'",
		"SHOW FULL PUMP STATUS WHERE Max_Commit_Ts IN ('470763089353768991')",
		"SELECT * FROM binlog.pumps WHERE max_commit_ts = '470763089353768991'",
		"SELECT * FROM binlog.pumps WHERE '470763089353768990' < max_commit_ts AND state <> 'Offline'",
		"SELECT p.* FROM binlog.pumps p JOIN (SELECT '470763089353768991' AS max_commit_ts) x USING (max_commit_ts)",
	} {
		if rows := mustRun(t, s, sql).Rows.Rows; len(rows) != 1 || rows[0][0].Text() != "pump1" {
			t.Errorf("%s gives %v", sql, rows)
		}
	}
	for _, sql := range []string{
		"SELECT node_id FROM binlog.pumps WHERE max_commit_ts >= ?",
		"SHOW PUMP STATUS WHERE Max_Commit_Ts BETWEEN ? AND '9e30'",
	} {
		p, err := s.Prepare(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Execute(t.Context(), p, []engine.Value{engine.String("470763089353768991")}, func(o *Outcome, _ bool) error {
			if rows := o.Rows.Rows; len(rows) != 1 || rows[0][0].Text() != "pump1" {
				t.Errorf("%s gives %v", sql, rows)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

package session

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"pumphouse/nodes"
	tsopd "pumphouse/nodes/pd"
)

// TestBinlogStatusIsAFreshTSO: the position lies between what PD gave out before and after.
func TestBinlogStatusIsAFreshTSO(t *testing.T) {
	takePD(t, standard())
	clock, err := tsopd.New(tsopd.Options{Endpoints: pd.cluster.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clock.Close() })
	tso := func() nodes.TSO {
		ts, err := clock.TSO(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ts
	}
	opts := testOptions()
	opts.TSO = clock.TSO
	s := newSession(t, opts, monitor)
	for _, sql := range []string{"SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"} {
		before := tso()
		rows := cells(t, s, sql)
		after := tso()
		if len(rows) != 1 || rows[0][0] != "tidb-binlog" {
			t.Fatalf("%s: %q", sql, rows)
		}
		if ts, err := strconv.ParseInt(rows[0][1], 10, 64); err != nil || nodes.TSO(ts) <= before || nodes.TSO(ts) >= after {
			t.Errorf("%s: position %s is not between %d and %d", sql, rows[0][1], before, after)
		}
		at := cells(t, s, "SELECT TIDB_PARSE_TSO("+rows[0][1]+")")[0][0]
		const layout = "2006-01-02 15:04:05.000000"
		if at < before.Time().UTC().Format(layout) || at > after.Time().UTC().Format(layout) {
			t.Errorf("TIDB_PARSE_TSO(%s) = %s, want a time between %s and %s", rows[0][1], at, before.Time(), after.Time())
		}
	}

	opts.TSO = func(context.Context) (nodes.TSO, error) { return 0, errors.New("no leader") }
	e := codeOf(t, newSession(t, opts, monitor), "SHOW MASTER STATUS")
	if e.Code != 1105 || !strings.Contains(e.Message, "no leader") || !strings.Contains(e.Message, pd.cluster.Endpoints()[0]) {
		t.Errorf("without PD: %v, want an error that names PD and the reason", e)
	}
}

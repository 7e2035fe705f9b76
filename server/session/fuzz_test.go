package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/server/engine"
)

// fixedCluster is a cluster in which nothing happens: fuzzing needs thousands a second,
// and no goroutines beside it.
type fixedCluster struct{ snap *nodes.Snapshot }

func (c fixedCluster) View(context.Context, int64) (*nodes.Snapshot, error) { return c.snap, nil }

func (c fixedCluster) SetState(_ context.Context, kind nodes.Kind, id string, st nodes.State, _ nodes.Note) (nodes.Record, int64, error) {
	e, ok := c.snap.Find(kind, id)
	switch {
	case !ok:
		return nodes.Record{}, 0, &nodes.NotFoundError{Kind: kind, NodeID: id}
	case !st.Valid():
		return nodes.Record{}, 0, &nodes.UnknownStateError{State: string(st)}
	}
	return e.Record, 1, nil
}

func (c fixedCluster) Endpoints() []string { return nil }

func (c fixedCluster) Find(_ context.Context, kind nodes.Kind, id string) (nodes.Entry, error) {
	e, ok := c.snap.Find(kind, id)
	if !ok {
		return nodes.Entry{}, &nodes.NotFoundError{Kind: kind, NodeID: id}
	}
	return e, nil
}

func (c fixedCluster) Drop(ctx context.Context, kind nodes.Kind, id string, _ nodes.Note) (nodes.Record, int64, error) {
	e, err := c.Find(ctx, kind, id)
	if err == nil && e.Record.State != nodes.Offline {
		err = &nodes.NotOfflineError{Kind: kind, NodeID: id, State: e.Record.State}
	}
	return e.Record, 1, err
}

func (c fixedCluster) WaitState(ctx context.Context, kind nodes.Kind, id string, want nodes.State) (nodes.Entry, error) {
	<-ctx.Done()
	return nodes.Entry{}, &nodes.WaitError{Kind: kind, NodeID: id, Want: want, Err: ctx.Err()}
}

// willing is nodes that accept everything and do nothing.
type willing struct{}

func (willing) Ask(context.Context, nodes.Kind, nodes.Record, nodes.Action) (string, error) {
	return "", nil
}

func (willing) Unresolved(context.Context, nodes.Record, time.Duration, int) (nodes.UnresolvedList, error) {
	return nodes.UnresolvedList{Transactions: []nodes.UnresolvedTxn{{StartTS: 470, Key: "00ff", Tables: []int64{1}}}}, nil
}

func (willing) Resolve(context.Context, nodes.Record, nodes.TSO, nodes.TSO, string) (string, error) {
	return "decided", nil
}

func (willing) HoldUp(context.Context, nodes.Kind, nodes.Record) string {
	return "it waits for nothing"
}

// FuzzQuery: no text makes a session panic, hang, or answer with what is no error for a
// client; and the session goes on.
func FuzzQuery(f *testing.F) {
	for _, sql := range []string{
		"SHOW PUMP STATUS LIKE 'p%'; SHOW WARNINGS LIMIT 1", "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'",
		"SET @a = 1, sql_mode = concat(@@sql_mode, ',ANSI')", "SET NAMES gbk COLLATE gbk_bin", "SET time_zone = '+08:00'",
		"SHOW VARIABLES WHERE Value > 1", "PREPARE s FROM 'SELECT ?'", "EXECUTE s USING @a", "SHOW MASTER LOGS",
		"set password='x',sql_log_off=0", "BEGIN; SAVEPOINT a; ROLLBACK TO a", "SHOW FULL TABLES FROM binlog LIKE '%'",
		"SELECT @@warning_count, @@session.time_zone", "/*!40101 SET @x := @@sql_mode */", "CHECK TABLE a", "SET timestamp = 1e300",
		"PAUSE PUMP 'pump1' WAIT 0", "OFFLINE PUMP 'pump2'; DROP PUMP 'pump3'", "PREPARE s FROM 'PAUSE PUMP ? WAIT ?'", "HELP 'show full pump status'", "SHOW FULL PUMP STATUS WHERE lag_seconds > 1",
		"RESOLVE TRANSACTION 470 ON PUMP 'pump1' ROLLBACK; SELECT * FROM binlog.unresolved", "PREPARE s FROM 'RESOLVE TRANSACTION ? ON PUMP ? COMMIT ?'",
		"SHOW ERRORS LIMIT 1, 18446744073709551615", "SET optimizer_switch = 'a=b,,'", "KILL QUERY 7", "SHOW GRANTS FOR a@b",
	} {
		f.Add(sql)
	}
	snap := &nodes.Snapshot{Revision: 1}
	for _, r := range standard()[nodes.Pump] {
		snap.Pumps = append(snap.Pumps, nodes.Entry{Kind: nodes.Pump, Record: r})
	}
	f.Fuzz(func(t *testing.T, sql string) {
		opts := testOptions()
		opts.Cluster, opts.Control = fixedCluster{snap}, willing{}
		s := New(opts, 7, admin)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		for range 2 { // the second run takes the text from memory
			err := s.Query(ctx, sql, func(*Outcome, bool) error { return nil })
			var e *engine.Error
			if err != nil && (!errors.As(err, &e) || e.Code == 0 || len(e.State) != 5) {
				t.Fatalf("%q: %v is no error for a client", sql, err)
			}
		}
		if _, err := s.Prepare(ctx, sql); err != nil && ctx.Err() != nil {
			t.Fatalf("%q: %v", sql, err)
		}
		mustRun(t, s, "SET sql_mode = DEFAULT, max_execution_time = 0")
		if _, err := outcomes(s, "SHOW PUMP STATUS; SHOW WARNINGS"); err != nil {
			t.Fatalf("after %q: %v", sql, err)
		}
	})
}

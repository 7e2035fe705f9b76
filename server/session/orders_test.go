package session

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// TestReadOnlyTransactions: whoever has made the transaction READ ONLY, in whatever way a
// client does that, gives no order by mistake.
func TestReadOnlyTransactions(t *testing.T) {
	const change = "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'"
	takePD(t, standard())
	for _, c := range []struct {
		before  string
		refused bool
	}{
		{"START TRANSACTION READ ONLY", true},
		{"start transaction read only; COMMIT", false},
		{"START TRANSACTION READ ONLY; COMMIT AND CHAIN", true},
		{"START TRANSACTION READ ONLY; ROLLBACK", false},
		{"START TRANSACTION READ ONLY; BEGIN", false},
		{"START TRANSACTION; SELECT 1", false},
		{"SET SESSION TRANSACTION READ ONLY", true},
		{"SET SESSION TRANSACTION READ ONLY; BEGIN", true},
		{"SET SESSION TRANSACTION READ ONLY; START TRANSACTION READ WRITE", false},
		{"SET SESSION TRANSACTION READ ONLY; SET SESSION TRANSACTION READ WRITE", false},
		{"SET @@session.transaction_read_only = 1", true},
		{"SET tx_read_only = ON", true},
		{"SET TRANSACTION READ ONLY", true},
		{"SET TRANSACTION READ ONLY; BEGIN", true},
		{"SET TRANSACTION READ ONLY; BEGIN; COMMIT", false},
		{"SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", true},
		{"SET SESSION TRANSACTION READ ONLY; SET TRANSACTION READ WRITE", false},
		{"/* guard */ SET /* the next */ TRANSACTION READ ONLY; BEGIN; COMMIT", false},
		{"/* guard */ SET TRANSACTION READ ONLY", true},
		{"SET SESSION TRANSACTION READ ONLY; -- but\nSTART /* one */ TRANSACTION READ/**/WRITE", false},
		{"SET SESSION TRANSACTION READ ONLY; /*!40100 START TRANSACTION READ WRITE */", false},
	} {
		s := newSession(t, testOptions(), admin)
		for _, sql := range strings.Split(c.before, "; ") {
			mustRun(t, s, sql)
		}
		if c.refused {
			if e := codeOf(t, s, change); e.Code != 1792 || e.State != "25006" {
				t.Errorf("after %s: %v", c.before, e)
			}
			if e, err := pd.reg.Get(t.Context(), nodes.Pump, "pump1"); err != nil || e.Record.State != nodes.Online {
				t.Errorf("after %s the state was written: %s (%v)", c.before, e.Record.State, err)
			}
			continue
		}
		mustRun(t, s, change)
		mustRun(t, newSession(t, testOptions(), admin), "CHANGE PUMP TO NODE_STATE = 'online' FOR NODE_ID 'pump1'")
	}
	s := newSession(t, testOptions(), admin)
	mustRun(t, s, "START TRANSACTION READ ONLY")
	for _, sql := range []string{"DROP PUMP 'pump3'", "PAUSE PUMP 'pump1'", "OFFLINE DRAINER 'drainer1'", "RESOLVE TRANSACTION 1 ON PUMP 'pump1' ROLLBACK"} {
		if e := codeOf(t, s, sql); e.Code != 1792 {
			t.Errorf("%s: %v", sql, e)
		}
	}
	s.Reset()
	mustRun(t, s, change)
	once := newSession(t, testOptions(), admin)
	mustRun(t, once, "SET TRANSACTION READ ONLY")
	if e := codeOf(t, once, change); e.Code != 1792 {
		t.Errorf("the next statement: %v", e)
	}
	mustRun(t, once, change) // and only that one
}

// TestDenialsCostNoDisk: whoever may give no order cannot fill the disk with refusals, by
// their number or by their length, from however many sessions.
func TestDenialsCostNoDisk(t *testing.T) {
	takePD(t, standard())
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	opts := testOptions()
	opts.Logger, opts.Denials = log, privilege.NewDenials()
	now := testNow
	opts.Now = func() time.Time { return now }
	long := strings.Repeat("x", 1<<20)
	for range 5 {
		eve := newSession(t, opts, monitor)
		for range 20 {
			if e := codeOf(t, eve, "CHANGE PUMP TO NODE_STATE = '"+long+"' FOR NODE_ID '"+long+"'"); e.Code != result.ErrSpecificAccess {
				t.Fatal(e)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != privilege.DenialBurst || out.Len() > privilege.DenialBurst*1024 {
		t.Errorf("%d lines, %d bytes", len(lines), out.Len())
	}
	out.Reset()
	now = now.Add(privilege.DenialPause)
	codeOf(t, newSession(t, opts, monitor), "PAUSE PUMP 'pump1'")
	if !strings.Contains(out.String(), "PAUSE refused") || !strings.Contains(out.String(), "not_logged=90") {
		t.Errorf("the log says %s", out.String())
	}
	out.Reset()
	codeOf(t, newSession(t, opts, admin), "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '"+long[:1<<16]+"'")
	if out.Len() > 4096 || !strings.Contains(out.String(), "CHANGE failed") {
		t.Errorf("an administrator's mistake takes %d bytes: %.300s", out.Len(), out.String())
	}
}

// TestNothingConsumedYet: a drainer that never came to consume anything has no position that a
// warning could compute with.
func TestNothingConsumedYet(t *testing.T) {
	takePD(t, map[nodes.Kind][]nodes.Record{
		nodes.Pump: {
			{NodeID: "pump1", Host: "127.0.0.1:8250", State: nodes.Paused, MaxCommitTS: ago(time.Minute), UpdateTS: ago(time.Minute)},
			{NodeID: "pump2", Host: "127.0.0.1:8252", State: nodes.Paused, MaxCommitTS: ago(time.Minute), UpdateTS: ago(time.Minute)},
		},
		nodes.Drainer: {{NodeID: "drainer1", Host: "127.0.0.1:8249", State: nodes.Paused, MaxCommitTS: 1, UpdateTS: ago(time.Minute)}},
	})
	s := newSession(t, testOptions(), admin)
	for _, c := range [][2]string{
		{"CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump2'", "it has consumed nothing yet, and the pump has binlogs up to commit TS " + ago(time.Minute).String()},
		{"CHANGE DRAINER TO NODE_STATE = 'offline' FOR NODE_ID 'drainer1'", `drainer "drainer1" goes offline and has consumed nothing yet, and the pumps are at commit TS `},
	} {
		sql, want := c[0], c[1]
		mustRun(t, s, sql)
		got := lines(cells(t, s, "SHOW WARNINGS"))
		if !strings.Contains(got, want) || strings.Contains(got, "h0m") || strings.Contains(got, "commit TS 1 ") || strings.Contains(got, "commit TS 0 ") {
			t.Errorf("%s:\n%s", sql, got)
		}
	}
}

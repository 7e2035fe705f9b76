package session

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
)

// holding is a pump with one unresolved transaction, as its HTTP port shows it.
type holding struct {
	*httptest.Server
	asked  atomic.Value // the last PUT
	status int
	answer string // message of a PUT
}

func startHolding(t *testing.T) *holding {
	h := &holding{status: 200, answer: "decided"}
	list := nodes.UnresolvedList{Pump: "pump1", Total: 2, Waiting: 924, Delivered: 5, Transactions: []nodes.UnresolvedTxn{{
		StartTS: nodes.MakeTSO(time.Date(2019, 4, 30, 12, 0, 0, 0, time.UTC), 7), CommitAfter: 6, Since: time.Date(2019, 4, 30, 12, 0, 1, 0, time.UTC), AgeSeconds: 34.5,
		Bytes: 120, Key: "74800000000000002c5f728000000000000011", Tables: []int64{42, 44}, Partial: true,
		Attempts: 3, Asked: time.Date(2019, 4, 30, 12, 0, 30, 0, time.UTC), TiKV: "TiKV has no trace of the transaction any more",
	}, {StartTS: 470, Since: time.Unix(1, 0), Tables: []int64{}, Problem: "damaged"}}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if r.Method == http.MethodGet {
			err = json.NewEncoder(w).Encode(nodes.Reply{Code: 200, Data: list})
		} else {
			h.asked.Store(r.URL.Path + " by " + r.Header.Get(nodes.DecidedBy))
			w.WriteHeader(h.status)
			err = json.NewEncoder(w).Encode(nodes.Reply{Message: h.answer, Code: h.status})
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *holding) addr() string { return h.Listener.Addr().String() }

// TestUnresolvedTable: what pumps say now; one that gives no answer is a warning that names it.
func TestUnresolvedTable(t *testing.T) {
	h := startHolding(t)
	takePD(t, withNode(h.addr()))
	s := newSession(t, actingOptions(t), monitor)
	mustRun(t, s, "SET time_zone = '+08:00'")
	start := nodes.MakeTSO(time.Date(2019, 4, 30, 12, 0, 0, 0, time.UTC), 7)
	want := []string{
		"pump1 " + start.String() + " 2019-04-30 20:00:00.000 2019-04-30 20:00:01.000 34.500 120 table 44, row 17 " +
			"74800000000000002c5f728000000000000011 42, 44, … 6 924 3 2019-04-30 20:00:30.000 TiKV has no trace of the transaction any more",
		"pump1 470 NULL 1970-01-01 08:00:01.000 0.000 0 NULL NULL NULL 0 924 0 NULL damaged",
	}
	for i, row := range cells(t, s, "SELECT * FROM binlog.unresolved ORDER BY start_ts DESC") {
		if got := strings.Join(row, " "); got != want[i] {
			t.Errorf("row %d is %s\nwant %s", i, got, want[i])
		}
	}
	// pump2 is paused and has no process; pump3 is offline and not asked.
	got := cells(t, s, "SHOW WARNINGS")
	if len(got) != 1 || !strings.Contains(got[0][2], `pump "pump2"`) || !strings.Contains(got[0][2], "aused") {
		t.Errorf("the warnings are %q", got)
	}
	if got := cells(t, s, "SELECT start_ts FROM binlog.unresolved WHERE age_seconds > 5"); len(got) != 1 || got[0][0] != start.String() {
		t.Errorf("filtered: %q", got)
	}
}

// TestResolve: the pump is asked, its answer is a note, and the audit has who decided what.
func TestResolve(t *testing.T) {
	h := startHolding(t)
	takePD(t, withNode(h.addr()))
	s := newSession(t, actingOptions(t), admin)
	for _, c := range []struct{ sql, asked string }{
		{"RESOLVE TRANSACTION 470 ON PUMP 'pump1' ROLLBACK", "/unresolved/470/rollback"},
		{"RESOLVE TRANSACTION 470 ON PUMP 'pump1' COMMIT 480", "/unresolved/470/commit/480"},
		{"PREPARE p FROM 'RESOLVE TRANSACTION ? ON PUMP ? COMMIT ?'; SET @s = 470, @p = 'pump1', @c = 480; EXECUTE p USING @s, @p, @c", "/unresolved/470/commit/480"},
	} {
		if _, err := outcomes(s, c.sql); err != nil {
			t.Errorf("%s: %v", c.sql, err)
		}
		if got := cells(t, s, "SHOW WARNINGS"); len(got) != 1 || got[0][0] != "Note" || got[0][2] != `pump "pump1": decided` {
			t.Errorf("%s: %q", c.sql, got)
		}
		if got := h.asked.Swap(""); got != c.asked+` by "root@10.0.0.1 (console)"` {
			t.Errorf("%s asked %v", c.sql, got)
		}
	}
	h.status, h.answer = 409, "decision refused: TiKV has rolled back the transaction"
	fails(t, s, "RESOLVE TRANSACTION 470 ON PUMP 'pump1' COMMIT 480", 1105, h.addr(), "TiKV has rolled back the transaction")
	fails(t, s, "RESOLVE TRANSACTION 470 ON PUMP 'nope' ROLLBACK", 1105, "node pump, id nope from etcd")
	for _, ts := range []string{"0", "'x'", "''", "99999999999999999999"} {
		fails(t, s, "RESOLVE TRANSACTION "+ts+" ON PUMP 'pump1' ROLLBACK", 1210, "Incorrect arguments to RESOLVE TRANSACTION", "binlog.unresolved")
		fails(t, s, "RESOLVE TRANSACTION 470 ON PUMP 'pump1' COMMIT "+ts, 1210, "Incorrect arguments to COMMIT")
	}
	h.Close()
	fails(t, s, "RESOLVE TRANSACTION 470 ON PUMP 'pump1' ROLLBACK", 1105, h.addr(), "cannot be reached", "Start the pump")
	event := "pump1 Online Online console RESOLVE TRANSACTION 470 %s root 10.0.0.1 %s"
	want := []string{
		fmt.Sprintf(event, "ROLLBACK", "done"), fmt.Sprintf(event, "COMMIT 480", "done"), fmt.Sprintf(event, "COMMIT 480", "done"),
		fmt.Sprintf(event, "COMMIT 480", "refused: decision refused: TiKV has rolled back the transaction"),
		fmt.Sprintf(event, "ROLLBACK", "not reached: dial tcp "+h.addr()+": connect: connection refused"),
	}
	if got := history(t, s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestResolveIsForAdmins: a monitor may look at the transactions, and decides nothing.
func TestResolveIsForAdmins(t *testing.T) {
	h := startHolding(t)
	takePD(t, withNode(h.addr()))
	s := newSession(t, actingOptions(t), monitor)
	fails(t, s, "RESOLVE TRANSACTION 470 ON PUMP 'pump1' ROLLBACK", 1227, "needs the role admin")
	fails(t, s, "RESOLVE TRANSACTION 'x' ON PUMP 'nope' COMMIT 1", 1227, "needs the role admin")
	if h.asked.Load() != nil || len(history(t, s)) != 0 {
		t.Errorf("the pump was asked %v, the audit says %q", h.asked.Load(), history(t, s))
	}
}

// TestUnresolvedIsAskedInTime: a pump that accepts and never answers costs a bounded time and is named.
func TestUnresolvedIsAskedInTime(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(release) })
	u, err := url.Parse(silent.URL)
	if err != nil {
		t.Fatal(err)
	}
	takePD(t, withNode(u.Host))
	opts := actingOptions(t)
	opts.Control = nodes.NewControl(nil, 100*time.Millisecond)
	s := newSession(t, opts, monitor)
	if got := cells(t, s, "SELECT * FROM binlog.unresolved"); len(got) != 0 {
		t.Errorf("rows %q", got)
	}
	if got := cells(t, s, "SHOW WARNINGS"); len(got) != 2 || !strings.Contains(got[0][2], `pump "pump1"`) || !strings.Contains(got[0][2], u.Host) {
		t.Errorf("the warnings are %q", got)
	}
}

package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
	"pumphouse/server/engine"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/result"
)

// fakeNode is what answers at a node's address.
type fakeNode struct {
	*httptest.Server
	asked  atomic.Value // the last request to /state
	status int
	body   string // of /state
	says   string // of /status
}

func startNode(t *testing.T) *fakeNode {
	n := &fakeNode{status: 200, body: `{"message":"apply action success!","code":200,"data":null}`, says: `{}`}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			fmt.Fprint(w, n.says)
			return
		}
		n.asked.Store(r.Method + " " + r.URL.Path)
		w.WriteHeader(n.status)
		fmt.Fprint(w, n.body)
	}))
	t.Cleanup(n.Close)
	return n
}

func (n *fakeNode) addr() string { return n.Listener.Addr().String() }

// withNode is the standard cluster in which pump1 is at an address.
func withNode(addr string) map[nodes.Kind][]nodes.Record {
	records := standard()
	records[nodes.Pump][0].Host = addr
	return records
}

// actingOptions are those of a session that can reach nodes and keeps an audit.
func actingOptions(t *testing.T) Options {
	t.Helper()
	if _, err := pd.client.Delete(t.Context(), audit.Prefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	opts := testOptions()
	opts.Control = nodes.NewControl(nil, 2*time.Second)
	opts.Audit = audit.New(audit.Options{Registry: pd.reg, Now: opts.Now})
	return opts
}

// set writes a state as the node itself would.
func set(t *testing.T, id string, state nodes.State) {
	t.Helper()
	if _, _, err := pd.reg.SetState(t.Context(), nodes.Pump, id, state, nil); err != nil {
		t.Fatal(err)
	}
}

// fails runs a statement that must fail with an error that holds the texts.
func fails(t *testing.T, s *Session, sql string, code uint16, texts ...string) {
	t.Helper()
	_, err := outcomes(s, sql)
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v, want error %d", sql, err, code)
		return
	}
	for _, text := range texts {
		if !strings.Contains(e.Message, text) {
			t.Errorf("%s: %s\n  want %q in it", sql, e.Message, text)
		}
	}
}

// history is what the audit says, oldest first.
func history(t *testing.T, s *Session) []string {
	t.Helper()
	var got []string
	for _, row := range cells(t, s, "SELECT node_id, old_state, new_state, source, statement, user, from_host, result FROM binlog.events ORDER BY id") {
		got = append(got, strings.Join(row, " "))
	}
	return got
}

func TestAskNode(t *testing.T) {
	n := startNode(t)
	takePD(t, withNode(n.addr()))
	s := newSession(t, actingOptions(t), admin)
	for _, c := range []struct{ sql, asked string }{
		{"PAUSE PUMP 'pump1'", "PUT /state/pump1/pause"},
		{"OFFLINE PUMP 'pump1'", "PUT /state/pump1/close"},
		{"PREPARE p FROM 'PAUSE PUMP ?'; SET @id = 'pump1'; EXECUTE p USING @id", "PUT /state/pump1/pause"},
	} {
		all, err := outcomes(s, c.sql)
		if err != nil || all[len(all)-1].Rows != nil || s.Warnings() != 0 {
			t.Errorf("%s: %v, %d warnings", c.sql, err, s.Warnings())
		}
		if got := n.asked.Swap(""); got != c.asked {
			t.Errorf("%s asked %v", c.sql, got)
		}
	}
	// An old node refuses with HTTP 200, ours with 409.
	n.body = `{"message":"this pump's state is closing, apply pause failed!","code":3,"data":null}`
	fails(t, s, "PAUSE PUMP 'pump1'", 1105, n.addr(), "this pump's state is closing, apply pause failed!")
	n.status = 409
	fails(t, s, "PAUSE PUMP 'pump1' WAIT 5", 1105, "apply pause failed!")
	fails(t, s, "PAUSE PUMP 'nope'", 1105, "node pump, id nope from etcd")
	fails(t, s, "PAUSE DRAINER 'pump1'", 1105, "node drainer, id pump1 from etcd")
	n.Close()
	fails(t, s, "OFFLINE PUMP 'pump1'", 1105, n.addr(), "cannot be reached", "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump1'")

	want := []string{
		"pump1 Online Paused console PAUSE root 10.0.0.1 accepted",
		"pump1 Online Offline console OFFLINE root 10.0.0.1 accepted",
		"pump1 Online Paused console PAUSE root 10.0.0.1 accepted",
		"pump1 Online Paused console PAUSE root 10.0.0.1 refused: this pump's state is closing, apply pause failed!",
		"pump1 Online Paused console PAUSE root 10.0.0.1 refused: this pump's state is closing, apply pause failed!",
		"pump1 Online Offline console OFFLINE root 10.0.0.1 not reached: dial tcp " + n.addr() + ": connect: connection refused",
	}
	if got := history(t, s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAskNodeThatIsThere: what is paused and has no process needs nothing.
func TestAskNodeThatIsThere(t *testing.T) {
	takePD(t, withNode("127.0.0.1:1"))
	s := newSession(t, actingOptions(t), admin)
	set(t, "pump1", nodes.Paused) // a moment ago: it may have a process still
	for _, id := range []string{"pump1", "pump2"} {
		mustRun(t, s, "PAUSE PUMP '"+id+"' WAIT 1")
		if got := cells(t, s, "SHOW WARNINGS"); len(got) != 1 || got[0][0] != "Note" || got[0][2] != `pump "`+id+`" is paused already` {
			t.Errorf("%s: %q", id, got)
		}
	}
	if got := history(t, s); len(got) != 0 {
		t.Errorf("nothing was done, and the audit says %q", got)
	}
	fails(t, s, "OFFLINE PUMP 'pump2' WAIT 1", 1105, "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump2'")
}

func TestWait(t *testing.T) {
	n := startNode(t)
	takePD(t, withNode(n.addr()))
	s := newSession(t, actingOptions(t), admin)
	n.says = `{"State":"closing","WaitingFor":[{"drainer":"slow","host":"h:2","state":"paused","consumed":1,"needed":524288000}]}`
	fails(t, s, "OFFLINE PUMP 'pump1' WAIT 1", 1105, `pump "pump1" has accepted to go offline and is online after 1s`,
		"it waits for drainer slow (paused, h:2)", "SHOW PUMP STATUS")
	fails(t, s, "OFFLINE PUMP 'pump1' WAIT 0", 1105, "waits for drainer slow")
	n.says = `{"ErrMsg":"no disk space"}`
	fails(t, s, "PAUSE PUMP 'pump1' WAIT 0", 1105, "it says: no disk space")

	// Reached while it waits, and seen at once by this session.
	done := make(chan error, 1)
	go func() {
		_, err := outcomes(s, "PAUSE PUMP 'pump1' WAIT 60")
		done <- err
	}()
	for n.asked.Load() != "PUT /state/pump1/pause" {
		time.Sleep(time.Millisecond)
	}
	set(t, "pump1", nodes.Pausing)
	set(t, "pump1", nodes.Paused)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := cells(t, s, "SHOW PUMP STATUS LIKE 'pump1'"); got[0][2] != "Paused" {
		t.Errorf("after it SHOW says %q", got)
	}

	for _, wait := range []string{"'soon'", "''", "31536001", "99999999999999999999"} {
		fails(t, s, "PAUSE PUMP 'pump1' WAIT "+wait, 1210, "Incorrect arguments to WAIT")
	}
}

// TestWaitInterrupted: KILL and the end of the client end the wait, not the action.
func TestWaitInterrupted(t *testing.T) {
	n := startNode(t)
	takePD(t, withNode(n.addr()))
	s := newSession(t, actingOptions(t), admin)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Query(ctx, "OFFLINE PUMP 'pump1' WAIT 3600", func(*Outcome, bool) error { return nil })
	}()
	for events := []audit.Event(nil); len(events) == 0; { // then the node has accepted
		var err error
		if events, err = s.opts.Audit.List(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	var e *engine.Error
	if err := <-done; !errors.As(err, &e) || e.Code != 1317 || e.State != "70100" || !strings.Contains(e.Message, "has accepted to go offline and goes on") {
		t.Errorf("interrupted: %v", err)
	}
	// max_execution_time is for statements that read.
	mustRun(t, s, "SET max_execution_time = 1")
	n.says = `{}`
	fails(t, s, "OFFLINE PUMP 'pump1' WAIT 1", 1105, "after 1s; it does not say what it waits for")
}

func TestDropNode(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, actingOptions(t), admin)
	fails(t, s, "DROP PUMP 'pump1'", 1105, "pump pump1 is online", "make it offline first: OFFLINE PUMP 'pump1'")
	fails(t, s, "DROP PUMP 'nope'", 1105, "node pump, id nope from etcd")
	mustRun(t, s, "DROP PUMP 'pump3'")
	if got := cells(t, s, "SHOW FULL PUMP STATUS LIKE 'pump3'"); len(got) != 0 {
		t.Errorf("after it SHOW FULL says %q", got)
	}
	fails(t, s, "DROP PUMP 'pump3'", 1105, "not found")
	if s.Warnings() != 0 {
		t.Errorf("%d warnings while there are pumps", s.Warnings())
	}
	mustRun(t, s, "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump1'")
	mustRun(t, s, "CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID 'pump2'")
	mustRun(t, s, "DROP PUMP 'pump1'")
	mustRun(t, s, "DROP PUMP 'pump2'")
	if got := cells(t, s, "SHOW WARNINGS"); len(got) != 1 || !strings.Contains(got[0][2], "no pump record any more") {
		t.Errorf("the last pump went with %q", got)
	}
	want := []string{
		"pump3 Offline NULL console DROP root 10.0.0.1 done",
		"pump1 Online Offline console CHANGE root 10.0.0.1 done", "pump2 Paused Offline console CHANGE root 10.0.0.1 done",
		"pump1 Offline NULL console DROP root 10.0.0.1 done", "pump2 Offline NULL console DROP root 10.0.0.1 done",
	}
	if got := history(t, s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the audit says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestMonitorMayNotAct: one who may only look is refused before anything is looked up, and
// does not reach the audit.
func TestMonitorMayNotAct(t *testing.T) {
	n := startNode(t)
	takePD(t, withNode(n.addr()))
	opts := actingOptions(t)
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(&logrus.JSONFormatter{})
	opts.Logger = log
	s := newSession(t, opts, monitor)
	for _, sql := range []string{"PAUSE PUMP 'pump1'", "OFFLINE DRAINER 'nope' WAIT 5", "DROP PUMP 'pump3'", "PAUSE PUMP 'pump1' WAIT 'soon'"} {
		fails(t, s, sql, 1227, "needs the role admin")
	}
	if n.asked.Load() != nil || len(history(t, s)) != 0 {
		t.Errorf("the node was asked %v, the audit says %q", n.asked.Load(), history(t, s))
	}
	var line map[string]any
	if err := json.Unmarshal(bytes.SplitN(out.Bytes(), []byte("\n"), 2)[0], &line); err != nil {
		t.Fatal(err)
	}
	if line["msg"] != "PAUSE refused" || line["user"] != "eve" || line["node"] != "pump1" || line["result"] != "denied" || line["addr"] != "10.0.0.2" {
		t.Errorf("logged %v", line)
	}
	mustRun(t, s, "SHOW FULL PUMP STATUS")
	mustRun(t, s, "HELP 'binlog'")
}

// TestShowFull: all nodes, all columns, the filters of SHOW and its warnings.
func TestShowFull(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, actingOptions(t), monitor)
	full := mustRun(t, s, "SHOW FULL PUMP STATUS")
	if n := len(full.Rows.Rows); n != 3 {
		t.Errorf("%d pumps", n)
	}
	if plain, full := mustRun(t, s, "SHOW DRAINER STATUS"), mustRun(t, s, "SHOW FULL DRAINER STATUS"); full.Warnings != plain.Warnings || full.Warnings == 0 {
		t.Errorf("%d warnings, without FULL %d", full.Warnings, plain.Warnings)
	}
	p, err := s.Prepare(t.Context(), "SHOW FULL PUMP STATUS WHERE state = ?")
	if err != nil || len(p.Columns) != len(full.Rows.Columns) || p.Params != 1 {
		t.Errorf("prepared: %v, %+v", err, p)
	}
	for _, name := range []string{"node_id", "address", "state", "alive", "max_commit_ts", "lag_seconds", "score", "labels", "warning"} {
		found := false
		for _, c := range full.Rows.Columns {
			found = found || c.Name == name
		}
		if !found {
			t.Errorf("there is no column %s", name)
		}
	}
	for sql, want := range map[string]int{
		"SHOW FULL PUMP STATUS WHERE state = 'OFFLINE'":                   1,
		"SHOW FULL PUMP STATUS LIKE 'pump%'":                              3,
		"SHOW FULL DRAINER STATUS WHERE alive = 0":                        1,
		"SHOW FULL PUMP STATUS WHERE lag_seconds IS NULL":                 1,
		"SHOW FULL DRAINER STATUS LIKE 'drainer2'":                        1,
		"SHOW FULL PUMP STATUS WHERE node_id = 'pump2' AND warning <> ''": 1,
	} {
		if got := mustRun(t, s, sql); len(got.Rows.Rows) != want {
			t.Errorf("%s: %d rows, want %d", sql, len(got.Rows.Rows), want)
		}
	}
}

// TestHelp: HELP answers as MySQL's does, in the columns by which clients tell one topic
// from none.
func TestHelp(t *testing.T) {
	takePD(t, nil)
	s := newSession(t, testOptions(), monitor)
	for topic, want := range map[string]string{
		"binlog": "BINLOG", "CONTENTS": "BINLOG", "pause": "PAUSE", "Pause Drainer": "PAUSE", "show full pump status": "SHOW STATUS",
		"show drainer status": "SHOW STATUS", "change pump": "CHANGE", "drop": "DROP", "offline pump;": "OFFLINE",
		"select": "", "": "", "%": "", "pause table": "", "pump": "",
	} {
		got := mustRun(t, s, "HELP "+result.Quote(topic))
		switch {
		case want == "" && (len(got.Rows.Rows) != 0 || got.Rows.Columns[0].Name != "source_category_name"):
			t.Errorf("HELP %q: %+v", topic, got.Rows)
		case want != "" && (len(got.Rows.Rows) != 1 || got.Rows.Rows[0][0].Text() != want || len(got.Rows.Columns) != 3 ||
			got.Rows.Columns[1].Name != "description" || got.Rows.Columns[2].Name != "example"):
			t.Errorf("HELP %q: %+v", topic, got.Rows)
		}
	}
	mustRun(t, s, "PREPARE h FROM 'HELP ?'")
	mustRun(t, s, "SET @t = 'drop pump'")
	if got := cells(t, s, "EXECUTE h USING @t"); len(got) != 1 || got[0][0] != "DROP" {
		t.Errorf("prepared: %q", got)
	}
}

// TestHelpOnProblems: every code that a warning can have is a topic, with and without its brackets.
func TestHelpOnProblems(t *testing.T) {
	takePD(t, nil)
	s := newSession(t, testOptions(), monitor)
	for _, code := range nodes.ProblemCodes() {
		for _, topic := range []string{string(code), "[" + string(code) + "]"} {
			got := cells(t, s, "HELP "+result.Quote(topic))
			if len(got) != 1 || got[0][0] != string(code) || !strings.Contains(got[0][1], "Means. ") || !strings.Contains(got[0][1], "Do. ") ||
				strings.ContainsAny(got[0][1], "*`") || strings.Contains(got[0][1], "](") {
				t.Errorf("HELP %q: %q", topic, got)
			}
		}
	}
}

// TestHelpExamplesParse: what HELP shows can be typed.
func TestHelpExamplesParse(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	for _, topic := range nodestmt.Topics() {
		if _, err := s.Prepare(t.Context(), strings.Split(topic.Example, "\n")[0]); err != nil {
			t.Errorf("%s: %s: %v", topic.Name, topic.Example, err)
		}
	}
}

// TestNoWayToNodes: a console that was given none says so.
func TestNoWayToNodes(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	fails(t, s, "PAUSE PUMP 'pump1'", 1235, "PAUSE needs a way to the nodes")
	mustRun(t, s, "DROP PUMP 'pump3'")
}

// said is what nodes have said of themselves, by kind and node ID.
type said map[string]survey.Report

// ended is said with how nodes' last processes ended, and what is wrong with the console.
type ended struct {
	said
	exits map[string]nodes.LastExit
	own   []nodes.Problem
}

func (e ended) Exit(kind nodes.Kind, id string) (nodes.LastExit, bool) {
	exit, ok := e.exits[kind.String()+" "+id]
	return exit, ok
}

func (e ended) Troubles(kind nodes.Kind) []survey.Trouble {
	list := e.said.Troubles(kind)
	for key, exit := range e.exits {
		of, id, _ := strings.Cut(key, " ")
		if p, failed := exit.Problem(); failed && of == kind.String() {
			list = append(list, survey.Trouble{Kind: kind, NodeID: id, Problem: p, Exit: &exit})
		}
	}
	return list
}

func (e ended) Own() []nodes.Problem { return e.own }

func (r said) Report(kind nodes.Kind, id string) (survey.Report, bool) {
	report, ok := r[kind.String()+" "+id]
	return report, ok
}

func (r said) Exit(nodes.Kind, string) (e nodes.LastExit, ok bool) { return }
func (r said) Own() []nodes.Problem                                { return nil }
func (r said) Troubles(kind nodes.Kind) (list []survey.Trouble) {
	for key, report := range r {
		of, id, _ := strings.Cut(key, " ")
		for _, p := range report.Problems {
			if of == kind.String() {
				list = append(list, survey.Trouble{Kind: kind, NodeID: id, Problem: p})
			}
		}
	}
	return list
}

// TestProblemsAreWarnedOf: what a node says is wrong with it is a warning of SHOW, and stands in the tables.
func TestProblemsAreWarnedOf(t *testing.T) {
	records := standard()
	records[nodes.Pump] = records[nodes.Pump][:1]
	records[nodes.Drainer][1].UpdateTS = ago(0)
	takePD(t, records)
	opts := actingOptions(t)
	opts.Reports = said{
		"pump pump1":       {Status: nodes.Status{Problems: []nodes.Problem{{Code: nodes.ProblemLost, Text: "1 transaction is lost", Cure: "copy its rows"}}}},
		"drainer drainer1": {Status: nodes.Status{Problems: []nodes.Problem{{Code: nodes.ProblemDownstreamDown, Text: "mysql at 10.0.0.7:3306: connection refused", Cure: "start it"}}}},
	}
	s := newSession(t, opts, monitor)
	for kind, want := range map[string]string{"PUMP": `pump "pump1": [binlogs-lost] 1 transaction is lost; copy its rows`,
		"DRAINER": `drainer "drainer1": [downstream-down] mysql at 10.0.0.7:3306: connection refused; start it`} {
		if o := mustRun(t, s, "SHOW "+kind+" STATUS"); o.Warnings != 1 {
			t.Errorf("%s: %d warnings", kind, o.Warnings)
		}
		if got := cells(t, s, "SHOW WARNINGS"); len(got) != 1 || got[0][2] != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	for sql, want := range map[string]string{
		"SELECT warning, waiting_for, last_exit FROM binlog.pumps": "[binlogs-lost] 1 transaction is lost; copy its rows||NULL",
		"SELECT warning, waiting_for, last_exit FROM binlog.drainers WHERE node_id = 'drainer1'": "[downstream-down] mysql at 10.0.0.7:3306: connection refused; start it|" +
			"[downstream-down] mysql at 10.0.0.7:3306: connection refused|NULL",
	} {
		if got := lines(cells(t, s, sql)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, got, want)
		}
	}
}

// TestEndedNodes: of a node that does not run everybody sees how its last process ended, or that
// nobody knows; an error, and what is wrong with the console, is a warning.
func TestEndedNodes(t *testing.T) {
	records := map[nodes.Kind][]nodes.Record{nodes.Drainer: {
		{NodeID: "failed", Host: "h:1", State: nodes.Paused, UpdateTS: ago(time.Minute)},
		{NodeID: "killed", Host: "h:2", State: nodes.Online, UpdateTS: ago(time.Minute)},
		{NodeID: "paused", Host: "h:3", State: nodes.Paused, UpdateTS: ago(time.Hour)},
		{NodeID: "unknown", Host: "h:4", State: nodes.Paused, UpdateTS: ago(time.Hour)},
	}}
	takePD(t, records)
	at := testNow.Add(-time.Minute)
	opts := actingOptions(t)
	opts.Reports = ended{
		exits: map[string]nodes.LastExit{
			"drainer failed": {Kind: nodes.ExitError, Code: nodes.ProblemStatementRefused, Time: at,
				Text: "apply INSERT INTO shop.orders at commit TS 470 to mysql at db:3306: table shop.orders is missing", Cure: "create the table and start the drainer"},
			"drainer paused":  {Kind: nodes.ExitOrderly, Time: at},
			"drainer started": {Kind: nodes.ExitError, Code: nodes.ProblemDownstreamDown, Time: at, Text: "mysql at db:3306: connection refused", Starting: true},
		},
		own: []nodes.Problem{{Code: nodes.ProblemClockSkew, Text: "this machine's clock is 20s slower than PD's", Cure: "synchronise the clocks"}},
	}
	s := newSession(t, opts, monitor)
	refused := "exited with an error at 2019-05-01 00:00:00 +00:00: [statement-refused] apply INSERT INTO shop.orders at commit TS 470 to " +
		"mysql at db:3306: table shop.orders is missing; create the table and start the drainer"
	if got, want := lines(cells(t, s, "SELECT node_id, last_exit FROM binlog.drainers")), "failed|"+refused+"\n"+
		"killed|how its last process ended is not known: it left no word\n"+
		"paused|ended in order at 2019-05-01 00:00:00 +00:00\n"+
		"unknown|how its last process ended is not known: it left no word"; got != want {
		t.Errorf("last_exit:\n%s\nwant\n%s", got, want)
	}
	if got, want := lines(cells(t, s, "SELECT warning, waiting_for FROM binlog.drainers WHERE node_id = 'failed'")), refused+"|an operator: it "+refused; got != want {
		t.Errorf("warning, waiting_for:\n%s\nwant\n%s", got, want)
	}
	mustRun(t, s, "SHOW DRAINER STATUS")
	got := lines(cells(t, s, "SHOW WARNINGS"))
	for _, want := range []string{
		`drainer "failed" ` + refused,
		`[not-reporting] drainer "killed" (h:2) is online but does not report: last seen 2019-05-01 00:00:00, 60 s ago, and its process left no word: check that it is running`,
		`drainer "started" could not start at 2019-05-01 00:00:00 +00:00: [downstream-down] mysql at db:3306: connection refused`,
		"console: [clock-skew] this machine's clock is 20s slower than PD's; synchronise the clocks",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("SHOW WARNINGS lacks\n%s\nin\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 4 {
		t.Errorf("%d warnings:\n%s", n, got)
	}
}

// TestHeldDrainersAreWarnedOf: what a drainer says it waits for is a warning of SHOW, beside
// those that the records give rise to.
func TestHeldDrainersAreWarnedOf(t *testing.T) {
	records := standard()
	records[nodes.Pump] = records[nodes.Pump][:1] // nobody is paused
	records[nodes.Drainer][1].UpdateTS = ago(0)   // nobody is silent
	takePD(t, records)
	opts := actingOptions(t)
	opts.Reports = said{"drainer drainer1": {Status: nodes.Status{Waiting: []string{"pump pump1: connection refused"}}}, "drainer Drainer2": {},
		"pump pump1": {Status: nodes.Status{Waiting: []string{"x"}}}}
	s := newSession(t, opts, monitor)
	for _, sql := range []string{"SHOW DRAINER STATUS", "SHOW FULL DRAINER STATUS", "SHOW DRAINER STATUS"} {
		if o := mustRun(t, s, sql); o.Warnings != 1 {
			t.Errorf("%s: %d warnings", sql, o.Warnings)
		}
		if got := cells(t, s, "SHOW WARNINGS"); len(got) != 1 || got[0][2] != `drainer "drainer1" waits for pump pump1: connection refused` {
			t.Errorf("%s: %q", sql, got)
		}
	}
	if o := mustRun(t, s, "SHOW PUMP STATUS"); o.Warnings != 0 {
		t.Errorf("SHOW PUMP STATUS: %d warnings", o.Warnings)
	}
}

package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/result"
)

// TestSessionSeesItsOwnChange: SHOW right after CHANGE shows it, every time, although
// SHOW costs no round trip to PD.
func TestSessionSeesItsOwnChange(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	for i := range 100 {
		state := nodes.States()[i%4]
		mustRun(t, s, fmt.Sprintf("CHANGE PUMP TO NODE_STATE = '%s' FOR NODE_ID 'pump1'", state))
		if got := cells(t, s, "SHOW PUMP STATUS LIKE 'pump1'"); len(got) != 1 || got[0][2] != state.Title() {
			t.Fatalf("change %d to %s shows %q", i, state, got)
		}
	}
}

// TestChangeKeepsEverythingElse: only the state's bytes in PD change, whatever an
// upstream writer put around it.
func TestChangeKeepsEverythingElse(t *testing.T) {
	takePD(t, nil)
	s := newSession(t, testOptions(), admin)
	const key = "/tidb-binlog/v1/pumps/odd"
	const raw = `{ "nodeId":"odd","host":"h:1", "state": "online","isAlive":true,"score":7,"label":{"labels":{"a":"b"}},"maxCommitTS":1,"updateTS":2,"more":[1] }`
	resp, err := pd.client.Put(t.Context(), key, raw)
	if err != nil {
		t.Fatal(err)
	}
	s.nodes.Wrote = resp.Header.Revision
	mustRun(t, s, "CHANGE PUMP TO NODE_STATE = 'Paused' FOR NODE_ID 'odd'")
	got, err := pd.client.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(raw, `"online"`, `"paused"`, 1); string(got.Kvs[0].Value) != want {
		t.Errorf("PD has %s, want %s", got.Kvs[0].Value, want)
	}
}

// TestChangeIsLogged: who, from where, what node, from which state to which, and what
// came of it; refused and failed attempts too.
func TestChangeIsLogged(t *testing.T) {
	takePD(t, standard())
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(&logrus.JSONFormatter{})
	opts := testOptions()
	opts.Logger = log
	root, eve := newSession(t, opts, admin), newSession(t, opts, monitor)
	mustRun(t, root, "CHANGE PUMP TO NODE_STATE = 'PAUSED' FOR NODE_ID 'pump1'")
	codeOf(t, root, "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'")
	codeOf(t, eve, "CHANGE DRAINER TO NODE_STATE = 'offline' FOR NODE_ID 'drainer1'")
	want := []map[string]any{
		{"user": "root", "addr": "10.0.0.1", "kind": "pump", "node": "pump1", "old_state": "online", "new_state": "PAUSED", "result": "done"},
		{"user": "root", "addr": "10.0.0.1", "kind": "pump", "node": "nope", "new_state": "paused", "result": "failed"},
		{"user": "eve", "addr": "10.0.0.2", "kind": "drainer", "node": "drainer1", "new_state": "offline", "result": "denied"},
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines logged, want %d:\n%s", len(lines), len(want), out.String())
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want[i] {
			if got[k] != v {
				t.Errorf("line %d: %s is %v, want %v", i, k, got[k], v)
			}
		}
	}
}

// TestStatusColumns: what a client learns of the columns, with rows, without, and at
// prepare.
func TestStatusColumns(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	p, err := s.Prepare(t.Context(), "SHOW PUMP STATUS LIKE ?")
	if err != nil {
		t.Fatal(err)
	}
	if p.Params != 1 {
		t.Errorf("%d parameters, want 1", p.Params)
	}
	for what, columns := range map[string][]engine.Column{
		"rows":    mustRun(t, s, "SHOW PUMP STATUS").Rows.Columns,
		"none":    mustRun(t, s, "SHOW PUMP STATUS LIKE 'nope'").Rows.Columns,
		"prepare": p.Columns,
	} {
		if len(columns) != 5 {
			t.Fatalf("%s: %d columns", what, len(columns))
		}
		for i, name := range []string{"NodeID", "Address", "State", "Max_Commit_Ts", "Update_Time"} {
			c := columns[i]
			typ, cs := mysql.TypeVarString, uint16(255)
			if name == "Max_Commit_Ts" {
				typ, cs = mysql.TypeLonglong, 63
			}
			if c.Name != name || c.Type != typ || c.Charset != cs || c.Length == 0 || c.Flags&uint16(mysql.NotNullFlag) == 0 {
				t.Errorf("%s: column %d is %+v", what, i, c)
			}
		}
	}
}

// TestSameResultUntilTheClusterChanges: sessions of a server share the rows of a
// snapshot, and a change of one node keeps the rows of the others.
func TestSameResultUntilTheClusterChanges(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	a, b := newSession(t, opts, admin), newSession(t, opts, monitor)
	first := mustRun(t, a, "SHOW PUMP STATUS").Rows
	if again := mustRun(t, b, "SHOW PUMP STATUS").Rows; again != first {
		t.Error("another session made the rows anew")
	}
	mustRun(t, a, "CHANGE PUMP TO NODE_STATE = 'closing' FOR NODE_ID 'pump2'")
	second := mustRun(t, a, "SHOW PUMP STATUS").Rows
	if second == first {
		t.Fatal("the rows did not change with the cluster")
	}
	if &second.Rows[0][0] != &first.Rows[0][0] {
		t.Error("the row of a node that did not change was made anew")
	}
	if first.Rows[1][2].Str() != "Paused" || second.Rows[1][2].Str() != "Closing" {
		t.Errorf("states %s and %s", first.Rows[1][2].Str(), second.Rows[1][2].Str())
	}
}

// TestKeptGoesWithTheRows: what is kept of an encoding is never that of other rows.
func TestKeptGoesWithTheRows(t *testing.T) {
	takePD(t, standard())
	a, b := newSession(t, testOptions(), admin), newSession(t, testOptions(), monitor)
	b.opts.Views = a.opts.Views
	first, again := mustRun(t, a, "SHOW PUMP STATUS"), mustRun(t, b, "SHOW PUMP STATUS")
	if first.Kept == nil || first.Kept != again.Kept || first.Rows != again.Rows {
		t.Error("two sessions do not share the same rows")
	}
	other := mustRun(t, a, "SHOW DRAINER STATUS")
	mustRun(t, a, "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'")
	changed := mustRun(t, a, "SHOW PUMP STATUS")
	mustRun(t, a, "SET time_zone = '+08:00'")
	elsewhere := mustRun(t, a, "SHOW PUMP STATUS")
	for _, o := range []*Outcome{other, changed, elsewhere} {
		if o.Kept == nil || o.Kept == first.Kept {
			t.Errorf("other rows share what is kept: %v", o.Rows.Rows)
		}
	}
	for _, sql := range []string{"SHOW PUMP STATUS LIKE 'pump1'", "SHOW PUMP STATUS WHERE State = 'paused'", "SELECT 1"} {
		if o := mustRun(t, a, sql); o.Kept != nil {
			t.Errorf("%s: something is kept", sql)
		}
	}
}

// TestMonitorsShareViews runs many sessions against a changing cluster under the race
// detector.
func TestMonitorsShareViews(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s := New(opts, uint32(i), admin)
			for n := range 50 {
				if i == 0 {
					_, _ = outcomes(s, fmt.Sprintf("CHANGE PUMP TO NODE_STATE = '%s' FOR NODE_ID 'pump2'", nodes.States()[n%4]))
				}
				if _, err := outcomes(s, "SHOW PUMP STATUS; SHOW WARNINGS; SHOW DRAINER STATUS; SHOW WARNINGS"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestMultiStatements: a syntax error anywhere runs nothing; an error at run time stops
// what follows; a client that did not ask for several gets one at most.
func TestMultiStatements(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	if all, err := outcomes(s, "SET @a = 1; SELECT FROM; SET @b = 1"); err == nil || len(all) != 0 {
		t.Errorf("a text with a mistake gave %d outcomes, %v", len(all), err)
	}
	if got := s.exec.Env.UserVar("a"); !got.IsNull() {
		t.Error("a text with a mistake ran in part")
	}
	if all, err := outcomes(s, "SET @a = 1; USE nope; SET @b = 1"); err == nil || len(all) != 1 {
		t.Errorf("%d outcomes before the error, %v", len(all), err)
	}
	if s.exec.Env.UserVar("a").IsNull() || !s.exec.Env.UserVar("b").IsNull() {
		t.Error("the statements around the failing one did not run, or ran, as they should")
	}
	s.SetMultiStatements(false)
	if e := codeOf(t, s, "SET @c = 1; SET @d = 1"); e.Code != result.ErrParse || !s.exec.Env.UserVar("c").IsNull() {
		t.Errorf("two statements without being asked for: %v", e)
	}
	mustRun(t, s, "SET @c = 1;")
	s.SetMultiStatements(true)
	var mores []bool
	stop := errors.New("the connection is gone")
	err := s.Query(t.Context(), "SET @a = 1; SET @a = 2; SET @a = 3", func(_ *Outcome, more bool) error {
		mores = append(mores, more)
		if len(mores) == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || len(mores) != 2 || !mores[0] || s.exec.Env.UserVar("a").Text() != "2" {
		t.Errorf("after emit failed: %v, %v", err, mores)
	}
}

// TestReset: COM_RESET_CONNECTION forgets what the client has set, but neither the
// handshake's collation nor that the session has written.
func TestReset(t *testing.T) {
	takePD(t, standard())
	s := New(testOptions(), 7, admin)
	s.SetCollation(8)
	mustRun(t, s, "SET @a = 1")
	mustRun(t, s, "SET NAMES gbk")
	mustRun(t, s, "SET sql_mode = 'ANSI_QUOTES', autocommit = 0, wait_timeout = 5")
	mustRun(t, s, "BEGIN")
	mustRun(t, s, "PREPARE st FROM 'DO 1'")
	mustRun(t, s, "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'")
	wrote := s.nodes.Wrote
	s.Reset()
	if s.Status() != statusAutocommit || s.ClientCharset() != "latin1" || s.ResultCharset() != "latin1" ||
		s.IdleTimeout() != 8*time.Hour || !s.exec.Env.UserVar("a").IsNull() || s.vars.Mode.HasANSIQuotesMode() {
		t.Errorf("after reset: status %x, charset %s", s.Status(), s.ClientCharset())
	}
	if s.nodes.Wrote != wrote || wrote == 0 {
		t.Error("the session forgot its own write")
	}
	if e := codeOf(t, s, "EXECUTE st"); e.Code != result.ErrUnknownStatement {
		t.Errorf("a prepared statement survived: %v", e)
	}
}

// TestPreparedFollowsSQLMode: a prepared text means what the sql_mode of its execution
// says.
func TestPreparedFollowsSQLMode(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	p, err := s.Prepare(t.Context(), `SHOW PUMP STATUS LIKE "pump1"`)
	if err != nil {
		t.Fatal(err)
	}
	run := func() (o *Outcome, err error) {
		err = s.Execute(t.Context(), p, nil, func(got *Outcome, _ bool) error { o = got; return nil })
		return o, err
	}
	if o, err := run(); err != nil || len(o.Rows.Rows) != 1 {
		t.Fatal(o, err)
	}
	mustRun(t, s, "SET sql_mode = 'ANSI_QUOTES'")
	if o, err := run(); err == nil {
		t.Errorf("a name in the place of a pattern gave %v", o.Rows.Rows)
	}
	mustRun(t, s, "SET sql_mode = ''")
	if o, err := run(); err != nil || len(o.Rows.Rows) != 1 {
		t.Error(o, err)
	}
	if err := s.Execute(t.Context(), p, []engine.Value{engine.Int(1)}, nil); err == nil {
		t.Error("a value too many was taken")
	}
}

// slowCluster answers a View only when its context ends.
type slowCluster struct{ nodestmt.Cluster }

func (slowCluster) View(ctx context.Context, _ int64) (*nodes.Snapshot, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestStatementsEnd: by max_execution_time, by KILL and by the reason that whoever
// ended them gave.
func TestStatementsEnd(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	opts.Cluster = slowCluster{pd.cluster}
	s := newSession(t, opts, admin)
	mustRun(t, s, "SET max_execution_time = 20")
	if e := codeOf(t, s, "SHOW PUMP STATUS"); e.Code != result.ErrTimeout {
		t.Errorf("time limit: %v", e)
	}
	mustRun(t, s, "PREPARE p FROM 'SHOW PUMP STATUS'")
	if e := codeOf(t, s, "EXECUTE p"); e.Code != result.ErrTimeout {
		t.Errorf("time limit of what EXECUTE runs: %v", e)
	}
	mustRun(t, s, "SET max_execution_time = 0")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(nil)
	err := s.Query(ctx, "SHOW PUMP STATUS", nil)
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != result.ErrInterrupted || e.State != "70100" {
		t.Errorf("killed: %v", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	cancel(&engine.Error{Code: 1053, State: "08S01", Message: "Server shutdown in progress"})
	if err = s.Query(ctx, "SHOW PUMP STATUS", nil); !errors.As(err, &e) || e.Code != 1053 {
		t.Errorf("shutdown: %v", err)
	}
}

// TestMonitorKillsItsOwnQueriesOnly: a monitor ends statements of its own user, and neither
// connections, not even its own, nor what others run.
func TestMonitorKillsItsOwnQueriesOnly(t *testing.T) {
	server := new(testServer)
	opts := testOptions()
	opts.Server = server
	s := newSession(t, opts, monitor) // eve, whose connection is 8; 7 is root's
	for _, text := range []string{"KILL 8", "KILL CONNECTION 8", "KILL QUERY 7", "KILL 7", "KILL QUERY 99"} {
		if e := codeOf(t, s, text); e.Code != 1227 {
			t.Errorf("%s: %v, want 1227", text, e)
		}
	}
	mustRun(t, s, "KILL QUERY 8")
	root := newSession(t, opts, admin)
	mustRun(t, root, "KILL 8")
	mustRun(t, root, "KILL QUERY 7")
	if got := strings.Join(server.killed, " "); got != "8 true 8 false 7 true" {
		t.Errorf("killed: %s", got)
	}
}

// TestSilenceIsJudgedByPDsClock: the session's own clock is off by an hour.
func TestSilenceIsJudgedByPDsClock(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	opts.Now = func() time.Time { return testNow.Add(time.Hour) }
	opts.NodeClock = func() time.Time { return testNow }
	s := newSession(t, opts, admin)
	mustRun(t, s, "SHOW PUMP STATUS")
	if n := s.Warnings(); n != 0 {
		t.Errorf("%d warnings about pumps that report", n)
	}
	opts.Now, opts.NodeClock = opts.NodeClock, opts.Now
	s = newSession(t, opts, admin)
	mustRun(t, s, "SHOW PUMP STATUS")
	if n := s.Warnings(); n != 1 {
		t.Errorf("%d warnings about one silent pump", n)
	}
}

// deadlineCluster reports whether a write had a deadline.
type deadlineCluster struct {
	nodestmt.Cluster
	had bool
}

func (c *deadlineCluster) SetState(ctx context.Context, kind nodes.Kind, id string, state nodes.State, note nodes.Note) (nodes.Record, int64, error) {
	_, c.had = ctx.Deadline()
	return c.Cluster.SetState(ctx, kind, id, state, note)
}

// TestNoTimeLimitOnChange: a CHANGE that was cut short might have been written or not.
func TestNoTimeLimitOnChange(t *testing.T) {
	takePD(t, standard())
	c := &deadlineCluster{Cluster: pd.cluster}
	opts := testOptions()
	opts.Cluster = c
	s := newSession(t, opts, admin)
	mustRun(t, s, "SET max_execution_time = 60000")
	mustRun(t, s, "PREPARE p FROM 'CHANGE PUMP TO NODE_STATE = ''paused'' FOR NODE_ID ''pump1'''")
	for _, sql := range []string{"CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'", "EXECUTE p"} {
		c.had = true
		mustRun(t, s, sql)
		if c.had {
			t.Errorf("%s has a deadline", sql)
		}
	}
}

// downCluster is a PD that does not answer.
type downCluster struct{ nodestmt.Cluster }

var errDown = errors.New("read the node records: PD at 127.0.0.1:1 gives no answer within 1s")

func (downCluster) View(context.Context, int64) (*nodes.Snapshot, error) { return nil, errDown }

// TestPDDown: what needs PD says so; what does not goes on.
func TestPDDown(t *testing.T) {
	takePD(t, standard())
	opts := testOptions()
	opts.Cluster = downCluster{pd.cluster}
	s := newSession(t, opts, admin)
	for _, sql := range []string{"SHOW PUMP STATUS", "SHOW VARIABLES LIKE 'log_bin'",
		"CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'"} {
		if e := codeOf(t, s, sql); e.Code != result.ErrUnknown || e.Message != errDown.Error() {
			t.Errorf("%s: %v", sql, e)
		}
	}
	o := mustRun(t, s, "SHOW VARIABLES")
	if len(o.Rows.Rows) < 300 || o.Warnings != 1 {
		t.Errorf("SHOW VARIABLES: %d rows, %d warnings", len(o.Rows.Rows), o.Warnings)
	}
	if got := cells(t, s, "SHOW WARNINGS"); len(got) != 1 || !strings.Contains(got[0][2], "log_bin") {
		t.Errorf("the warning is %q", got)
	}
}

// TestBeyondGrammar: statements of MySQL that TiDB's grammar lacks.
func TestBeyondGrammar(t *testing.T) {
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	for sql, code := range map[string]uint16{
		"SHOW MASTER LOGS":                          result.ErrNoBinlog,
		"show binary logs;":                         result.ErrNoBinlog,
		"show /*!50000 ENGINE*/ NDB STATUS":         1286,
		"set password='606706',sql_log_off=0":       result.ErrNotSupported,
		"CHECK TABLE `drainers` ":                   result.ErrNoDB,
		"DESCRIBE binlog.nosuch '%'":                result.ErrUnknownTable,
		"DESCRIBE binlog.pumps '%":                  result.ErrParse,
		"RESET MASTER":                              result.ErrNotSupported,
		"CHANGE MASTER TO MASTER_HOST='x'":          result.ErrNotSupported,
		"SHOW MASTER LOGS x":                        result.ErrParse,
		"SHOWMASTER LOGS":                           result.ErrParse,
		"CHANGE PUMP TO STATE = 'x' FOR NODE_ID ''": result.ErrParse,
		"SELECT ?":                                  result.ErrParse,
	} {
		if e := codeOf(t, s, sql); e.Code != code {
			t.Errorf("%s: %d %s, want %d", sql, e.Code, e.Message, code)
		}
	}
	for sql, rows := range map[string]int{
		"SHOW SLAVE HOSTS": 0, "SHOW ALL SLAVES STATUS NONBLOCKING": 0, "SHOW SLAVE STATUS NONBLOCKING": 0,
		"CHECK TABLE `binlog`.`drainers`, binlog.nosuch EXTENDED": 3, "CHECKSUM TABLE binlog.pumps": 1,
		"REPAIR TABLE binlog.pumps QUICK": 1, "ANALYZE TABLE binlog.pumps": 1, "OPTIMIZE TABLE binlog.pumps": 1,
		"DESCRIBE `binlog`.`pumps` '%commit%'": 2, "desc binlog.pumps \"node_id\"": 1, "DESCRIBE binlog.pumps address": 1,
	} {
		if got := cells(t, s, sql); len(got) != rows {
			t.Errorf("%s: %d rows, want %d: %q", sql, len(got), rows, got)
		}
	}
	mustRun(t, s, "SET wait_timeout = 0, lock_wait_timeout = 0, net_read_timeout = 0")
	for limit, want := range map[string]int{"1": 1, "1, 5": 2, "5": 3, "7,1": 0} {
		if got := cells(t, s, "SHOW WARNINGS LIMIT "+limit); len(got) != want {
			t.Errorf("SHOW WARNINGS LIMIT %s gives %d rows, want %d", limit, len(got), want)
		}
	}
}

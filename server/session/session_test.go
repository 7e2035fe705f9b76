package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/nodes/embedpd"
	"pumphouse/server/engine"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/sysvar"
)

// pd is the PD of all tests, started by the first that needs it: each test takes it,
// empties it and gives it back.
var pd struct {
	sync.Mutex
	client  *clientv3.Client
	reg     *nodes.Registry
	cluster *nodes.Cluster
	stop    []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(pd.stop) {
		stop()
	}
	os.Exit(code)
}

// startPD is called with pd locked.
func startPD() error {
	dir, err := os.MkdirTemp("", "session-pd-")
	if err != nil {
		return err
	}
	pd.stop = append(pd.stop, func() { os.RemoveAll(dir) })
	srv, err := embedpd.New(embedpd.Options{Addr: "127.0.0.1:0", DataDir: dir})
	if err != nil {
		return err
	}
	if err := srv.Open(context.Background()); err != nil {
		return err
	}
	pd.stop = append(pd.stop, func() { srv.Close() })
	if pd.client, err = nodes.NewClient([]string{srv.URL()}, nil, 5*time.Second); err != nil {
		return err
	}
	pd.stop = append(pd.stop, func() { pd.client.Close() })
	pd.reg = nodes.NewRegistry(pd.client, 5*time.Second)
	cache := nodes.OpenCache(pd.reg, nodes.CacheOptions{})
	pd.stop = append(pd.stop, func() { cache.Close() })
	pd.cluster = nodes.NewCluster(pd.reg, cache)
	return nil
}

// testNow is the clock of every test session.
var testNow = time.Date(2019, 5, 1, 0, 1, 0, 0, time.UTC)

// ago is a TSO of so long before testNow.
func ago(d time.Duration) nodes.TSO { return nodes.MakeTSO(testNow.Add(-d), 0) }

// standard is the cluster of the operations document, with what can go wrong added.
func standard() map[nodes.Kind][]nodes.Record {
	return map[nodes.Kind][]nodes.Record{
		nodes.Pump: {
			{NodeID: "pump1", Host: "127.0.0.1:8250", State: nodes.Online, MaxCommitTS: 408553768673342237, UpdateTS: ago(time.Second)},
			{NodeID: "pump2", Host: "127.0.0.2:8250", State: nodes.Paused, MaxCommitTS: 408553768673342335, UpdateTS: ago(time.Minute)},
			{NodeID: "pump3", Host: "127.0.0.3:8250", State: nodes.Offline, MaxCommitTS: 1, UpdateTS: ago(time.Hour)},
		},
		nodes.Drainer: {
			{NodeID: "drainer1", Host: "127.0.0.3:8249", State: nodes.Online, MaxCommitTS: 408553768411198464, UpdateTS: ago(time.Second)},
			{NodeID: "Drainer2", Host: "127.0.0.4:8249", State: nodes.Online, MaxCommitTS: 408553768673345531, UpdateTS: ago(35 * time.Second)},
		},
	}
}

// takePD empties PD, puts records into it and keeps other tests out until this one
// ends.
func takePD(t testing.TB, records map[nodes.Kind][]nodes.Record) {
	t.Helper()
	pd.Lock()
	t.Cleanup(pd.Unlock)
	if pd.cluster == nil {
		if err := startPD(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	var ops []clientv3.Op
	for _, k := range nodes.Kinds() {
		if _, err := pd.client.Delete(ctx, k.Prefix(), clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		for _, r := range records[k] {
			raw, err := nodes.EncodeRecord(r)
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, clientv3.OpPut(k.Key(r.NodeID), string(raw)))
		}
	}
	for len(ops) > 0 { // etcd takes at most 128 operations at once
		n := min(len(ops), 100)
		if _, err := pd.client.Txn(ctx).Then(ops[:n]...).Commit(); err != nil {
			t.Fatal(err)
		}
		ops = ops[n:]
	}
	resp, err := pd.client.Get(ctx, "/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pd.cluster.View(ctx, resp.Header.Revision); err != nil {
		t.Fatal(err)
	}
}

// testServer is what a session sees of its server.
type testServer struct{ killed []string }

func (f *testServer) Processes() []infoschema.Process {
	return []infoschema.Process{
		{ID: 7, User: "root", Host: "10.0.0.1:5000", Command: "Query", Since: testNow.Add(-3 * time.Second), State: "executing", Info: "SHOW PROCESSLIST"},
		{ID: 8, User: "eve", Host: "10.0.0.2:5001", DB: "binlog", Command: "Sleep", Since: testNow.Add(-time.Minute)},
	}
}

func (f *testServer) Kill(id uint32, queryOnly bool) bool {
	f.killed = append(f.killed, fmt.Sprint(id, queryOnly))
	return id == 7 || id == 8
}

func (f *testServer) Status() map[string]string {
	return map[string]string{"Uptime": "60", "Threads_connected": "2", "Questions": "5"}
}

// testOptions are those of a test's sessions.
func testOptions() Options {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return Options{
		Config: nodestmt.Config{Cluster: pd.cluster, Now: func() time.Time { return testNow }, Views: nodestmt.NewViews()},
		Server: &testServer{},
		Logger: log,
		Facts:  sysvar.Facts{Version: "8.0.11-TiDB-v8.3.0-pumphouse-1.0.0", Datadir: "/data", Addr: "127.0.0.1:8248", MaxConns: 100},
	}
}

// admin and monitor are the accounts of tests.
var (
	admin   = privilege.Account{Name: "root", Host: "10.0.0.1", Role: privilege.Admin}
	monitor = privilege.Account{Name: "eve", Host: "10.0.0.2", Role: privilege.Monitor}
)

// newSession makes a session whose time zone does not depend on the machine.
func newSession(t testing.TB, opts Options, acc privilege.Account) *Session {
	t.Helper()
	s := New(opts, 7, acc)
	mustRun(t, s, "SET time_zone = '+00:00'")
	return s
}

// outcomes runs a text and gives what it emitted.
func outcomes(s *Session, sql string) ([]*Outcome, error) {
	var all []*Outcome
	err := s.Query(context.Background(), sql, func(o *Outcome, _ bool) error {
		all = append(all, o)
		return nil
	})
	return all, err
}

// mustRun runs one statement that must succeed.
func mustRun(t testing.TB, s *Session, sql string) *Outcome {
	t.Helper()
	all, err := outcomes(s, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(all) != 1 {
		t.Fatalf("%s: %d outcomes, want 1", sql, len(all))
	}
	return all[0]
}

// cells runs one statement and gives its rows as texts.
func cells(t testing.TB, s *Session, sql string) [][]string {
	t.Helper()
	o := mustRun(t, s, sql)
	if o.Rows == nil {
		t.Fatalf("%s: no result", sql)
	}
	var rows [][]string
	for _, r := range o.Rows.Rows {
		row := make([]string, len(r))
		for i, v := range r {
			row[i] = cellText(v)
		}
		rows = append(rows, row)
	}
	return rows
}

func cellText(v engine.Value) string {
	if v.IsNull() {
		return "NULL"
	}
	return v.Text()
}

// codeOf runs a text that must fail and gives the error.
func codeOf(t testing.TB, s *Session, sql string) *engine.Error {
	t.Helper()
	_, err := outcomes(s, sql)
	var e *engine.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: error %v, want an *engine.Error", sql, err)
	}
	return e
}

// transcript writes an outcome as the mysql client would.
func transcript(b *strings.Builder, o *Outcome, err error) {
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		fmt.Fprintf(b, "ERROR %d (%s): %s\n", e.Code, e.State, e.Message)
		return
	case err != nil:
		fmt.Fprintf(b, "BROKEN: %v\n", err)
		return
	case o.Rows == nil:
		fmt.Fprintf(b, "OK, %d rows affected", o.Affected)
	default:
		var names []string
		for _, c := range o.Rows.Columns {
			names = append(names, c.Name)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(names, " | "))
		for _, r := range o.Rows.Rows {
			var row []string
			for _, v := range r {
				row = append(row, cellText(v))
			}
			fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		}
		fmt.Fprintf(b, "%d rows", len(o.Rows.Rows))
	}
	if o.Warnings > 0 {
		fmt.Fprintf(b, ", %d warnings", o.Warnings)
	}
	if o.Status&statusInTrans != 0 {
		b.WriteString(", in transaction")
	}
	b.WriteByte('\n')
}

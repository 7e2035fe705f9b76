package problems

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/pump"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// problemCheck looks in one place whether a running node shows a problem: at the text with the code, or at the code. want is what
// the text has to hold besides.
type problemCheck struct {
	place string
	shows func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (shown bool, seen string)
}

// problemChecks are the places where each problem of TestProblems must be seen, and must be gone after the cure.
func problemChecks() []problemCheck {
	return append([]problemCheck{
		{"/status", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (bool, string) {
			st, err := nodes.NewControl(nil, rig.Patience).Status(context.Background(), kind, nodes.Record{NodeID: nodeID, Host: l.addr(kind, nodeID)})
			if err != nil {
				return false, unanswered + err.Error()
			}
			raw, _ := json.Marshal(st.Problems)
			i := slices.IndexFunc(st.Problems, func(p nodes.Problem) bool { return p.Code == code })
			if i < 0 {
				return strings.Contains(st.Problem, "["+string(code)+"]"), string(raw)
			}
			text := st.Problems[i].String()
			for _, w := range want {
				if !strings.Contains(text, w) {
					return false, fmt.Sprintf("%q lacks %q", text, w)
				}
			}
			if strings.Contains(string(raw), troubledPassword) {
				l.Errorf("a password is in %s", raw)
			}
			return !st.Problems[i].Since.IsZero() && strings.Contains(st.Problem, "["+string(code)+"]"), string(raw)
		}},
		{"metrics", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, _ []string) (bool, string) {
			resp, err := http.Get("http://" + l.addr(kind, nodeID) + "/metrics")
			if err != nil {
				return false, unanswered + err.Error()
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			line := fmt.Sprintf("pumphouse_node_problem{code=%q,kind=%q,node=%q} ", code, kind, nodeID)
			at := strings.Index(string(text), line)
			if err != nil || at < 0 {
				return false, fmt.Sprintf("no %s: %v", line, err)
			}
			return strings.HasPrefix(string(text)[at+len(line):], "1\n"), line
		}},
	}, consoleChecks()...)
}

// unanswered is how what a check has seen begins when nobody answered: then a problem is neither there nor gone.
const unanswered = "no answer: "

// troubledPassword is the downstream's, which no text may have.
const troubledPassword = "sEcret-pw-77"

// troubled is a cluster in which things go wrong: pumps and a drainer in this process, a PD and a MariaDB of its own.
type troubled struct {
	*rig.Shop
	pdServer *pdtest.Restorable
	maria    *mariadbtest.Server
	drainer1 *drainer.Drainer
	opts     drainer.Options
	skew     atomic.Int64 // of the clock of pumps, in nanoseconds
	locked   *sql.Conn
	front    *rig.Console // that watches; its page is at pageURL
	sql      *sql.DB      // on it
	pageURL  string
	open     nodes.TSO // start TS of the transaction without an outcome
}

func newTroubled(t *testing.T) *troubled {
	r := pdtest.NewRestorable(t, nil)
	u := &rig.Shop{TB: t, Registry: r.Registry, PD: r.PD, ClusterID: r.ClusterID, Jobs: t.TempDir(), Pumps: make(map[string]*pump.Pump), Conns: make(map[string]*grpc.ClientConn)}
	l := &troubled{Shop: u, pdServer: r}
	l.watch(t)
	return l
}

func (l *troubled) addr(kind nodes.Kind, nodeID string) string {
	if kind == nodes.Drainer {
		return l.drainer1.Addr().String()
	}
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return l.Pumps[nodeID].Addr().String()
}

// pumpAt starts a pump whose data are in a directory, "" for one of its own.
func (l *troubled) pumpAt(id, dir string, change func(*pump.Options)) pump.Options {
	o := l.PumpOptions(id)
	if dir != "" {
		o.DataDir = dir
	}
	o.Metrics = prometheus.NewRegistry()
	o.Now = func() time.Time { return time.Now().Add(time.Duration(l.skew.Load())) }
	if change != nil {
		change(&o)
	}
	l.Pump(o)
	return o
}

// pumpAgain starts a pump again.
func (l *troubled) pumpAgain(o pump.Options) {
	o.Metrics = prometheus.NewRegistry()
	l.Pump(o)
}

// replicate starts a drainer into a MariaDB, whose user cannot write where it is read only, and replicates a table.
func (l *troubled) replicate() {
	l.Helper()
	l.maria = mariadbtest.Start(l.TB)
	l.maria.Exec("CREATE USER r@'127.0.0.1' IDENTIFIED BY '"+troubledPassword+"'",
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, PROCESS ON *.* TO r@'127.0.0.1'")
	l.opts = drainer.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: l.TempDir(), Registry: l.Registry, PD: l.PD, Schema: schema.Dir(l.Jobs),
		Downstream: &downstream.MySQL{Host: "127.0.0.1", Port: l.maria.Port, User: "r", Password: troubledPassword}}
	l.startDrainer()
	l.CreateDatabase("p1")
	l.CreateTable("p1", rig.FirstTable)
	l.consumes(l.Insert("p1", rig.FirstTable, 1, "a"))
}

func (l *troubled) startDrainer() {
	l.Helper()
	l.opts.Metrics = prometheus.NewRegistry()
	d, err := drainer.New(l.opts)
	if err == nil {
		err = d.Open(context.Background())
	}
	if err != nil {
		l.Fatal(err)
	}
	l.drainer1 = d
	l.Cleanup(func() { d.Close() })
}

// consumes waits until everything up to a commit TS is downstream.
func (l *troubled) consumes(ts nodes.TSO) {
	l.Helper()
	rig.Eventually(l, rig.Patience, "the drainer consumes "+ts.String(), func() (bool, string) {
		st, err := nodes.NewControl(nil, rig.Patience).Status(context.Background(), nodes.Drainer, nodes.Record{NodeID: "drainer1", Host: l.drainer1.Addr().String()})
		return err == nil && st.CommitTS >= ts, fmt.Sprintf("%s, %v, %s", st.CommitTS, err, st.Problem)
	})
}

// sees waits until a problem is shown everywhere, or nowhere.
func (l *troubled) sees(kind nodes.Kind, nodeID string, code nodes.ProblemCode, there bool, want ...string) {
	l.Helper()
	for _, c := range problemChecks() {
		rig.Eventually(l, rig.Patience, fmt.Sprintf("%s of %s shows %s: %v", c.place, nodeID, code, there), func() (bool, string) {
			shown, seen := c.shows(l, kind, nodeID, code, want)
			return shown == there && !strings.HasPrefix(seen, unanswered), seen
		})
	}
}

// TestProblems causes problems for real, sees them in every place where a node shows them, and sees them gone after the cure.
func TestProblems(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	l.replicate()
	p2 := l.pumpAt("p2", "", nil)
	id := int64(100)
	insert := func() nodes.TSO { id++; return l.Insert("p1", rig.FirstTable, id, "x") }
	exec := func(q string) { l.maria.Exec(q) }
	for _, c := range []struct {
		code  nodes.ProblemCode
		kind  nodes.Kind
		node  string
		want  []string // in the text: thing, place, cure
		cause func()
		cure  func()
	}{
		{nodes.ProblemDownstreamDown, nodes.Drainer, "drainer1", []string{"r@127.0.0.1:", "check that the server"},
			func() { l.maria.Kill() }, func() { l.maria.StartAgain() }},
		{nodes.ProblemDownstreamReadOnly, nodes.Drainer, "drainer1", []string{"--read-only", "r@127.0.0.1:", "SET GLOBAL read_only = OFF"},
			func() { exec("SET GLOBAL read_only = ON"); insert() }, func() { exec("SET GLOBAL read_only = OFF") }},
		{nodes.ProblemDownstreamSlow, nodes.Drainer, "drainer1", []string{"mysql r@127.0.0.1:", "after commit TS", "SHOW PROCESSLIST"},
			func() { l.lock(); insert() }, func() { l.unlock() }},
		{nodes.ProblemPumpUnreachable, nodes.Drainer, "drainer1", []string{"pump p2 (paused", "CHANGE PUMP"},
			func() { l.Pumps["p2"].Close() }, func() { l.pumpAgain(p2) }},
		{nodes.ProblemUnresolved, nodes.Pump, "p1", []string{"start TS", "binlogctl -cmd unresolved"},
			func() { l.prewrite("p1") }, func() { l.commit("p1") }},
		{nodes.ProblemReplicationBlocked, nodes.Drainer, "drainer1", []string{"pump p1", "start TS"},
			func() { l.prewrite("p1") }, func() { l.commit("p1") }},
		{nodes.ProblemRecordBroken, nodes.Pump, "p1", []string{nodes.Drainer.Key("mad"), "delete the record"},
			func() { rig.Put(t, l.pdServer.Etcd, nodes.Drainer.Key("mad"), "nonsense") },
			func() {
				if _, err := l.pdServer.Etcd.Delete(context.Background(), nodes.Drainer.Key("mad")); err != nil {
					t.Error(err)
				}
			}},
		{nodes.ProblemClockSkew, nodes.Pump, "p1", []string{"ahead of PD's", "chrony"},
			func() { l.skew.Store(int64(time.Minute)) }, func() { l.skew.Store(0) }},
		{nodes.ProblemPDAway, nodes.Pump, "p1", []string{"-pd-urls"},
			func() { l.pdServer.Stop() }, func() { l.pdServer.Start() }},
		{nodes.ProblemPDAway, nodes.Drainer, "drainer1", []string{"-pd-urls"},
			func() { l.pdServer.Stop() }, func() { l.pdServer.Start() }},
	} {
		t.Log(c.kind, c.code)
		l.sees(c.kind, c.node, c.code, false)
		c.cause()
		l.sees(c.kind, c.node, c.code, true, c.want...)
		c.cure()
		l.sees(c.kind, c.node, c.code, false)
	}
	l.consumes(insert()) // nothing that was in the way is left
}

// TestProblemStops: what stops a drainer is its last exit in PD until a start succeeds, and the record says paused.
func TestProblemStops(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	l.replicate()
	l.maria.Exec("DROP TABLE test.t100")
	ts := l.Insert("p1", rig.FirstTable, 2, "b")
	if err := l.drainer1.Wait(); err == nil {
		t.Error("the drainer ends without an error")
	}
	e, _, err := l.Registry.Exit(t.Context(), nodes.Drainer, "drainer1")
	if err != nil || e.Kind != nodes.ExitError || e.Code != nodes.ProblemStatementRefused || e.CommitTS != ts || e.Starting {
		t.Errorf("last exit %+v, %v", e, err)
	}
	for _, want := range []string{"test", "t100", "doesn't exist", "ignore-txn-commit-ts = [" + ts.String() + "]"} {
		if !strings.Contains(e.String(), want) {
			t.Errorf("%q lacks %q", e, want)
		}
	}
	if rec, err := l.Registry.Get(t.Context(), nodes.Drainer, "drainer1"); err != nil || rec.Record.State != nodes.Paused {
		t.Errorf("record %+v, %v", rec.Record, err)
	}
	l.maria.Exec("CREATE TABLE test.t100 (id bigint primary key, v varchar(100))")
	l.startDrainer()
	l.consumes(ts)
	if e, found, err := l.Registry.Exit(t.Context(), nodes.Drainer, "drainer1"); err != nil || found {
		t.Errorf("after a start the last exit is %+v, %v", e, err)
	}

	// Somebody has deleted a row downstream that is deleted upstream as well.
	l.maria.Exec("DELETE FROM test.t100")
	l.Remove("p1", rig.FirstTable, 2, "b")
	l.sees(nodes.Drainer, "drainer1", nodes.ProblemDivergence, true, "test", "t100", "drainer -compare")
}

// TestProblemDiskFull fills the file system of a pump.
func TestProblemDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=256m"); err != nil {
		form.Missing(t, "cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l := newTroubled(t)
	dir := filepath.Join(mount, "data")
	l.pumpAt("p1", dir, func(o *pump.Options) { o.StopWriteAtAvailable = 32 << 20 })
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, false)
	filler := filepath.Join(mount, "filler")
	var fs syscall.Statfs_t
	if err := syscall.Statfs(mount, &fs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, int64(fs.Bavail)*fs.Bsize-(16<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, true, dir, "32.0 MiB", "stop-write-at-available-space")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	l.sees(nodes.Pump, "p1", nodes.ProblemDiskFull, false)
}

// TestProblemTakeover: a second process with a pump's node ID is refused; the pump says so, and the refused one leaves no other trace.
func TestProblemTakeover(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	rival, err := pump.New(l.PumpOptions("p1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := rival.Open(t.Context()); err == nil {
		t.Fatal("two pumps with one node ID run")
	}
	l.sees(nodes.Pump, "p1", nodes.ProblemTakeover, true, "p1", "refused", "-node-id")
	if rec, err := l.Registry.Get(t.Context(), nodes.Pump, "p1"); err != nil || rec.Record.State != nodes.Online || rec.Record.Host != l.addr(nodes.Pump, "p1") {
		t.Errorf("record %+v, %v", rec.Record, err)
	}
}

// TestFailedStartBlocksNobody: a pump that did not get online, because a drainer could not be notified, leaves no record, and drainers do not
// wait for it.
func TestFailedStartBlocksNobody(t *testing.T) {
	l := newTroubled(t)
	l.pumpAt("p1", "", nil)
	l.replicate()
	rig.Put(t, l.pdServer.Etcd, nodes.Drainer.Key("dead"), `{"nodeId":"dead","host":"127.0.0.1:1","state":"online","isAlive":false,"score":0,"label":null,"maxCommitTS":1,"updateTS":1}`)
	o := l.PumpOptions("p2")
	o.NotifyTimeout = 2 * time.Second
	p2, err := pump.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p2.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "dead") {
		t.Fatalf("p2 starts: %v", err)
	}
	snap, err := l.Registry.List(t.Context())
	if err != nil || len(snap.Pumps) != 1 {
		t.Errorf("the pumps %+v, %v; want p1 alone", snap.Pumps, err)
	}
	e, _, err := l.Registry.Exit(t.Context(), nodes.Pump, "p2")
	if err != nil || e.Code != nodes.ProblemDrainerUnreachable || !e.Starting {
		t.Errorf("last exit %+v, %v", e, err)
	}
	l.consumes(l.Insert("p1", rig.FirstTable, 7, "c"))
}

// lock has a session keep others from the table, until unlock.
func (l *troubled) lock() {
	l.Helper()
	conn, err := l.maria.Open().Conn(context.Background())
	if err == nil {
		_, err = conn.ExecContext(context.Background(), "LOCK TABLES test.t100 WRITE")
	}
	if err != nil {
		l.Fatal(err)
	}
	l.locked = conn
}

func (l *troubled) unlock() {
	l.Helper()
	_, err := l.locked.ExecContext(context.Background(), "UNLOCK TABLES")
	if err != nil {
		l.Fatal(err)
	}
	l.locked.Close()
}

// prewrite leaves a transaction without an outcome at a pump, until commit, with one committed after it.
func (l *troubled) prewrite(pumpID string) {
	l.Helper()
	l.open = l.TSO()
	if err := l.Send(pumpID, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(l.open)), PrewriteKey: []byte("k")}); err != nil {
		l.Fatal(err)
	}
}

func (l *troubled) commit(pumpID string) {
	l.Helper()
	if err := l.Send(pumpID, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(int64(l.open)), CommitTs: proto.Int64(int64(l.TSO()))}); err != nil {
		l.Fatal(err)
	}
}

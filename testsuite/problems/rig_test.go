package problems

import (
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/pump"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// problemCheck looks in one place whether a running node shows a problem: at the text with the code, or at the code. want is what
// the text has to hold besides.
type problemCheck struct {
	place string
	shows func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (shown bool, seen string)
}

// nodeChecks are the places of a node itself where its problem must be seen, and must be gone after the cure; the first is its /status.
func (l *troubled) nodeChecks() []problemCheck {
	return []problemCheck{
		{"/status", func(l *troubled, kind nodes.Kind, nodeID string, code nodes.ProblemCode, want []string) (bool, string) {
			st, err := nodes.NewControl(l.tls, rig.Timeout).Status(context.Background(), kind, nodes.Record{NodeID: nodeID, Host: l.addr(kind, nodeID)})
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
			text, err := l.metrics(kind, nodeID)
			if err != nil {
				return false, unanswered + err.Error()
			}
			line := fmt.Sprintf("pumphouse_node_problem{code=%q,kind=%q,node=%q} ", code, kind, nodeID)
			_, value, there := strings.Cut(text, line)
			return there && strings.HasPrefix(value, "1\n"), line
		}},
	}
}

// unanswered is how what a check has seen begins when nobody answered: then a problem is neither there nor gone.
const unanswered = "no answer: "

// troubledPassword is the downstream's, which no text may have.
const troubledPassword = "sEcret-pw-77"

// troubled is a cluster in which things go wrong: pumps and a drainer in this process, a PD and a MariaDB of its own.
type troubled struct {
	*rig.Shop
	pdServer *pdtest.Restorable // nil: it is another one
	pdURL    string
	tls      *tls.Config  // towards nodes; nil: none
	security []string     // the flags of programs for that
	pdClock  atomic.Int64 // how much PD's clock is ahead of the machine's, in nanoseconds
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

func newTroubled(t *testing.T) *troubled { return newTroubledPast(t, 0) }

// newTroubledPast has a PD whose clock is slow.
func newTroubledPast(t *testing.T, by time.Duration) *troubled {
	l := new(troubled)
	l.pdClock.Store(-int64(by))
	r := pdtest.NewRestorable(t, func() time.Time { return time.Now().Add(time.Duration(l.pdClock.Load())) })
	l.pdServer, l.pdURL, l.Shop = r, r.URL, rig.NewShopAt(t, r.Registry, r.PD, r.ClusterID)
	l.watch(t)
	return l
}

// newTroubledAt has its PD from elsewhere.
func newTroubledAt(t *testing.T, c *rig.Pumps, security ...string) *troubled {
	l := &troubled{Shop: rig.NewShopAt(t, c.Registry, c.PD, c.ClusterID), pdURL: c.Endpoints[0], tls: c.TLS, security: security}
	l.watch(t)
	return l
}

// addr is where a node is reached: one of this process, or one that only PD knows.
func (l *troubled) addr(kind nodes.Kind, nodeID string) string {
	if kind == nodes.Drainer {
		return l.drainer1.Addr().String()
	}
	l.Mu.Lock()
	p := l.Pumps[nodeID]
	l.Mu.Unlock()
	if p != nil {
		return p.Addr().String()
	}
	rec, err := l.Registry.Get(context.Background(), kind, nodeID)
	if err != nil {
		l.Fatal(err)
	}
	return rec.Record.Host
}

// metrics are those of a node.
func (l *troubled) metrics(kind nodes.Kind, nodeID string) (string, error) {
	scheme := "http"
	if l.tls != nil {
		scheme = "https"
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: l.tls, DisableKeepAlives: true}, Timeout: rig.Timeout}
	resp, err := client.Get(scheme + "://" + l.addr(kind, nodeID) + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
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
	l.opts = drainer.Options{Options: life.Options{NodeID: "drainer1", Addr: "127.0.0.1:0", DataDir: l.TempDir(), Registry: l.Registry, PD: l.PD},
		Schema: schema.Dir(l.Jobs), Downstream: &downstream.MySQL{Host: "127.0.0.1", Port: l.maria.Port, User: "r", Password: troubledPassword}}
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
	rig.Eventually(l, rig.Timeout, "the drainer consumes "+ts.String(), func() (bool, string) {
		st, err := nodes.NewControl(nil, rig.Timeout).Status(context.Background(), nodes.Drainer, nodes.Record{NodeID: "drainer1", Host: l.drainer1.Addr().String()})
		return err == nil && st.CommitTS >= ts, fmt.Sprintf("%s, %v, %s", st.CommitTS, err, st.Problem)
	})
}

// sees waits until a node shows a problem in its /status, or does not. From then on it counts: with the node's next look its
// metrics have it, and with the console's next round every other place.
func (l *troubled) sees(kind nodes.Kind, nodeID string, code nodes.ProblemCode, there bool, want ...string) {
	l.Helper()
	status := l.nodeChecks()[0]
	rig.Eventually(l, rig.Timeout, fmt.Sprintf("%s of %s shows %s: %v", status.place, nodeID, code, there), func() (bool, string) {
		shown, seen := status.shows(l, kind, nodeID, code, want)
		return shown == there && !strings.HasPrefix(seen, unanswered), seen
	})
	l.looked(kind, nodeID, nodes.AtItself)
	l.check(l.nodeChecks(), kind, nodeID, code, there, want)
	if code == nodes.ProblemPDAway { // without PD the console knows no nodes: it waits for as long as pd-timeout, and says that of itself
		for _, c := range consoleChecks() {
			rig.Eventually(l, rig.Timeout, fmt.Sprintf("%s shows %s: %v", c.place, code, there), func() (bool, string) {
				shown, seen := c.shows(l, kind, nodeID, code, want)
				return shown == there && !strings.HasPrefix(seen, unanswered), seen
			})
		}
		return
	}
	l.asked()
	l.check(consoleChecks(), kind, nodeID, code, there, want)
}

// seesAtOnce is sees for what a node must have seen when it has looked.
func (l *troubled) seesAtOnce(at nodes.Sight, kind nodes.Kind, nodeID string, code nodes.ProblemCode, there bool, want ...string) {
	l.Helper()
	l.looked(kind, nodeID, at)
	l.check(l.nodeChecks(), kind, nodeID, code, there, want)
	l.sees(kind, nodeID, code, there, want...)
}

// check looks in each place once, and again only where nobody answered in time.
func (l *troubled) check(places []problemCheck, kind nodes.Kind, nodeID string, code nodes.ProblemCode, there bool, want []string) {
	l.Helper()
	for _, c := range places {
		var shown bool
		var seen string
		rig.Eventually(l, rig.Timeout, c.place+" of "+nodeID+" answers", func() (bool, string) {
			shown, seen = c.shows(l, kind, nodeID, code, want)
			busy := strings.HasPrefix(seen, unanswered) || shown != there && strings.Contains(seen, string(nodes.ProblemNotAnswering))
			return !busy, seen
		})
		if shown != there {
			l.Errorf("%s of %s shows %s: %v, want %v, after a look that began later; it shows %s", c.place, nodeID, code, shown, there, seen)
		}
	}
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

// commitUnknown commits a transaction at a pump that has not had its prewrite.
func (l *troubled) commitUnknown(pumpID string) {
	l.Helper()
	l.open = l.TSO()
	err := l.Send(pumpID, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(int64(l.open)), CommitTs: proto.Int64(int64(l.TSO()))})
	if err == nil {
		l.Fatal("a commit without a prewrite succeeds")
	}
}

// failsToStart starts a pump that cannot start.
func (l *troubled) failsToStart(o pump.Options) {
	l.Helper()
	o.Metrics = prometheus.NewRegistry()
	p, err := pump.New(o)
	if err != nil {
		l.Fatal(err)
	}
	err = p.Open(context.Background())
	if err == nil {
		p.Close()
		l.Fatal("the pump starts")
	}
	l.Logf("the start fails: %v", err)
}

// deadDrainer leaves the record of a drainer that is online and gone.
func (l *troubled) deadDrainer() {
	l.Helper()
	rig.Put(l, l.pdServer.Etcd, nodes.Drainer.Key("dead"), `{"nodeId":"dead","host":"127.0.0.1:1","state":"online","isAlive":false,"score":0,"label":null,"maxCommitTS":1,"updateTS":1}`)
}

package console

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

const (
	// window is how late a reader can be at worst (ARCHITECTURE.md).
	window = 1500 * time.Millisecond
	// loadTimeout is -pd-timeout of the consoles under load.
	loadTimeout = 2 * time.Second
	// scheduling is what a busy machine may add to a limit. That the limit itself is kept is tested in nodes.
	scheduling = 20 * time.Second
)

// load is what clients do to consoles while a test breaks things under them. It checks
// every answer as it comes, and what PD holds at the end.
type load struct {
	t        *testing.T
	cli      *clientv3.Client
	history  *history
	consoles []*rig.Console
	names    []string // PD's endpoints as each console knows them

	ending chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex
	acked    []ackedVersion // what PD took of the writer, oldest first
	down     []span         // times at which no PD could be reached
	changers []*changer
	dbs      []*sql.DB
	conns    []*sql.Conn

	served, failed, changed atomic.Int64
}

// ackedVersion is a number that stands in the record of pump "counter" from then on.
type ackedVersion struct {
	at time.Time
	n  int64
}

type span struct{ from, to time.Time }

const sessionsPerConsole = 3

// startLoad begins: one writer straight in PD, and on each console sessions that read and
// sessions that change a record of their own. endpoints are those given to the consoles.
func startLoad(t *testing.T, pd *pdtest.Cluster, endpoints []string, consoles ...*rig.Console) *load {
	t.Helper()
	cli := rig.Etcd(t, pd.Endpoints())
	l := &load{
		t: t, cli: cli, consoles: consoles, ending: make(chan struct{}),
		names: strings.Split(strings.ReplaceAll(strings.Join(endpoints, ","), "http://", ""), ","),
	}
	rig.Put(t, cli, rig.NodesPrefix+"pumps/counter", counterRecord(0))
	l.acked = []ackedVersion{{time.Now(), 0}}
	for i, c := range consoles {
		for j := range sessionsPerConsole {
			kind := []string{"pump", "drainer"}[j%2]
			ch := &changer{l: l, c: c, kind: kind, id: fmt.Sprintf("own%d-%d", i, j)}
			rig.Put(t, cli, rig.NodesPrefix+ch.key(), ch.record("closing"))
			l.changers = append(l.changers, ch)
		}
	}
	l.history = follow(t, cli)
	l.wg.Go(l.write)
	for _, c := range consoles {
		for range sessionsPerConsole {
			conn := l.connect(c)
			l.wg.Go(func() { l.read(conn) })
		}
	}
	for _, ch := range l.changers {
		ch.conn, ch.peer = l.connect(ch.c), l.connect(ch.c)
		l.wg.Go(ch.run)
	}
	return l
}

// connect gives one session of a console.
func (l *load) connect(c *rig.Console) *sql.Conn {
	l.t.Helper()
	db := c.Open(l.t)
	l.dbs = append(l.dbs, db)
	conn, err := db.Conn(context.Background())
	if err != nil {
		l.t.Fatalf("%v\n%s", err, c.Output())
	}
	l.conns = append(l.conns, conn)
	return conn
}

// goOn is false once the load is to end.
func (l *load) goOn() bool {
	select {
	case <-l.ending:
		return false
	default:
		return !l.t.Failed()
	}
}

func counterRecord(n int64) string {
	return fmt.Sprintf(`{"nodeId":"counter","host":"h:1","state":"online","isAlive":false,"score":0,"label":null,"maxCommitTS":%d,"updateTS":1}`, n)
}

// write counts in a record, each step over the one before, and notes when PD took it.
func (l *load) write() {
	key := rig.NodesPrefix + "pumps/counter"
	for n := int64(1); l.goOn(); {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		resp, err := l.cli.Txn(ctx).If(clientv3.Compare(clientv3.Value(key), "=", counterRecord(n-1))).
			Then(clientv3.OpPut(key, counterRecord(n))).Else(clientv3.OpGet(key)).Commit()
		cancel()
		switch {
		case err != nil: // it may have been written: the next attempt finds out
			time.Sleep(20 * time.Millisecond)
			continue
		case !resp.Succeeded:
			kvs := resp.Responses[0].GetResponseRange().Kvs
			if len(kvs) != 1 || string(kvs[0].Value) != counterRecord(n) {
				l.t.Errorf("the counter was %d or %d, and the PD of cluster %x holds %v", n-1, n, resp.Header.ClusterId, kvs)
				return
			}
		}
		l.mu.Lock()
		l.acked = append(l.acked, ackedVersion{time.Now(), n})
		l.mu.Unlock()
		n++
		time.Sleep(5 * time.Millisecond)
	}
}

// floor is the newest number that PD had taken by then.
func (l *load) floor(by time.Time) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearchFunc(l.acked, by, func(a ackedVersion, by time.Time) int { return a.at.Compare(by) })
	return l.acked[max(0, i-1)].n
}

// read is a session that looks: it never sees a row older than the window, nor one older
// than it has seen, nor any row while PD is away.
func (l *load) read(conn *sql.Conn) {
	last := int64(-1)
	for l.goOn() {
		began := time.Now()
		floor := l.floor(began.Add(-window))
		rows, err := rig.Query(conn, "SHOW PUMP STATUS")
		ended := time.Now()
		if err != nil {
			l.judgeFailure("SHOW PUMP STATUS", err, ended.Sub(began), loadTimeout)
			continue
		}
		l.served.Add(1)
		n := int64(-1)
		for _, row := range rows {
			if f := strings.Split(row, "|"); f[0] == "counter" {
				n, _ = strconv.ParseInt(f[3], 10, 64)
			}
		}
		switch {
		case n < floor:
			l.t.Errorf("stale row: a statement shows %d, and PD had taken %d %v before it began", n, floor, window)
		case n < last:
			l.t.Errorf("a session saw %d after it had seen %d", n, last)
		case l.wasDown(began, ended):
			l.t.Errorf("a statement that began at %v showed rows while PD was away", began)
		}
		last = n
		time.Sleep(time.Millisecond)
	}
}

// wasDown reports whether PD was away from a window before a statement began until it ended.
func (l *load) wasDown(began, ended time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.down {
		if began.Add(-window).After(d.from) && (d.to.IsZero() || ended.Before(d.to)) {
			return true
		}
	}
	return false
}

// outage runs what happens while PD cannot be reached; it is away when outage is called.
func (l *load) outage(during func()) {
	l.mu.Lock()
	l.down = append(l.down, span{from: time.Now()})
	last := len(l.down) - 1
	l.mu.Unlock()
	during()
	l.mu.Lock()
	l.down[last].to = time.Now()
	l.mu.Unlock()
}

// judgeFailure: a statement fails only because PD is away, in time, and says which PD.
func (l *load) judgeFailure(what string, err error, took, limit time.Duration) {
	l.failed.Add(1)
	var my *mysql.MySQLError
	if !errors.As(err, &my) || my.Number != 1105 {
		l.t.Errorf("%s: %v", what, err)
		return
	}
	for _, endpoint := range l.names {
		if !strings.Contains(my.Message, endpoint) {
			l.t.Errorf("%s: the error does not name the endpoint %s: %s", what, endpoint, my.Message)
		}
	}
	if took > limit+scheduling {
		l.t.Errorf("%s failed after %v, the limit is %v", what, took, limit)
	}
}

// changer is a session with a record that nobody else writes.
type changer struct {
	l          *load
	c          *rig.Console
	kind, id   string
	conn, peer *sql.Conn // peer is another session of the same console
	attempts   []attempt
}

type attempt struct {
	state string
	acked bool // false: it may have been written or not
}

func (ch *changer) key() string { return ch.kind + "s/" + ch.id }

func (ch *changer) record(state string) string {
	return fmt.Sprintf(`{"nodeId":%q,"host":"h:2","state":%q,"isAlive":false,"score":0,"label":null,"maxCommitTS":7,"updateTS":1}`, ch.id, state)
}

// run changes the record again and again. What was acknowledged is seen at once by the
// session itself and by another one of the same console.
func (ch *changer) run() {
	l := ch.l
	states := []string{"online", "pausing", "paused", "closing"}
	for i := 0; l.goOn(); i++ {
		state := states[i%len(states)]
		change := fmt.Sprintf("CHANGE %s TO NODE_STATE = '%s' FOR NODE_ID '%s'", ch.kind, state, ch.id)
		began := time.Now()
		_, err := ch.conn.ExecContext(context.Background(), change)
		ch.attempts = append(ch.attempts, attempt{state, err == nil})
		if err != nil {
			// It reads the view, then the record, then writes: three times the limit at worst.
			l.judgeFailure(change, err, time.Since(began), 3*loadTimeout)
			continue
		}
		l.changed.Add(1)
		for who, conn := range map[string]*sql.Conn{"the same session": ch.conn, "another session": ch.peer} {
			began := time.Now()
			rows, err := rig.Query(conn, fmt.Sprintf("SHOW %s STATUS LIKE '%s'", ch.kind, ch.id))
			if err != nil {
				l.judgeFailure("SHOW after CHANGE", err, time.Since(began), loadTimeout)
				continue
			}
			l.served.Add(1)
			if len(rows) != 1 || !strings.EqualFold(strings.Split(rows[0], "|")[2], state) {
				l.t.Errorf("after its CHANGE to %s %s sees %q", state, who, rows)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// finish ends the load and compares what was acknowledged with what PD went through.
func (l *load) finish() {
	l.t.Helper()
	close(l.ending)
	l.wg.Wait()
	for _, conn := range l.conns {
		conn.Close()
	}
	for _, db := range l.dbs {
		db.Close()
	}
	byKey := l.history.complete(l.t)
	for _, ch := range l.changers {
		var states []string
		for _, v := range byKey[ch.key()] {
			states = append(states, stateOf(l.t, v.raw))
			if v.raw != ch.record(stateOf(l.t, v.raw)) {
				l.t.Errorf("a CHANGE wrote %s", v.raw)
			}
		}
		if !explains(ch.attempts, states) {
			l.t.Errorf("%s: what PD went through does not fit what was acknowledged\n%v\n%v", ch.key(), states, ch.attempts)
		}
	}
	l.t.Logf("%d statements answered, %d CHANGEs among their clients, %d refused because PD was away, counter %d",
		l.served.Load(), l.changed.Load(), l.failed.Load(), l.acked[len(l.acked)-1].n)
}

// explains reports whether a record that only these attempts wrote can have gone through
// these states: each acknowledged one is there once and in order, each other one once or
// not at all.
func explains(attempts []attempt, states []string) bool {
	// reach[j] = the attempts so far can account for exactly the first j states.
	reach := make([]bool, len(states)+1)
	reach[0] = true
	for _, a := range attempts {
		for j := len(states); j >= 0; j-- {
			reach[j] = !a.acked && reach[j] || j > 0 && reach[j-1] && states[j-1] == a.state
		}
	}
	return reach[len(states)]
}

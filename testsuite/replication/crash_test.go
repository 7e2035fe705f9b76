package replication

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/tidbtest"
)

const (
	crashTiDBs   = 3  // servers of the cluster, all of which are killed in a round
	crashWriters = 12 // clients of each
	crashRows    = 50 // that each has to itself
	// resumeWithin is what the README promises after a crash of TiDB. On a machine that does nothing
	// else; here it is only reported, and resumeLimit is an error.
	resumeWithin = 30 * time.Second
	resumeLimit  = 3 * time.Minute
)

// crashes is a cluster whose TiDB servers are killed while they commit.
type crashes struct {
	*Cluster
	tidbs []*tidbtest.TiDB
	gc    *Collector
	r     *rand.Rand

	mu     sync.Mutex
	writes map[string]int  // transactions of each kind
	took   []time.Duration // from each kill or freeze until everything before it was downstream
	held   int             // unresolved transactions after the kills
	failed int             // transactions that failed in a TiDB that lived
}

func startCrashes(t *testing.T) *crashes {
	t.Helper()
	c := &crashes{Cluster: Start(t, Options{}),
		r: rand.New(rand.NewPCG(form.Seed(t), 1)), writes: make(map[string]int)}
	c.tidbs = append(c.tidbs, c.TiDB)
	for len(c.tidbs) < crashTiDBs {
		c.tidbs = append(c.tidbs, tidbtest.StartTiDB(t, tidbtest.Options{PD: c.PD.Endpoint(0), Store: tidbtest.TiKV, Binlog: true}))
	}
	c.StartDrainer("")
	var err error
	if c.gc, err = NewCollector(t.Context(), c.PD.Endpoint(0), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.gc.Close)
	db := c.tidbs[0].Open(t, "")
	for _, q := range []string{"create database crash", "create table crash.t (id bigint primary key, v bigint)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for w := range crashTiDBs * crashWriters {
		var rows []string
		for i := range crashRows {
			rows = append(rows, fmt.Sprintf("(%d,0)", w*crashRows+i))
		}
		if _, err := db.Exec("insert into crash.t values " + strings.Join(rows, ",")); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// write runs transactions of one client until it is told to stop or its TiDB is gone. mode is how
// they lock.
func (c *crashes) write(ctx context.Context, stop <-chan struct{}, db *sql.DB, first int, mode string, keys int) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		select {
		case <-stop:
			return
		default:
		}
		if c.transaction(ctx, conn, first, mode, keys) != nil {
			c.mu.Lock()
			c.failed++
			c.mu.Unlock()
			return // its TiDB is gone, or its transaction was ended while that was frozen
		}
		c.mu.Lock()
		c.writes[fmt.Sprintf("%s, %d rows", mode, keys)]++
		c.mu.Unlock()
	}
}

func (c *crashes) transaction(ctx context.Context, conn *sql.Conn, first int, mode string, keys int) error {
	if _, err := conn.ExecContext(ctx, "begin "+mode); err != nil {
		return err
	}
	var start nodes.TSO
	if err := conn.QueryRowContext(ctx, "select @@tidb_current_ts").Scan((*int64)(&start)); err != nil {
		return err
	}
	c.gc.Runs(start)
	// A TiDB that is gone holds back garbage collection for a while: its lease is 10 minutes.
	defer time.AfterFunc(10*time.Second, func() { c.gc.Ended(start) })
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("update crash.t set v = v + 1 where id >= %d and id < %d", first, first+keys)); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "commit")
	return err
}

// round lets all clients write, kills every TiDB at a moment of its own, waits until everything
// before each kill is downstream, with nobody's help, and starts them again.
func (c *crashes) round(t *testing.T) {
	t.Helper()
	var clients, kills sync.WaitGroup
	for i, tidb := range c.tidbs {
		c.clients(t, &clients, i, nil)
		after := c.moment()
		kills.Go(func() {
			time.Sleep(after) // the moment is what is tested
			tidb.Kill()
			c.resumes(t, time.Now())
		})
	}
	clients.Wait()
	c.countUnresolved(t)
	var started errgroup.Group
	for _, tidb := range c.tidbs {
		started.Go(func() error { return tidb.Start(t) })
	}
	if err := started.Wait(); err != nil {
		t.Fatal(err)
	}
	kills.Wait()
}

// freeze does the same with servers that are frozen, and go on when replication has gone on without
// them: what they were about to commit must be refused then.
func (c *crashes) freeze(t *testing.T) {
	t.Helper()
	var clients, frozen sync.WaitGroup
	for i, tidb := range c.tidbs {
		stop := make(chan struct{})
		c.clients(t, &clients, i, stop)
		after := c.moment()
		frozen.Go(func() {
			time.Sleep(after) // the moment is what is tested
			if err := tidb.Freeze(); err != nil {
				t.Error(err)
			}
			close(stop)
			c.resumes(t, time.Now())
			if err := tidb.Thaw(); err != nil {
				t.Error(err)
			}
		})
	}
	frozen.Wait()
	clients.Wait()
}

// moment is how long a TiDB works until something happens to it.
func (c *crashes) moment() time.Duration {
	return time.Second + time.Duration(c.r.Int64N(int64(2*time.Second)))
}

// clients starts those of one TiDB.
func (c *crashes) clients(t *testing.T, all *sync.WaitGroup, tidb int, stop <-chan struct{}) {
	t.Helper()
	db := c.tidbs[tidb].Open(t, "")
	for w := range crashWriters {
		first := (tidb*crashWriters + w) * crashRows
		mode, keys := []string{"optimistic", "pessimistic"}[w%2], []int{1, crashRows}[w/2%2]
		all.Go(func() { c.write(t.Context(), stop, db, first, mode, keys) })
	}
}

// resumes waits until everything before now is downstream.
func (c *crashes) resumes(t *testing.T, killed time.Time) {
	goal, err := c.gc.TSO(t.Context())
	for err == nil {
		var r nodes.Record
		if r, err = c.Record(t.Context()); err == nil && r.MaxCommitTS >= goal {
			break
		}
		if time.Since(killed) > resumeLimit {
			t.Errorf("%s after a TiDB was killed the drainer is at %s, not at %s (%v)\n%s", resumeLimit, r.MaxCommitTS, goal, err, c.unresolved(t))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("wait for the drainer: %v", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(killed))
}

// countUnresolved counts what the kills have left.
func (c *crashes) countUnresolved(t *testing.T) {
	for _, p := range c.Pumps {
		var s struct{ Unresolved int }
		if err := json.Unmarshal([]byte(get(t, p, "/status")), &s); err != nil {
			t.Error(err)
		}
		c.held += s.Unresolved
	}
}

// unresolved is what the pumps say of themselves.
func (c *crashes) unresolved(t *testing.T) (text string) {
	for _, p := range c.Pumps {
		text += p.ID + ": " + get(t, p, "/status") + "\n" + string(p.tail(10))
	}
	return text
}

func get(t *testing.T, n *Node, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + n.Addr + path)
	if err != nil {
		t.Errorf("ask %s: %v", n.ID, err)
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("ask %s: %v", n.ID, err)
	}
	return string(body)
}

// TestTiDBCrashes: TiDB servers are killed at random moments of COMMIT, with optimistic and pessimistic
// transactions of one and of 50 rows, while garbage collection follows as closely as the pumps let it.
// Replication goes on by itself each time, and downstream is what upstream is. The same when
// servers are frozen in COMMIT and go on later.
func TestTiDBCrashes(t *testing.T) {
	rounds := 2
	if form.Long() {
		rounds = 34
	}
	c := startCrashes(t)
	ctx, end := context.WithCancel(t.Context())
	var collecting errgroup.Group
	collecting.Go(func() error { return c.gc.Run(ctx) })
	for n := range rounds {
		if c.round(t); t.Failed() {
			break
		}
		c.same(t)
		t.Logf("round %d: resumed after %s", n, c.took[len(c.took)-crashTiDBs:])
	}
	c.report(t, "killed")
	t.Logf("the kills left %d unresolved transactions", c.held)
	c.took, c.failed = nil, 0
	for range rounds / 2 {
		if t.Failed() {
			break
		}
		c.freeze(t)
		c.same(t)
	}
	c.report(t, "frozen")
	t.Logf("%d transactions failed in frozen servers", c.failed)
	c.collected(t)
	end()
	if err := collecting.Wait(); err != nil {
		t.Errorf("move the GC safe point on: %v", err)
	}
	if c.held == 0 {
		t.Error("no kill left an unresolved transaction: nothing was tested")
	}
	t.Logf("transactions: %v", c.writes)
}

// report says how long it took until replication went on.
func (c *crashes) report(t *testing.T, what string) {
	if len(c.took) == 0 {
		return
	}
	slices.Sort(c.took)
	at := func(q float64) time.Duration {
		return c.took[int(q*float64(len(c.took)-1))].Round(100 * time.Millisecond)
	}
	inTime, _ := slices.BinarySearch(c.took, resumeWithin)
	t.Logf("%d servers %s: replication went on after %s (median), %s (90 %%), %s (slowest); %d took longer than %s",
		len(c.took), what, at(0.5), at(0.9), at(1), len(c.took)-inTime, resumeWithin)
}

// same compares upstream and downstream while nobody writes.
func (c *crashes) same(t *testing.T) {
	t.Helper()
	c.TiDB = c.tidbs[0] // its address is another one
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	up, down := c.tidbs[0].Open(t, ""), c.MariaDB.Open()
	defer up.Close()
	if a, b := rows(t, up), rows(t, down); !slices.Equal(a, b) || len(a) != crashTiDBs*crashWriters*crashRows {
		t.Errorf("TiDB has %d rows, MariaDB %d, and they differ:\n%v\n%v", len(a), len(b), a, b)
	}
}

func rows(t *testing.T, db *sql.DB) (all [][2]int64) {
	t.Helper()
	got, err := db.Query("select id, v from crash.t order by id")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	for got.Next() {
		var row [2]int64
		if err := got.Scan(&row[0], &row[1]); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := got.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// collected waits until garbage collection has come to the present: nothing holds it back when
// nothing is unresolved.
func (c *crashes) collected(t *testing.T) {
	t.Helper()
	goal, err := c.gc.TSO(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.After(resumeLimit); c.gc.Safe() < goal; {
		select {
		case <-limit:
			t.Fatalf("the GC safe point is held back at %s, before %s:\n%s", c.gc.Safe(), goal, c.unresolved(t))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

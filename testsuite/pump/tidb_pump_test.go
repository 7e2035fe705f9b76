package pump

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	"pumphouse/testsuite/tidbtest"
)

// TestTiDBPumpClient lets TiDB's own pump client find our pumps and follow their states.
func TestTiDBPumpClient(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		c := rig.NewPumps(t, pd)
		p1, p2 := c.Start("pump1"), c.Start("pump2")
		cli := tidbtest.StartPumpClient(t, tidbtest.Connect{PD: pd.Endpoint(0)})
		available := func(want ...string) {
			t.Helper()
			rig.Eventually(t, 10*time.Second, fmt.Sprint("TiDB chooses among ", want), func() (bool, string) {
				pumps, err := cli.Pumps(t.Context())
				var ids []string
				for _, p := range pumps {
					if p.Available {
						ids = append(ids, p.NodeID)
					}
				}
				return err == nil && slices.Equal(ids, want), fmt.Sprint(ids, err)
			})
		}
		write := func(n int, value []byte) (slowest time.Duration) {
			t.Helper()
			for range n {
				start := int64(c.TSO())
				took, err := cli.Write(t.Context(), tidbtest.Write{Type: tidbtest.Prewrite, StartTS: start, Key: []byte("k"), Value: value})
				if err != nil {
					t.Fatalf("prewrite: %v\n%s", err, cli.LogTail(20))
				}
				slowest = max(slowest, took)
				if _, err := cli.Write(t.Context(), tidbtest.Write{Type: tidbtest.Commit, StartTS: start, CommitTS: int64(c.TSO()), Key: []byte("k")}); err != nil {
					t.Fatalf("commit: %v", err)
				}
			}
			return slowest
		}
		available("pump1", "pump2")
		write(20, []byte("v"))
		if a, b := p1.Stored(), p2.Stored(); a == 0 || b == 0 {
			t.Errorf("%d records went to one pump and %d to the other", a, b)
		}
		write(1, make([]byte, 100<<20)) // no limit of gRPC's is in the way

		if out, ok := c.Binlogctl("-cmd", "pause-pump", "-node-id", "pump1"); !ok {
			t.Fatal(out)
		}
		if slowest := write(20, []byte("v")); slowest > 5*time.Second {
			t.Errorf("while a pump paused a write took %v", slowest)
		}
		p1.Ends(0)
		available("pump2")
		before := p2.Stored()
		write(5, []byte("v"))
		if got := p2.Stored() - before; got != 10 {
			t.Errorf("%d of 10 binlogs went to the pump that is left", got)
		}

		p1.Launch()
		available("pump1", "pump2")
		write(10, []byte("v"))
		if p1.Stored() == 0 {
			t.Error("nothing goes to the pump that came back")
		}

		// Killed and started again, it is used at once, not after the probe of 30 s.
		p1.Kill()
		write(30, []byte("v"))
		p1.Launch()
		available("pump1", "pump2")
		write(10, []byte("v"))
		if p1.Stored() == 0 {
			t.Error("nothing goes to the pump that was killed and came back")
		}
	})
}

// TestTiDBThroughPumps runs real transactions and DDL in a real tidb-server while its two
// pumps pause, are killed and start again in turns: no statement fails, and what the pumps
// deliver is what TiDB committed.
func TestTiDBThroughPumps(t *testing.T) {
	t.Run("storage of its own, embedpd", func(t *testing.T) {
		// Such a TiDB has time stamps of its own, which are in no order with PD's: the pumps
		// must not hear of PD's while it writes.
		tidbThroughPumps(t, pdtest.StartEmbed(t), tidbtest.Unistore, "-fake-binlog-interval", "3600")
	})
	t.Run("TiKV, pd-server", func(t *testing.T) {
		tidbThroughPumps(t, pdtest.StartReal(t, 1), tidbtest.TiKV)
	})
}

func tidbThroughPumps(t *testing.T, pd *pdtest.Cluster, store string, args ...string) {
	c := rig.NewPumps(t, pd)
	// A prewrite whose answer was lost with the process is written to the other pump and
	// never ended here.
	config := t.TempDir() + "/pump.toml"
	if err := os.WriteFile(config, []byte("[storage]\nstop-write-at-available-space = \"1 MiB\"\norphan-timeout = \"10s\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, "-config", config)
	pair := []*rig.PumpNode{c.Start("pump1", args...), c.Start("pump2", args...)}
	if store == tidbtest.TiKV {
		tidbtest.StartUnistore(t, pd.Endpoint(0))
	}
	tidb := tidbtest.StartTiDB(t, tidbtest.Options{PD: pd.Endpoint(0), Store: store, Binlog: true})
	db := tidb.Open(t, "")
	mustExec(t, db, "create table test.t (id bigint primary key, v varchar(2000))")

	var follow []*rig.Follower
	if store == tidbtest.TiKV {
		for _, p := range pair {
			follow = append(follow, p.Follow())
		}
	}
	w := startWorkload(t, db)
	turns := 1
	if form.Long() {
		turns = 10
	}
	for turn := range turns {
		for i, p := range pair {
			w.goesOn()
			if out, ok := c.Binlogctl("-cmd", "pause-pump", "-node-id", p.ID); !ok {
				t.Fatal(out)
			}
			p.Ends(0)
			w.goesOn()
			p.Launch()
			mustExec(t, db, fmt.Sprintf("create table test.ddl_%d_%d (a int)", turn, i))
			w.goesOn()
			p.Kill()
			w.goesOn()
			p.Launch()
			mustExec(t, db, fmt.Sprintf("alter table test.ddl_%d_%d add column b int", turn, i))
		}
	}
	w.goesOn()
	w.stop()
	if !tidb.Running() {
		t.Fatalf("TiDB has stopped:\n%s", tidb.LogTail(40))
	}

	m := merged{start: make(map[int64]bool)}
	for i, p := range pair {
		rig.Eventually(t, 60*time.Second, p.ID+" knows the end of every transaction", func() (bool, string) {
			s := p.Storage()
			return s.Unresolved == 0, fmt.Sprintf("%+v", s)
		})
		s := p.Storage()
		if s.Late != 0 {
			t.Errorf("%s dropped %d commits that came too late", p.ID, s.Late)
		}
		all := p.Everything(s.LastCommitTS)
		t.Logf("%s delivers %d transactions", p.ID, len(all))
		m.add(t, all)
		if follow != nil {
			follow[i].Compare(all)
		}
	}
	want := ids(t, db)
	got := m.rows(t)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("TiDB holds %d rows, the binlogs make %d: first difference at %v", len(want), len(got), firstDifference(got, want))
	}
	for turn := range turns {
		for i := range pair {
			name := fmt.Sprintf("ddl_%d_%d", turn, i)
			if n := m.ddl(name); n < 2 {
				t.Errorf("%d DDL binlogs about %s, want the CREATE and the ALTER", n, name)
			}
		}
	}
	t.Logf("%d statements, %d rows", w.done.Load(), len(want))
}

func mustExec(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func ids(t testing.TB, db *sql.DB) []int64 {
	t.Helper()
	rows, err := db.Query("select id from test.t order by id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func firstDifference(a, b []int64) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("row %d: %d and %d", i, a[i], b[i])
		}
	}
	return fmt.Sprintf("row %d", min(len(a), len(b)))
}

// workload is clients of TiDB that insert, update, delete and roll back until stopped.
type workload struct {
	t    testing.TB
	seed uint64
	done atomic.Int64 // statements that succeeded
	end  chan struct{}
	wg   sync.WaitGroup
}

func startWorkload(t testing.TB, db *sql.DB) *workload {
	w := &workload{t: t, seed: form.Seed(t), end: make(chan struct{})}
	for i := range 6 {
		w.wg.Go(func() { w.client(db, i) })
	}
	return w
}

func (w *workload) client(db *sql.DB, number int) {
	r := rand.New(rand.NewPCG(w.seed, uint64(number)))
	next := int64(number) << 32
	var mine []int64
	for {
		select {
		case <-w.end:
			return
		default:
		}
		tx, err := db.Begin()
		if err == nil {
			next, mine, err = w.transaction(tx, r, next, mine)
		}
		if err != nil {
			w.t.Errorf("client %d: %v", number, err)
			return
		}
	}
}

// transaction is one of a few statements; rows are the client's own, so nothing conflicts.
func (w *workload) transaction(tx *sql.Tx, r *rand.Rand, next int64, mine []int64) (int64, []int64, error) {
	exec := func(query string, args ...any) error {
		_, err := tx.Exec(query, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		w.done.Add(1)
		return nil
	}
	after := slices.Clone(mine)
	for range 1 + r.IntN(3) {
		next++
		if err := exec("insert into test.t values (?, ?)", next, strings.Repeat("x", r.IntN(1000))); err != nil {
			return next, mine, err
		}
		after = append(after, next)
	}
	if len(mine) > 50 {
		if err := exec("delete from test.t where id = ?", mine[0]); err != nil {
			return next, mine, err
		}
		after = after[1:]
		if err := exec("update test.t set v = 'changed' where id = ?", mine[1]); err != nil {
			return next, mine, err
		}
	}
	if r.IntN(10) == 0 {
		return next, mine, tx.Rollback()
	}
	if err := tx.Commit(); err != nil {
		return next, mine, fmt.Errorf("commit: %w", err)
	}
	return next, after, nil
}

// goesOn waits until TiDB has carried out more statements.
func (w *workload) goesOn() {
	w.t.Helper()
	goal := w.done.Load() + 200
	rig.Eventually(w.t, 30*time.Second, "TiDB goes on", func() (bool, string) {
		done := w.done.Load()
		return done >= goal || w.t.Failed(), fmt.Sprintf("%d of %d statements", done, goal)
	})
	if w.t.Failed() {
		w.t.FailNow()
	}
}

func (w *workload) stop() {
	close(w.end)
	w.wg.Wait()
}

// merged is what a drainer makes of several pumps: each transaction once, by commit TS.
type merged struct {
	start map[int64]bool
	all   []rig.Delivered
}

func (m *merged) add(t testing.TB, list []rig.Delivered) {
	t.Helper()
	for _, d := range list {
		if !m.start[d.Start] { // TiDB stores a prewrite twice when it did not get an answer
			m.start[d.Start] = true
			m.all = append(m.all, d)
		}
	}
}

// rows applies inserts and deletes to an empty table and gives its IDs.
func (m *merged) rows(t testing.TB) []int64 {
	t.Helper()
	slices.SortFunc(m.all, func(a, b rig.Delivered) int { return cmp.Compare(a.Commit, b.Commit) })
	table := make(map[int64]bool)
	for _, d := range m.all {
		var b binlogpb.Binlog
		var v binlogpb.PrewriteValue
		if err := proto.Unmarshal(d.Payload, &b); err != nil {
			t.Fatal(err)
		}
		if b.GetCommitTs() != d.Commit || b.GetStartTs() != d.Start {
			t.Fatalf("the binlog says %d, %d and its entity %d, %d", b.GetStartTs(), b.GetCommitTs(), d.Start, d.Commit)
		}
		if err := proto.Unmarshal(b.PrewriteValue, &v); err != nil {
			t.Fatal(err)
		}
		for _, mutation := range v.Mutations {
			for _, row := range mutation.InsertedRows {
				id, _ := firstInt(t, row) // the handle
				if table[id] {
					t.Errorf("row %d is inserted twice", id)
				}
				table[id] = true
			}
			for _, row := range mutation.DeletedRows {
				_, rest := firstInt(t, row) // the number of the first column
				id, _ := firstInt(t, rest)
				if !table[id] {
					t.Errorf("row %d is deleted and was not there", id)
				}
				delete(table, id)
			}
		}
	}
	var all []int64
	for id := range table {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// firstInt reads an integer in TiDB's encoding of values.
func firstInt(t testing.TB, row []byte) (int64, []byte) {
	t.Helper()
	const varint = 8
	if len(row) == 0 || row[0] != varint {
		t.Fatalf("row %x does not begin with an integer", row)
	}
	v, n := binary.Varint(row[1:])
	if n <= 0 {
		t.Fatalf("row %x is cut short", row)
	}
	return v, row[1+n:]
}

// ddl counts the DDL binlogs whose statement holds a text.
func (m *merged) ddl(text string) (n int) {
	for _, d := range m.all {
		var b binlogpb.Binlog
		if proto.Unmarshal(d.Payload, &b) == nil && strings.Contains(string(b.GetDdlQuery()), text) {
			n++
		}
	}
	return n
}

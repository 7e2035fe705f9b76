package storage_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// killedDir tells the test binary that it is to be the process that is killed.
const killedDir = "PUMPHOUSE_STORAGE_TO_KILL"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		writeUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}

func killOptions(dir string) storage.Options {
	return storage.Options{Dir: dir, SyncLog: true, SegmentBytes: 1 << 20, CheckpointBytes: 300_000, WaitInMemory: 50}
}

// writeUntilKilled runs 64 writers, half of which bring several records at once, and prints a
// line when a record is acknowledged: "p <start TS>", "c <start TS> <commit TS>" or "r <start TS>".
func writeUntilKilled(dir string) {
	s, err := storage.Open(killOptions(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	var clock atomic.Int64
	base, _ := strconv.ParseInt(os.Getenv(killedDir+"_CLOCK"), 10, 64)
	clock.Store(base)
	// What is left of the last life has no TiDB any more.
	for _, start := range s.Unresolved(0) {
		if s.Append(context.Background(), rol(start)) == nil {
			fmt.Printf("r %d\n", start)
		}
	}
	fmt.Println("up")
	// Some transactions take so long that others wait for them on disk.
	go func() {
		for {
			start := nodes.TSO(clock.Add(1))
			must(s.Append(context.Background(), pre(start, 10)))
			fmt.Printf("p %d\n", start)
			for end := clock.Load() + 1000; clock.Load() < end; {
				runtime.Gosched()
			}
			fmt.Printf("x %d\n", start)
			must(s.Append(context.Background(), rol(start)))
			fmt.Printf("r %d\n", start)
		}
	}()
	seed, _ := strconv.ParseUint(os.Getenv(killedDir+"_SEED"), 10, 64)
	for w := range 64 {
		rnd := rand.New(rand.NewPCG(seed, uint64(base)+uint64(w)))
		go func() {
			for {
				transactions := 1
				if w%2 == 1 {
					transactions += rnd.IntN(8)
				}
				writeSome(s, rnd, &clock, transactions)
			}
		}()
	}
	select {}
}

// writeSome takes some transactions to their end, all of them one step at a time.
func writeSome(s *storage.Store, rnd *rand.Rand, clock *atomic.Int64, transactions int) {
	store := func(recs []storage.Record) {
		errs := make([]error, len(recs))
		s.AppendAll(recs, errs)
		lines := ""
		for i, rec := range recs {
			must(errs[i])
			switch rec.Type {
			case storage.Prewrite:
				lines += fmt.Sprintf("p %d\n", rec.StartTS)
			case storage.Commit:
				lines += fmt.Sprintf("c %d %d\n", rec.StartTS, rec.CommitTS)
			case storage.Rollback:
				lines += fmt.Sprintf("r %d\n", rec.StartTS)
			}
		}
		fmt.Print(lines) // one write, so that lines of different writers do not mix
	}
	var begins, ends []storage.Record
	for range transactions {
		size := rnd.IntN(500)
		if rnd.IntN(500) == 0 {
			size = 400_000
		}
		begins = append(begins, pre(nodes.TSO(clock.Add(1)), size))
	}
	store(begins)
	for _, r := range begins {
		if rnd.IntN(10) == 0 {
			fmt.Printf("x %d\n", r.StartTS) // about to be rolled back
			ends = append(ends, rol(r.StartTS))
			continue
		}
		commit := nodes.TSO(clock.Add(1))
		fmt.Printf("b %d %d\n", r.StartTS, commit) // about to be committed
		ends = append(ends, com(r.StartTS, commit))
	}
	store(ends)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
}

// TestKill kills the process that writes, again and again, and checks that everything
// it acknowledged is there, once and in order, and nothing is there that it did not
// write.
func TestKill(t *testing.T) {
	kills := 20
	if form.Long() {
		kills = 200
	}
	dir, seed := t.TempDir(), form.Seed(t)
	rnd := rand.New(rand.NewPCG(seed, 0)) // of when to kill
	var (
		clock     int64
		committed = map[nodes.TSO]nodes.TSO{} // commit TS: start TS
		begun     = map[nodes.TSO]nodes.TSO{} // start TS: commit TS that may be stored or not
		open      = map[nodes.TSO]bool{}      // prewrites that are acknowledged
		ending    = map[nodes.TSO]bool{}      // whose rollback may be stored or not
	)
	for range kills {
		for line := range lifeAndDeath(t, dir, clock+1_000_000, seed, time.Duration(50+rnd.IntN(100))*time.Millisecond) {
			var start, commit nodes.TSO
			switch line[0] {
			case 'p':
				fmt.Sscanf(line, "p %d", &start)
				open[start] = true
			case 'b':
				fmt.Sscanf(line, "b %d %d", &start, &commit)
				begun[start] = commit
			case 'c':
				fmt.Sscanf(line, "c %d %d", &start, &commit)
				committed[commit] = start
				delete(open, start)
			case 'x':
				fmt.Sscanf(line, "x %d", &start)
				ending[start] = true
			case 'r':
				fmt.Sscanf(line, "r %d", &start)
				delete(open, start)
				delete(begun, start)
			}
			clock = max(clock, int64(start), int64(commit))
		}
		clock += 1_000_000 // beyond what was stored but not said
		for start := range ending {
			delete(open, start)
		}
		checkKilled(t, dir, nodes.TSO(clock), committed, begun, open)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d transactions survived %d kills", len(committed), kills)
}

// lifeAndDeath runs the writer, kills it when it has been up for some time, and returns what it said.
func lifeAndDeath(t *testing.T, dir string, clock int64, seed uint64, life time.Duration) map[string]bool {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedDir+"="+dir, fmt.Sprintf("%s_CLOCK=%d", killedDir, clock), fmt.Sprintf("%s_SEED=%d", killedDir, seed))
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	said := make(map[string]bool)
	lines := bufio.NewReader(r)
	for up := false; ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF { // a line cut short was not said
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if line == "up\n" && !up {
			up = true
			time.AfterFunc(life, func() { cmd.Process.Kill() })
			continue
		}
		said[line] = true
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writer was not killed: %v", err)
	}
	return said
}

// checkKilled looks at what a killed writer has left; end is larger than any TS it used.
func checkKilled(t *testing.T, dir string, end nodes.TSO, committed, begun map[nodes.TSO]nodes.TSO, open map[nodes.TSO]bool) {
	s, err := storage.Open(killOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	unresolved := map[nodes.TSO]bool{}
	for _, start := range s.Unresolved(0) {
		unresolved[start] = true
		delete(open, start)
	}
	p, err := s.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// Commits after the oldest unresolved prewrite are waiting; end those.
	for start := range unresolved {
		put(t, s, rol(start))
		delete(begun, start)
	}
	missing := len(committed)
	last := nodes.TSO(0)
	s.Advance(end)
	for last < end {
		e, err := p.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.CommitTS <= last {
			t.Fatalf("%s came after %s", e.CommitTS, last)
		}
		last = e.CommitTS
		switch {
		case e.Fake():
		case committed[e.CommitTS] == e.StartTS:
			missing--
		case begun[e.StartTS] == e.CommitTS:
			committed[e.CommitTS] = e.StartTS // stored, but the acknowledgement did not get out
		default:
			t.Fatalf("start TS %s commit TS %s was never written", e.StartTS, e.CommitTS)
		}
		delete(open, e.StartTS)
	}
	if missing != 0 {
		t.Errorf("%d of %d acknowledged transactions are missing", missing, len(committed))
	}
	for start := range open {
		t.Errorf("the acknowledged prewrite with start TS %s is lost", start)
	}
	clear(begun)
	clear(open)
}

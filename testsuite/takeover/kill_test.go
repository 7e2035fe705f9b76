package takeover

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
	old "pumphouse/testsuite/upstream"
)

// TestPumpIsKilledWhileItImports: bin/pump is killed with -9 at random points of an import, and of what precedes and follows it, until it is
// online. Each time the upstream pump's files are whole, in their place or in old/; in the end it delivers every transaction once, from
// the beginning and from a position inside.
func TestPumpIsKilledWhileItImports(t *testing.T) {
	kills := 5
	if form.Long() {
		kills = 50
	}
	rnd := rand.New(rand.NewPCG(form.Seed(t), 0))
	c := rig.NewPumps(t, pdtest.StartReal(t, 1))
	for killed, round := 0, 0; killed < kills; round++ {
		dir := t.TempDir()
		w := upstreamLog(t, dir, rnd.Uint64())
		files := digest(t, filepath.Join(dir, "value"))
		n := c.Node(fmt.Sprintf("pump%d", round), "-data-dir", dir)
		for killedAt(t, n, rnd, dir) {
			killed++
			kept := filepath.Join(dir, "value")
			if _, err := os.Stat(kept); err != nil {
				kept = filepath.Join(dir, "old", "value")
			}
			if got := digest(t, kept); got != files {
				t.Fatalf("after a kill the upstream pump's files in %s are %s, they were %s", kept, got, files)
			}
		}
		if got := digest(t, filepath.Join(dir, "old", "value")); got != files {
			t.Errorf("the files kept are %s, they were %s", got, files)
		}
		deliversAll(t, n, w.Committed)
		deliversAll(t, n, w.Committed[rnd.IntN(len(w.Committed)):])
		n.Signal(syscall.SIGTERM)
		n.Ends(0)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}

// upstreamLog makes an upstream pump's directory with about 100 MiB in several files.
func upstreamLog(t testing.TB, dir string, seed uint64) *old.Workload {
	t.Helper()
	for _, sub := range []string{"value", "kv"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l := &old.ValueLog{Dir: filepath.Join(dir, "value"), FileBytes: 30 << 20}
	w := old.NewWorkload(seed, int64(nodes.MakeTSO(time.Now().Add(-48*time.Hour), 0)))
	w.Size = 2500
	w.Write(t, l, 40_000)
	w.End(t, l, 0)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	return w
}

// digest is names and sizes of the files in a directory with the checksum of their bytes.
func digest(t testing.TB, dir string) string {
	t.Helper()
	out := rig.RunCommand(t, "", nil, "sh", "-c", `cd "$0" && cksum *`, dir)
	if out.Code != 0 {
		t.Fatal(out)
	}
	return out.Out
}

// killedAt starts the pump and kills it: when it has imported some more, when its log has come to one of its steps, or at once; false if it was online
// before that, or comes online now that everything is in its place.
func killedAt(t testing.TB, n *rig.PumpNode, rnd *rand.Rand, dir string) bool {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "binlog")); err == nil {
		n.Launch()
		return false
	}
	n.Addr = form.Addr(t)
	n.Spawn()
	said := func(text string) func() bool { return func() bool { return strings.Contains(n.Output(), text) } }
	until := said("pump starts")
	switch rnd.IntN(6) {
	case 0:
	case 1:
		until = said("its binlogs are imported")
	case 2:
		until = said("the upstream pump's log is imported")
	case 3:
		until = func() bool { _, err := os.Stat(filepath.Join(dir, "old")); return err == nil }
	default:
		first, more := int64(-1), rnd.Int64N(100<<20)
		until = func() bool {
			done := imported(n)
			if first < 0 {
				first = done
			}
			return done >= 0 && done-first >= more
		}
	}
	online, late := n.Announced(), time.After(2*rig.Timeout)
	for tick := time.NewTicker(2 * time.Millisecond); !until(); {
		select {
		case <-tick.C:
		case <-n.Done:
			t.Fatalf("the pump ended:\n%s", n.Output())
		case <-online:
			return false
		case <-late:
			t.Fatalf("the pump does not get on:\n%s", n.Output())
		}
	}
	n.Kill()
	return true
}

// imported is how many bytes /status says are imported; -1: nobody answers, or there is no import.
func imported(n *rig.PumpNode) int64 {
	resp, err := http.Get("http://" + n.Addr + "/status")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	var st struct {
		Import *struct {
			Done int64 `json:"done_bytes"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil || st.Import == nil {
		return -1
	}
	return st.Import.Done
}

// deliversAll pulls from just before the first of these transactions and checks that each comes once, in order and whole.
func deliversAll(t testing.TB, n *rig.PumpNode, want []old.Txn) {
	t.Helper()
	s := n.Client().Pull(nodes.TSO(want[0].Commit - 1))
	for i := 0; i < len(want); {
		r, err := s.Recv()
		if err != nil {
			t.Fatalf("after %d of %d transactions: %v\n%s", i, len(want), err, n.Output())
		}
		m := r.Entity.Meta
		if m.GetStartTs() == m.GetCommitTs() {
			if m.GetCommitTs() > want[i].Commit {
				t.Fatalf("transaction %d, commit TS %d, is missing", i, want[i].Commit)
			}
			continue
		}
		// The pump has filled in the commit TS, in the place of a zero before the key.
		_, value, _ := bytes.Cut(want[i].Payload, []byte("key"))
		if m.GetStartTs() != want[i].Start || m.GetCommitTs() != want[i].Commit || !bytes.HasSuffix(r.Entity.Payload, value) {
			t.Fatalf("transaction %d: start TS %d, commit TS %d, want %d and %d, or its value differs", i, m.GetStartTs(), m.GetCommitTs(), want[i].Start, want[i].Commit)
		}
		i++
	}
}

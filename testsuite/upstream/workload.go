package upstream

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pumphouse/binlogpb"
)

// Workload makes a log as TiDBs that write at the same time leave it, and knows what a pump must make of it.
// The same seed gives the same.
type Workload struct {
	rnd   *rand.Rand
	clock int64
	open  []txn
	Size  int // of a prewrite's value in bytes, about

	// Committed are the transactions whose commit was written, by commit TS.
	Committed []Txn
	// Open are the start TSs of prewrites that have no outcome.
	Open []int64
	// Fake is the last time that was told by a fake binlog.
	Fake int64
}

// Txn is a committed transaction.
type Txn struct {
	Start, Commit int64
	Payload       []byte // of the prewrite
}

type txn struct {
	start   int64
	payload []byte
}

// NewWorkload begins at a TS. Each step moves the clock on by a millisecond or so.
func NewWorkload(seed uint64, begin int64) *Workload {
	return &Workload{rnd: rand.New(rand.NewPCG(seed, 16)), clock: begin, Size: 200}
}

// Clock is the last TS that was given.
func (w *Workload) Clock() int64 { return w.clock }

func (w *Workload) tso() int64 {
	w.clock += 1<<17 + int64(w.rnd.IntN(1<<18))
	return w.clock
}

// Write appends records until there are so many more.
func (w *Workload) Write(t testing.TB, l *ValueLog, records int) {
	t.Helper()
	put := func(payload []byte) {
		if _, err := l.Append(payload); err != nil {
			t.Fatal(err)
		}
	}
	for range records {
		switch n := w.rnd.IntN(100); {
		case n < 48 && len(w.open) < 200 || len(w.open) == 0:
			x := txn{start: w.tso()}
			size := w.rnd.IntN(2*w.Size + 1)
			if w.rnd.IntN(2000) == 0 {
				size = 6 << 20
			}
			x.payload = Prewrite(x.start, size)
			put(x.payload)
			w.open = append(w.open, x)
		case n < 92:
			x := w.take()
			c := Txn{x.start, w.tso(), x.payload}
			put(Commit(c.Start, c.Commit))
			if w.rnd.IntN(50) == 0 { // TiDB did not get the answer
				put(Commit(c.Start, c.Commit))
			}
			w.Committed = append(w.Committed, c)
		case n < 96:
			x := w.take()
			put(Rollback(x.start, 0))
		case n < 98:
			put(payload(new(binlogpb.Binlog))) // start TS 0 and commit TS 0
		default:
			w.Fake = w.tso()
			put(Rollback(w.Fake, w.Fake))
		}
	}
}

// End ends all transactions but some.
func (w *Workload) End(t testing.TB, l *ValueLog, but int) {
	t.Helper()
	for len(w.open) > but {
		x := w.take()
		c := Txn{x.start, w.tso(), x.payload}
		if _, err := l.Append(Commit(c.Start, c.Commit)); err != nil {
			t.Fatal(err)
		}
		w.Committed = append(w.Committed, c)
	}
	w.Open = nil
	for _, x := range w.open {
		w.Open = append(w.Open, x.start)
	}
	slices.SortFunc(w.Committed, func(a, b Txn) int { return int(min(max(a.Commit-b.Commit, -1), 1)) })
}

func (w *Workload) take() txn {
	i := w.rnd.IntN(len(w.open))
	x := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	return x
}

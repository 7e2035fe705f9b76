package mysqlsink

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
)

// TestSafeMode: in safe mode rows that exchange primary and unique keys, in large downstream
// transactions, come out as upstream, and do so again when everything is replayed.
func TestSafeMode(t *testing.T) {
	seed := form.Seed(t)
	l := newLab(t, mariadbtest.Start(t))
	l.exec(t, strings.Split(modelTables, ";")...)
	l.opts.SafeMode, l.opts.Workers = true, 4
	m := &swapper{rnd: rand.New(rand.NewPCG(seed, 0)), rows: map[int]txn.Row{}}
	var list []*sink.Txn
	for ts := nodes.TSO(1); ts <= 3000; ts++ {
		x := &sink.Txn{CommitTS: ts}
		for range 1 + m.rnd.IntN(3) {
			x.Changes = append(x.Changes, m.change())
		}
		list = append(list, x)
	}
	for range 2 {
		s := l.open(t, 0) // the second time: set back
		mustApply(t, s, list...)
		if err := s.Saved(t.Context(), 3000); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if got, want := l.modelLines(t), m.lines(); !slices.Equal(got, want) {
			t.Fatalf("the downstream differs:\n%s", difference(got, want))
		}
	}
}

const swapped = 400 // IDs

// swapper changes rows whose keys are plain ASCII, so that the sink may put them together.
type swapper struct {
	rnd  *rand.Rand
	rows map[int]txn.Row // by id
}

func (m *swapper) change() *txn.Change {
	id, op := m.rnd.IntN(swapped), m.rnd.IntN(30)
	old := m.rows[id]
	switch {
	case old == nil && len(m.rows) > swapped/2 && m.rnd.IntN(10) > 0:
		return m.change() // of another: inserts in between would end what is put together
	case old == nil:
		m.rows[id] = m.row(id, nil)
		return &txn.Change{Table: keyed, Op: txn.Insert, New: m.rows[id]}
	case op == 0:
		delete(m.rows, id)
		return &txn.Change{Table: keyed, Op: txn.Delete, Old: old}
	}
	next := id
	if other := m.rnd.IntN(swapped); op < 15 && m.rows[other] == nil {
		next = other
	}
	delete(m.rows, id)
	m.rows[next] = m.row(next, old)
	return &txn.Change{Table: keyed, Op: txn.Update, Old: old, New: m.rows[next]}
}

// row is a row with that id; mostly it keeps the unique text of the row before.
func (m *swapper) row(id int, old txn.Row) txn.Row {
	text := fmt.Sprint("X", m.rnd.IntN(2*swapped))
	if old != nil && m.rnd.IntN(3) > 0 {
		text = old[1].String()
	}
	for _, r := range m.rows {
		if r[1].String() == text {
			text = "NULL"
		}
	}
	return row(keyed, fmt.Sprint(id), text, fmt.Sprint(float32(m.rnd.IntN(100))))
}

func (m *swapper) lines() []string {
	x := &model{keyed: m.rows}
	return x.lines()
}

package storage

import (
	"math/rand/v2"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// TestOrderIsFinal runs random schedules that keep TiDB's one promise - the commit TS
// is drawn after the prewrite is acknowledged - and checks that the matcher emits every
// committed transaction once, in order, and never anything at or below its mark.
func TestOrderIsFinal(t *testing.T) {
	fresh := form.Seed(t)
	for n := range uint64(300) {
		for _, seed := range []uint64{n, fresh + 1000 + n} { // some are always the same
			runSchedule(t, rand.New(rand.NewPCG(seed, 1)))
		}
	}
}

type scheduled struct {
	startTS, commitTS nodes.TSO
}

func runSchedule(t *testing.T, rnd *rand.Rand) {
	var emitted []entry
	m := newMatcher(func(e entry) {
		if n := len(emitted); n > 0 && emitted[n-1].commitTS >= e.commitTS {
			t.Fatalf("commit TS %s was emitted after %s", e.commitTS, emitted[n-1].commitTS)
		}
		emitted = append(emitted, e)
	}, func(place) {}, 0)

	clock := nodes.TSO(1)
	tick := func() nodes.TSO { clock++; return clock }
	var open, drawn []scheduled // acknowledged; with a commit TS, the commit on its way
	want := map[nodes.TSO]nodes.TSO{}
	take := func(from *[]scheduled) scheduled {
		i := rnd.IntN(len(*from))
		tx := (*from)[i]
		*from = append((*from)[:i], (*from)[i+1:]...)
		return tx
	}
	for step := 0; step < 400 || len(open)+len(drawn) > 0; step++ {
		switch what := rnd.IntN(10); {
		case what < 4 && step < 400:
			tx := scheduled{startTS: tick()}
			if out := m.prewrite(tx.startTS, m.top, place{1, uint32(step)}, 1, time.Time{}); out != accepted {
				t.Fatalf("prewrite: outcome %d", out)
			}
			open = append(open, tx)
		case what < 7 && len(open) > 0:
			tx := take(&open)
			tx.commitTS = tick()
			drawn = append(drawn, tx)
		case what < 9 && len(drawn) > 0:
			tx := take(&drawn)
			if rnd.IntN(5) == 0 {
				m.rollback(tx.startTS)
				continue
			}
			mark := m.mark
			if out := m.commit(tx.startTS, tx.commitTS); out != accepted {
				t.Fatalf("commit at %s with the mark at %s: outcome %d", tx.commitTS, mark, out)
			}
			want[tx.commitTS] = tx.startTS
		case what == 9:
			m.advance(tick())
		}
		if n := len(emitted); n > 0 && emitted[n-1].commitTS > m.mark {
			t.Fatalf("emitted %s beyond the mark %s", emitted[n-1].commitTS, m.mark)
		}
	}
	if len(emitted) != len(want) {
		t.Fatalf("%d transactions committed, %d emitted", len(want), len(emitted))
	}
	for _, e := range emitted {
		if want[e.commitTS] != e.startTS {
			t.Fatalf("commit TS %s was emitted for start TS %s, not %s", e.commitTS, e.startTS, want[e.commitTS])
		}
	}
	if m.mark != m.top || m.oldest != nil || m.newest != nil || len(m.unresolved) != 0 {
		t.Fatalf("nothing is open, but the mark is %s of %s", m.mark, m.top)
	}
}

func TestMatcherOutcomes(t *testing.T) {
	var emitted []nodes.TSO
	settled := 0
	m := newMatcher(func(e entry) { emitted = append(emitted, e.commitTS) }, func(place) { settled++ }, 0)
	steps := []struct {
		what string
		do   func() outcome
		want outcome
		mark nodes.TSO
	}{
		{"a prewrite", func() outcome { return m.prewrite(10, m.top, place{1, 1}, 1, time.Time{}) }, accepted, 0},
		{"the same again", func() outcome { return m.prewrite(10, m.top, place{1, 2}, 1, time.Time{}) }, repeated, 0},
		{"its commit", func() outcome { return m.commit(10, 20) }, accepted, 20},
		{"its commit again", func() outcome { return m.commit(10, 20) }, unmatched, 20},
		{"a commit of nothing moves nothing", func() outcome { return m.commit(11, 1<<60) }, unmatched, 20},
		{"a rollback of nothing", func() outcome { return m.rollback(12) }, unmatched, 20},
		{"a prewrite", func() outcome { return m.prewrite(13, m.top, place{1, 3}, 1, time.Time{}) }, accepted, 20},
		{"the clock waits for it", func() outcome { m.advance(30); return accepted }, accepted, 20},
		{"its rollback lets the clock move", func() outcome { return m.rollback(13) }, accepted, 30},
		{"the clock does not go back", func() outcome { m.advance(25); return accepted }, accepted, 30},
		{"a prewrite", func() outcome { return m.prewrite(14, m.top, place{1, 4}, 1, time.Time{}) }, accepted, 30},
		{"a commit below the mark", func() outcome { return m.commit(14, 29) }, late, 30},
	}
	for _, step := range steps {
		if got := step.do(); got != step.want || m.mark != step.mark {
			t.Fatalf("%s: outcome %d, mark %s; want %d, %s", step.what, got, m.mark, step.want, step.mark)
		}
	}
	if len(emitted) != 1 || emitted[0] != 20 {
		t.Errorf("emitted %v", emitted)
	}
	if settled != 3 { // the repeated prewrite, the rolled back one, the late one
		t.Errorf("%d prewrites were settled without being emitted, want 3", settled)
	}
}

// TestCommitTSOnce: of two transactions with one commit TS, which PD never gives, the second is dropped: it would
// break the order of the index, which nothing could be found in any more.
func TestCommitTSOnce(t *testing.T) {
	var emitted, settled []uint32
	m := newMatcher(func(e entry) { emitted = append(emitted, e.at.off) }, func(at place) { settled = append(settled, at.off) }, 0)
	for i, start := range []nodes.TSO{10, 11, 12} {
		m.prewrite(start, 0, place{1, uint32(i)}, 1, time.Time{})
	}
	m.commit(11, 20)
	m.commit(12, 20)
	m.rollback(10)
	if len(emitted) != 1 || m.last != 20 || m.mark != 20 {
		t.Errorf("emitted are the prewrites at %v, the mark is %s", emitted, m.mark)
	}
	if len(settled) != 2 {
		t.Errorf("settled are the prewrites at %v, want the one rolled back and the second", settled)
	}
}

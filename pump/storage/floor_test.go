package storage

import (
	"testing"
	"time"

	"pumphouse/nodes"
)

// A prewrite's floor is the largest commit TS known before it. A commit that has no prewrite tells none: its TS
// may be anything, and a floor beyond the prewrite's own commit TS would put that out of order.
func TestFloors(t *testing.T) {
	s := &Store{matcher: newMatcher(func(entry) {}, func(place) {}, 0)}
	s.matcher.prewrite(3, 0, place{1, 8}, 1, time.Now())
	prewrite := func(start int) *request { return &request{rec: Record{Type: Prewrite, StartTS: nodes.TSO(start)}} }
	commit := func(start, commit int) *request {
		return &request{rec: Record{Type: Commit, StartTS: nodes.TSO(start), CommitTS: nodes.TSO(commit)}}
	}
	batch := []*request{
		prewrite(10), commit(99, 1000), prewrite(11), commit(3, 30), prewrite(12), commit(10, 40), prewrite(13), commit(3, 35), prewrite(14),
	}
	s.assignFloors(batch)
	for i, want := range map[int]int{0: 0, 2: 0, 4: 30, 6: 40, 8: 40} {
		if got := batch[i].floor; got != nodes.TSO(want) {
			t.Errorf("the prewrite with start TS %s has the floor %s, want %d", batch[i].rec.StartTS, got, want)
		}
	}
}

// A commit TS that the mark has reached may have been passed on as time to drainers: it is late, at the mark as below it.
func TestCommitAtTheMark(t *testing.T) {
	for commit, want := range map[int]outcome{9: late, 10: late, 11: accepted} {
		m := newMatcher(func(entry) {}, func(place) {}, 0)
		m.advance(10)
		m.prewrite(5, 0, place{1, 8}, 1, time.Now())
		if m.mark != 10 {
			t.Fatalf("the mark is %s", m.mark)
		}
		if got := m.commit(5, nodes.TSO(commit)); got != want {
			t.Errorf("a commit at %d with the mark at 10: outcome %d, want %d", commit, got, want)
		}
	}
}

package mysql

import (
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// putJob puts a job of one row. Free ones go to the workers in turn.
func putJob(t *testing.T, s *scheduler, ts nodes.TSO, alone bool, what touched) *job {
	t.Helper()
	j := &job{txn: &sink.Txn{CommitTS: ts}, upto: ts, rows: 1, bytes: 1, alone: alone}
	if err := s.put(t.Context(), j, what); err != nil {
		t.Fatal(err)
	}
	return j
}

func finishOf(s *scheduler, w int) { s.finish(w, s.take(w, nil)) }

// TestSchedulerTables: a job whose keys do not tell all that it touches in a table comes after all before it in the
// table, and before all after it.
func TestSchedulerTables(t *testing.T) {
	s := newScheduler(limits{workers: 3, rows: 1, bytes: 1000, inFlight: 10}, 0)
	a := putJob(t, s, 1, false, touched{keys: []uint64{1}, shared: []int64{7}})
	b := putJob(t, s, 2, false, touched{keys: []uint64{2}, shared: []int64{7}})
	whole := putJob(t, s, 3, false, touched{whole: []int64{7}})
	if a.worker == b.worker {
		t.Fatal("both are of one worker")
	}
	for _, j := range []*job{a, b} {
		if whole.worker != j.worker && s.mayLocked(whole.worker, whole) || whole.after == nil || whole.after[j.worker] < j.seq {
			t.Errorf("the job does not wait for the one at %d", j.upto)
		}
	}
	after := putJob(t, s, 4, false, touched{keys: []uint64{3}, shared: []int64{7}})
	if after.worker != whole.worker && s.mayLocked(after.worker, after) {
		t.Error("a job of the table does not wait for the one before it")
	}
	finishOf(s, a.worker)
	finishOf(s, b.worker)
	if !s.mayLocked(whole.worker, whole) {
		t.Error("the job waits for nobody and does not go on")
	}
}

// TestSchedulerWaitsForEveryWorker: for those with a higher number as for those with a lower one.
func TestSchedulerWaitsForEveryWorker(t *testing.T) {
	for _, keys := range [][]uint64{{30, 10}, {10, 30}} {
		s := newScheduler(limits{workers: 3, rows: 1, bytes: 1000, inFlight: 10}, 0)
		before := map[uint64]*job{}
		for i, k := range []uint64{10, 20, 30} {
			before[k] = putJob(t, s, nodes.TSO(1+i), false, touched{keys: []uint64{k}})
		}
		both := putJob(t, s, 4, false, touched{keys: keys})
		if both.worker != before[keys[1]].worker {
			t.Fatalf("worker %d has it", both.worker)
		}
		finishOf(s, before[keys[1]].worker)
		if s.mayLocked(both.worker, both) {
			t.Errorf("keys %v: worker %d does not wait for worker %d", keys, both.worker, before[keys[0]].worker)
		}
		finishOf(s, before[keys[0]].worker)
		if !s.mayLocked(both.worker, both) {
			t.Errorf("keys %v: it waits for nobody and does not go on", keys)
		}
	}
}

// TestSchedulerAloneInItsTransaction: what is to be alone is in no transaction with others of its worker.
func TestSchedulerAloneInItsTransaction(t *testing.T) {
	s := newScheduler(limits{workers: 1, rows: 10, bytes: 1000, inFlight: 10}, 0)
	putJob(t, s, 1, false, touched{keys: []uint64{1}})
	putJob(t, s, 2, true, touched{})
	putJob(t, s, 3, false, touched{keys: []uint64{2}})
	for want := nodes.TSO(1); want <= 3; want++ {
		batch := s.take(0, nil)
		if len(batch) != 1 || batch[0].upto != want {
			t.Fatalf("%d jobs, the first at %d, want the one at %d", len(batch), batch[0].upto, want)
		}
		s.finish(0, batch)
	}
}

// TestSchedulerPass: a time that has passed is applied with the last job before it, not earlier.
func TestSchedulerPass(t *testing.T) {
	s := newScheduler(limits{workers: 2, rows: 1, bytes: 1000, inFlight: 10}, 0)
	s.pass(5)
	if _, applied, _ := s.state(); applied != 5 {
		t.Errorf("with nothing on the way applied is %d", applied)
	}
	j := putJob(t, s, 6, false, touched{keys: []uint64{1}})
	s.pass(9)
	if passed, applied, _ := s.state(); passed != 9 || applied != 5 {
		t.Errorf("while a job is on the way passed is %d, applied %d", passed, applied)
	}
	finishOf(s, j.worker)
	if _, applied, _ := s.state(); applied != 9 {
		t.Errorf("after the job applied is %d", applied)
	}
}

// TestSchedulerSettled: from the moment that a statement of DDL is put until it has been run, what is downstream may not be
// what it will be.
func TestSchedulerSettled(t *testing.T) {
	s := newScheduler(limits{workers: 2, rows: 1, bytes: 1000, inFlight: 10}, 0)
	putJob(t, s, 1, false, touched{keys: []uint64{1}})
	if !s.settled() {
		t.Error("not settled with rows on the way")
	}
	ddl := putJob(t, s, 2, true, touched{})
	for _, w := range []int{1 - ddl.worker, ddl.worker} {
		if s.settled() {
			t.Error("settled with a statement on the way")
		}
		if len(s.lanes[w].queue) > 0 {
			finishOf(s, w)
		}
	}
	for len(s.lanes[ddl.worker].queue) > 0 {
		finishOf(s, ddl.worker)
	}
	if !s.settled() {
		t.Error("not settled after the statement")
	}
}

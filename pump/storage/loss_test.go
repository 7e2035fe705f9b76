package storage_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// TestLostCommits: a commit that will not be delivered is an error to its sender, one that
// came before is none, whether they come alone or in a group, and a restart from the log alone
// decides the same.
func TestLostCommits(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true}
	s := open(t, opts)
	put(t, s, pre(1, 10), com(1, 20), pre(2, 10), pre(3, 10), com(3, 30))
	s.Advance(40) // held back by start TS 2
	recs := []storage.Record{
		com(1, 20), // again, delivered
		com(3, 30), // again, waiting
		com(2, 15), // below what is delivered
		com(2, 15), // and it does not become a repetition
		com(4, 50), // no prewrite
		com(1, 21), // the start TS is known, with another commit TS
		com(4, 20), // the commit TS is known, with another start TS
		rol(4),
		pre(5, 10),
		com(5, 60),
	}
	want := []error{nil, nil, storage.ErrLate, storage.ErrNoPrewrite, storage.ErrNoPrewrite, storage.ErrNoPrewrite, storage.ErrNoPrewrite, nil, nil, nil}
	for _, opened := range []string{"", "opened again: "} {
		errs := make([]error, len(recs))
		s.AppendAll(recs, errs)
		for i := range recs {
			if !errors.Is(errs[i], want[i]) || want[i] == nil && errs[i] != nil {
				t.Errorf("%s%s of %s at %s: %v, want %v", opened, recs[i].Type, recs[i].StartTS, recs[i].CommitTS, errs[i], want[i])
			}
		}
		if got := delivered(t, s, 0); !equal(got, 20, 30, 60) {
			t.Errorf("%sdelivered %v", opened, got)
		}
		if st := s.Stats(); opened == "" && (st.Late != 1 || st.Lost != 4 || st.Repeated != 2) {
			t.Errorf("%+v", st)
		}
		disk = disk.Crash(nil)
		opts.FS = disk
		s = open(t, opts)
		if got := delivered(t, s, 0); !equal(got, 20, 30, 60) {
			t.Errorf("after a crash delivered %v", got)
		}
		recs, want = recs[:2], want[:2]
	}
}

// TestClockDuringWrite: a time from PD that comes while a prewrite is on its way to the
// disk does not pass the floor that the log gives to the prewrite, so what is decided about its
// commit is decided again when the log is read again.
func TestClockDuringWrite(t *testing.T) {
	disk := faultfs.New()
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true}
	s := open(t, opts)
	put(t, s, pre(1, 10), com(1, 20))
	told := false
	disk.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == "sync" && !told {
			told = true
			s.Advance(100)
		}
		return faultfs.Fault{}
	})
	put(t, s, pre(2, 10))
	disk.Inject(nil)
	if !told || s.MaxCommitTS() != 20 {
		t.Fatalf("told: %t; the mark is at %s while a prewrite with the floor 20 is unresolved", told, s.MaxCommitTS())
	}
	answer := s.Append(context.Background(), com(2, 90)) // contradicts the clock, not what is delivered
	var want []nodes.TSO
	if want = append(want, 20); answer == nil {
		want = append(want, 90)
	}
	if got := delivered(t, s, 0); !equal(got, want...) {
		t.Errorf("answered %v, delivered %v", answer, got)
	}
	if s.MaxCommitTS() != 100 {
		t.Errorf("the time was forgotten: the mark is at %s", s.MaxCommitTS())
	}
	opts.FS = disk.Crash(nil)
	if got := delivered(t, open(t, opts), 0); !equal(got, want...) {
		t.Errorf("answered %v, delivered after a crash %v", answer, got)
	}
}

// TestFloorsInAGroup: a prewrite after a commit whose own prewrite came in the same group has
// that commit as its floor.
func TestFloorsInAGroup(t *testing.T) {
	s := open(t, storage.Options{Dir: t.TempDir()})
	recs := []storage.Record{pre(1, 10), com(1, 20), pre(2, 10), com(2, 15)}
	errs := make([]error, len(recs))
	s.AppendAll(recs, errs)
	for i, want := range []error{nil, nil, nil, storage.ErrLate} {
		if !errors.Is(errs[i], want) {
			t.Errorf("%s of %s: %v, want %v", recs[i].Type, recs[i].StartTS, errs[i], want)
		}
	}
	if got := delivered(t, s, 0); !equal(got, 20) {
		t.Errorf("delivered %v", got)
	}
}

// TestCopyOfAnotherPumpIsNoLoss: a prewrite that arrives after its transaction was committed through
// another pump is dropped when TiKV says so, and nobody is alarmed.
func TestCopyOfAnotherPumpIsNoLoss(t *testing.T) {
	logger, hook := logtest.NewNullLogger()
	s := open(t, storage.Options{
		Dir: "d", FS: faultfs.New(), SyncLog: true, Logger: logger,
		Resolver: tells{verdict: storage.Committed, commit: 15}, ResolveAfter: time.Millisecond,
	})
	put(t, s, pre(1, 10), com(1, 20), pre(2, 10))
	for s.Stats().Unresolved > 0 {
		time.Sleep(time.Millisecond)
	}
	if got := delivered(t, s, 0); !equal(got, 20) {
		t.Errorf("delivered %v", got)
	}
	if st := s.Stats(); st.Late != 0 || st.Lost != 0 {
		t.Errorf("%d late and %d lost commits are counted", st.Late, st.Lost)
	}
	dropped := false
	for _, e := range hook.AllEntries() {
		dropped = dropped || strings.Contains(e.Message, "this copy is dropped")
		if e.Level <= logrus.ErrorLevel {
			t.Errorf("logged: %s", e.Message)
		}
	}
	if !dropped {
		t.Error("the log does not say that the copy is dropped")
	}
}

// TestWholeTransactionAgain: TiDB repeats prewrite and commit of what is delivered already.
func TestWholeTransactionAgain(t *testing.T) {
	s := open(t, storage.Options{Dir: "d", FS: faultfs.New(), SyncLog: true})
	put(t, s, pre(1, 10), com(1, 20), pre(2, 10), com(2, 30), pre(1, 10), com(1, 20))
	if st := s.Stats(); st.Late != 0 || st.Lost != 0 || st.Repeated != 1 || st.Unresolved != 0 {
		t.Errorf("%+v", st)
	}
	if got := delivered(t, s, 0); !equal(got, 20, 30) {
		t.Errorf("delivered %v", got)
	}
}

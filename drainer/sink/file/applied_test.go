package file

import (
	"io/fs"
	"testing"
	"time"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/internal/disk"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
)

// syncFS calls then after the next sync of a file, before whoever asked for it goes on.
type syncFS struct {
	disk.FS
	then func()
}

type syncFile struct {
	disk.File
	fs *syncFS
}

func (s *syncFS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &syncFile{f, s}, nil
}

func (f *syncFile) Sync() error {
	err := f.File.Sync()
	if then := f.fs.then; then != nil {
		f.fs.then = nil
		then()
	}
	return err
}

// TestAppliedIsWhatWasSynced: a transaction that comes while the file is synced is not in that sync.
func TestAppliedIsWhatWasSynced(t *testing.T) {
	fsys := &syncFS{FS: faultfs.New()}
	s, err := New(Options{Dir: "data", FS: fsys, SyncInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	apply := func(ts nodes.TSO) {
		if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err != nil {
			t.Error(err)
		}
	}
	apply(10)
	fsys.then = func() { apply(20) }
	for _, want := range []nodes.TSO{10, 20} {
		if err := s.sync(); err != nil {
			t.Fatal(err)
		}
		if got := s.Applied(); got != want {
			t.Errorf("applied up to %d, and synced is %d", got, want)
		}
	}
}

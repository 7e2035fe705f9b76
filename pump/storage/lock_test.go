package storage_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// unlockedFS fails a test when it is called by somebody who holds the store's lock: before
// each call it takes the lock itself.
type unlockedFS struct {
	disk.FS
	t     *testing.T
	store atomic.Pointer[storage.Store] // nil: while it is being opened, there is nobody to wait
	calls atomic.Int64
	held  atomic.Bool
}

type unlockedFile struct {
	disk.File
	fs *unlockedFS
}

func (f *unlockedFS) check(what string) {
	s := f.store.Load()
	if s == nil || f.held.Load() {
		return
	}
	f.calls.Add(1)
	free := make(chan struct{})
	go func() {
		s.TakeLock()
		close(free)
	}()
	select {
	case <-free:
	case <-time.After(30 * time.Second):
		if !f.held.Swap(true) {
			f.t.Errorf("%s while the store's lock is held", what)
		}
	}
}

func (f *unlockedFS) file(got disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return &unlockedFile{got, f}, nil
}

func (f *unlockedFS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f.check("open " + name)
	return f.file(f.FS.OpenFile(name, flag, perm))
}

func (f *unlockedFS) List(dir string) ([]string, error) {
	f.check("list " + dir)
	return f.FS.List(dir)
}

func (f *unlockedFS) Rename(from, to string) error {
	f.check("rename " + from)
	return f.FS.Rename(from, to)
}

func (f *unlockedFS) Remove(name string) error {
	f.check("remove " + name)
	return f.FS.Remove(name)
}

func (f *unlockedFS) SyncDir(dir string) error {
	f.check("sync " + dir)
	return f.FS.SyncDir(dir)
}

func (f *unlockedFS) Space(dir string) (available, capacity uint64, err error) {
	f.check("statfs " + dir)
	return f.FS.Space(dir)
}

func (f *unlockedFile) ReadAt(p []byte, at int64) (int, error) {
	f.fs.check("read")
	return f.File.ReadAt(p, at)
}

func (f *unlockedFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.check("write")
	return f.File.WriteAt(p, at)
}

func (f *unlockedFile) Truncate(size int64) error {
	f.fs.check("truncate")
	return f.File.Truncate(size)
}

func (f *unlockedFile) Preallocate(size int64) error {
	f.fs.check("fallocate")
	return f.File.Preallocate(size)
}

func (f *unlockedFile) Sync() error {
	f.fs.check("sync")
	return f.File.Sync()
}

func (f *unlockedFile) Close() error {
	f.fs.check("close")
	return f.File.Close()
}

// TestNoDiskUnderTheLock does everything a store can do, much of it at once, on a file system
// that notices when it is touched under the store's lock.
func TestNoDiskUnderTheLock(t *testing.T) {
	for _, syncLog := range []bool{true, false} {
		u := newUpstream()
		disk := &unlockedFS{FS: faultfs.New(), t: t}
		opts := small(disk, u)
		opts.SyncLog, opts.Resolver = syncLog, nil
		s := open(t, opts)
		disk.store.Store(s)
		orphan := u.begin(10)
		put(t, s, prewrite(orphan))
		stop, cancel := context.WithCancel(t.Context())
		var background sync.WaitGroup
		var last atomic.Int64 // a commit TS that is stored
		background.Go(func() {
			for stop.Err() == nil {
				ts := nodes.TSO(1 + rand.Int64N(last.Load()+1))
				if _, err := s.Lookup(stop, ts); err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, context.Canceled) {
					t.Errorf("look up %s: %v", ts, err)
				}
			}
		})
		background.Go(func() {
			for stop.Err() == nil {
				p, err := s.Pull(nodes.TSO(rand.Int64N(last.Load() + 1)))
				if gone := new(storage.PurgedError); errors.As(err, &gone) {
					continue
				} else if err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					now, end := context.WithCancel(stop)
					end() // do not wait for more
					if _, err = p.Next(now); err != nil {
						break
					}
				}
				p.Close()
			}
		})
		background.Go(func() {
			for stop.Err() == nil {
				s.ListUnresolved(10, 0)
				if err := s.Checkpoint(); err != nil {
					t.Error(err)
				}
				s.Advance(u.tso())
			}
		})
		for round := range 4 {
			var txns []*txn
			for range 100 {
				tx := u.begin(rand.IntN(600))
				put(t, s, prewrite(tx))
				txns = append(txns, tx)
			}
			var again []storage.Record
			for _, tx := range txns {
				u.commit(tx)
				put(t, s, commit(tx))
				last.Store(int64(tx.commit))
				again = append(again, commit(tx))
			}
			errs := make([]error, len(again))
			s.AppendAll(again, errs)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if round%2 == 1 { // now all that has waited is delivered
				put(t, s, rollback(orphan))
				orphan = u.begin(10)
				put(t, s, prewrite(orphan))
			}
			if _, err := s.GC(nodes.TSO(last.Load()) / 2); err != nil {
				t.Fatal(err)
			}
		}
		put(t, s, rollback(orphan))
		pullAll(t, u, s, s.Stats().PurgedTS)
		cancel()
		background.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if disk.calls.Load() < 1000 {
			t.Errorf("the disk was touched only %d times", disk.calls.Load())
		}
	}
}

package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// Sink writes transactions to the files of a directory.
type Sink struct {
	opts Options
	lock io.Closer
	ctx  context.Context // done by Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	dirty chan struct{} // capacity 1: there is something to sync
	full  chan struct{} // capacity 1: a file was closed

	// syncing is held by who syncs or closes files, and taken before mu.
	syncing  sync.Mutex
	promised disk.File // see promise
	durable  synced    // what it says

	mu       sync.Mutex
	enc      *binlogfile.Encoder
	buf      []byte    // records that are not yet in the file
	cur      *openFile // nil: the next transaction begins a new one
	next     uint64    // number of the next new file
	newFile  bool      // the directory is to be synced
	unsynced int64     // bytes written or in buf since the last sync
	written  nodes.TSO // commit TS of the last record in the files
	found    string    // the statement in the record that was the last one at the start; see leftLocked
	passed   nodes.TSO // Passed of the last batch
	applied  nodes.TSO
	err      error // why the sink does not go on
}

var _ sink.Sink = (*Sink)(nil)

// openFile is a file that is being written.
type openFile struct {
	disk.File
	number uint64
	size   int64 // what is in buf included
}

// New opens a directory: it repairs the tail that a crash may have torn and goes on after
// the last transaction. Errors: one that wraps [ErrLocked], a [*binlogfile.DamageError], or what the
// file system came to.
func New(opts Options) (*Sink, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(opts.FS, opts.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("file sink: make the directory: %w", err)
	}
	lock, err := opts.FS.Lock(filepath.Join(opts.Dir, ".binlog.lock"))
	if errors.Is(err, disk.ErrLocked) {
		err = fmt.Errorf("lock %s: %w: stop that one, or give this one a dir of its own", opts.Dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("file sink: %w", err)
	}
	s := &Sink{
		opts: opts, lock: lock, enc: binlogfile.NewEncoder(), passed: opts.From, applied: opts.From,
		dirty: make(chan struct{}, 1), full: make(chan struct{}, 1),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if s.promised, s.durable, err = openSynced(opts.FS, opts.Dir); err != nil {
		return nil, errors.Join(fmt.Errorf("file sink: open %s: %w", opts.Dir, err), lock.Close())
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("file sink: open %s: %w", opts.Dir, err), s.promised.Close(), lock.Close())
	}
	s.wg.Go(s.syncer)
	s.wg.Go(s.keeper)
	return s, nil
}

// maxUnsynced is how many bytes may wait for their fsync before Apply waits for it, too.
const maxUnsynced = 128 << 20

// Apply implements sink.Sink. Transactions without changes are not written.
func (s *Sink) Apply(ctx context.Context, b sink.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	unsynced, err := s.write(b)
	if err != nil {
		return err
	}
	sink.Wake(s.dirty)
	if unsynced >= maxUnsynced {
		return s.sync()
	}
	return nil
}

func (s *Sink) write(b sink.Batch) (unsynced int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if err := b.Check(s.passed); err != nil {
		return 0, err
	}
	for _, t := range b.Txns {
		if t.CommitTS <= s.written || t.Empty() {
			continue
		}
		for _, rec := range s.leftLocked(t) {
			if err := s.addLocked(rec); err != nil {
				return 0, err
			}
		}
	}
	s.passed = b.Passed
	return s.unsynced, nil
}

// leftLocked are the records to be written of a transaction. Those of its early statements may be in
// the files from before a crash that its rows did not survive.
func (s *Sink) leftLocked(t *sink.Txn) []*sink.Txn {
	list := t.Records(s.written)
	for i, rec := range list {
		if rec.DDL != nil && s.found != "" && binlogfile.Statement(rec) == s.found {
			list = list[i+1:]
			break
		}
	}
	s.found = ""
	return list
}

// addLocked writes a record. It lets go of the lock while it ends a file.
func (s *Sink) addLocked(t *sink.Txn) error {
	if s.cur != nil && s.cur.size >= s.opts.MaxFileBytes {
		s.mu.Unlock()
		err := s.finish()
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	if err := s.writeLocked(t); err != nil {
		return s.failLocked(err)
	}
	s.written = t.CommitTS
	return nil
}

// keepBytes is how large the buffer may be to be used again: a giant transaction is rare.
const keepBytes = 4 << 20

// bufBytes is how much is gathered for one write.
const bufBytes = 1 << 20

func (s *Sink) writeLocked(t *sink.Txn) error {
	if s.cur == nil {
		if err := s.createLocked(t.CommitTS); err != nil {
			return err
		}
	}
	if t.Large != nil {
		return s.writeLargeLocked(t)
	}
	before := len(s.buf)
	s.buf = s.enc.Append(s.buf, t)
	n := int64(len(s.buf) - before)
	s.cur.size += n
	s.unsynced += n
	if len(s.buf) < bufBytes {
		return nil
	}
	return s.flushLocked()
}

// writeLargeLocked writes the record of a large transaction straight to the file.
func (s *Sink) writeLargeLocked(t *sink.Txn) error {
	if err := s.flushLocked(); err != nil {
		return err
	}
	n, err := s.enc.Write(io.NewOffsetWriter(s.cur, s.cur.size), t)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.cur.Name(), err)
	}
	s.cur.size += n
	s.unsynced += n
	return nil
}

// finish syncs and closes the file that is full. It is durable, with its name, before there is a next
// one: only the newest file can have a torn tail, and none is missing before it.
func (s *Sink) finish() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	err := s.err
	if err == nil {
		err = s.flushLocked()
	}
	f, newFile := s.cur, s.newFile
	s.cur, s.newFile, s.unsynced = nil, false, 0
	s.mu.Unlock()
	if f != nil {
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if newFile {
		err = errors.Join(err, s.opts.FS.SyncDir(s.opts.Dir))
	}
	if f != nil && err == nil {
		err = s.promise(synced{f.number, f.size})
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.failLocked(fmt.Errorf("finish a binlog file: %w", err))
	}
	sink.Wake(s.full)
	return nil
}

func (s *Sink) createLocked(ts nodes.TSO) error {
	path := filepath.Join(s.opts.Dir, binlogfile.Name(s.next, ts))
	f, err := s.opts.FS.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("begin a binlog file: %w", err)
	}
	s.cur, s.newFile = &openFile{File: f, number: s.next}, true
	s.next++
	return nil
}

// flushLocked hands what was gathered to the operating system.
func (s *Sink) flushLocked() error {
	if len(s.buf) == 0 {
		return nil
	}
	if _, err := s.cur.WriteAt(s.buf, s.cur.size-int64(len(s.buf))); err != nil {
		return fmt.Errorf("write %s: %w", s.cur.Name(), err)
	}
	s.buf = s.buf[:0]
	if cap(s.buf) > keepBytes {
		s.buf = nil
	}
	return nil
}

func (s *Sink) failLocked(err error) error {
	if s.err == nil {
		s.err = nodes.WithProblem(fmt.Errorf("file sink: %w", err), nodes.ProblemFsyncFailed, "check the disk, then start the drainer again")
	}
	return s.err
}

// syncer makes what was written durable, a moment after it was.
func (s *Sink) syncer() {
	pause := time.NewTicker(s.opts.SyncInterval)
	defer pause.Stop()
	for {
		select {
		case <-s.dirty:
		case <-s.ctx.Done():
			return
		}
		select {
		case <-pause.C:
		case <-s.ctx.Done():
			return
		}
		if err := s.sync(); err != nil && !errors.Is(err, sink.ErrClosed) {
			s.opts.Logger.WithError(err).Error("the file sink has failed")
			return
		}
	}
}

// sync makes everything handed over so far durable and moves applied.
func (s *Sink) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	todo, err := s.toSync()
	if err != nil {
		return err
	}
	if todo.cur != nil {
		err = errors.Join(err, todo.cur.Sync())
	}
	if todo.newFile {
		err = errors.Join(err, s.opts.FS.SyncDir(s.opts.Dir))
	}
	if todo.cur != nil && err == nil {
		err = s.promise(synced{todo.cur.number, todo.size})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return s.failLocked(fmt.Errorf("sync: %w", err))
	}
	s.applied = max(s.applied, todo.passed)
	return nil
}

// dirt is what one sync is about.
type dirt struct {
	cur     *openFile // nil: it is clean
	size    int64     // of cur
	newFile bool
	passed  nodes.TSO
}

func (s *Sink) toSync() (dirt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return dirt{}, s.err
	}
	if err := s.flushLocked(); err != nil {
		return dirt{}, s.failLocked(err)
	}
	d := dirt{newFile: s.newFile, passed: s.passed}
	if s.unsynced > 0 {
		d.cur, d.size = s.cur, s.cur.size
	}
	s.newFile, s.unsynced = false, 0
	return d, nil
}

// Applied implements sink.Sink.
func (s *Sink) Applied() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// Flush implements sink.Sink.
func (s *Sink) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.sync()
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.stop()
	s.wg.Wait()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, sink.ErrClosed) {
		return nil
	}
	s.err = fmt.Errorf("file sink: %w", sink.ErrClosed)
	var err error
	if s.cur != nil {
		err = s.cur.Close()
	}
	return errors.Join(err, s.promised.Close(), s.lock.Close())
}

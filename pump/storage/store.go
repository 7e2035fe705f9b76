package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Store is an open binlog storage. Its methods may be called from any goroutine.
type Store struct {
	opts   Options
	queue  queue
	writer logWriter
	failed atomic.Pointer[failure]

	// mu guards everything from here to wake. The leader of the queue takes it once a
	// batch; nothing slow happens under it.
	mu       sync.Mutex
	matcher  *matcher
	index    *index
	segments []*segment  // of the log, oldest first; the last is the active one
	purged   nodes.TSO   // binlogs up to here are gone, or some of them
	smallest smallest    // see OldestUnresolved
	lost     []LostRange // by damage, sorted; never changes
	readUpTo []byte      // see [Import.Save]; nil otherwise
	closed   bool
	writing  bool          // floors are assigned, their prewrites are not applied yet
	advanced nodes.TSO     // what Advance told meanwhile
	sorted   *sync.Cond    // of mu: the sorter has made progress, or cannot
	wake     chan struct{} // closed when there is something new to pull; nil: nobody waits

	sorting       sync.Mutex // held by the sorter; what is said to be its own, only its holder touches
	checkpointing sync.Mutex // serialises checkpoints and GC
	checkpointed  place      // the log before is not needed to open the store; guarded by checkpointing
	sinceCheck    atomic.Int64
	lastEnd       int64 // end of the log at the last housekeep; the leader's

	space    space
	counts   counts
	losses   limiter // of what says that a transaction is lost
	waits    limiter // of what says that an outcome is not known
	doubted  limiter // of what says that a Rollback is not believed yet
	opened   time.Time
	timeouts limiter
	reported reported

	lookup chan struct{} // of one place: held while a commit is looked for
	debug  chan struct{} // of one place: held during a Lookup

	kick     chan struct{} // wakes the housekeeper early
	sortKick chan struct{} // wakes the sorter
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// failure is why nothing more can be written.
type failure struct{ err error }

// space is what is known of the disk.
type space struct {
	available atomic.Uint64
	capacity  atomic.Uint64
	refusing  atomic.Bool   // prewrites are refused
	unknown   logs.Repeated // the file system does not say how much space there is
	reserved  atomic.Bool   // the reserve file has its space
	sort      atomic.Bool   // the index or what waits could not be written for want of space
}

// counts are the figures of [Stats] that only grow.
type counts struct {
	records, batches, bytes    atomic.Uint64
	repeated, lost, late       atomic.Uint64
	asked, timedOut, purgeSegs atomic.Uint64
}

// Failed is the error that stopped the store from writing, wrapped in [ErrFailed],
// or nil. What was stored before can still be pulled.
func (s *Store) Failed() error {
	if f := s.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// fail stops all writing for good.
func (s *Store) fail(cause error) error {
	f := &failure{fmt.Errorf("%w: %w", ErrFailed, cause)}
	if s.failed.CompareAndSwap(nil, f) {
		s.opts.Logger.WithError(cause).Error("binlog storage has failed: nothing more is written until the pump is restarted")
	}
	return s.Failed()
}

// Advance tells the store that PD has given out ts: every prewrite that is not yet
// acknowledged will commit after it. Pulls pass it on as a fake entry as soon as
// nothing older is unresolved. ts must come from PD, nothing from a client.
// It is not written to the log.
func (s *Store) Advance(ts nodes.TSO) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.writing { // a floor on its way to the log must not fall below the mark
		s.advanced = max(s.advanced, ts)
		return
	}
	s.matcher.advance(ts)
	s.wakeLocked()
}

// MaxCommitTS is the commit TS up to which the store's binlogs are sorted: nothing at
// or below it is still to come. It counts what [Store.Advance] told.
func (s *Store) MaxCommitTS() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.matcher.done
}

// NewestTS is the largest timestamp that the store has been told, by a commit or by
// [Store.Advance]. What commits at or below it may come too late to be delivered in order.
func (s *Store) NewestTS() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.matcher.top
}

// LastCommitTS is the commit TS of the last transaction in the sorted sequence; 0: there
// is none. A drainer that has it has everything.
func (s *Store) LastCommitTS() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.matcher.last
}

// wakeLocked tells waiting pullers to look again, and the sorter if it has something to do.
func (s *Store) wakeLocked() {
	if s.toSortLocked() {
		select {
		case s.sortKick <- struct{}{}:
		default:
		}
	}
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// waitLocked is a channel that is closed at the next news.
func (s *Store) waitLocked() <-chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// housekeep notes how far the log has come, and has a checkpoint written when it is
// time. The leader calls it.
func (s *Store) housekeep(end int64) {
	grown := end - s.lastEnd
	if grown < 0 { // a new segment
		grown = end
	}
	s.lastEnd = end
	if s.sinceCheck.Add(grown) >= s.opts.CheckpointBytes {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// maintain is the goroutine that looks after the store.
func (s *Store) maintain(ctx context.Context) {
	defer s.done.Done()
	t := time.NewTicker(LookEvery)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-t.C:
			s.checkSpace()
			s.syncLazily()
		}
		if s.opts.importing { // checkpoints are Save's
			continue
		}
		grown := s.sinceCheck.Load()
		if grown < s.opts.CheckpointBytes && (grown == 0 || time.Since(last) < 30*time.Second) {
			continue
		}
		last = time.Now()
		s.checkpointing.Lock()
		err := s.checkpoint()
		s.checkpointing.Unlock()
		if err != nil {
			s.opts.Logger.WithError(err).Warn("cannot write the storage's checkpoint; a restart would take longer")
		}
	}
}

// syncLazily syncs the log where Append does not.
func (s *Store) syncLazily() {
	if s.opts.SyncLog || s.Failed() != nil {
		return
	}
	if err := s.syncLog(); err != nil {
		_ = s.fail(err) // it is logged there, and told to every writer
	}
}

// syncLog makes everything applied so far durable. With SyncLog it is already.
func (s *Store) syncLog() error {
	if s.opts.SyncLog {
		return nil
	}
	s.mu.Lock()
	seg := s.segments[len(s.segments)-1]
	id, end, f := seg.id, seg.end, s.writer.file
	s.mu.Unlock()
	// The writer may close its file at any moment, but only after it has synced it.
	if err := f.Sync(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("sync the log: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if active := s.segments[len(s.segments)-1]; active.id == id {
		s.writer.durable.Store(max(s.writer.durable.Load(), end))
	}
	return nil
}

// checkSpace looks how full the disk is and decides whether prewrites are taken.
func (s *Store) checkSpace() {
	available, capacity, err := s.opts.FS.Space(s.opts.Dir)
	if err != nil {
		if n := s.space.unknown.Again(); n > 0 {
			s.opts.Logger.WithError(err).WithField("times", n).Warn("cannot find out how much disk space is left")
		}
		return
	}
	s.space.unknown.Over()
	s.space.available.Store(available)
	s.space.capacity.Store(capacity)
	refuse := available < s.opts.StopWriteAtAvailable || s.space.sort.Load()
	if s.space.refusing.Swap(refuse) == refuse {
		return
	}
	log := s.opts.Logger.WithFields(logrus.Fields{"available_bytes": available, "threshold_bytes": s.opts.StopWriteAtAvailable, "dir": s.opts.Dir})
	if refuse {
		log.Error("not enough disk space in the data directory: prewrites are refused; " + spaceCure)
	} else {
		log.Info("there is enough disk space again: prewrites are taken")
	}
}

// Close refuses new records, lets those under way be stored, ends all pulls, writes a
// checkpoint and returns when every goroutine of the store has gone. It may be called
// again.
func (s *Store) Close() error {
	s.queue.close(ErrClosed)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.done.Wait()
		return nil
	}
	s.closed = true
	s.wakeLocked()
	s.mu.Unlock()
	s.stop()
	s.done.Wait()

	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	if s.Failed() == nil && !s.opts.importing {
		if err := s.checkpoint(); err != nil {
			s.opts.Logger.WithError(err).Warn("cannot write the storage's checkpoint; nothing is lost, but the next start takes longer")
		}
	}
	err := errors.Join(s.writer.file.Close(), s.index.close(), s.closeReported())
	if err != nil {
		return fmt.Errorf("close binlog storage: %w", err)
	}
	return nil
}

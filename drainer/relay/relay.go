package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/internal/disk"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Options say how a [Sink] keeps its log. Dir is required.
type Options struct {
	Dir string // log-dir of [syncer.relay]; made if it is not there
	// From is the drainer's checkpoint, with which the inner sink was opened.
	From nodes.TSO
	// Keep gives what of a transaction found in the log is to be applied, nil: nothing. It is
	// asked while New runs. Default: everything.
	Keep func(*sink.Txn) *sink.Txn
	// MaxFileBytes is max-file-size: how large a file becomes before the next one is begun.
	// Default 10 MiB.
	MaxFileBytes int64
	// TimeZone is that of the timestamps in rows. Default UTC.
	TimeZone *time.Location
	FS       disk.FS            // default: disk.OS
	Logger   logrus.FieldLogger // default: nothing is logged
}

// Sink is a sink that keeps what it gets in a relay log and then hands it to another.
type Sink struct {
	opts  Options
	inner sink.Sink
	lock  io.Closer
	ctx   context.Context // done by Close
	stop  context.CancelFunc
	wg    sync.WaitGroup
	once  sync.Once
	shut  error // what Close came to

	work chan struct{} // capacity 1: something is queued

	// writing is held by who uses the log, and not together with mu.
	writing sync.Mutex
	log     *log

	mu       sync.Mutex
	changed  sink.Cond // something has ended
	saved    nodes.TSO // the checkpoint
	queue    []queued
	bytes    int // of the transactions in queue and being handed over
	pending  int // batches in queue and being handed over
	replayed nodes.TSO
	passed   nodes.TSO // Passed of the last batch
	err      error
}

var _ sink.Sink = (*Sink)(nil)

// queued is a batch that is in the log.
type queued struct {
	batch sink.Batch
	bytes int
}

// ErrLocked says that another drainer keeps its relay log in the directory.
var ErrLocked = errors.New("another drainer keeps its relay log there")

// New opens a relay log in front of a sink, and first applies what it has after the checkpoint, as
// far as it is continuous with it: files from a gap on are moved out of the log, as what is
// missing has to come from the pumps, with everything after it. The inner sink then
// belongs to the Sink, and is closed with it; after an error it does not. Errors
// wrap [ErrLocked], a [*binlogfile.DamageError], or what the file system or the inner sink came to.
func New(ctx context.Context, inner sink.Sink, opts Options) (*Sink, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(opts.FS, opts.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("relay log: make the directory: %w", err)
	}
	lock, err := opts.FS.Lock(filepath.Join(opts.Dir, ".relay.lock"))
	if errors.Is(err, disk.ErrLocked) {
		err = fmt.Errorf("lock %s: %w: stop that one, or give this one a log-dir of its own", opts.Dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("relay log: %w", err)
	}
	s := &Sink{
		opts: opts, inner: inner, lock: lock, passed: opts.From, saved: opts.From,
		work: make(chan struct{}, 1),
	}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.wg.Go(s.forward)
	return s, nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("relay log: a directory is required (log-dir in [syncer.relay])")
	}
	if o.MaxFileBytes <= 0 {
		o.MaxFileBytes = 10 << 20
	}
	if o.TimeZone == nil {
		o.TimeZone = time.UTC
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	o.Logger = logs.OrSilent(o.Logger)
	return o, nil
}

// begin repairs the log, applies what it has, and continues it.
func (s *Sink) begin(ctx context.Context) error {
	from := s.opts.From
	found, err := scan(s.opts.FS, s.opts.Dir, from)
	if err != nil {
		return fmt.Errorf("relay log: %w", err)
	}
	if found.torn != nil {
		if err := s.cut(found.torn); err != nil {
			return fmt.Errorf("relay log: cut off the torn tail: %w", err)
		}
	}
	if found.chain.at > from {
		s.opts.Logger.WithField("checkpoint", from).WithField("commit_ts", found.chain.at).
			Info("the relay log is ahead of the checkpoint: what it has is applied first")
	}
	if s.replayed, err = found.replay(ctx, from, s.inner, s.opts.Keep); err != nil {
		return err
	}
	if err := s.disconnect(found); err != nil {
		return fmt.Errorf("relay log: move files out of it that are not continuous with the downstream: %w", err)
	}
	s.log = openLog(s.opts.FS, s.opts.Dir, s.opts.MaxFileBytes, s.opts.TimeZone, found, max(from, s.replayed))
	return s.remove()
}

// disconnect moves what comes after a gap out of the log.
func (s *Sink) disconnect(found *contents) error {
	g := found.chain.gap
	if g == nil {
		return nil
	}
	dir, err := setAside(s.opts.FS, s.opts.Dir, s.replayed, found.files[g.file:])
	if err != nil {
		return err
	}
	found.files, found.last = found.files[:g.file], s.replayed
	s.opts.Logger.WithFields(logrus.Fields{"commit_ts": s.replayed, "files": dir}).
		Warnf("the relay log is not continuous with the downstream, which was restored from a backup or whose checkpoint was set back: %s. "+
			"All of that is pulled from the pumps again. The files are moved away and not needed any more once the drainer is online", g.missing(s.replayed))
	return nil
}

func (s *Sink) cut(d *binlogfile.DamageError) error {
	f, err := disk.Open(s.opts.FS, d.File)
	if err != nil {
		return err
	}
	s.opts.Logger.WithField("file", d.File).WithField("offset", d.Offset).
		Warn("the newest file of the relay log has a torn tail, as a crash leaves it: it is cut off; nothing of it has gone downstream")
	return errors.Join(f.Truncate(d.Offset), f.Sync(), f.Close())
}

// maxWaiting is how many bytes of the log may wait to be handed over before Apply waits.
const maxWaiting = 16 << 20

// Apply implements sink.Sink.
func (s *Sink) Apply(ctx context.Context, b sink.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	err := s.err
	if err == nil {
		err = b.Check(s.passed)
	}
	for err == nil && s.bytes > maxWaiting {
		if err = s.changed.Wait(ctx, &s.mu); err == nil {
			err = s.err
		}
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	size, err := s.write(&b)
	if err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.passed = b.Passed
	b.Passed = max(b.Passed, s.replayed)
	s.queue = append(s.queue, queued{b, size})
	s.bytes += size
	s.pending++
	sink.Wake(s.work)
	return nil
}

// write puts a batch's transactions into the log, and leaves in the batch those that are to be
// handed over.
func (s *Sink) write(b *sink.Batch) (size int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var rest []*sink.Txn
	for _, t := range b.Txns {
		if t.CommitTS <= s.replayed || t.Empty() {
			continue
		}
		n, err := s.log.append(t)
		if err != nil {
			return 0, fmt.Errorf("relay log: %w", err)
		}
		size += n
		rest = append(rest, t)
	}
	b.Txns = rest
	return size, nil
}

// forward syncs the log and hands over what is durable.
func (s *Sink) forward() {
	tick := time.NewTicker(time.Second) // files are removed though nothing comes
	defer tick.Stop()
	for {
		select {
		case <-s.work:
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		if err := s.turn(); err != nil {
			s.fail(err)
			return
		}
	}
}

// turn hands over what is queued now.
func (s *Sink) turn() error {
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	if slices.ContainsFunc(queue, func(q queued) bool { return q.bytes > 0 }) {
		if err := s.sync(); err != nil {
			return err
		}
	}
	for _, q := range queue {
		if err := s.inner.Apply(s.ctx, q.batch); err != nil {
			return err
		}
		s.mu.Lock()
		s.bytes -= q.bytes
		s.pending--
		s.changed.Broadcast()
		s.mu.Unlock()
	}
	return s.remove()
}

// sync makes what was written durable. It does not keep Apply from writing meanwhile.
func (s *Sink) sync() error {
	s.writing.Lock()
	cur, path := s.log.cur, s.log.path
	s.writing.Unlock()
	if cur != nil {
		// One that is closed meanwhile has been synced before that.
		if err := cur.Sync(); err != nil && !errors.Is(err, fs.ErrClosed) {
			return fmt.Errorf("relay log: sync %s: %w", path, err)
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.log.bad
}

// Saved says that a checkpoint has been saved. Only files that it covers are removed: what is left is
// then continuous with every checkpoint that there is from now on.
func (s *Sink) Saved(ts nodes.TSO) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = max(s.saved, ts)
	sink.Wake(s.work)
}

// remove removes the files that are not needed any more.
func (s *Sink) remove() error {
	s.mu.Lock()
	saved := s.saved
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.log.remove(saved); err != nil {
		return fmt.Errorf("relay log: %w", err)
	}
	return nil
}

// Applied implements sink.Sink.
func (s *Sink) Applied() nodes.TSO { return s.inner.Applied() }

// Flush implements sink.Sink.
func (s *Sink) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.drain(ctx); err != nil {
		return err
	}
	if err := s.inner.Flush(ctx); err != nil {
		return err
	}
	return s.remove()
}

// drain waits until the inner sink has everything.
func (s *Sink) drain(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.pending > 0 {
		if err := s.changed.Wait(ctx, &s.mu); err != nil {
			return err
		}
	}
	return s.err
}

// Close implements sink.Sink. It closes the inner sink, too.
func (s *Sink) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.err = fmt.Errorf("relay log: %w", sink.ErrClosed)
		s.changed.Broadcast()
		s.mu.Unlock()
		s.stop()
		s.wg.Wait()
		s.writing.Lock()
		defer s.writing.Unlock()
		s.shut = errors.Join(s.inner.Close(), s.log.close(), s.lock.Close())
	})
	return s.shut
}

// fail makes err what the sink says from now on.
func (s *Sink) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = nodes.WithProblem(err, nodes.ProblemFsyncFailed, "check the disk of the relay log, then start the drainer again")
		s.changed.Broadcast()
	}
	return s.err
}

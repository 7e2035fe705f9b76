package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql/definition"
	"pumphouse/drainer/txn"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Sink applies transactions to a MySQL, MariaDB or TiDB.
type Sink struct {
	opts    Options
	server  *server
	record  *record
	sched   *scheduler
	shapes  shapes
	partial *partial // nil: rows are written with all columns
	seed    maphash.Seed
	ignore  map[nodes.TSO]bool

	definitions definition.Server
	untaken     logs.Repeated // transactions that the downstream does not take now
	said        sync.Map      // tables (tableName) of which standing differences have been logged

	ctx  context.Context // done when the sink has failed or is closed
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	hash    hasher  // Apply's
	scratch touched // Apply's
	// askAfter is when the downstream may be asked for collations again. Apply's.
	askAfter time.Time
	closing  sync.Once
	closed   error // of closing
}

var _ sink.Sink = (*Sink)(nil)

const (
	aloneRows  = 5000    // a transaction with more rows is applied alone,
	aloneBytes = 8 << 20 // and one with more bytes: its keys need not be remembered then
)

// New connects to the downstream and takes it over: it makes the sink's tables if there are
// none, waits until transactions of the drainer before have ended, and reads which ones
// have been applied after opts.From. ctx is for that alone.
func New(ctx context.Context, opts Options) (*Sink, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	srv, err := connect(ctx, opts.Server)
	if err != nil {
		return nil, known(fmt.Errorf("mysql sink: %w", err), opts.Server)
	}
	s := &Sink{opts: opts, server: srv, seed: maphash.MakeSeed(), ignore: map[nodes.TSO]bool{}}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(known(fmt.Errorf("mysql sink: open %s: %w", opts.Server.addr(), err), opts.Server), srv.close())
	}
	if opts.PartialColumns {
		s.partial = newPartial(srv, opts.Now, opts.Program)
	}
	s.hash.seed = s.seed
	for _, ts := range opts.IgnoreTxnCommitTS {
		s.ignore[ts] = true
	}
	rows := batchRows * opts.TxnBatch
	s.sched = newScheduler(limits{
		workers: opts.Workers, rows: rows, text: textBytes, bytes: opts.MaxBytes, inFlight: max(2000, 4*opts.Workers*rows),
	}, opts.From)
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	for i := range opts.Workers {
		s.wg.Go(newWorker(s, i).work)
	}
	return s, nil
}

// open prepares the sink's tables.
func (s *Sink) open(ctx context.Context) error {
	if err := createTables(ctx, s.server.db, s.opts.Place, ""); err != nil {
		return err
	}
	var err error
	if s.definitions, err = definition.Open(ctx, s.server.db, definition.Flavour(s.server.flavour)); err != nil {
		return err
	}
	if s.opts.LoopbackControl {
		if err := s.createMark(ctx); err != nil {
			return fmt.Errorf("make the mark table: %w", err)
		}
	}
	r, err := openRecord(ctx, s.server.db, s.opts)
	if err != nil {
		return err
	}
	s.record = r
	s.opts.Logger.WithFields(logrus.Fields{
		"addr": s.opts.Server.addr(), "server": s.server.flavour.String(), "commit_ts": s.opts.From,
		"applied_behind": len(r.applied), "safe_until": r.safeUntil,
	}).Info("the downstream is open")
	return nil
}

func (s *Sink) createMark(ctx context.Context) error {
	for _, q := range []string{"CREATE DATABASE IF NOT EXISTS `retl`", createMark} {
		if _, err := s.server.db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	for i := range s.opts.Workers {
		q := "INSERT IGNORE INTO `retl`.`_drainer_repl_mark` (id, channel_id, val, channel_info) VALUES (?, ?, 1, ?)"
		if _, err := s.server.db.ExecContext(ctx, q, i, s.opts.ChannelID, "pumphouse"); err != nil {
			return err
		}
	}
	return nil
}

// Apply implements sink.Sink.
func (s *Sink) Apply(ctx context.Context, b sink.Batch) error {
	passed, _, err := s.sched.state()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if err := b.Check(passed); err != nil {
		return err
	}
	for _, t := range b.Txns {
		j := s.job(t)
		if j == nil {
			continue
		}
		if err := s.sched.put(ctx, j, s.touches(ctx, j)); err != nil {
			return err
		}
	}
	s.sched.pass(b.Passed)
	return nil
}

// job is what is to be done for a transaction; nil: nothing.
func (s *Sink) job(t *sink.Txn) *job {
	if _, ok := s.record.applied[t.CommitTS]; ok {
		delete(s.record.applied, t.CommitTS)
		return nil
	}
	if s.ignore[t.CommitTS] {
		s.opts.Logger.WithField("commit_ts", t.CommitTS).Warn("this transaction is left out, as ignore-txn-commit-ts says")
		return nil
	}
	j := &job{txn: t, ddl: s.statements(t), upto: t.CommitTS, safe: s.opts.SafeMode || t.CommitTS <= s.record.safeUntil}
	if !s.wanted(t) {
		if len(j.ddl) == 0 {
			return nil
		}
		only := *t // the rows are not, but what they needed is
		only.Changes, only.Large = nil, nil
		j.txn = &only
	}
	j.txn = s.inUTF8(j.txn)
	return j
}

// statements are those of DDL that are to be run.
func (s *Sink) statements(t *sink.Txn) []sink.Statement {
	list := t.Early
	if t.DDL != nil {
		list = []sink.Statement{{DDL: t.DDL, Query: t.Query}}
	}
	return slices.DeleteFunc(slices.Clone(list), func(st sink.Statement) bool {
		why := s.skipsDDL(st.DDL)
		if why != "" {
			s.opts.Logger.WithFields(logrus.Fields{"commit_ts": t.CommitTS, "query": shorten([]byte(st.Query)), "why": why}).Info("this statement is not run downstream")
		}
		return why != ""
	})
}

// wanted reports whether the rows of a transaction are to be applied. Those of the mark table
// never are, and those of a transaction that another drainer has marked are not.
func (s *Sink) wanted(t *sink.Txn) bool {
	if t.Large != nil && !slices.ContainsFunc(t.Large.Tables, func(t *schema.Table) bool { return s.shapes.of(t).mark }) {
		return t.Rows() > 0
	}
	rows := 0
	err := t.Each(func(c *txn.Change) error {
		if !s.shapes.of(c.Table).mark {
			rows++
		} else if s.opts.LoopbackControl && marked(c, s.opts.ChannelID) {
			return errFound
		}
		return nil
	})
	return err == nil && rows > 0
}

// skipsDDL tells why a statement is not to be run; empty: it is.
func (s *Sink) skipsDDL(d *schema.DDL) string {
	switch {
	case d.Skip != "":
		return d.Skip
	case s.opts.SkipDDL:
		return "sync-ddl is off"
	case d.OnlyTiDB && s.server.flavour != tiDB:
		return "the downstream is no TiDB"
	case IsMarkTable(d.Schema, d.Table):
		return "it is about the mark table"
	}
	return ""
}

// touches measures a job and finds what it touches.
func (s *Sink) touches(ctx context.Context, j *job) touched {
	t := &s.scratch
	t.keys, t.shared, t.whole = t.keys[:0], t.shared[:0], t.whole[:0]
	for _, c := range j.txn.Changes {
		size, _ := rowSize(c)
		j.bytes += int64(size)
	}
	for _, st := range j.ddl {
		if after := st.DDL.TablesAfter; after != nil {
			j.bytes += after.Bytes()
		}
	}
	if j.rows = j.txn.Rows(); j.txn.Large != nil {
		j.bytes += int64(j.txn.Large.Bytes)
		j.alone = true
		return *t
	}
	if j.alone = len(j.ddl) > 0 || j.rows > aloneRows || j.bytes > aloneBytes; j.alone {
		return *t
	}
	for _, c := range j.txn.Changes {
		sh := s.shapes.of(c.Table)
		if sh.mark {
			continue
		}
		var whole bool
		before := len(t.keys)
		t.keys, whole = s.hash.change(t.keys, sh, c)
		if whole && sh.unsure() && s.learn(ctx, sh) {
			t.keys, whole = s.hash.change(t.keys[:before], sh, c)
		}
		list := &t.shared
		if whole {
			list = &t.whole
		}
		if n := len(*list); n == 0 || (*list)[n-1] != c.Table.ID {
			*list = append(*list, c.Table.ID)
		}
	}
	return *t
}

// Applied implements sink.Sink.
func (s *Sink) Applied() nodes.TSO {
	_, applied, _ := s.sched.state()
	return applied
}

// Flush implements sink.Sink.
func (s *Sink) Flush(ctx context.Context) error {
	if _, _, err := s.sched.state(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.sched.flush(ctx)
}

// Saved says that a checkpoint has been saved: what the sink recorded up to it is not
// needed any more. A [Store] of the same place needs no such call. The error is [ErrTakenOver] when another sink has been opened since.
func (s *Sink) Saved(ctx context.Context, upTo nodes.TSO) error {
	return known(savedBase(ctx, s.server.db, s.opts.Place, upTo, func(tx *sql.Tx) error { return s.record.still(ctx, tx) }), s.opts.Server)
}

// failed ends the sink because of an error.
func (s *Sink) failed(err error) {
	if s.ctx.Err() != nil {
		return
	}
	err = known(fmt.Errorf("mysql sink: %w", err), s.opts.Server)
	s.opts.Logger.WithError(err).Error("the downstream sink has failed")
	s.sched.fail(err)
	s.stop(err)
}

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.closing.Do(func() {
		s.sched.close(fmt.Errorf("mysql sink: %w", sink.ErrClosed))
		s.stop(sink.ErrClosed)
		s.wg.Wait()
		s.closed = s.server.close()
	})
	return s.closed
}

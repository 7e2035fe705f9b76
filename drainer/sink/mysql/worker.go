package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// worker writes to the downstream through one connection at a time.
type worker struct {
	*Sink
	id   int
	conn *conn // nil: to be made
	rows *rows

	batch    []*job   // of the downstream transaction under way
	diverged diverged // in it
}

func newWorker(s *Sink, id int) *worker {
	w := &worker{Sink: s, id: id}
	shapes := &s.shapes
	if s.partial != nil {
		shapes = &s.partial.shapes
	}
	w.rows = newRows(shapes, s.server.flavour, s.seed, s.server.maxPacket, func(text []byte) ([]int64, error) {
		return w.conn.count(s.ctx, text)
	}, w.differs)
	return w
}

// work applies jobs until the sink ends.
func (w *worker) work() {
	defer w.drop()
	var batch []*job
	for {
		if batch = w.sched.take(w.id, batch); len(batch) == 0 {
			return
		}
		if err := w.apply(batch); err != nil {
			w.failed(err)
			return
		}
		w.sched.finish(w.id, batch)
	}
}

func (w *worker) apply(batch []*job) error {
	if err := w.applyDDL(batch[0]); err != nil {
		return err
	}
	if w.partial != nil && len(batch[0].ddl) > 0 {
		w.partial.forget()
	}
	err := w.retry(batch[0], func() error { return w.commit(batch) })
	if w.partial != nil && code(err) == errUnknownColumn {
		w.partial.forget()
		err = w.retry(batch[0], func() error { return w.commit(batch) })
	}
	return w.inParts(batch, err)
}

// inParts applies the halves of what was refused, one after the other, and the halves of a half that is refused: so each
// transaction before the one to blame gets downstream, and that one says with which statement. Over a distance it matters
// that this takes few round trips.
func (w *worker) inParts(batch []*job, err error) error {
	var known *StatementError
	if err == nil || w.ctx.Err() != nil || transient(err) || errors.Is(err, ErrTakenOver) || errors.As(err, &known) {
		return err
	}
	if len(batch) == 1 {
		return w.blame(batch[0], err)
	}
	half := len(batch) / 2
	for _, part := range [][]*job{batch[:half], batch[half:]} {
		err := w.retry(part[0], func() error { return w.commit(part) })
		if err := w.inParts(part, err); err != nil {
			return err
		}
	}
	return nil
}

// commit applies whole transactions of the upstream in one of the downstream.
func (w *worker) commit(batch []*job) error {
	start := w.opts.Now()
	if w.partial != nil {
		if err := w.partial.know(w.ctx, batch); err != nil {
			return err
		}
	}
	if err := w.begin(batch); err != nil {
		return err
	}
	sent := w.opts.Now() // connected
	if err := w.send(batch); err != nil {
		return w.refused(batch, err)
	}
	n := 0
	for _, j := range batch {
		n += j.rows
	}
	now := w.opts.Now()
	w.sched.worked(n, now.Sub(sent))
	if f := w.opts.Metrics.Executed; f != nil {
		f(now.Sub(start), len(batch), n)
	}
	w.report()
	return nil
}

// begin makes sure of a connection and of empty buffers.
func (w *worker) begin(batch []*job) error {
	w.rows.reset()
	w.rows.each, w.rows.safe, w.rows.enough = nil, batch[0].safe, w.sched.textBytes()
	w.batch, w.diverged = batch, w.diverged[:0]
	if w.conn != nil {
		return nil
	}
	c, err := dial(w.ctx, w.server.rows)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", w.server.addr(), err)
	}
	trip, err := c.roundTrip(w.ctx)
	if err != nil {
		c.close()
		return fmt.Errorf("connect to %s: %w", w.server.addr(), err)
	}
	w.conn = c
	w.sched.measured(w.id, trip)
	return nil
}

// send sends a downstream transaction: in one text with its BEGIN and COMMIT, if it fits. Where a
// divergence is to stop the sink, the COMMIT goes alone, when it is known that there is none.
func (w *worker) send(batch []*job) error {
	if err := w.head(batch); err != nil {
		return err
	}
	for _, j := range batch {
		if j.safe != w.rows.safe {
			if err := w.rows.emit(); err != nil {
				return err
			}
			w.rows.safe = j.safe
		}
		if err := w.each(j.txn, w.rows.add); err != nil {
			return err
		}
	}
	if err := w.rows.emit(); err != nil {
		return err
	}
	if len(batch[0].ddl) > 0 {
		if err := w.rows.statement(w.record.forget()); err != nil {
			return err
		}
	}
	if w.opts.StopAtDivergence {
		if err := w.rows.finish(); err != nil {
			return err
		}
		if len(w.diverged) > 0 {
			return newDivergenceError(w.diverged[0], w.opts.Program)
		}
	}
	if err := w.rows.statement("COMMIT"); err != nil {
		return err
	}
	return w.rows.finish()
}

// head begins a downstream transaction: what it applies, and the mark of this drainer.
func (w *worker) head(batch []*job) error {
	if err := w.rows.statement("BEGIN"); err != nil {
		return err
	}
	w.rows.text = w.record.applies(w.rows.text, w.id, batch)
	if err := w.rows.end(); err != nil {
		return err
	}
	if !w.opts.LoopbackControl {
		return nil
	}
	return w.rows.statement(fmt.Sprintf("UPDATE `%s`.`%s` SET val=val+1 WHERE id=%d AND channel_id=%d", markSchema, markTable, w.id, w.opts.ChannelID))
}

// refused ends a transaction that failed, and finds out whether it had been applied before.
func (w *worker) refused(batch []*job, err error) error {
	if code(err) == 0 || w.conn.run(w.ctx, []byte("ROLLBACK;"+setStrict)) != nil {
		w.drop()
	}
	if c := code(err); c != errDupEntry && c != errNotNull {
		return err
	}
	applied, owner, verr := w.record.verdict(w.ctx, w.server.db, w.id, batch[len(batch)-1].txn.CommitTS)
	switch {
	case verr != nil:
		return verr
	case !owner:
		return ErrTakenOver
	case applied:
		return nil // the COMMIT whose answer was lost
	}
	return err
}

// drop gives the connection up.
func (w *worker) drop() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}

// errFound ends the search for what is to blame.
var errFound = errors.New("found")

// blame applies a refused transaction statement by statement, to name the one that is, or
// the row that was not found.
func (w *worker) blame(j *job, refused error) error {
	bad := &StatementError{CommitTS: j.txn.CommitTS, Statement: "(not found again)", Err: refused, program: w.opts.Program}
	batch := []*job{j}
	if err := w.begin(batch); err != nil {
		return bad
	}
	w.rows.each = func(sql []byte) ([]int64, error) {
		affected, err := w.conn.count(w.ctx, sql)
		if err != nil {
			bad.Statement, bad.Err = shorten(sql), err
		}
		return affected, err
	}
	var differs *DivergenceError
	stop := errors.As(refused, &differs)
	err := w.head(batch)
	if err == nil {
		err = w.each(j.txn, func(c *txn.Change) error {
			bad.Table, bad.latin1 = c.Table.String(), w.shapes.of(c.Table).latin1 != nil
			err := w.rows.add(c)
			if err == nil {
				err = w.rows.emit()
			}
			if err == nil && stop && len(w.diverged) > 0 {
				err = errFound
			}
			return err
		})
	}
	if errors.Is(err, errFound) {
		err = nil
	}
	w.drop() // and so roll back
	switch {
	case stop && len(w.diverged) > 0:
		return newDivergenceError(w.diverged[0], w.opts.Program)
	case stop && err == nil:
		return refused // it is found now
	case err == nil:
		bad.Table = ""
	case code(bad.Err) == 0 && !lost(err):
		bad.Err = err // ours: too large
	}
	return bad
}

const (
	firstPause = 20 * time.Millisecond
	longPause  = 5 * time.Second
)

// retry does something again while its error is transient.
func (w *worker) retry(j *job, do func() error) error {
	pause, since := firstPause, time.Time{}
	for {
		err := do()
		if err == nil {
			if n := w.untaken.Over(); n > 0 {
				w.opts.Logger.WithFields(logrus.Fields{"commit_ts": j.txn.CommitTS, "addr": w.server.addr(), "times": n}).Info("the downstream takes transactions again")
			}
		}
		if err == nil || w.ctx.Err() != nil || !transient(err) {
			return err
		}
		now := w.opts.Now()
		if since.IsZero() {
			since = now
		}
		if now.Sub(since) > w.opts.RetryFor {
			return known(fmt.Errorf("the downstream %s has not taken the transaction with commit TS %s for %s: %w",
				w.server.addr(), j.txn.CommitTS, now.Sub(since).Round(time.Second), err), w.server.Server)
		}
		if f := w.opts.Metrics.Retried; f != nil {
			f(known(fmt.Errorf("the downstream %s does not take the transaction with commit TS %s: %w", w.server.addr(), j.txn.CommitTS, err), w.server.Server))
		}
		log := w.opts.Logger.WithError(err).WithFields(logrus.Fields{"commit_ts": j.txn.CommitTS, "addr": w.server.addr()})
		if c := code(err); c == errDeadlock || c == errLockWait {
			log.Debug("apply a transaction again")
		} else if n := w.untaken.Again(); n > 0 {
			log.WithField("times", n).Warnf("the downstream does not take a transaction now; it is retried for %s, then %s stops", w.opts.RetryFor, w.opts.Program.Name)
		}
		if !nodes.Sleep(w.ctx, pause/2+rand.N(pause/2)) {
			return context.Cause(w.ctx)
		}
		pause = min(2*pause, longPause)
	}
}

package arbiter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/applier"
	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Arbiter is a run.
type Arbiter struct {
	opts    Options
	metrics *metrics
	topic   *topic
	store   *mysql.ArbiterStore
	applier *applier.Applier
	decoder *message.Decoder
	onto    onto
	start   *begin

	last    nodes.TSO // of the last message
	query   string    // its statement
	handed  []handed  // what is not applied yet
	at      mysql.ArbiterPosition
	written bool // at has been saved
}

// handed is a message that has been handed over, and the last one of those after it that need nothing to be done.
type handed struct {
	stamp
	upto int64
}

// Open connects to both sides and finds where to begin. Errors name what is wrong and the cure.
func Open(ctx context.Context, opts Options) (_ *Arbiter, err error) {
	if opts.StartTimeout <= 0 {
		opts.StartTimeout = 30 * time.Second
	}
	a := &Arbiter{opts: opts}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if a.metrics, err = newMetrics(opts.Metrics); err != nil {
		return nil, err
	}
	if a.store, err = mysql.OpenArbiterStore(ctx, opts.Server, opts.Topic); err != nil {
		return nil, err
	}
	if a.topic, err = openTopic(ctx, &a.opts); err != nil {
		return nil, err
	}
	if a.start, err = position(ctx, a.topic, a.store); err != nil {
		return nil, err
	}
	a.metrics.end.Store(a.start.end)
	a.at = a.start.ArbiterPosition
	a.at.Running = true
	// The database's own schemas, and where drainers and arbiter keep their positions.
	ignore := []string{"INFORMATION_SCHEMA", "PERFORMANCE_SCHEMA", "mysql", "tidb_binlog"}
	zone, err := opts.zone("")
	if err != nil {
		return nil, err
	}
	a.decoder = message.NewDecoder()
	a.decoder.Zone = a.opts.zone
	a.applier, err = applier.Open(ctx, applier.Options{
		Server: opts.Server, Place: mysql.ArbiterPlace(opts.Topic), From: a.start.CommitTS, SafeUntil: a.start.safeUntil(), Foreign: a.start.saved && a.start.Foreign,
		Filter: txn.FilterRules{IgnoreSchemas: ignore}, IgnoreTxns: opts.IgnoreTxns, Zone: zone,
		Workers: opts.Workers, TxnBatch: opts.TxnBatch, SafeMode: opts.SafeMode, StopAtDivergence: opts.StopAtDivergence,
		Program: mysql.Program{Name: "arbiter", Resume: "start arbiter again", Keys: "in [down] of arbiter's configuration file"},
		Metrics: a.metrics.sink(), Logger: opts.Logger, Save: a.save,
	}, a.onto.forget)
	if err != nil {
		return nil, err
	}
	if err := divergent(opts.Metrics, a.applier.Divergent); err != nil {
		return nil, err
	}
	a.onto.applier = a.applier
	a.topic.seek(a.start.next)
	opts.Logger.WithFields(logrus.Fields{"topic": opts.Topic, "offset": a.start.next, "commit_ts": a.start.CommitTS, "checkpoint": a.start.saved,
		"safe_until": a.start.safeUntil()}).Info("the topic is read from here on")
	return a, nil
}

// Close gives up what is not applied yet.
func (a *Arbiter) Close() {
	if a.applier != nil {
		_ = a.applier.Close() // what it has applied is in the database's record
	}
	if a.topic != nil {
		a.topic.close()
	}
	if a.store != nil {
		_ = a.store.Close() // it is for reading and for statements that have ended
	}
}

// drainTimeout is how long what is in flight may take when a run ends in order.
const drainTimeout = 30 * time.Second

// Run applies until ctx is done, which is not an error: what has been read is applied then, and the checkpoint says
// that there is nothing after it.
func (a *Arbiter) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() { a.watch(watching) })
	defer watched.Wait()
	defer stop()
	// What is handed to the sink must not be cut in the middle by a signal and then handed over again.
	working, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer context.AfterFunc(ctx, func() {
		if nodes.Sleep(working, drainTimeout) {
			giveUp(fmt.Errorf("the downstream has not taken what was read within %v of the order to end: it is applied after the next start", drainTimeout))
		}
	})()
	err := a.save(working, a.start.CommitTS)
	for err == nil && ctx.Err() == nil {
		err = a.step(ctx, working)
	}
	if err == nil {
		err = a.applier.Flush(working)
	}
	if err != nil {
		return a.placed(err)
	}
	a.at.Running = false
	return a.store.Save(working, a.at)
}

// pollTimeout bounds how long the checkpoint may wait for a message: when none has come in that time, what was handed
// over is waited for and saved. Without that nothing is asked for more often than idleTimeout.
const (
	pollTimeout = 200 * time.Millisecond
	idleTimeout = time.Second
)

// step reads some messages, until ctx is done, and hands them over.
func (a *Arbiter) step(ctx, working context.Context) error {
	timeout := idleTimeout
	if len(a.handed) > 0 {
		timeout = pollTimeout
	}
	list, err := a.topic.next(ctx, timeout, pollTxns)
	if err != nil && ctx.Err() == nil {
		return a.lost(working, err)
	}
	if len(list) == 0 && len(a.handed) > 0 {
		return a.applier.Flush(working)
	}
	for _, rec := range list {
		if err := a.take(working, rec); err != nil {
			return err
		}
		a.metrics.read.Store(rec.Offset + 1)
	}
	return a.applier.Apply(working)
}

// lost explains why no messages can be read: of those that retention has taken it says what may be missing.
func (a *Arbiter) lost(ctx context.Context, err error) error {
	next := max(a.metrics.read.Load(), a.start.next)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		b, errBounds := a.topic.bounds(ctx)
		if errBounds == nil {
			read := mysql.ArbiterPosition{CommitTS: max(a.last, a.start.CommitTS), Offset: next - 1}
			errBounds = a.topic.complete(ctx, b, &begin{ArbiterPosition: read, saved: true, next: b.first})
		}
		err = cmp.Or(errBounds, fmt.Errorf("%w: retention has removed it, but nothing that is needed: start arbiter again", err))
	}
	return fmt.Errorf("read the message at %s: %w%s", a.opts.where(next), err, cure(err))
}

// take takes the next message.
func (a *Arbiter) take(ctx context.Context, rec *kgo.Record) error {
	t, err := a.decoder.Decode(rec.Value)
	if err != nil && slices.Contains(a.opts.IgnoreOffsets, rec.Offset) {
		a.opts.Logger.WithError(err).WithField("offset", rec.Offset).Warn("this message is left out, as ignore-offsets says")
		return nil
	}
	if err != nil {
		if canal := a.opts.canal(rec); canal != nil {
			return canal
		}
		return fmt.Errorf("the message at %s cannot be read: %w. It is damaged, or not a drainer's. To leave it out, with everything that it changes, set ignore-offsets = [%d] in [up]; then compare both sides (drainer -compare)",
			a.opts.where(rec.Offset), err, rec.Offset)
	}
	// A statement that rows need before its own binlog comes can have the commit TS of the message before.
	early := t.DDL != nil && t.CommitTS == a.last && t.Query != a.query
	if t.CommitTS < a.last || t.CommitTS == a.last && !early {
		a.metrics.repeated.Inc()
		a.passed(rec.Offset)
		return nil
	}
	a.last, a.query = t.CommitTS, t.Query
	if t.CommitTS < a.start.CommitTS || t.CommitTS == a.start.CommitTS && !early {
		a.passed(rec.Offset)
		return nil // it is downstream
	}
	a.handed = append(a.handed, handed{stamp{rec.Offset, t.CommitTS}, rec.Offset})
	return a.apply(ctx, t, early, len(rec.Value))
}

// placed adds to an error of the downstream, which is often about a transaction of a while ago, where in the topic
// that is.
func (a *Arbiter) placed(err error) error {
	if err == nil {
		return nil
	}
	ts := nodes.ProblemOf(err).CommitTS
	i := slices.IndexFunc(a.handed, func(h handed) bool { return h.commitTS == ts })
	if i < 0 {
		return err
	}
	return fmt.Errorf("the message at %s: %w", a.opts.where(a.handed[i].offset), err)
}

func (a *Arbiter) apply(ctx context.Context, t *sink.Txn, early bool, size int) (err error) {
	if t.DDL != nil {
		a.metrics.ddl.Inc()
		x := &sink.Txn{CommitTS: t.CommitTS, StartTS: t.CommitTS - 1}
		return a.applier.Statement(ctx, x, t.DDL.Schema, t.Query, early)
	}
	if t.Changes, err = a.onto.changes(ctx, t.Changes); err != nil {
		return err
	}
	t.StartTS = t.CommitTS - 1
	a.metrics.count(t)
	return a.applier.Rows(ctx, t, size)
}

// passed notes that a message needs nothing to be done.
func (a *Arbiter) passed(offset int64) {
	if n := len(a.handed); n > 0 {
		a.handed[n-1].upto = offset
	} else if a.at.CommitTS >= a.last {
		a.at.Offset, a.written = offset, false
	}
}

// save moves the checkpoint.
func (a *Arbiter) save(ctx context.Context, applied nodes.TSO) error {
	n := 0
	for ; n < len(a.handed) && a.handed[n].commitTS <= applied; n++ {
		a.at.CommitTS, a.at.Offset, a.written = a.handed[n].commitTS, a.handed[n].upto, false
	}
	a.handed = slices.Delete(a.handed, 0, n)
	if !a.written {
		if err := a.store.Save(ctx, a.at); err != nil {
			return err
		}
		a.written = true
		a.metrics.saved(a.at.CommitTS)
	}
	return nil
}

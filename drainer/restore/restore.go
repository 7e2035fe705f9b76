package restore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Options say what is restored, and where. Range.Dir and Logger are required.
type Options struct {
	Range  Range
	Server mysql.Server
	// Filter says which tables are wanted.
	Filter txn.FilterRules
	// IgnoreTxns are the commit TSs of transactions that are left out.
	IgnoreTxns []nodes.TSO
	// Zone is the time zone of the drainer that wrote the files, in which they have timestamps. Default UTC.
	Zone *time.Location

	Workers, TxnBatch int // as the MySQL sink has them; 0: its defaults
	SafeMode          bool
	// StopAtDivergence: an UPDATE or DELETE that does not find its row stops the restore.
	StopAtDivergence bool
	// Restart forgets the checkpoint that an earlier run with the same start has left.
	Restart bool

	Logger logrus.FieldLogger
	// Progress is called now and then, in turn; nil: nobody is told.
	Progress func(Progress)
}

// Progress is how far a restore is.
type Progress struct {
	Read, Bytes int64     // of the files, those that are read
	Rows        int64     // handed over
	Applied     nodes.TSO // everything up to it is in the database for good
}

// Result is what a restore came to.
type Result struct {
	Progress
	Resumed   nodes.TSO // where an earlier run was; 0: there was none
	Last      nodes.TSO // the last transaction in the files and in the range; 0: there is none
	Torn      *binlogfile.DamageError
	Divergent uint64 // statements that did not find their rows
}

// place is where checkpoints are. What tells restores into one database apart is where they start.
func place(s *source) mysql.Place {
	return mysql.Place{Table: "reparo_checkpoint", ClusterID: uint64(cmp.Or(s.Start, s.first))}
}

// restore is a run.
type restore struct {
	opts    Options
	filter  *txn.Filter
	tables  *tables
	store   *mysql.Store
	sink    *mysql.Sink
	decoder *binlogfile.Decoder

	from    nodes.TSO // the checkpoint
	early   []sink.Statement
	batch   sink.Batch
	bytes   int
	handed  nodes.TSO
	saved   time.Time
	result  Result
	diverge divergences
}

// Run restores. It returns when all is in the database for good, and the checkpoint says so; after an error, or
// when ctx is done, the same call resumes.
func Run(ctx context.Context, opts Options) (Result, error) {
	r := &restore{opts: opts}
	if r.opts.Zone == nil {
		r.opts.Zone = time.UTC
	}
	var err error
	if r.filter, err = txn.NewFilter(opts.Filter); err != nil {
		return r.result, err
	}
	src, err := opts.Range.open()
	if err != nil {
		return r.result, err
	}
	r.result.Bytes = src.bytes
	if r.tables, err = openTables(ctx, opts.Server); err != nil {
		return r.result, err
	}
	defer r.tables.db.Close()
	if r.store, err = mysql.OpenStore(ctx, opts.Server, place(src)); err != nil {
		return r.result, err
	}
	defer r.store.Close()
	if err := r.begin(ctx, place(src)); err != nil {
		return r.result, err
	}
	defer r.sink.Close()
	err = src.each(ctx, func(rec record) error { return r.record(ctx, rec) })
	if err == nil {
		err = r.flush(ctx)
	}
	r.result.Torn, r.result.Applied, r.result.Divergent = src.torn, r.sink.Applied(), r.diverge.count()
	if err != nil {
		// What is applied need not be looked at again; the sink's record has it in any case.
		_ = r.store.Save(context.WithoutCancel(ctx), checkpoint.Position{CommitTS: r.sink.Applied()})
	}
	return r.result, err
}

// begin finds out where to resume, and opens the sink there.
func (r *restore) begin(ctx context.Context, at mysql.Place) error {
	if r.opts.Restart {
		if err := r.store.Forget(ctx); err != nil {
			return fmt.Errorf("forget the checkpoint of an earlier run: %w", err)
		}
	}
	p, err := r.store.Load(ctx)
	switch {
	case errors.Is(err, checkpoint.ErrNone):
		p.CommitTS = max(r.opts.Range.Start, 1) - 1
	case err != nil:
		return err
	default:
		r.result.Resumed = p.CommitTS
		r.opts.Logger.WithField("commit_ts", p.CommitTS).Info("an earlier run has come up to here: it is resumed")
	}
	r.from, r.handed = p.CommitTS, p.CommitTS
	r.decoder = &binlogfile.Decoder{Find: r.find(ctx), Zone: r.opts.Zone, Keep: func(s, t string) bool { return !r.filter.Skip(s, t) }}
	r.sink, err = mysql.New(ctx, mysql.Options{
		Server: r.opts.Server, Place: at, From: r.from, SafeMode: r.opts.SafeMode,
		Workers: r.opts.Workers, TxnBatch: r.opts.TxnBatch, DDLTimeZone: r.opts.Zone, StopAtDivergence: r.opts.StopAtDivergence,
		Program:           mysql.Program{Name: "reparo", Resume: "run the same command again", Keys: "in reparo's configuration file"},
		IgnoreTxnCommitTS: r.opts.IgnoreTxns, Logger: r.opts.Logger, Metrics: mysql.Metrics{Diverged: r.diverged},
	})
	return err
}

// record takes the next record.
func (r *restore) record(ctx context.Context, rec record) error {
	ts := rec.CommitTS()
	r.result.Last, r.result.Read = ts, rec.read
	if ts < r.from || ts == r.from && !rec.early {
		return nil // an earlier run has done it
	}
	b := bytes.Clone(rec.Payload) // transactions keep parts of it
	t := &sink.Txn{CommitTS: ts, StartTS: ts - 1}
	if text := rec.Statement(); text != "" {
		return r.statement(ctx, t, text, rec.early)
	}
	var err error
	if t.Changes, err = r.decoder.Changes(b); err != nil {
		return fmt.Errorf("the transaction with commit TS %s, at byte %d: %w", ts, rec.Offset, err)
	}
	t.Early, r.early = r.early, nil
	r.result.Rows += int64(len(t.Changes))
	return r.add(ctx, t, len(b))
}

// A batch is handed over when it has so many transactions or bytes.
const (
	batchTxns  = 256
	batchBytes = 4 << 20
)

func (r *restore) add(ctx context.Context, t *sink.Txn, size int) error {
	if !t.Empty() {
		r.batch.Txns = append(r.batch.Txns, t)
	}
	r.batch.Passed = t.CommitTS
	if r.bytes += size; len(r.batch.Txns) >= batchTxns || r.bytes >= batchBytes {
		return r.apply(ctx)
	}
	return nil
}

// saveEvery is how often the checkpoint is moved.
const saveEvery = time.Second

func (r *restore) apply(ctx context.Context) error {
	if r.batch.Passed > r.handed {
		if err := r.sink.Apply(ctx, r.batch); err != nil {
			return err
		}
		r.handed = r.batch.Passed
	}
	r.batch, r.bytes = sink.Batch{}, 0
	if time.Since(r.saved) < saveEvery {
		return nil
	}
	r.saved = time.Now()
	r.tell()
	return r.store.Save(ctx, checkpoint.Position{CommitTS: r.sink.Applied()})
}

func (r *restore) tell() {
	r.result.Applied = r.sink.Applied()
	if r.opts.Progress != nil {
		r.opts.Progress(r.result.Progress)
	}
}

// flush waits until everything is in the database, and saves that.
func (r *restore) flush(ctx context.Context) error {
	if err := r.apply(ctx); err != nil {
		return err
	}
	if err := r.sink.Flush(ctx); err != nil {
		return err
	}
	r.tell()
	return r.store.Save(ctx, checkpoint.Position{CommitTS: r.sink.Applied()})
}

// statement takes a statement of DDL. What is before it has to be in the database before it is looked at, and
// definitions are others afterwards.
func (r *restore) statement(ctx context.Context, t *sink.Txn, text string, early bool) error {
	st, err := parse(text)
	if err != nil {
		return fmt.Errorf("the statement with commit TS %s: %w", t.CommitTS, err)
	}
	log := r.opts.Logger.WithFields(logrus.Fields{"commit_ts": t.CommitTS, "query": st.query})
	if slices.Contains(r.opts.IgnoreTxns, t.CommitTS) {
		log.Warn("this statement is left out, as ignore-txn-commit-ts says")
		return r.add(ctx, t, 0) // one with nothing in it
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	if st.drops != nil {
		if err := r.dropNext(ctx, st); err != nil {
			return err
		}
	}
	wanted := 0
	for _, n := range st.named {
		if !r.filter.Skip(n.schema, n.table) {
			wanted++
		}
	}
	switch {
	case len(st.named) > 0 && wanted == 0:
		log.Debug("a statement is left out, as filter rules say")
		return r.add(ctx, t, 0)
	case wanted < len(st.named):
		return fmt.Errorf("the statement %.200q with commit TS %s is about tables that are restored and others that are not: "+
			"do by hand what of it is for the restored ones, then leave it out with ignore-txn-commit-ts = [%s]", st.query, t.CommitTS, t.CommitTS)
	}
	if early { // the rows that need it have the next commit TS
		r.early = append(r.early, sink.Statement{DDL: st.ddl, Query: st.query})
		return nil
	}
	t.DDL, t.Query = st.ddl, st.query
	log.Info("a statement is run")
	if err := r.add(ctx, t, 0); err != nil {
		return err
	}
	r.decoder.Forget()
	return r.flush(ctx)
}

// dropNext makes a statement that drops several tables one for the first of them that there still is.
func (r *restore) dropNext(ctx context.Context, st *statement) error {
	for _, n := range st.drops {
		there, err := r.tables.there(ctx, n.schema, n.table)
		if err != nil {
			return err
		}
		if there && !r.filter.Skip(n.schema, n.table) {
			st.only(n)
			return nil
		}
	}
	st.only(st.drops[len(st.drops)-1])
	return nil
}

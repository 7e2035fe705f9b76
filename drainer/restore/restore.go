package restore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/applier"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/schema"
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
	store   *mysql.Store
	applier *applier.Applier
	decoder *binlogfile.Decoder
	from    nodes.TSO // the checkpoint
	result  Result
}

// Run restores. It returns when all is in the database for good, and the checkpoint says so; after an error, or
// when ctx is done, the same call resumes.
func Run(ctx context.Context, opts Options) (Result, error) {
	r := &restore{opts: opts}
	if r.opts.Zone == nil {
		r.opts.Zone = time.UTC
	}
	src, err := opts.Range.open()
	if err != nil {
		return r.result, err
	}
	r.result.Bytes = src.bytes
	if r.store, err = mysql.OpenStore(ctx, opts.Server, place(src)); err != nil {
		return r.result, err
	}
	defer r.store.Close()
	if err := r.begin(ctx, place(src)); err != nil {
		return r.result, err
	}
	defer r.applier.Close()
	err = src.each(ctx, func(rec record) error { return r.record(ctx, rec) })
	if err == nil {
		err = r.applier.Flush(ctx)
	}
	r.result.Torn, r.result.Applied, r.result.Divergent = src.torn, r.applier.Applied(), r.applier.Divergent()
	if err != nil {
		// What is applied need not be looked at again; the sink's record has it in any case.
		_ = r.store.Save(context.WithoutCancel(ctx), checkpoint.Position{CommitTS: r.applier.Applied()})
	}
	return r.result, err
}

// begin finds out where to resume, and opens the database there.
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
	r.from = p.CommitTS
	r.decoder = &binlogfile.Decoder{Zone: r.opts.Zone}
	r.applier, err = applier.Open(ctx, applier.Options{
		Server: r.opts.Server, Place: at, From: r.from, Filter: r.opts.Filter, IgnoreTxns: r.opts.IgnoreTxns, Zone: r.opts.Zone,
		Workers: r.opts.Workers, TxnBatch: r.opts.TxnBatch, SafeMode: r.opts.SafeMode, StopAtDivergence: r.opts.StopAtDivergence,
		Program: mysql.Program{Name: "reparo", Resume: "run the same command again", Keys: "in reparo's configuration file"},
		Logger:  r.opts.Logger, Save: r.save,
	}, r.decoder.Forget)
	if err != nil {
		return err
	}
	r.decoder.Keep = r.applier.Wanted
	r.decoder.Find = func(schemaName, table string) (*schema.Table, error) { return r.applier.Find(ctx, schemaName, table) }
	return nil
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
		return r.applier.Statement(ctx, t, "", text, rec.early)
	}
	var err error
	if t.Changes, err = r.decoder.Changes(b); err != nil {
		return fmt.Errorf("the transaction with commit TS %s, at byte %d: %w", ts, rec.Offset, err)
	}
	r.result.Rows += int64(len(t.Changes))
	return r.applier.Rows(ctx, t, len(b))
}

// save moves the checkpoint, and tells how far the restore is.
func (r *restore) save(ctx context.Context, applied nodes.TSO) error {
	r.result.Applied = applied
	if r.opts.Progress != nil {
		r.opts.Progress(r.result.Progress)
	}
	return r.store.Save(ctx, checkpoint.Position{CommitTS: applied})
}

package applier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Options say what is applied, and where. Server, Place, Program, Save and Logger are required.
type Options struct {
	Server mysql.Server
	Place  mysql.Place
	// From is the checkpoint, SafeUntil and Foreign are as the sink has them.
	From, SafeUntil nodes.TSO
	Foreign         bool
	Filter          txn.FilterRules
	// IgnoreTxns are the commit TSs of transactions that are left out.
	IgnoreTxns []nodes.TSO
	// Zone is the time zone of statements of DDL. Default UTC.
	Zone *time.Location

	Workers, TxnBatch int // as the sink has them; 0: its defaults
	SafeMode          bool
	StopAtDivergence  bool
	Program           mysql.Program
	Metrics           mysql.Metrics
	Logger            logrus.FieldLogger

	// Save is called about once a second with what is in the database for good.
	Save func(ctx context.Context, applied nodes.TSO) error
}

// Applier applies. It is for one goroutine.
type Applier struct {
	opts    Options
	filter  *txn.Filter
	tables  *tables
	sink    *mysql.Sink
	diverge divergences

	forget func()
	early  []sink.Statement
	batch  sink.Batch
	bytes  int
	handed nodes.TSO
	saved  time.Time
}

// Open connects to the database. forget is called when definitions that Find gave may have changed.
func Open(ctx context.Context, opts Options, forget func()) (*Applier, error) {
	a := &Applier{opts: opts, forget: forget, handed: opts.From}
	var err error
	if a.filter, err = txn.NewFilter(opts.Filter); err != nil {
		return nil, err
	}
	if a.tables, err = openTables(ctx, opts.Server); err != nil {
		return nil, err
	}
	opts.Metrics.Diverged = a.diverged
	a.sink, err = mysql.New(ctx, mysql.Options{
		Server: opts.Server, Place: opts.Place, From: opts.From, SafeUntil: opts.SafeUntil, Foreign: opts.Foreign, SafeMode: opts.SafeMode,
		Workers: opts.Workers, TxnBatch: opts.TxnBatch, DDLTimeZone: opts.Zone, StopAtDivergence: opts.StopAtDivergence,
		Program: opts.Program, IgnoreTxnCommitTS: opts.IgnoreTxns, Logger: opts.Logger, Metrics: opts.Metrics,
	})
	if err != nil {
		a.tables.db.Close()
		return nil, err
	}
	return a, nil
}

// Close gives up what is not applied yet.
func (a *Applier) Close() error {
	a.tables.db.Close()
	return a.sink.Close()
}

// Find gives a table as the database has it: without columns if there is none. The error is the database's.
func (a *Applier) Find(ctx context.Context, schemaName, table string) (*schema.Table, error) {
	return a.tables.find(ctx, schemaName, table)
}

// Wanted reports whether the rows of a table are applied.
func (a *Applier) Wanted(schemaName, table string) bool { return !a.filter.Skip(schemaName, table) }

// Applied is up to where everything is in the database for good.
func (a *Applier) Applied() nodes.TSO { return a.sink.Applied() }

// Divergent is how many statements did not find the rows that they change.
func (a *Applier) Divergent() uint64 { return a.diverge.count() }

// Rows takes a transaction with changes of rows, of size bytes. Early statements that came before it are its own.
func (a *Applier) Rows(ctx context.Context, t *sink.Txn, size int) error {
	t.Early, a.early = a.early, nil
	return a.add(ctx, t, size)
}

// A batch is handed over when it has so many transactions or bytes.
const (
	batchTxns  = 256
	batchBytes = 4 << 20
)

func (a *Applier) add(ctx context.Context, t *sink.Txn, size int) error {
	if !t.Empty() {
		a.batch.Txns = append(a.batch.Txns, t)
	}
	a.batch.Passed = t.CommitTS
	if a.bytes += size; len(a.batch.Txns) >= batchTxns || a.bytes >= batchBytes {
		return a.Apply(ctx)
	}
	return nil
}

// saveEvery is how often Save is called.
const saveEvery = time.Second

// Apply hands over what has come. Without that it waits for more.
func (a *Applier) Apply(ctx context.Context) error {
	a.batch.Passed = max(a.batch.Passed, a.handed)
	if err := a.sink.Apply(ctx, a.batch); err != nil { // also with nothing: it may have failed
		return err
	}
	a.handed = a.batch.Passed
	a.batch, a.bytes = sink.Batch{}, 0
	if time.Since(a.saved) < saveEvery {
		return nil
	}
	a.saved = time.Now()
	return a.opts.Save(ctx, a.sink.Applied())
}

// Flush waits until everything is in the database, and saves that.
func (a *Applier) Flush(ctx context.Context) error {
	if err := a.Apply(ctx); err != nil {
		return err
	}
	if err := a.sink.Flush(ctx); err != nil {
		return err
	}
	return a.opts.Save(ctx, a.sink.Applied())
}

// Statement takes a statement of DDL; db is the session's database. What is before it has to be in the database
// before it is looked at, and definitions are others afterwards. early: it is one that the next rows need, and
// has the commit TS of the transaction before.
func (a *Applier) Statement(ctx context.Context, t *sink.Txn, db, text string, early bool) error {
	st, err := parse(db, text)
	if err != nil {
		return fmt.Errorf("the statement with commit TS %s: %w", t.CommitTS, err)
	}
	log := a.opts.Logger.WithFields(logrus.Fields{"commit_ts": t.CommitTS, "query": st.query})
	if slices.Contains(a.opts.IgnoreTxns, t.CommitTS) {
		log.Warn("this statement is left out, as ignore-txn-commit-ts says")
		return a.add(ctx, t, 0) // one with nothing in it
	}
	if err := a.Flush(ctx); err != nil {
		return err
	}
	if st.drops != nil {
		if err := a.dropNext(ctx, st); err != nil {
			return err
		}
	}
	wanted := 0
	for _, n := range st.named {
		if a.Wanted(n.schema, n.table) {
			wanted++
		}
	}
	switch {
	case len(st.named) > 0 && wanted == 0:
		log.Debug("a statement is left out, as filter rules say")
		return a.add(ctx, t, 0)
	case wanted < len(st.named):
		return fmt.Errorf("the statement %.200q with commit TS %s is about tables that are restored and others that are not: "+
			"do by hand what of it is for the restored ones, then leave it out with ignore-txn-commit-ts = [%s]", st.query, t.CommitTS, t.CommitTS)
	}
	if early { // the rows that need it have the next commit TS
		a.early = append(a.early, sink.Statement{DDL: st.ddl, Query: st.query})
		return nil
	}
	t.DDL, t.Query = st.ddl, st.query
	log.Info("a statement is run")
	if err := a.add(ctx, t, 0); err != nil {
		return err
	}
	a.forget()
	return a.Flush(ctx)
}

// dropNext makes a statement that drops several tables one for the first of them that there still is.
func (a *Applier) dropNext(ctx context.Context, st *statement) error {
	for _, n := range st.drops {
		there, err := a.tables.there(ctx, n.schema, n.table)
		if err != nil {
			return err
		}
		if there && a.Wanted(n.schema, n.table) {
			st.only(n)
			return nil
		}
	}
	st.only(st.drops[len(st.drops)-1])
	return nil
}

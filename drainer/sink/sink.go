// Package sink says what a downstream is to the drainer: [Sink], which file/, mysql/ and
// kafka/ implement, and [Txn], what they are given; for those who write one it has [Cond]. The
// tests in sinktest hold for every sink.
package sink

import (
	"context"
	"errors"
	"fmt"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// Txn is a transaction of the upstream, decoded and filtered: either a DDL statement or
// changes of rows. It is not changed once it has been handed over.
type Txn struct {
	StartTS  nodes.TSO
	CommitTS nodes.TSO

	DDL   *schema.DDL // nil: no DDL
	Query string      // of the DDL, as TiDB has it

	// Early are statements that have to be run before the changes, though their own binlogs
	// come later. They and the changes are one unit: Applied does not rest between them, and
	// a restart between them runs no statement twice. A sink may run them with no changes
	// after them. None with DDL; mostly there are none.
	Early []Statement

	Changes []*txn.Change // in the order they were made; none: everything was filtered out
	// Large are the changes of a transaction that is too large to hold all of them decoded; Changes are
	// none then. [Txn.Each] goes through either.
	Large *txn.Rows
}

// Rows is how many changes there are.
func (t *Txn) Rows() int {
	if t.Large != nil {
		return t.Large.Len()
	}
	return len(t.Changes)
}

// Each calls do with every change, in the order they were made, until do fails: that is the error.
func (t *Txn) Each(do func(*txn.Change) error) error {
	if t.Large != nil {
		return t.Large.Each(do)
	}
	for _, c := range t.Changes {
		if err := do(c); err != nil {
			return err
		}
	}
	return nil
}

// Statement is a statement of DDL.
type Statement struct {
	DDL   *schema.DDL
	Query string // as TiDB has it
}

// Empty reports whether there is nothing to be done for a transaction.
func (t *Txn) Empty() bool { return t.DDL == nil && len(t.Early) == 0 && t.Rows() == 0 }

// Records is a transaction for a sink that writes a record for a statement or a transaction
// and whose readers go by the commit TS: each early statement becomes one of its own. They get
// the commit TSs in front of the transaction's, but none below after, that of the last
// record: mostly nobody has those. If the transaction before has one of them, a reader that drops what is
// not after the record before drops the statement, and then finds rows with an unknown
// column; under the commit TS of the rows it would drop the rows, and find nothing.
//
// Where the cache of a sequence has come to (SETVAL) is nothing for such readers: then there is none.
func (t *Txn) Records(after nodes.TSO) []*Txn {
	if t.DDL != nil && t.DDL.Setval {
		return nil
	}
	if len(t.Early) == 0 {
		return []*Txn{t}
	}
	var list []*Txn
	first := t.CommitTS - nodes.TSO(len(t.Early))
	for i, st := range t.Early {
		list = append(list, &Txn{StartTS: t.StartTS, CommitTS: max(after, first+nodes.TSO(i)), DDL: st.DDL, Query: st.Query})
	}
	if t.Rows() > 0 {
		list = append(list, &Txn{StartTS: t.StartTS, CommitTS: t.CommitTS, Changes: t.Changes, Large: t.Large})
	}
	return list
}

// Batch is what comes next: transactions, or only the news that there were none.
type Batch struct {
	Txns []*Txn // ascending in commit TS
	// Passed: every transaction up to this commit TS has been handed over, with this batch
	// or before. It is not below the last transaction's commit TS and never goes back.
	Passed nodes.TSO
}

// Sink applies transactions downstream. Apply and Flush are called by one goroutine at a
// time, the other methods by any.
//
// When a sink fails, everything it is asked from then on gives that error: nobody knows
// what is downstream until it is opened anew.
type Sink interface {
	// Apply hands over what comes next. It may return before that is downstream, and waits
	// when too much is on the way. What is not after the batch before is an [*OrderError].
	// A transaction that the sink finds downstream already, from before a restart, makes no
	// difference there. When ctx is done first, the error is its cause, and the batch may
	// have been taken in part: the sink is then good for nothing but Applied and Close.
	Apply(ctx context.Context, b Batch) error

	// Applied is the commit TS up to which everything is downstream for good, without a
	// gap: it would survive a crash of both sides. It never goes back, and moves with
	// Batch.Passed, so also when there are no transactions. A checkpoint may be moved there.
	Applied() nodes.TSO

	// Flush returns when everything handed over is downstream for good, or with ctx's cause,
	// after which the sink goes on.
	Flush(ctx context.Context) error

	// Close ends the sink and returns when its goroutines have gone. What was not flushed
	// may be downstream or not. It may be called again; Apply and Flush then give
	// [ErrClosed].
	Close() error
}

// ErrClosed says that a sink was used after Close.
var ErrClosed = errors.New("the sink is closed")

// OrderError says that a batch does not follow the one before.
type OrderError struct {
	CommitTS nodes.TSO // what was handed over, or Passed
	After    nodes.TSO // what it should have been after
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("commit TS %s was handed to the sink after everything up to %s", e.CommitTS, e.After)
}

// Check reports whether a batch follows after everything up to passed. Sinks call it first.
func (b Batch) Check(passed nodes.TSO) error {
	last := passed
	for _, t := range b.Txns {
		if t.CommitTS <= last {
			return &OrderError{CommitTS: t.CommitTS, After: last}
		}
		last = t.CommitTS
	}
	if b.Passed < last {
		return &OrderError{CommitTS: b.Passed, After: last}
	}
	return nil
}

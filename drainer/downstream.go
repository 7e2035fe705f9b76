package drainer

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// Downstream is where a drainer brings transactions. Nothing is opened before its methods
// are called, in this order: Checkpoint, Open.
type Downstream interface {
	// String names it in logs and in /status; never with a password.
	String() string
	// Zone is the time zone in which timestamps are printed for it.
	Zone() *time.Location
	// Checkpoint gives the place where the drainer's checkpoint is kept. If the store is an
	// io.Closer, the drainer closes it when it ends.
	Checkpoint(ctx context.Context, site Site) (checkpoint.Store, error)
	// Open gives the sink. Everything up to from is downstream; what is after from and up to
	// until may be, from a life of the drainer that did not end well.
	Open(ctx context.Context, site Site, from, until nodes.TSO) (sink.Sink, error)
}

// Replayer is a Downstream that keeps a log of what is on its way there.
type Replayer interface {
	// Replay brings downstream what the log has after the checkpoint, if there is a checkpoint and
	// something after it. It is called before PD and TiKV are asked for anything, which may be
	// gone for good: the log then has all that there is. Open does the same.
	Replay(ctx context.Context, site Site) error
}

// Site is what a Downstream may need to know of the drainer.
type Site struct {
	ClusterID uint64
	NodeID    string
	DataDir   string
	// Keep gives what of a transaction that a log has from an earlier life is for the downstream, as
	// the drainer is configured now; nil: nothing.
	Keep func(*sink.Txn) *sink.Txn
	// Foreign: the checkpoint was written by another program, or by a person. What follows it may be
	// downstream without a record of it by this one.
	Foreign bool
	Logger  logrus.FieldLogger
	// Executed is to be called with the time that a write to the downstream took, by what it
	// was (Insert, Update, Delete, DDL; "" for a transaction there). Where it is not called for
	// transactions, the time is taken that Apply takes.
	Executed func(what string, took time.Duration)
	// Shared is a store of the checkpoint that a standby on another machine sees; nil: there is no standby.
	Shared checkpoint.Store
	// Trouble is to be called while the downstream does not take what it is given, with why, and with nil when it has
	// taken something. It is cheap.
	Trouble func(error)
	// Diverged is to be called when rows are committed downstream and not all were found there
	// that were to be changed.
	Diverged func(nodes.TableDivergences)
}

package drainer

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

// DefaultSaveEvery is how often the checkpoint is moved. A downstream that nothing is written to is seen to be away by that.
const DefaultSaveEvery = time.Second

// Options say how a drainer runs. The zero value of every field but those marked required
// is good.
type Options struct {
	life.Options

	// Handover is what GET /handover answers; nil: nothing.
	Handover *nodes.Handover

	Schema     schema.Source // required: where table definitions come from
	Downstream Downstream    // required
	// LoadSchemaSnapshot takes the definitions at the checkpoint from TiDB's meta data, not from the DDL
	// jobs (load-schema-snapshot). It is done without being asked when the jobs are incomplete.
	LoadSchemaSnapshot bool

	// InitialCommitTS is where a drainer begins that has no checkpoint: transactions after
	// it are replicated. Negative: PD's time at the start.
	InitialCommitTS nodes.TSO
	// Standby: several processes run with this node ID, of which one is active; this one waits for its turn. All of them need it. What has
	// no CheckStandby, or one that fails, as Downstream is refused. A drainer whose turn is over ends with [ErrStandby].
	Standby bool
	// Returning: the process has had its turn, and was not started for another one. So it does not end an order to pause.
	Returning bool

	Filter  txn.FilterRules
	Migrate txn.MigrateRules
	// Keep tells which tables the downstream needs whatever Filter says; nil: none.
	Keep func(schema, table string) bool
	// IgnoreTxns are the commit TSs of transactions that are not applied (their DDL counts
	// for the table definitions nevertheless).
	IgnoreTxns []nodes.TSO
	// SkipDDL applies no DDL statements (sync-ddl = false).
	SkipDDL bool

	Gzip bool // let pumps compress what they send
	// BufferBytes bounds what is held between pumps and sink, default 32 MiB.
	BufferBytes int64

	// SaveEvery is how often the checkpoint is moved, default [DefaultSaveEvery].
	SaveEvery time.Duration
	// HeldAfter is how long a pump may hold back the merge before that is said, default 5 s.
	HeldAfter time.Duration
	// SyncedAfter is how long no transaction must have come for /status to say Synced,
	// default 5 min.
	SyncedAfter time.Duration
	// StopGrace is how long what is in flight may take when the drainer stops, default 1 min.
	StopGrace time.Duration
	// JobTimeout is how long a DDL job that is not in the history yet is waited for, default
	// 10 min.
	JobTimeout time.Duration
}

func (o Options) withDefaults() (Options, error) {
	if o.Registry == nil || o.PD == nil || o.Schema == nil || o.Downstream == nil {
		return o, errors.New("drainer: a registry, a PD, a schema source and a downstream are required")
	}
	o.SaveEvery = cmp.Or(o.SaveEvery, DefaultSaveEvery)
	o.HeldAfter = cmp.Or(o.HeldAfter, 5*time.Second)
	o.SyncedAfter = cmp.Or(o.SyncedAfter, 5*time.Minute)
	o.StopGrace = cmp.Or(o.StopGrace, time.Minute)
	if err := o.Complete(nodes.Drainer); err != nil {
		return o, fmt.Errorf("drainer: %w", err)
	}
	if o.Standby {
		if err := CheckStandby(o.Downstream); err != nil {
			return o, fmt.Errorf("drainer: %w", err)
		}
	}
	return o, nil
}

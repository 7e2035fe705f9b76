package mysql

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// Server is where the downstream is.
type Server struct {
	Host     string // default 127.0.0.1
	Port     int    // default 3306
	User     string // default root
	Password string // never in an error or a log
	TLS      *tls.Config

	// ReadTimeout is how long an answer to rows may take; then the connection counts as
	// lost. Statements of DDL have no limit. Default 1 min.
	ReadTimeout time.Duration
	// Params are system variables of the sessions, with values as SET takes them.
	Params map[string]string
	// EndIdle has the server end a transaction that is idle for idleLimit, so that nobody waits for a machine that has gone: MariaDB and TiDB.
	EndIdle bool
	// DialTimeout is for making a connection. Default 10 s.
	DialTimeout time.Duration
}

// idleLimit is after how many seconds a server ends an idle transaction ([Server].EndIdle).
const idleLimit = "5"

func (s Server) withDefaults() Server {
	s.Host = cmp.Or(s.Host, "127.0.0.1")
	s.Port = cmp.Or(s.Port, 3306)
	s.User = cmp.Or(s.User, "root")
	s.ReadTimeout = cmp.Or(s.ReadTimeout, time.Minute)
	s.DialTimeout = cmp.Or(s.DialTimeout, 10*time.Second)
	return s
}

// addr names the server in messages, without the password.
func (s Server) addr() string { return fmt.Sprintf("%s@%s:%d", s.User, s.Host, s.Port) }

// Place is where in the downstream a drainer keeps its own tables. The checkpoint is in
// Schema.Table; two more have that name with _applied and _state after it (see the
// package comment). Drainers of one cluster that write different tables to one downstream
// need different places.
type Place struct {
	Schema    string // default tidb_binlog
	Table     string // default checkpoint
	ClusterID uint64 // of the upstream's PD
}

func (p Place) withDefaults() Place {
	p.Schema = cmp.Or(p.Schema, "tidb_binlog")
	p.Table = cmp.Or(p.Table, "checkpoint")
	return p
}

func (p Place) checkpoint() string {
	return schema.QuoteName(p.Schema) + "." + schema.QuoteName(p.Table)
}
func (p Place) applied() string {
	return schema.QuoteName(p.Schema) + "." + schema.QuoteName(p.Table+"_applied")
}
func (p Place) state() string {
	return schema.QuoteName(p.Schema) + "." + schema.QuoteName(p.Table+"_state")
}

// Options of a Sink.
type Options struct {
	Server Server
	Place  Place

	// From is the drainer's checkpoint: everything up to it is downstream.
	From nodes.TSO
	// SafeUntil: transactions up to it may be downstream already without our record of it:
	// they are applied in safe mode. It counts only when that record does not reach back to
	// From (the first start on a downstream; a checkpoint that a person moved back), so it
	// may be "now" at every start.
	SafeUntil nodes.TSO
	// Foreign: From was not saved by a drainer of this kind. SafeUntil counts whatever the record says,
	// since another program may have applied more than it says of.
	Foreign bool
	// SafeMode applies everything so that doing it twice makes no difference in tables with
	// a key: INSERT as REPLACE, UPDATE as DELETE and REPLACE.
	SafeMode bool

	Workers int // connections that write at the same time. Default 16
	// TxnBatch is how many statements are gathered for one downstream transaction, if so
	// many are waiting, each counted as 16 rows; a larger transaction goes as it is. Towards a server
	// that is far away it is up to eight times that. Default 20.
	TxnBatch int
	// MaxBytes bounds what is on the way, in bytes of decoded rows. A larger transaction
	// is on the way alone. Default 32 MiB.
	MaxBytes int64

	// SQLMode is the sql_mode in which statements of DDL are run. Empty: a permissive one, strict
	// where the DDL job says that its client was.
	SQLMode string
	// DDLTimeZone is the time zone of upstream sessions whose DDL job does not tell it. Nil: UTC.
	DDLTimeZone *time.Location
	// SkipDDL (sync-ddl = false): statements of DDL are not run.
	SkipDDL bool
	// PartialColumns (sync-mode = 2): rows are written with the columns that both sides have, as they
	// may have different ones while DDL is replicated in one direction only. Columns that only the
	// downstream has get its defaults, or the zero of their type.
	PartialColumns bool
	// WarnOfDefinitions (ddl-check = "warn"): when the downstream's definition differs from the
	// upstream's after a statement of DDL, that is only logged. Otherwise it ends the sink.
	WarnOfDefinitions bool
	// LoopbackControl marks every downstream transaction in the mark table, and drops
	// transactions of the upstream that carry the mark of ChannelID.
	LoopbackControl bool
	ChannelID       int64
	// StopAtDivergence: a transaction with an UPDATE or DELETE that does not find its rows is
	// rolled back and stops the sink with a [*DivergenceError]. That costs a round trip more a
	// downstream transaction. Else it is committed, and Metrics.Diverged is called.
	StopAtDivergence bool
	// IgnoreTxnCommitTS are transactions to be left out.
	IgnoreTxnCommitTS []nodes.TSO

	// Program is what errors say of the program that the sink works for. Default: a drainer.
	Program Program
	// RetryFor is how long a transaction is tried again while the downstream cannot take
	// it. Default 5 min.
	RetryFor time.Duration

	Metrics Metrics
	Logger  logrus.FieldLogger // default: nothing is logged
	Now     func() time.Time   // default time.Now
}

// Program is what errors, which tell people how to go on, say of the program that a sink works for.
type Program struct {
	Name   string // default "the drainer"
	Resume string // what to do once the cause is gone. Default "start the drainer again"
	Keys   string // where ignore-txn-commit-ts and the like are. Default "in [syncer]"
}

func (p Program) withDefaults() Program {
	return Program{cmp.Or(p.Name, "the drainer"), cmp.Or(p.Resume, "start the drainer again"), cmp.Or(p.Keys, "in [syncer]")}
}

// Metrics are called by the sink, if set, from any goroutine.
type Metrics struct {
	// Executed: a downstream transaction is committed that holds that many of the upstream's.
	Executed func(took time.Duration, txns, rows int)
	// DDL: a statement of DDL has been run.
	DDL func(took time.Duration)
	// Retried: the downstream refused for a reason that passes.
	Retried func(err error)
	// Diverged: a downstream transaction is committed with statements that did not find the rows
	// of this table that they were sent for. It is not called for what is applied in safe mode.
	Diverged func(nodes.TableDivergences)
}

const (
	batchRows       = 16 // rows that count as one of TxnBatch
	defaultWorkers  = 16
	defaultTxnBatch = 20
	defaultMaxBytes = 32 << 20
	defaultRetryFor = 5 * time.Minute
)

func (o Options) withDefaults() (Options, error) {
	o.Server, o.Place, o.Program = o.Server.withDefaults(), o.Place.withDefaults(), o.Program.withDefaults()
	o.Workers = cmp.Or(o.Workers, defaultWorkers)
	o.TxnBatch = cmp.Or(o.TxnBatch, defaultTxnBatch)
	o.MaxBytes = cmp.Or(o.MaxBytes, defaultMaxBytes)
	o.RetryFor = cmp.Or(o.RetryFor, defaultRetryFor)
	o.Logger = logs.OrSilent(o.Logger)
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Workers < 0 || o.Workers > 1024:
		return o, fmt.Errorf("mysql sink: worker-count %d: want 1 to 1024", o.Workers)
	case o.TxnBatch < 0:
		return o, fmt.Errorf("mysql sink: txn-batch %d: want 1 or more", o.TxnBatch)
	case o.MaxBytes < 0 || o.RetryFor < 0 || o.Server.ReadTimeout < 0:
		return o, errors.New("mysql sink: an option is negative")
	case strings.ContainsAny(o.SQLMode, "'\\"):
		return o, fmt.Errorf("mysql sink: sql-mode %q: must be SQL modes separated by commas", o.SQLMode)
	}
	return o, nil
}

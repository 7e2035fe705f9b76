// Package session is one client's session of the console: the statements it runs and
// what they leave behind (variables, current database, warnings, transaction status).
//
// It knows SQL and the cluster but not the protocol: package server reads commands
// from the connection, calls the session, and encodes the outcomes. A Session is used
// by one goroutine at a time.
//
// # Guarantees
//
// A text runs in whole or, if it cannot be parsed, not at all. SHOW ... STATUS shows
// what [Cluster.View] vouches for and what this session has written, or fails. CHANGE
// writes one node's state and nothing else, and leaves a line in the log whatever came
// of it; what it risks is a warning, never a refusal. Errors of statements are
// *engine.Error values that a client can be sent.
//
// # Tables
//
// SELECT sees the databases that package catalog describes: binlog, and as much of
// information_schema, mysql and performance_schema as clients ask for. Rows are made when
// they are read, of the columns that the statement uses and no others. All that a
// statement reads of the nodes is of one snapshot, as fresh as that of SHOW … STATUS; what the
// nodes say of themselves is NULL when they do not say it now.
//
// # Trade-offs
//
// Parsed texts and the rows of a snapshot are
// kept, so a SHOW that repeats costs well under a microsecond, for some kilobytes a
// session. The texts of warnings are made when somebody asks for them.
package session

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/sysvar"
)

// Cluster is what a session needs of the nodes. Its errors reach the client as 1105
// unless they are *engine.Error.
type Cluster interface {
	// View gives the records no older than revision (0: whatever counts as fresh).
	View(ctx context.Context, revision int64) (*nodes.Snapshot, error)
	// SetState writes one node's state, and its event in the same transaction. It
	// gives the record as it was before and the revision of the write.
	SetState(ctx context.Context, kind nodes.Kind, nodeID string, state nodes.State, note nodes.Note) (old nodes.Record, revision int64, err error)
	// Drop removes the record of a node that is offline, and gives it with the revision of
	// the removal.
	Drop(ctx context.Context, kind nodes.Kind, nodeID string, note nodes.Note) (old nodes.Record, revision int64, err error)
	// Find reads one record from PD itself.
	Find(ctx context.Context, kind nodes.Kind, nodeID string) (nodes.Entry, error)
	// WaitState waits until a record shows a state, or ctx ends: a *nodes.WaitError.
	WaitState(ctx context.Context, kind nodes.Kind, nodeID string, want nodes.State) (nodes.Entry, error)
	// Endpoints are PD's addresses, for error messages.
	Endpoints() []string
}

// Process is one connection as SHOW PROCESSLIST shows it.
type Process struct {
	ID      uint32
	User    string
	Host    string // with port
	DB      string
	Command string // Sleep, Query, Execute …
	Since   time.Time
	State   string
	Info    string // running statement
}

// Server is what a session needs of the server it runs in.
type Server interface {
	Processes() []Process
	// Kill ends a connection, or only its running statement. False: no such ID.
	Kill(id uint32, queryOnly bool) bool
	// Status lists the server's counters for SHOW STATUS (Uptime, Threads_connected …).
	// The map is the caller's.
	Status() map[string]string
	StartTime() time.Time
}

// Compat is whose answers SHOW gives where the document and TiDB differ.
type Compat string

// The compatibility modes (docs/wire-contract.md, "SQL").
const (
	CompatDocs Compat = "docs"
	CompatTiDB Compat = "tidb"
)

// Options are what all sessions of a server share.
type Options struct {
	sysvar.Facts

	Cluster   Cluster
	Server    Server
	Compat    Compat        // default CompatDocs
	LogBin    string        // auto (default), on, off
	Heartbeat time.Duration // of the nodes, default 2 s; older than three of them = not reporting
	Limits    engine.Limits
	Logger    logrus.FieldLogger
	Now       func() time.Time // default time.Now
	NodeClock func() time.Time // PD's time, by which nodes stamp their records; default Now
	// TSO gets a timestamp from PD, for SHOW MASTER STATUS; nil = its answer has no rows.
	TSO func(ctx context.Context) (nodes.TSO, error)

	// Reports and Audit fill the tables of the database binlog with what PD's records do
	// not hold. Without them those columns are NULL and those tables empty.
	Reports Reports
	// Audit keeps who changed what; nil = only the log does.
	Audit Audit
	// Control is the way to live nodes, for PAUSE and OFFLINE; nil = they are refused.
	Control Control

	// Share is what this session may use of the process; nil = without bounds.
	Share *governor.Share
	// Views is shared by the sessions of a server, so that they render SHOW … STATUS
	// once; nil = each session does it for itself. See [NewViews].
	Views *Views
	// Denials is shared by the sessions of a server; nil = each session has its own.
	Denials *privilege.Denials
}

// Kept holds what the protocol has made of a result; the session does not look at it.
type Kept struct{ atomic.Value }

// Outcome is what one statement gave: rows, or an OK with counts.
type Outcome struct {
	// Rows, nil = OK packet. Its texts are utf8mb4 whatever its columns' Charset is:
	// the protocol converts both to [Session.ResultCharset]. A result never changes
	// once it is out, and SHOW PUMP|DRAINER STATUS gives the very same one, with the same
	// Kept, until the cluster changes.
	Rows *engine.Result
	// Kept belongs to Rows and lives as long: whoever encodes them may keep the bytes
	// there for the next time. nil = the rows will not come again.
	Kept         *Kept
	Affected     uint64
	LastInsertID uint64
	Info         string
	Warnings     uint16
	Status       uint16 // server status bits (AUTOCOMMIT, IN_TRANS); MORE_RESULTS is the protocol's business
}

// Session implements what package server calls:
//
//	New(opts Options, connID uint32, acc privilege.Account) *Session
//	Query(ctx, sql, emit) error                  // COM_QUERY
//	Prepare(ctx, sql) (*Prepared, error)         // COM_STMT_PREPARE
//	Execute(ctx, p, args, emit) error            // COM_STMT_EXECUTE
//	UseDB(ctx, name) error                       // COM_INIT_DB, the handshake's database
//	FieldList(ctx, table, wildcard) ([]engine.Column, error)
//	Reset()                                      // COM_RESET_CONNECTION
//	SetCollation(id)                             // the handshake's choice
//	SetMultiStatements(on)
//	ResultCharset() string                       // charset result texts go out in (utf8mb4, latin1, gbk …)
//	ClientCharset() string                       // charset statements come in; Query takes utf8mb4
//	DB(), Status(), Warnings()
//	IdleTimeout()
//
// Errors are *engine.Error (number, SQLSTATE, message), but for what emit returns.

// Package session is one client's session of the console: the statements it runs and
// what they leave behind (variables, current database, warnings, transaction status).
//
// It knows SQL and the cluster but not the protocol: package server reads commands
// from the connection, calls the session, and encodes the outcomes. A Session is used
// by one goroutine at a time.
//
// # Guarantees
//
// A text runs in whole or, if it cannot be parsed, not at all. Whatever command a statement comes by, it
// begins in one place, which gives it its instant, its view of the nodes, its diagnostics and its time limit.
// Errors of statements are *engine.Error values that a client can be sent.
//
// # Packages
//
// The session dispatches. System variables are package sysvar's, statements on pumps and drainers nodestmt's,
// other tables and SHOW statements infoschema's; result has what all of them answer with, privilege who the
// client is. SELECT sees the databases that package catalog describes: binlog, and as much of
// information_schema, mysql and performance_schema as clients ask for. All that a statement reads of the
// nodes is of one snapshot, as fresh as that of SHOW … STATUS; what the nodes say of themselves is NULL when
// they do not say it now.
//
// # Trade-offs
//
// Parsed texts and the rows of a snapshot are kept, so a SHOW that repeats costs well under a microsecond,
// for some kilobytes a session. The texts of warnings are made when somebody asks for them.
package session

import (
	"github.com/sirupsen/logrus"

	"pumphouse/server/engine"
	"pumphouse/server/governor"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// Options are what all sessions of a server share.
type Options struct {
	nodestmt.Config
	sysvar.Facts

	Server infoschema.Server
	Limits engine.Limits
	Logger logrus.FieldLogger
	// Share is what this session may use of the process; nil = without bounds.
	Share *governor.Share
}

// Outcome is what one statement gave: rows, or an OK with counts.
type Outcome struct {
	// Rows, nil = OK packet. Its texts are utf8mb4 whatever its columns' Charset is:
	// the protocol converts both to [Session.ResultCharset]. A result never changes
	// once it is out, and SHOW PUMP|DRAINER STATUS gives the very same one, with the same
	// Kept, until the cluster changes.
	Rows *engine.Result
	// Kept belongs to Rows and lives as long: whoever encodes them may keep the bytes
	// there for the next time. nil = the rows will not come again.
	Kept         *result.Kept
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

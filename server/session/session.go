package session

import (
	"context"
	"time"

	"pumphouse/server/engine"
)

// Session is one client's session. See the package comment.
type Session struct {
	opts Options
	id   uint32
	acc  Account
}

// New makes the session of a client that has just logged in.
func New(opts Options, connID uint32, acc Account) *Session {
	return &Session{opts: opts, id: connID, acc: acc}
}

// Query runs a text of one or more statements (COM_QUERY).
func (s *Session) Query(ctx context.Context, sql string, emit func(o *Outcome, more bool) error) error {
	return &engine.Error{Code: 1235, State: "42000", Message: "not yet"}
}

// Prepared is a prepared statement.
type Prepared struct {
	SQL     string
	Params  int
	Columns []engine.Column
}

// Prepare compiles one statement (COM_STMT_PREPARE).
func (s *Session) Prepare(ctx context.Context, sql string) (*Prepared, error) {
	return nil, &engine.Error{Code: 1235, State: "42000", Message: "not yet"}
}

// Execute runs a prepared statement.
func (s *Session) Execute(ctx context.Context, p *Prepared, args []engine.Value, emit func(o *Outcome, more bool) error) error {
	return &engine.Error{Code: 1235, State: "42000", Message: "not yet"}
}

// UseDB carries out COM_INIT_DB.
func (s *Session) UseDB(ctx context.Context, name string) error { return nil }

// FieldList carries out COM_FIELD_LIST.
func (s *Session) FieldList(ctx context.Context, table, wildcard string) ([]engine.Column, error) {
	return nil, nil
}

// Reset carries out COM_RESET_CONNECTION.
func (s *Session) Reset() {}

// SetCollation takes the collation the client chose in the handshake.
func (s *Session) SetCollation(id uint16) {}

// SetMultiStatements allows or forbids several statements in one text.
func (s *Session) SetMultiStatements(on bool) {}

// ResultCharset is the charset result texts go out in.
func (s *Session) ResultCharset() string { return "utf8mb4" }

// ClientCharset is the charset statements come in.
func (s *Session) ClientCharset() string { return "utf8mb4" }

// DB is the current database, "" for none.
func (s *Session) DB() string { return "" }

// Status gives the server status bits.
func (s *Session) Status() uint16 { return 2 }

// Warnings counts what the last statement left in the diagnostics area.
func (s *Session) Warnings() uint16 { return 0 }

// IdleTimeout is how long the client may be silent.
func (s *Session) IdleTimeout() time.Duration { return s.opts.IdleTimeout }

// StatementTimeout is how long one statement may run, 0 = no limit.
func (s *Session) StatementTimeout() time.Duration { return s.opts.Statement }

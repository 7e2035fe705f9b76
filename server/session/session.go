package session

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/server/engine"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
	"pumphouse/sqlext"
)

// The server status bits of an OK packet that belong to the session.
const (
	statusInTrans    uint16 = 0x0001
	statusAutocommit uint16 = 0x0002
	statusNoEscapes  uint16 = 0x0200
)

// Session is one client's session. See the package comment.
type Session struct {
	opts Options
	id   uint32
	acc  privilege.Account

	vars   *sysvar.Vars       // system variables
	nodes  *nodestmt.Nodes    // statements on nodes
	schema *infoschema.Schema // tables and SHOW, with the current database
	exec   engine.Executor    // of SELECT and expressions; its Env is this session
	diag   result.Diagnostics // SHOW WARNINGS

	mem      memory // what the following keeps
	userVars userVars
	prepared namedStatements
	texts    textCache
	txn      transaction

	parser   *sqlext.Parser // nil until the first statement
	multi    bool           // several statements in one text are allowed
	found    int64          // FOUND_ROWS()
	affected int64          // ROW_COUNT()
}

// New makes the session of a client that has just logged in.
func New(opts Options, connID uint32, acc privilege.Account) *Session {
	opts = opts.withDefaults()
	s := &Session{opts: opts, id: connID, acc: acc, multi: true, mem: memory{share: opts.Share}}
	s.exec = engine.Executor{Env: env{s}, Limits: opts.Limits, Budget: opts.Share}
	s.vars = sysvar.New(&s.opts.Facts, sysvar.Owner{
		ID: connID, Account: &s.acc, Diag: &s.diag, Changed: s.varChanged,
		LogBin: func(ctx context.Context) (string, error) { return s.nodes.LogBin(ctx) },
	})
	s.keepNothing()
	s.nodes = nodestmt.New(&s.opts.Config, nodestmt.Owner{
		Account: &s.acc, Vars: s.vars, Diag: &s.diag, Exec: &s.exec, ReadOnly: s.txn.takeReadOnly,
		Log: opts.Logger.WithFields(logrus.Fields{"conn": connID, "user": acc.Name, "addr": acc.Host}),
	})
	s.schema = infoschema.New(infoschema.Owner{
		Account: &s.acc, Server: opts.Server, Vars: s.vars, Nodes: s.nodes, Diag: &s.diag, Exec: &s.exec, Now: opts.Now,
	})
	return s
}

func (o Options) withDefaults() Options {
	o.Config = o.Config.WithDefaults()
	if o.MaxPacket <= 0 {
		o.MaxPacket = 64 << 20
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 8 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = logrus.New()
	}
	return o
}

// Reset carries out COM_RESET_CONNECTION: the session is as after the login, but for
// the handshake's collation and what it has written, which it goes on seeing.
func (s *Session) Reset() {
	s.mem.free(s.mem.kept)
	s.diag = result.Diagnostics{}
	s.found, s.affected = 0, 0
	s.vars.Reset()
	s.keepNothing()
}

// keepNothing makes empty what the session keeps. Its memory has been given back.
func (s *Session) keepNothing() {
	s.userVars, s.prepared, s.texts = userVars{mem: &s.mem}, namedStatements{mem: &s.mem}, textCache{mem: &s.mem}
	s.txn = transaction{mem: &s.mem, vars: s.vars, autocommit: s.vars.Autocommit}
}

// SetMultiStatements allows or forbids several statements in one text, as the
// client's capabilities and COM_SET_OPTION say.
func (s *Session) SetMultiStatements(on bool) { s.multi = on }

// varChanged follows a change of a system variable, which freed so many bytes.
func (s *Session) varChanged(freed int64) {
	s.mem.free(freed)
	s.txn.obey()
	s.texts.forget() // what a text means may depend on any of them
}

// SetCollation takes the collation the client chose in the handshake (or with COM_CHANGE_USER).
func (s *Session) SetCollation(id uint16) { s.vars.SetCollation(id) }

// ResultCharset is the charset result texts go out in, "" for unconverted (utf8mb4).
func (s *Session) ResultCharset() string {
	if s.vars.ResultCharset == "" {
		return "utf8mb4"
	}
	return s.vars.ResultCharset
}

// ClientCharset is the charset statements come in.
func (s *Session) ClientCharset() string { return s.vars.ClientCharset }

// DB is the current database, "" for none.
func (s *Session) DB() string { return s.schema.DB }

// Status gives the server status bits that belong to the session.
func (s *Session) Status() uint16 {
	var bits uint16
	if s.vars.Autocommit {
		bits |= statusAutocommit
	}
	if s.txn.active {
		bits |= statusInTrans
	}
	if s.vars.Mode.HasNoBackslashEscapesMode() {
		bits |= statusNoEscapes
	}
	return bits
}

// Warnings counts what the last statement left in the diagnostics area.
func (s *Session) Warnings() uint16 { return s.diag.Sent() }

// IdleTimeout is how long the client may be silent between commands: wait_timeout.
func (s *Session) IdleTimeout() time.Duration { return s.vars.IdleTimeout }

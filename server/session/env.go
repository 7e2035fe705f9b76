package session

import (
	"context"
	"strconv"
	"time"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// env is what expressions may know of the session: the engine's Env.
type env struct{ s *Session }

var _ engine.Env = env{}

func (e env) UserVar(name string) engine.Value { return e.s.userVars.get(name) }

func (e env) SetUserVar(name string, v engine.Value) error {
	if err := e.s.mem.keep(userVarBytes(name, v)); err != nil {
		return err
	}
	e.s.userVars.set(name, v)
	return nil
}

// Table finds a table.
func (e env) Table(ctx context.Context, db, name string) (engine.Table, error) {
	return e.s.schema.Table(ctx, db, name)
}

// SysVar reads a system variable for an expression.
func (e env) SysVar(ctx context.Context, name string, global, explicit bool) (engine.Value, error) {
	return e.s.vars.Read(ctx, name, global, explicit)
}

func (e env) Database() string    { return e.s.schema.DB }
func (e env) User() string        { return e.s.acc.Name + "@" + e.s.acc.Host }
func (e env) CurrentUser() string { return e.s.acc.Name + "@%" }
func (e env) Version() string     { return e.s.opts.Version }

func (e env) ConnectionID() uint32            { return e.s.id }
func (e env) Now() time.Time                  { return e.s.vars.Now }
func (e env) Location() *time.Location        { return e.s.vars.Location }
func (e env) Zone(name string) *time.Location { return sysvar.Zone(name) }

func (e env) SQLMode() uint64   { return uint64(e.s.vars.Mode) }
func (e env) Collation() uint16 { return e.s.vars.ConnCollationID }
func (e env) RowCount() int64   { return e.s.affected }
func (e env) FoundRows() int64  { return e.s.found }

func (e env) LastInsertID() uint64 {
	n, _ := strconv.ParseUint(e.s.vars.Own("last_insert_id"), 10, 64)
	return n
}

func (e env) Warn(code uint16, message string) {
	e.s.diag.Add(result.Warning, code, message)
}

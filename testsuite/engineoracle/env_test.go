package engineoracle

import (
	"context"
	"strings"
	"time"

	pmysql "github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
)

// env is the session the evaluator sees; it mirrors the one on MariaDB.
type env struct {
	tables   map[string]*table
	vars     map[string]engine.Value
	now      time.Time
	version  string
	warnings []warning // of the query
}

type table struct {
	cols []engine.Column
	rows [][]engine.Value
}

func (t *table) Columns() []engine.Column { return t.cols }
func (t *table) Scan(_ context.Context, yield func([]engine.Value) bool) error {
	for _, r := range t.rows {
		if !yield(r) {
			return nil
		}
	}
	return nil
}

func (e *env) Table(_ context.Context, db, name string) (engine.Table, error) {
	if t := e.tables[strings.ToLower(name)]; t != nil && (db == "" || db == "oracle") {
		return t, nil
	}
	if db == "" {
		db = "oracle"
	}
	return nil, &engine.Error{Code: 1146, State: "42S02", Message: "Table '" + db + "." + name + "' doesn't exist"}
}

func (e *env) SysVar(_ context.Context, name string, _, _ bool) (engine.Value, error) {
	return engine.Null(), &engine.Error{Code: 1193, State: "HY000", Message: "Unknown system variable '" + name + "'"}
}
func (e *env) UserVar(name string) engine.Value { return e.vars[strings.ToLower(name)] }
func (e *env) SetUserVar(name string, v engine.Value) error {
	e.vars[strings.ToLower(name)] = v
	return nil
}
func (e *env) Database() string           { return "oracle" }
func (e *env) User() string               { return "root@localhost" }
func (e *env) CurrentUser() string        { return "root@localhost" }
func (e *env) Version() string            { return e.version }
func (e *env) ConnectionID() uint32       { return 1 }
func (e *env) Now() time.Time             { return e.now }
func (e *env) Location() *time.Location   { return time.UTC }
func (e *env) Zone(string) *time.Location { return time.UTC }
func (e *env) SQLMode() uint64 {
	return uint64(pmysql.ModeStrictTransTables | pmysql.ModeErrorForDivisionByZero | pmysql.ModeNoEngineSubstitution)
}
func (e *env) Collation() uint16    { return 45 }
func (e *env) LastInsertID() uint64 { return 0 }
func (e *env) RowCount() int64      { return -1 }
func (e *env) FoundRows() int64     { return 1 }
func (e *env) Warn(code uint16, text string) {
	e.warnings = append(e.warnings, warning{code, text})
}

package session

import (
	"context"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
)

// virtual is a table whose rows are made when they are read.
type virtual struct {
	def  *catalog.Table
	rows result.RowSource // nil = none
}

var _ engine.ColumnScanner = (*virtual)(nil)

// Columns implements [engine.Table].
func (t *virtual) Columns() []engine.Column { return t.def.Fields }

// Scan implements [engine.Table].
func (t *virtual) Scan(ctx context.Context, yield func([]engine.Value) bool) error {
	need := make([]bool, len(t.def.Fields))
	for i := range need {
		need[i] = true
	}
	return t.ScanColumns(ctx, need, yield)
}

// ScanColumns implements [engine.ColumnScanner].
func (t *virtual) ScanColumns(ctx context.Context, need []bool, yield func([]engine.Value) bool) error {
	if t.rows == nil {
		return nil
	}
	return t.rows(ctx, need, yield)
}

// canonicalDB gives a database's name as it is shown, "" if there is none.
func canonicalDB(name string) string { return catalog.Schema(name) }

// Table finds a table.
func (e env) Table(_ context.Context, db, name string) (engine.Table, error) {
	def, err := e.s.findTable(db, name)
	if err != nil {
		return nil, err
	}
	return &virtual{def: def, rows: e.s.rowsOf(def)}, nil
}

// findTable finds a table's description; db "" is the current database.
func (s *Session) findTable(db, name string) (*catalog.Table, error) {
	if db == "" {
		db = s.db
	}
	if db == "" {
		return nil, result.Errorf(result.ErrNoDB, "No database selected")
	}
	if canonicalDB(db) == "" {
		return nil, result.Errorf(result.ErrUnknownDB, "Unknown database '%s'", db)
	}
	def := catalog.Find(db, name)
	switch {
	case def != nil:
		return def, nil
	case canonicalDB(db) == catalog.Information:
		return nil, result.Errorf(1109, "Unknown table '%s' in information_schema", name)
	}
	return nil, result.Errorf(result.ErrUnknownTable, "Table '%s.%s' doesn't exist", db, name)
}

// rowsOf gives where a table's rows come from; nil = it is always empty.
func (s *Session) rowsOf(def *catalog.Table) result.RowSource {
	switch def.Schema {
	case catalog.Binlog:
		return s.nodes.Rows(def.Name)
	case catalog.Information:
		return s.informationRows(def)
	case catalog.MySQL:
		return s.mysqlRows(def)
	}
	return s.performanceRows(def)
}

// rowList is the source of rows that are made all at once by fill.
func rowList(fill func(ctx context.Context, add func(row ...engine.Value)) error) result.RowSource {
	return func(ctx context.Context, _ []bool, yield func([]engine.Value) bool) error {
		var rows [][]engine.Value
		if err := fill(ctx, func(row ...engine.Value) { rows = append(rows, row) }); err != nil {
			return err
		}
		return yieldAll(rows, yield)
	}
}

func yieldAll(rows [][]engine.Value, yield func([]engine.Value) bool) error {
	for _, row := range rows {
		if !yield(row) {
			return nil
		}
	}
	return nil
}

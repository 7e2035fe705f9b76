package infoschema

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

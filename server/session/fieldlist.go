package session

import (
	"context"

	"pumphouse/server/engine"
)

// FieldList carries out COM_FIELD_LIST: the columns of a table of the current database.
func (s *Session) FieldList(ctx context.Context, name, wildcard string) ([]engine.Column, error) {
	ctx, stop := s.start(ctx, true, false)
	defer stop()
	t, err := s.schema.Table(ctx, "", name)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	var columns []engine.Column
	for _, c := range t.Columns() {
		if wildcard == "" || engine.Like(wildcard, c.Name, '\\') {
			columns = append(columns, c)
		}
	}
	return columns, nil
}

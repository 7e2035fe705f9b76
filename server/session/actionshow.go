package session

import (
	"context"
	"slices"

	"pumphouse/nodes"
	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
)

// fullColumns are those of SHOW FULL PUMP|DRAINER STATUS: all that the table of these
// nodes in the database binlog has, under the same names.
func fullColumns(kind nodes.Kind) []engine.Column {
	return catalog.Find(catalog.Binlog, kind.String()+"s").Fields
}

// fullStatus gives the rows of SHOW FULL PUMP|DRAINER STATUS: offline nodes too.
func (s *Session) fullStatus(ctx context.Context, kind nodes.Kind) (*engine.Result, error) {
	r := result.New(fullColumns(kind)...)
	need := make([]bool, len(r.Columns))
	for i := range need {
		need[i] = true
	}
	err := s.nodeRows(kind)(ctx, need, func(row []engine.Value) bool {
		r.Rows = append(r.Rows, slices.Clone(row))
		return true
	})
	return r, err
}

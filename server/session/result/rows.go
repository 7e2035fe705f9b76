package result

import (
	"context"
	"sync/atomic"

	"pumphouse/server/engine"
)

// RowSource gives the rows of a table. Only the columns with need set matter; add gets a
// row that is valid during the call, and false ends the scan.
type RowSource func(ctx context.Context, need []bool, add func(row []engine.Value) bool) error

// Kept holds what the protocol has made of a result; the session does not look at it.
type Kept struct{ atomic.Value }

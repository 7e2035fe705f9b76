package txn

import (
	"errors"
	"fmt"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// ErrCorrupt means: bytes that no TiDB writes.
var ErrCorrupt = errors.New("txn: malformed binlog")

// RowError says which row could not be decoded.
type RowError struct {
	CommitTS nodes.TSO
	TableID  int64
	Table    *schema.Table // nil when the error is that it is not known
	Op       Op
	Row      int    // place in the binlog's rows of this table, from 0
	Column   string // empty when it is none's
	Err      error
}

func (e *RowError) Error() string {
	if e.Table == nil {
		return fmt.Sprintf("decode the binlog with commit TS %d: table ID %d: %v", e.CommitTS, e.TableID, e.Err)
	}
	what := fmt.Sprintf("table %s (ID %d)", e.Table, e.TableID)
	if e.Column != "" {
		what += fmt.Sprintf(", column `%s`", e.Column)
	}
	return fmt.Sprintf("decode the binlog with commit TS %d: %s, %s %d: %v", e.CommitTS, what, e.Op, e.Row, e.Err)
}

// Unwrap gives the cause.
func (e *RowError) Unwrap() error { return e.Err }

// columnError is an error on its way to a RowError.
type columnError struct {
	column string
	err    error
}

func (e *columnError) Error() string { return fmt.Sprintf("column `%s`: %v", e.column, e.err) }
func (e *columnError) Unwrap() error { return e.err }

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

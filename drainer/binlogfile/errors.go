package binlogfile

import (
	"errors"
	"fmt"

	"pumphouse/nodes"
)

// ErrNotBinlog says that a file is not one of binlogs, such as the savepoint beside them.
var ErrNotBinlog = errors.New("not a binlog file")

// DamageError says that a file does not hold what was written to it.
type DamageError struct {
	File   string
	Offset int64 // of the record that cannot be made sense of, in the uncompressed file
	Reason string
	// Torn: the file ends within the record, as it does after a crash, or while somebody is
	// writing it.
	Torn bool
}

// Problem implements [nodes.Problematic].
func (e *DamageError) Problem() nodes.Problem { return nodes.Problem{Code: nodes.ProblemDataDamaged} }

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

package merge

import (
	"errors"
	"fmt"

	"pumphouse/nodes"
)

// ErrJoined says that a pump takes part already.
var ErrJoined = errors.New("the pump takes part in the merge already")

// DisorderError says that a pump delivered a transaction that should have come out
// earlier: it is missing downstream.
type DisorderError struct {
	Pump     string
	CommitTS nodes.TSO // of the transaction
	StartTS  nodes.TSO
	After    nodes.TSO // everything up to here was said to be delivered
	Reason   string
}

func (e *DisorderError) Error() string {
	return fmt.Sprintf("pump %q delivers the transaction with commit TS %s (start TS %s) after everything up to commit TS %s: %s; "+
		"it is missing downstream: repair the downstream or dump the upstream again "+
		"(a start from the checkpoint goes on without it)", e.Pump, e.CommitTS, e.StartTS, e.After, e.Reason)
}

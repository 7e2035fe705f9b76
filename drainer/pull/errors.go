package pull

import (
	"errors"
	"fmt"

	"pumphouse/nodes"
)

// Errors of the package.
var (
	// ErrEnded says that Run has ended or is about to.
	ErrEnded = errors.New("the drainer does not pull any more")

	errStreamEnded = errors.New("the pump ended the stream (it pauses or goes offline)")
	errNoBinlogYet = errors.New("nothing has been pulled yet")
)

// PositionError says that a pump cannot deliver what comes after a position: it has been purged, damage may
// have taken some of it, or the position is not of this cluster.
type PositionError struct {
	Pump  string
	Addr  string
	Asked nodes.TSO // the position asked for: the last commit TS that was pulled
	Err   error     // the pump's answer, which names its own position
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("pull from pump %q (%s) after commit TS %s: %v", e.Pump, e.Addr, e.Asked, e.Err)
}

func (e *PositionError) Unwrap() error { return e.Err }

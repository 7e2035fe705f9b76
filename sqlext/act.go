package sqlext

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/format"
)

// Act is what an operator wants done to a node.
type Act uint8

// The acts.
const (
	Pause Act = iota
	Offline
	Drop
)

// String gives the keyword.
func (a Act) String() string {
	switch a {
	case Pause:
		return "PAUSE"
	case Offline:
		return "OFFLINE"
	case Drop:
		return "DROP"
	}
	return fmt.Sprintf("ACT(%d)", uint8(a))
}

// ActOnNode is {PAUSE | OFFLINE} {PUMP | DRAINER} NodeID [WAIT Wait], or DROP {PUMP |
// DRAINER} NodeID. The parser does not look at the values.
type ActOnNode struct {
	Act     Act
	Kind    Kind
	NodeID  Literal
	HasWait bool
	Wait    Literal // seconds, if HasWait: digits, or what somebody wrote in quotes
}

// String gives the statement in its canonical form, for logs.
func (a *ActOnNode) String() string { return restored(a) }

// Restore writes the statement in its canonical form, as ast.Node's Restore does.
func (a *ActOnNode) Restore(ctx *format.RestoreCtx) error {
	ctx.WriteKeyWord(a.Act.String() + " " + a.Kind.String() + " ")
	a.NodeID.restore(ctx)
	if !a.HasWait {
		return nil
	}
	ctx.WriteKeyWord(" WAIT ")
	a.Wait.restoreNumber(ctx)
	return nil
}

// Help is HELP with a ? for its text.
type Help struct{ Topic Literal }

// digits reports whether a text is a number of digits alone.
func digits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

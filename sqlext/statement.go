package sqlext

import (
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
)

// Kind is the kind of node a management statement is about.
type Kind uint8

// The kinds of nodes.
const (
	Pump Kind = iota
	Drainer
)

// String gives the keyword.
func (k Kind) String() string {
	switch k {
	case Pump:
		return "PUMP"
	case Drainer:
		return "DRAINER"
	}
	return fmt.Sprintf("KIND(%d)", uint8(k))
}

// Statement is one statement of a text. Exactly one of Node, Show, Change, Act, Resolve
// and Help is set. It stays valid, and is never changed, after the Parser goes on to another text.
type Statement struct {
	// Text is the statement as it stands in the text, with the semicolon after it.
	// Like TiDB's it also holds the white space and empty statements before it.
	Text string

	Node   ast.StmtNode // an ordinary statement
	Show   *ShowNodes   // SHOW [FULL] {PUMP | DRAINER} STATUS
	Change *ChangeNode  // CHANGE {PUMP | DRAINER}
	Act    *ActOnNode   // PAUSE, OFFLINE or DROP {PUMP | DRAINER}
	Help   *Help        // HELP ?; with a literal it is an ordinary statement

	Resolve *Resolve // RESOLVE TRANSACTION

	// Params is the number of ? in the statement. Markers in expressions carry their
	// place in order of appearance, from 0, in ParamMarkerExpr.Order.
	Params int
}

// ShowNodes is SHOW [FULL] {PUMP | DRAINER} STATUS. At most one of Pattern and Where is set;
// they are as in ast.ShowStmt.
type ShowNodes struct {
	Kind Kind
	Full bool
	// Pattern is the filter LIKE …: the expression is in its field Pattern, its field
	// Expr is nil. It filters the node IDs.
	Pattern *ast.PatternLikeOrIlikeExpr
	// Where filters the rows.
	Where ast.ExprNode
}

// ChangeNode is CHANGE {PUMP | DRAINER} TO NODE_STATE = State FOR NODE_ID NodeID. The
// parser does not look at the values.
type ChangeNode struct {
	Kind   Kind
	State  Literal
	NodeID Literal
}

// Literal is a string literal, or a ? in its place.
type Literal struct {
	Value string // what the literal means; "" for ?
	Param int    // which ? of the statement, from 0; -1: a literal
}

// restoreFlags make a formatted statement one that parses again in the default
// sql_mode: its literals escape quotes and backslashes.
const restoreFlags = format.DefaultRestoreFlags | format.RestoreStringEscapeBackslash | format.RestoreStringWithoutCharset

// String gives the statement in its canonical form, for logs. What an expression
// cannot say of itself appears as an error in parentheses.
func (s *ShowNodes) String() string { return restored(s) }

// Restore writes the statement in its canonical form, as ast.Node's Restore does.
func (s *ShowNodes) Restore(ctx *format.RestoreCtx) error {
	full := ""
	if s.Full {
		full = "FULL "
	}
	ctx.WriteKeyWord("SHOW " + full + s.Kind.String() + " STATUS")
	switch {
	case s.Pattern != nil:
		ctx.WriteKeyWord(" LIKE ")
		return s.Pattern.Pattern.Restore(ctx)
	case s.Where != nil:
		ctx.WriteKeyWord(" WHERE ")
		return s.Where.Restore(ctx)
	}
	return nil
}

// String gives the statement in its canonical form, for logs.
func (c *ChangeNode) String() string { return restored(c) }

// Restore writes the statement in its canonical form, as ast.Node's Restore does.
func (c *ChangeNode) Restore(ctx *format.RestoreCtx) error {
	ctx.WriteKeyWord("CHANGE " + c.Kind.String() + " TO NODE_STATE ")
	ctx.WritePlain("= ")
	c.State.restore(ctx)
	ctx.WriteKeyWord(" FOR NODE_ID ")
	c.NodeID.restore(ctx)
	return nil
}

func (l Literal) restore(ctx *format.RestoreCtx) {
	if l.Param >= 0 {
		ctx.WritePlain("?")
		return
	}
	ctx.WriteString(l.Value)
}

func restored(s interface {
	Restore(*format.RestoreCtx) error
}) string {
	var b strings.Builder
	if err := s.Restore(format.NewRestoreCtx(restoreFlags, &b)); err != nil {
		fmt.Fprintf(&b, " (%v)", err)
	}
	return b.String()
}

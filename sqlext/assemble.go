package sqlext

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver" // also makes the literals of TiDB's parser
)

// cutter cuts a text into the texts of its statements as TiDB's parser does: one goes
// on where the one before ended, but a line break at either end belongs to none.
type cutter struct {
	text string
	from int // end of the last statement
}

// upTo gives the statement that ends at an offset.
func (c *cutter) upTo(end int) string {
	if c.text[end-1] == '\n' {
		end--
	}
	c.skipLineBreak()
	return c.cut(end)
}

// length gives the statement with the given length.
func (c *cutter) length(n int) string {
	c.skipLineBreak()
	return c.cut(c.from + n)
}

func (c *cutter) cut(end int) string {
	from := c.from
	c.from = end
	return c.text[from:end]
}

func (c *cutter) skipLineBreak() {
	if c.text[c.from] == '\n' {
		c.from++
	}
}

// ownStatements gives the statements of a text in which there are no others.
func ownStatements(text string, ms []managed) []Statement {
	stmts := make([]Statement, len(ms))
	cut := cutter{text: text}
	for i := range ms {
		stmts[i].Text = cut.upTo(ms[i].stop.end)
		ms[i].become(&stmts[i], nil)
	}
	return stmts
}

// become fills in the statement, given the node of the ordinary statement in its place,
// which is nil where TiDB's parser was not needed. False means that the node cannot
// stand for it.
func (m *managed) become(st *Statement, node ast.StmtNode) bool {
	st.Params = m.params
	switch m.form.verb {
	case verbShow, verbShowFull:
		st.Show = &ShowNodes{Kind: m.kind, Full: m.form.verb == verbShowFull}
		if node == nil {
			return true
		}
		show, ok := node.(*ast.ShowStmt)
		if !ok || show.Tp != ast.ShowStatus {
			return false
		}
		st.Show.Pattern, st.Show.Where = show.Pattern, show.Where
		st.Params = numberParams(show, st.Text)
		return true
	case verbChange:
		st.Change = &ChangeNode{Kind: m.kind, State: m.literals[0], NodeID: m.literals[1]}
	case verbResolve:
		st.Resolve = &Resolve{StartTS: m.literals[0], Pump: m.literals[1], Commit: m.nliterals > 2}
		if st.Resolve.Commit {
			st.Resolve.CommitTS = m.literals[2]
		}
	case verbHelp:
		st.Help = &Help{Topic: m.literals[0]}
	default:
		st.Act = &ActOnNode{Act: acts[m.form.verb], Kind: m.kind, NodeID: m.literals[0], HasWait: m.nliterals > 1}
		if st.Act.HasWait {
			st.Act.Wait = m.literals[1]
		}
	}
	if node != nil {
		_, ok := node.(*ast.DoStmt)
		return ok
	}
	return true
}

// acts are the verbs of [ActOnNode].
var acts = map[verb]Act{verbPause: Pause, verbOffline: Offline, verbDrop: Drop}

// numberParams numbers the ? in a node in order of appearance and counts them.
func numberParams(node ast.Node, text string) int {
	if strings.IndexByte(text, '?') < 0 {
		return 0
	}
	var f paramFinder
	node.Accept(&f)
	slices.SortFunc(f.found, func(a, b *driver.ParamMarkerExpr) int { return a.Offset - b.Offset })
	for i, marker := range f.found {
		marker.SetOrder(i)
	}
	return len(f.found)
}

// paramFinder is a visitor that collects the parameter markers.
type paramFinder struct {
	found []*driver.ParamMarkerExpr
}

// Enter implements ast.Visitor.
func (f *paramFinder) Enter(n ast.Node) (ast.Node, bool) { return n, false }

// Leave implements ast.Visitor.
func (f *paramFinder) Leave(n ast.Node) (ast.Node, bool) {
	if marker, ok := n.(*driver.ParamMarkerExpr); ok {
		f.found = append(f.found, marker)
	}
	return n, true
}

package sqlext

import (
	"slices"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// orders gives the numbers of the markers in a node, by their place in the text.
func orders(node ast.Node) []int {
	var f paramFinder
	node.Accept(&f)
	slices.SortFunc(f.found, func(a, b *driver.ParamMarkerExpr) int { return a.Offset - b.Offset })
	var got []int
	for _, m := range f.found {
		got = append(got, m.Order)
	}
	return got
}

func TestParams(t *testing.T) {
	one := func(text string) Statement {
		t.Helper()
		stmts := parse(t, 0, text)
		if len(stmts) != 1 {
			t.Fatalf("%q has %d statements", text, len(stmts))
		}
		return stmts[0]
	}

	s := one("change pump to node_state = ? for node_id ?")
	if s.Params != 2 || s.Change.State != (Literal{Param: 0}) || s.Change.NodeID != (Literal{Param: 1}) {
		t.Errorf("CHANGE: %d parameters, %+v", s.Params, s.Change)
	}
	if got := s.Change.String(); got != "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?" {
		t.Errorf("formatted %s", got)
	}
	s = one("change pump to node_state = '?' for node_id ? /* ? */")
	if s.Params != 1 || s.Change.State != (Literal{Value: "?", Param: -1}) || s.Change.NodeID != (Literal{Param: 0}) {
		t.Errorf("CHANGE: %d parameters, %+v", s.Params, s.Change)
	}
	s = one("show pump status like ?")
	if s.Params != 1 || !slices.Equal(orders(s.Show.Pattern.Pattern), []int{0}) {
		t.Errorf("LIKE: %d parameters", s.Params)
	}
	s = one("show pump status where nodeid in (?, '?', ?) or state = ?")
	if s.Params != 3 || !slices.Equal(orders(s.Show.Where), []int{0, 1, 2}) {
		t.Errorf("WHERE: %d parameters, numbers %v", s.Params, orders(s.Show.Where))
	}
	s = one("select ? + a from (select ? as a) t where a in (select ?) limit ?, ?")
	if s.Params != 5 || !slices.Equal(orders(s.Node), []int{0, 1, 2, 3, 4}) {
		t.Errorf("SELECT: %d parameters, numbers %v", s.Params, orders(s.Node))
	}
	if s = one("select '?', `?` -- ?"); s.Params != 0 {
		t.Errorf("%d parameters where there are none", s.Params)
	}
}

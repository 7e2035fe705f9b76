package engine

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// cte is a common table expression in scope: a list, innermost first.
type cte struct {
	name  string
	names []string
	query *query
	next  *cte
}

func (c *cte) find(name string) *cte {
	for ; c != nil; c = c.next {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (st *statement) compileWith(n *ast.WithClause, ctes *cte) (*cte, error) {
	if n == nil {
		return ctes, nil
	}
	if n.IsRecursive {
		return nil, errNotSupported("WITH RECURSIVE")
	}
	for _, e := range n.CTEs {
		q, err := st.compileQuery(e.Query, nil, ctes)
		if err != nil {
			return nil, err
		}
		next := &cte{name: e.Name.L, query: q, next: ctes}
		for _, name := range e.ColNameList {
			next.names = append(next.names, name.O)
		}
		ctes = next
	}
	return ctes, nil
}

// part is one query of a set operation and how it is joined to those before it.
type part struct {
	q  *query
	op ast.SetOprType
}

// compileUnion compiles UNION, INTERSECT and EXCEPT.
func (st *statement) compileUnion(list *ast.SetOprSelectList, order *ast.OrderByClause, limit *ast.Limit, with *ast.WithClause, outer *scope, ctes *cte) (*query, error) {
	ctes, err := st.compileWith(with, ctes)
	if err != nil {
		return nil, err
	}
	out := &query{}
	var parts []part
	for i, n := range list.Selects {
		q, err := st.compileQuery(n, outer, ctes)
		if err != nil {
			return nil, err
		}
		if len(parts) > 0 && len(q.cols) != len(parts[0].q.cols) {
			return nil, fail(1222, "21000", "The used SELECT statements have a different number of columns")
		}
		p := part{q: q}
		if op := afterOperator(n); i > 0 && op != nil {
			p.op = *op
		}
		parts = append(parts, p)
		out.correlated = out.correlated || q.correlated
	}
	if err := st.unionTypes(out, parts); err != nil {
		return nil, err
	}
	keys, err := st.unionOrder(out, order, outer)
	if err != nil {
		return nil, err
	}
	cut, err := st.compileLimit(limit)
	if err != nil {
		return nil, err
	}
	out.run = func(of *frame) ([][]Value, error) {
		rows, err := combine(st, of, out.types, parts)
		if err != nil {
			return nil, err
		}
		if err := sortUnion(st, rows, keys); err != nil {
			return nil, err
		}
		return cut.cut(rows), nil
	}
	return out, nil
}

func afterOperator(n ast.Node) *ast.SetOprType {
	switch n := n.(type) {
	case *ast.SelectStmt:
		return n.AfterSetOperator
	case *ast.SetOprSelectList:
		return n.AfterSetOperator
	}
	return nil
}

// unionTypes finds the types that hold all parts' values; names are those of the first.
func (st *statement) unionTypes(out *query, parts []part) error {
	c := &compiler{st: st}
	for i, col := range parts[0].q.cols {
		var alts []*expr
		for _, p := range parts {
			alts = append(alts, &expr{typ: p.q.types[i]})
		}
		t, err := c.unify("UNION", alts...)
		if err != nil {
			return err
		}
		if len(parts) > 1 {
			t.lit, t.boolean, t.loose = false, false, false
		}
		out.types = append(out.types, t)
		out.cols = append(out.cols, t.column(col.Name))
	}
	return nil
}

func (st *statement) unionOrder(out *query, order *ast.OrderByClause, outer *scope) ([]orderKey, error) {
	if order == nil {
		return nil, nil
	}
	sc := &scope{outer: outer}
	for i, col := range out.cols {
		e := &expr{typ: out.types[i], eval: func(f *frame) (Value, error) { return f.out[i], nil }}
		sc.fields = append(sc.fields, selectItem{name: col.Name, expr: e})
	}
	return (&compiler{st: st, scope: sc, clause: inOrder}).compileOrder(order.Items)
}

// sortUnion computes the sort keys of finished rows and sorts by them.
func sortUnion(st *statement, rows [][]Value, keys []orderKey) error {
	if len(keys) == 0 || len(rows) == 0 {
		return nil
	}
	width := len(rows[0])
	for i, row := range rows {
		f := &frame{st: st, out: row}
		for _, k := range keys {
			v, err := k.expr.eval(f)
			if err != nil {
				return err
			}
			rows[i] = append(rows[i], v)
		}
	}
	if err := sortRows(st, rows, width, keys); err != nil {
		return err
	}
	for i := range rows {
		rows[i] = rows[i][:width:width]
	}
	return nil
}

// combine carries out the set operations from left to right; INTERSECT binds tighter than
// UNION and EXCEPT.
func combine(st *statement, outer *frame, types []typ, parts []part) ([][]Value, error) {
	var rows, term [][]Value // what is done, and the operand that is being made
	var pending *ast.SetOprType
	join := func() {
		if pending == nil {
			rows = term
		} else {
			rows = setOperation(*pending, types, rows, term)
		}
	}
	f := &frame{st: st, outer: outer}
	for i, p := range parts {
		next, err := p.q.run(outer)
		if err != nil {
			return nil, err
		}
		converted := make([][]Value, len(next))
		for r, row := range next {
			if err := st.step(); err != nil {
				return nil, err
			}
			converted[r] = make([]Value, len(row))
			for k, v := range row {
				converted[r][k] = types[k].to(f, v)
			}
			if err := st.hold(converted[r]); err != nil {
				return nil, err
			}
		}
		switch {
		case i == 0:
			term = converted
		case p.op == ast.Intersect || p.op == ast.IntersectAll:
			term = setOperation(p.op, types, term, converted)
		default:
			join()
			term, pending = converted, &p.op
		}
	}
	join()
	return rows, nil
}

func setOperation(op ast.SetOprType, types []typ, left, right [][]Value) [][]Value {
	switch op {
	case ast.UnionAll:
		return append(left, right...)
	case ast.Union:
		return distinctRows(types, append(left, right...))
	}
	counts := map[string]int{}
	for _, row := range right {
		counts[rowKey(types, row)]++
	}
	var out [][]Value
	for _, row := range left {
		key := rowKey(types, row)
		has := counts[key] > 0
		if op == ast.IntersectAll || op == ast.ExceptAll {
			counts[key]--
		}
		if has == (op == ast.Intersect || op == ast.IntersectAll) {
			out = append(out, row)
		}
	}
	if op == ast.Intersect || op == ast.Except {
		return distinctRows(types, out)
	}
	return out
}

func distinctRows(types []typ, rows [][]Value) [][]Value {
	seen := map[string]bool{}
	out := rows[:0:0]
	for _, row := range rows {
		if key := rowKey(types, row); !seen[key] {
			seen[key] = true
			out = append(out, row)
		}
	}
	return out
}

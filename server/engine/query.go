package engine

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// query is a compiled SELECT or UNION.
type query struct {
	cols       []Column
	types      []typ
	correlated bool
	run        func(outer *frame) ([][]Value, error)
}

// shown rounds the decimals of finished rows to the digits of their columns.
func (q *query) shown(rows [][]Value) [][]Value {
	for i, t := range q.types {
		if !t.loose {
			continue
		}
		for _, row := range rows {
			row[i] = t.shown(row[i])
		}
	}
	return rows
}

// errStop ends a scan that has given enough; it never leaves the package.
var errStop = errors.New("enough rows")

// selection is a compiled SELECT block.
type selection struct {
	st       *statement
	src      *source
	where    *expr
	fields   []selectItem
	grouped  bool
	groupBy  []*expr
	aggs     *aggregates
	having   *expr
	distinct bool
	order    []orderKey
	limit    limitClause
}

// limitClause is LIMIT [offset,] count; count -1 means none.
type limitClause struct{ offset, count int64 }

// compileQuery compiles a SELECT or a set operation. outer is the scope around a subquery.
func (st *statement) compileQuery(n ast.Node, outer *scope, ctes *cte) (*query, error) {
	defer st.leave()
	if err := st.enter(); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *ast.SelectStmt:
		return st.compileSelect(n, outer, ctes)
	case *ast.SetOprStmt:
		return st.compileUnion(n.SelectList, n.OrderBy, n.Limit, n.With, outer, ctes)
	case *ast.SetOprSelectList:
		return st.compileUnion(n, n.OrderBy, n.Limit, n.With, outer, ctes)
	case *ast.SubqueryExpr:
		return st.compileQuery(n.Query, outer, ctes)
	}
	return nil, errNotSupported("this form of query")
}

func unsupportedClause(n *ast.SelectStmt) string {
	switch {
	case n.Kind == ast.SelectStmtKindTable:
		return "TABLE"
	case n.Kind == ast.SelectStmtKindValues:
		return "VALUES"
	case len(n.WindowSpecs) > 0:
		return "WINDOW"
	case n.SelectIntoOpt != nil:
		return "SELECT ... INTO"
	case n.GroupBy != nil && n.GroupBy.Rollup:
		return "WITH ROLLUP"
	}
	return ""
}

func (st *statement) compileSelect(n *ast.SelectStmt, outer *scope, ctes *cte) (*query, error) {
	if what := unsupportedClause(n); what != "" {
		return nil, errNotSupported(what)
	}
	ctes, err := st.compileWith(n.With, ctes)
	if err != nil {
		return nil, err
	}
	s := &selection{st: st, aggs: &aggregates{}, distinct: n.Distinct}
	sc := &scope{outer: outer, ctes: ctes}
	if s.src, err = st.compileFrom(n.From, sc); err != nil {
		return nil, err
	}
	sc.cols = s.src.cols
	c := &compiler{st: st, scope: sc, grouping: n.GroupBy != nil}
	if s.where, err = c.clauseExpr(inWhere, n.Where, nil); err != nil {
		return nil, err
	}
	if err = s.compileFields(c, n); err != nil {
		return nil, err
	}
	sc.fields = s.fields
	if err = s.compileGroup(c, n); err != nil {
		return nil, err
	}
	if n.OrderBy != nil {
		c.clause, c.aggs = inOrder, s.aggs
		if s.order, err = c.compileOrder(n.OrderBy.Items); err != nil {
			return nil, err
		}
	}
	if s.limit, err = st.compileLimit(n.Limit); err != nil {
		return nil, err
	}
	s.grouped = n.GroupBy != nil || len(s.aggs.list) > 0
	q := &query{correlated: sc.correlated, run: s.run}
	for _, item := range s.fields {
		q.types = append(q.types, item.expr.typ)
		q.cols = append(q.cols, item.column())
	}
	return q, nil
}

// clauseExpr compiles the condition of a clause; nil stays nil.
func (c *compiler) clauseExpr(clause string, n ast.ExprNode, aggs *aggregates) (*expr, error) {
	if n == nil {
		return nil, nil
	}
	c.clause, c.aggs = clause, aggs
	e, err := c.compile(n)
	if err != nil {
		return nil, err
	}
	return numeric(e), nil
}

func (s *selection) compileFields(c *compiler, n *ast.SelectStmt) error {
	c.clause, c.aggs = inFields, s.aggs
	for _, f := range n.Fields.Fields {
		if f.WildCard != nil {
			if err := s.expandStar(c, f.WildCard); err != nil {
				return err
			}
			continue
		}
		e, err := c.compile(f.Expr)
		if err != nil {
			return err
		}
		s.fields = append(s.fields, selectItem{name: fieldName(f), expr: e})
	}
	return nil
}

func (s *selection) expandStar(c *compiler, w *ast.WildCardField) error {
	if w.Table.L == "" && len(s.src.cols) == 0 {
		return fail(1096, "HY000", "No tables used")
	}
	found := false
	for i := range s.src.cols {
		sc := &s.src.cols[i]
		if w.Table.L == "" && sc.hidden || w.Table.L != "" && !strings.EqualFold(w.Table.O, sc.col.Table) ||
			w.Schema.L != "" && !strings.EqualFold(w.Schema.O, sc.col.Schema) {
			continue
		}
		found = true
		s.fields = append(s.fields, selectItem{name: sc.col.Name, expr: columnRef(sc, i, 0)})
	}
	if !found {
		return fail(1051, "42S02", "Unknown table '%s'", w.Table.O)
	}
	return nil
}

// fieldName is the name of a select item without alias: a column's name, a text's
// value, and otherwise the text of the expression as it was written.
func fieldName(f *ast.SelectField) string {
	if f.AsName.O != "" {
		return f.AsName.O
	}
	inner := f.Expr
	for {
		p, ok := inner.(*ast.ParenthesesExpr)
		if !ok {
			break
		}
		inner = p.Expr
	}
	switch n := inner.(type) {
	case *ast.ColumnNameExpr:
		return n.Name.Name.O
	case *driver.ValueExpr:
		if s, ok := n.GetValue().(string); ok {
			if at := n.GetProjectionOffset(); at >= 0 && at < len(s) {
				s = s[:at]
			}
			return s
		}
		if n.GetValue() == nil {
			return "NULL"
		}
		return strings.TrimRight(strings.TrimLeft(f.Text(), "\t\n\r +("), "\t\n\r )")
	}
	return cutName(strings.Trim(f.Text(), "\t\n\r "))
}

// cutName cuts a name made of an expression's text to 255 bytes, as MySQL does.
func cutName(s string) string {
	const limit = 255
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// column describes a select item to the client.
func (item selectItem) column() Column {
	if item.expr.origin == nil {
		return item.expr.column(item.name)
	}
	col := *item.expr.origin
	col.Name = item.name
	return col
}

func (s *selection) compileGroup(c *compiler, n *ast.SelectStmt) error {
	var err error
	if n.GroupBy != nil {
		for _, item := range n.GroupBy.Items {
			c.clause, c.aggs = inGroup, nil
			e, err := c.position(item.Expr, inGroup)
			if err == nil && e == nil {
				e, err = c.compile(item.Expr)
			}
			if err != nil {
				return err
			}
			s.groupBy = append(s.groupBy, e)
		}
	}
	if n.Having != nil {
		s.having, err = c.clauseExpr(inHaving, n.Having.Expr, s.aggs)
	}
	return err
}

// position resolves ORDER BY 2 and GROUP BY 2; nil if the item is no number.
func (c *compiler) position(n ast.ExprNode, clause string) (*expr, error) {
	p, ok := n.(*ast.PositionExpr)
	if !ok {
		return nil, nil
	}
	if p.P != nil {
		return nil, errNotSupported("a parameter as a column's position")
	}
	if p.N < 1 || p.N > len(c.scope.fields) {
		return nil, errUnknownColumn(Int(int64(p.N)).Text(), clause)
	}
	field := c.scope.fields[p.N-1]
	e := *field.expr
	if clause == inOrder {
		at := p.N - 1
		e.eval = func(f *frame) (Value, error) { return f.out[at], nil }
	}
	return &e, nil
}

func (st *statement) compileLimit(n *ast.Limit) (limitClause, error) {
	out := limitClause{count: -1}
	if n == nil || st.describe {
		return out, nil
	}
	for _, part := range []struct {
		node ast.ExprNode
		into *int64
	}{{n.Offset, &out.offset}, {n.Count, &out.count}} {
		if part.node == nil {
			continue
		}
		e, err := (&compiler{st: st}).compile(part.node)
		if err != nil {
			return out, err
		}
		v, err := e.eval(&frame{st: st})
		if err != nil {
			return out, err
		}
		if *part.into = v.int64(st.warn); *part.into < 0 || v.IsNull() {
			return out, errWrongArguments("LIMIT")
		}
	}
	return out, nil
}

// run computes the block's rows.
func (s *selection) run(outer *frame) ([][]Value, error) {
	sink := &rowSink{s: s, f: &frame{st: s.st, outer: outer}}
	if s.limit.count == 0 {
		return nil, nil
	}
	var err error
	if s.grouped {
		err = s.runGroups(outer, sink)
	} else {
		f := &frame{st: s.st, outer: outer}
		err = s.scan(outer, f, func() error { return sink.add(f) })
	}
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	return sink.finish()
}

// scan calls yield with the frame set to every row that WHERE lets through.
func (s *selection) scan(outer, f *frame, yield func() error) error {
	return s.src.scan(outer, func(row []Value) error {
		if err := s.st.step(); err != nil {
			return err
		}
		f.row = row
		if s.where != nil {
			if is, _, err := s.where.condition(f); err != nil || !is {
				return err
			}
		}
		return yield()
	})
}

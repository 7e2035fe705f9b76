package engine

import (
	"errors"
	"sort"
	"strings"

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
	limit    limits
}

// limits is a LIMIT clause; count -1 means none.
type limits struct{ offset, count int64 }

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
	return strings.Trim(f.Text(), "\t\n\r ")
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

func (st *statement) compileLimit(n *ast.Limit) (limits, error) {
	out := limits{count: -1}
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

// rowSink computes the select list, and takes HAVING, DISTINCT, ORDER BY and LIMIT.
type rowSink struct {
	s    *selection
	f    *frame
	rows [][]Value // with the sort keys behind the select list
	seen map[string]bool
}

func (k *rowSink) add(f *frame) error {
	s := k.s
	row := make([]Value, len(s.fields), len(s.fields)+len(s.order))
	f.out = row
	for i, item := range s.fields {
		v, err := item.expr.eval(f)
		if err != nil {
			return err
		}
		row[i] = item.expr.shown(v)
	}
	if s.having != nil {
		if is, _, err := s.having.condition(f); err != nil || !is {
			return err
		}
	}
	if s.distinct && !k.fresh(row) {
		return nil
	}
	for _, o := range s.order {
		v, err := o.expr.eval(f)
		if err != nil {
			return err
		}
		row = append(row, v)
	}
	if err := s.st.hold(row); err != nil {
		return err
	}
	k.rows = append(k.rows, row)
	if len(s.order) == 0 && s.limit.count >= 0 && int64(len(k.rows)) >= s.limit.count+s.limit.offset && s.limit.count+s.limit.offset >= 0 {
		return errStop
	}
	return nil
}

// fresh tells whether DISTINCT has not seen the row yet.
func (k *rowSink) fresh(row []Value) bool {
	if k.seen == nil {
		k.seen = map[string]bool{}
	}
	types := make([]typ, len(row))
	for i, item := range k.s.fields {
		types[i] = item.expr.typ
	}
	key := rowKey(types, row)
	if k.seen[key] {
		return false
	}
	k.seen[key] = true
	return true
}

func (k *rowSink) finish() ([][]Value, error) {
	width := len(k.s.fields)
	if err := sortRows(k.s.st, k.rows, width, k.s.order); err != nil {
		return nil, err
	}
	rows := k.s.limit.cut(k.rows)
	for i := range rows {
		rows[i] = rows[i][:width:width]
	}
	return rows, nil
}

// cut applies LIMIT.
func (l limits) cut(rows [][]Value) [][]Value {
	rows = rows[min(l.offset, int64(len(rows))):]
	if l.count >= 0 && l.count < int64(len(rows)) {
		rows = rows[:l.count]
	}
	return rows
}

// orderKey is one item of ORDER BY.
type orderKey struct {
	expr *expr
	desc bool
	cmp  compareFunc
}

func (c *compiler) compileOrder(items []*ast.ByItem) ([]orderKey, error) {
	var keys []orderKey
	for _, item := range items {
		e, err := c.position(item.Expr, inOrder)
		if err == nil && e == nil {
			e, err = c.compile(item.Expr)
		}
		if err != nil {
			return nil, err
		}
		order, err := c.comparer("order by", e, e)
		if err != nil {
			return nil, err
		}
		keys = append(keys, orderKey{expr: e, desc: item.Desc, cmp: order})
	}
	return keys, nil
}

// sortRows sorts by the keys that stand behind width values of each row; NULL comes first.
func sortRows(st *statement, rows [][]Value, width int, keys []orderKey) error {
	if len(keys) == 0 {
		return nil
	}
	f := &frame{st: st}
	var failed error
	sort.SliceStable(rows, func(i, j int) bool {
		if err := st.step(); err != nil {
			failed = err
		}
		for n, k := range keys {
			a, b := rows[i][width+n], rows[j][width+n]
			order := 0
			switch {
			case a.IsNull() && b.IsNull():
			case a.IsNull():
				order = -1
			case b.IsNull():
				order = 1
			default:
				order = k.cmp(f, a, b)
			}
			if order != 0 {
				return (order < 0) != k.desc
			}
		}
		return false
	})
	return failed
}

// rowKey is a text that is equal for rows that GROUP BY and DISTINCT take for equal.
func rowKey(types []typ, row []Value) string {
	var b []byte
	for i, v := range row {
		switch {
		case v.IsNull():
			b = append(b, 0)
			continue
		case v.kind == KindString:
			b = append(b, 1)
			b = append(b, collatorByID(types[i].coll).key(v.str)...)
		case v.kind == KindDecimal:
			b = append(b, 2)
			b = append(b, v.dec.String()...)
		default:
			b = append(b, 2)
			b = v.AppendText(b)
		}
		b = append(b, 0xff, 0xfe) // in no UTF-8 text
	}
	return string(b)
}

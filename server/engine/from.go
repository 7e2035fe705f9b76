package engine

import (
	"context"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// source is where a block's rows come from. scan's yield gets a row that is only valid
// during the call; its error ends the scan.
type source struct {
	cols []scopeColumn
	scan func(outer *frame, yield func(row []Value) error) error
}

// noTable is the one empty row of a SELECT without FROM.
func noTable() *source {
	return &source{scan: func(_ *frame, yield func([]Value) error) error { return yield(nil) }}
}

func (st *statement) compileFrom(n *ast.TableRefsClause, sc *scope) (*source, error) {
	if n == nil || n.TableRefs == nil {
		return noTable(), nil
	}
	return st.compileRef(n.TableRefs, sc)
}

func (st *statement) compileRef(n ast.ResultSetNode, sc *scope) (*source, error) {
	defer st.leave()
	if err := st.enter(); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *ast.Join:
		if n.Right == nil {
			return st.compileRef(n.Left, sc)
		}
		return st.compileJoin(n, sc)
	case *ast.TableSource:
		return st.compileTable(n, sc)
	case *ast.TableName:
		return st.compileTable(&ast.TableSource{Source: n}, sc)
	}
	return nil, errNotSupported("this form of table reference")
}

func (st *statement) compileTable(n *ast.TableSource, sc *scope) (*source, error) {
	switch src := n.Source.(type) {
	case *ast.TableName:
		if src.AsOf != nil || src.TableSample != nil || len(src.PartitionNames) > 0 {
			return nil, errNotSupported("AS OF, TABLESAMPLE and PARTITION")
		}
		alias := n.AsName.O
		if alias == "" {
			alias = src.Name.O
		}
		if src.Schema.L == "" {
			if t := sc.ctes.find(src.Name.L); t != nil {
				return st.derived(t.query, alias, t.names)
			}
		}
		return st.table(src, alias)
	case *ast.Join:
		return st.compileRef(src, sc)
	}
	if n.Lateral {
		return nil, errNotSupported("LATERAL")
	}
	q, err := st.compileQuery(n.Source, nil, sc.ctes)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range n.ColumnNames {
		names = append(names, name.O)
	}
	return st.derived(q, n.AsName.O, names)
}

// table reads one of the environment's tables.
func (st *statement) table(n *ast.TableName, alias string) (*source, error) {
	t, err := st.x.Env.Table(st.ctx, n.Schema.O, n.Name.O)
	if err != nil {
		return nil, err
	}
	columns := t.Columns()
	need := make([]bool, len(columns))
	src := &source{cols: make([]scopeColumn, 0, len(columns))}
	for i, col := range columns {
		col.Table = alias
		if col.OrgTable == "" {
			col.OrgTable = n.Name.O
		}
		if col.OrgName == "" {
			col.OrgName = col.Name
		}
		if col.Schema == "" {
			col.Schema = n.Schema.O
			if col.Schema == "" {
				col.Schema = st.x.Env.Database()
			}
		}
		src.cols = append(src.cols, scopeColumn{col: col, typ: typeOfColumn(col), need: &need[i]})
	}
	scan := t.Scan
	if lazy, ok := t.(ColumnScanner); ok {
		scan = func(ctx context.Context, yield func([]Value) bool) error {
			return lazy.ScanColumns(ctx, need, yield)
		}
	}
	src.scan = func(_ *frame, yield func([]Value) error) error {
		var stop error
		err := scan(st.ctx, func(row []Value) bool {
			stop = yield(row)
			return stop == nil
		})
		if stop != nil {
			return stop
		}
		return err
	}
	return src, nil
}

// derived reads a subquery in FROM, computed once.
func (st *statement) derived(q *query, alias string, names []string) (*source, error) {
	if len(names) > 0 && len(names) != len(q.cols) {
		return nil, fail(1353, "HY000", "In definition of view, derived table or common table expression, SELECT list and column names list have different column counts")
	}
	src := &source{}
	for i, col := range q.cols {
		if len(names) > 0 {
			col.Name = names[i]
		}
		for _, have := range src.cols {
			if strings.EqualFold(have.col.Name, col.Name) {
				return nil, fail(1060, "42S21", "Duplicate column name '%s'", col.Name)
			}
		}
		t := q.types[i]
		if t.coer != coerExplicit && t.isText() {
			t.coer = coerColumn
		}
		t.lit, t.hex, t.boolean, t.loose = false, false, false, false
		plain := t.column(col.Name)
		col.Schema, col.Table, col.OrgTable, col.OrgName = "", alias, alias, col.Name
		col.Flags = plain.Flags & uint16(mysql.NotNullFlag|mysql.UnsignedFlag|mysql.BinaryFlag)
		src.cols = append(src.cols, scopeColumn{col: col, typ: t})
	}
	var rows [][]Value
	done := false
	src.scan = func(_ *frame, yield func([]Value) error) error {
		if !done {
			var err error
			if rows, err = q.run(nil); err != nil {
				return err
			}
			rows, done = q.shown(rows), true
		}
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// compileJoin joins by nested loops, the right side held in memory. A RIGHT JOIN is
// turned round.
func (st *statement) compileJoin(n *ast.Join, sc *scope) (*source, error) {
	left, err := st.compileRef(n.Left, sc)
	if err != nil {
		return nil, err
	}
	right, err := st.compileRef(n.Right, sc)
	if err != nil {
		return nil, err
	}
	if err := distinctTables(left, right); err != nil {
		return nil, err
	}
	j := &join{st: st, left: left, right: right, outerSide: n.Tp}
	out := &source{cols: append(append([]scopeColumn{}, left.cols...), right.cols...), scan: j.scan}
	if n.Tp == ast.LeftJoin {
		setNullable(out.cols[len(left.cols):])
	} else if n.Tp == ast.RightJoin {
		setNullable(out.cols[:len(left.cols)])
	}
	on := &scope{outer: sc.outer, cols: out.cols, ctes: sc.ctes}
	c := &compiler{st: st, scope: on}
	if n.On != nil {
		if j.on, err = c.clauseExpr(inOn, n.On.Expr, nil); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, u := range n.Using {
		names = append(names, u.Name.O)
	}
	if n.NaturalJoin {
		names = commonColumns(left.cols, right.cols)
	}
	for _, name := range names {
		if err := j.using(c, out, name, n.Tp); err != nil {
			return nil, err
		}
	}
	sc.correlated = sc.correlated || on.correlated
	return out, nil
}

func setNullable(cols []scopeColumn) {
	for i := range cols {
		cols[i].typ.null = true
		cols[i].col.Flags &^= uint16(mysql.NotNullFlag)
	}
}

func distinctTables(a, b *source) error {
	for _, x := range a.cols {
		for _, y := range b.cols {
			if strings.EqualFold(x.col.Table, y.col.Table) && x.col.Schema == y.col.Schema {
				return fail(1066, "42000", "Not unique table/alias: '%s'", y.col.Table)
			}
		}
	}
	return nil
}

func commonColumns(left, right []scopeColumn) []string {
	var names []string
	for _, l := range left {
		for _, r := range right {
			if !l.hidden && !r.hidden && strings.EqualFold(l.col.Name, r.col.Name) {
				names = append(names, l.col.Name)
			}
		}
	}
	return names
}

// using adds the equality of one common column and hides one of the two.
func (j *join) using(c *compiler, out *source, name string, tp ast.JoinType) error {
	l, r := -1, -1
	for i, col := range out.cols {
		if col.hidden || !strings.EqualFold(col.col.Name, name) {
			continue
		}
		if i < len(j.left.cols) {
			l = i
		} else {
			r = i
		}
	}
	if l < 0 || r < 0 {
		return errUnknownColumn(name, "from clause")
	}
	e, err := c.compareExprs(opcode.EQ, columnRef(&out.cols[l], l, 0), columnRef(&out.cols[r], r, 0))
	if err != nil {
		return err
	}
	if j.on == nil {
		j.on = e
	} else {
		j.on = conjunction(j.on, e)
	}
	if tp == ast.RightJoin {
		out.cols[l].hidden = true
	} else {
		out.cols[r].hidden = true
	}
	return nil
}

// join is a nested-loop join.
type join struct {
	st          *statement
	left, right *source
	on          *expr
	outerSide   ast.JoinType
}

func (j *join) scan(outer *frame, yield func(row []Value) error) error {
	drive, inner := j.left, j.right
	driveAt, innerAt := 0, len(j.left.cols)
	if j.outerSide == ast.RightJoin {
		drive, inner = j.right, j.left
		driveAt, innerAt = innerAt, 0
	}
	held, err := j.hold(outer, inner)
	if err != nil {
		return err
	}
	f := &frame{st: j.st, outer: outer, row: make([]Value, len(j.left.cols)+len(j.right.cols))}
	return drive.scan(outer, func(row []Value) error {
		copy(f.row[driveAt:], row)
		matched := false
		for _, other := range held {
			if err := j.st.step(); err != nil {
				return err
			}
			copy(f.row[innerAt:], other)
			if j.on != nil {
				is, _, err := j.on.condition(f)
				if err != nil {
					return err
				}
				if !is {
					continue
				}
			}
			matched = true
			if err := yield(f.row); err != nil {
				return err
			}
		}
		if matched || j.outerSide != ast.LeftJoin && j.outerSide != ast.RightJoin {
			return nil
		}
		clear(f.row[innerAt : innerAt+len(inner.cols)])
		return yield(f.row)
	})
}

// hold reads one side into memory.
func (j *join) hold(outer *frame, s *source) ([][]Value, error) {
	var rows [][]Value
	err := s.scan(outer, func(row []Value) error {
		if err := j.st.step(); err != nil {
			return err
		}
		if err := j.st.hold(row); err != nil {
			return err
		}
		rows = append(rows, append([]Value(nil), row...))
		return nil
	})
	return rows, err
}

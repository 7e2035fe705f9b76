package engine

import (
	"sort"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// rowSink computes the select list, and takes HAVING, DISTINCT, ORDER BY and LIMIT.
type rowSink struct {
	s    *selection
	f    *frame
	rows [][]Value // with the sort keys after the select list
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
		if s.distinct {
			v = item.expr.shown(v)
		}
		row[i] = v
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

// fresh reports whether DISTINCT has not seen the row yet.
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
func (l limitClause) cut(rows [][]Value) [][]Value {
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

// sortRows sorts by the keys that stand after width values of each row; NULL comes first.
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

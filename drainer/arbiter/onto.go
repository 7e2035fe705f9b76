package arbiter

import (
	"context"
	"slices"
	"strings"

	"pumphouse/drainer/applier"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// onto moves changes of the tables that messages describe to those that the database has.
type onto struct {
	applier *applier.Applier
	layouts map[*schema.Table]*layout
}

// layout is where the columns of a message's table are.
type layout struct {
	table  *schema.Table // nil: its rows are not wanted
	places []int         // -1: a generated column
}

// maxLayouts bounds the memory: tables come and go with DDL.
const maxLayouts = 20000

// forget has tables looked up again: their definitions may have changed.
func (o *onto) forget() { clear(o.layouts) }

// changes are those that are wanted, with the tables of the database.
func (o *onto) changes(ctx context.Context, list []*txn.Change) ([]*txn.Change, error) {
	kept := list[:0]
	for _, c := range list {
		l, err := o.layout(ctx, c.Table)
		if err != nil {
			return nil, err
		}
		if l.table == nil {
			continue
		}
		c.Table, c.Old, c.New = l.table, l.row(c.Old), l.row(c.New)
		kept = append(kept, c)
	}
	return kept, nil
}

func (l *layout) row(from txn.Row) txn.Row {
	if from == nil {
		return nil
	}
	row := make(txn.Row, len(l.table.Columns))
	for i, at := range l.places {
		if at >= 0 {
			row[at] = from[i]
		}
	}
	return row
}

// layout finds the database's table. A column that it does not have is added: the database says so.
func (o *onto) layout(ctx context.Context, t *schema.Table) (*layout, error) {
	if l := o.layouts[t]; l != nil {
		return l, nil
	}
	l := &layout{}
	if o.applier.Wanted(t.Schema, t.Name) {
		there, err := o.applier.Find(ctx, t.Schema, t.Name)
		if err != nil {
			return nil, err
		}
		table := *there
		table.Columns = slices.Clone(there.Columns)
		for i := range t.Columns {
			at := slices.IndexFunc(table.Columns, func(c schema.Column) bool { return strings.EqualFold(c.Name, t.Columns[i].Name) })
			switch {
			case at < 0:
				at = len(table.Columns)
				table.Columns = append(table.Columns, t.Columns[i])
			case table.Columns[at].Generated:
				at = -1
			}
			l.places = append(l.places, at)
		}
		l.table = &table
	}
	if o.layouts == nil || len(o.layouts) >= maxLayouts {
		o.layouts = map[*schema.Table]*layout{}
	}
	o.layouts[t] = l
	return l, nil
}

package schema

import (
	"context"
	"errors"
	"slices"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/nodes"
)

// look is what was found in TiDB's meta data about a table.
type look struct {
	of *Table // the definition that it was compared with
	// since is the first commit TS at which clients may write what the definition does not allow; 0: they may not.
	since nodes.TSO
	// forgotten: whether they might up to this commit TS nobody can tell.
	forgotten nodes.TSO
	// allowsNothing: right after forgotten they might not.
	allowsNothing bool
	// next is the job that then decides, once it is searched for.
	next     *Job
	searched bool
}

// looks are those that still hold.
type looks struct {
	until   nodes.TSO // for what was committed up to here
	version int64     // the newest schema version as of then; 0: not asked yet
	tables  map[int64]look
}

// look gives what there is to know about a table for rows with a commit TS. TiDB is asked what it has altered
// once for all that has been committed by then, which mostly is all that waits to be decoded; and about a table only
// when it was altered.
func (h *History) look(ctx context.Context, meta Meta, t *Table, commitTS nodes.TSO) (look, error) {
	if commitTS > h.looks.until {
		a, err := meta.Altered(ctx, h.looks.version)
		if err != nil {
			return look{}, err
		}
		for _, id := range a.Tables {
			delete(h.looks.tables, id)
		}
		if a.All || len(h.looks.tables) > 2*len(h.tables.tables) { // mostly of tables that are gone
			clear(h.looks.tables)
		}
		h.looks.until, h.looks.version = max(a.Now, commitTS), a.Version
	}
	if l := h.looks.tables[t.ID]; l.of == t {
		return l, nil
	}
	l, err := h.compare(ctx, meta, t, commitTS)
	if err == nil {
		h.looks.tables[t.ID] = l
	}
	return l, err
}

// compare compares a definition with those that TiDB has had since a commit TS, until the next job on the table ended or
// up to now, when nobody has said which that is. Each of them is looked at, the newest first: a later job may have taken back
// what an earlier one allows. Those before the end of the job that made the definition are not: where its
// statement was run early they are steps to it, which may have a column that it drops.
func (h *History) compare(ctx context.Context, meta Meta, t *Table, commitTS nodes.TSO) (look, error) {
	l := look{of: t}
	before, at := max(commitTS-1, t.finished), h.looks.until
	for _, p := range h.pending {
		if p.table == t.ID && p.finished > before {
			at = min(at, p.finished)
			break
		}
	}
	var floor nodes.TSO // the definition as of since has come after it
	for at > before {
		info, err := meta.TableAt(ctx, t.SchemaID, t.ID, at)
		switch {
		case errors.Is(err, ErrNoMeta):
			l.forgotten, before = at, at
			continue
		case err != nil:
			return l, err
		case info == nil: // the table is gone
			at, err = lastThere(ctx, meta, t, before, at)
			if err != nil {
				return l, err
			}
			continue
		}
		earlier := info.UpdateTS - 1 // when the step to it began, the definition before it held
		if info.UpdateTS == 0 || earlier >= at {
			earlier = before // nobody knows since when it has held
		}
		if l.allowsNothing = !t.outgrown(info); !l.allowsNothing {
			l.since, floor = at, earlier
		}
		at = earlier
	}
	if l.since == 0 {
		return l, nil
	}
	var err error
	l.since, err = first(max(before, floor), l.since, func(ts nodes.TSO) (bool, error) {
		info, err := meta.TableAt(ctx, t.SchemaID, t.ID, ts)
		if errors.Is(err, ErrNoMeta) {
			l.forgotten, l.allowsNothing = ts, false
			return false, nil
		}
		if err != nil || info == nil || t.outgrown(info) {
			return info != nil, err
		}
		l.allowsNothing = true
		return false, nil
	})
	return l, err
}

// lastThere is the last time at which a table was there that is gone at a time, or the one before which it is not asked for.
func lastThere(ctx context.Context, meta Meta, t *Table, before, gone nodes.TSO) (nodes.TSO, error) {
	ts, err := first(before, gone, func(ts nodes.TSO) (bool, error) {
		info, err := meta.TableAt(ctx, t.SchemaID, t.ID, ts)
		if errors.Is(err, ErrNoMeta) {
			return false, nil
		}
		return info == nil, err
	})
	return ts - 1, err
}

// first is the first time after one for which a condition holds that holds at another.
func first(after, at nodes.TSO, holds func(nodes.TSO) (bool, error)) (nodes.TSO, error) {
	for at-after > 1 {
		middle := after + (at-after)/2
		ok, err := holds(middle)
		switch {
		case err != nil:
			return 0, err
		case ok:
			at = middle
		default:
			after = middle
		}
	}
	return at, nil
}

// outgrown reports whether clients may write what the definition does not allow: values of a column that it does not
// have, other values or NULL in one that it has, or rows that a key of it forbids.
func (t *Table) outgrown(now *TableInfo) bool {
	enforced := make(map[int64]bool, len(now.Indices))
	for _, idx := range now.Indices {
		enforced[idx.ID] = idx.State == StateWriteOnly || idx.State == StateWriteReorg || idx.State == StatePublic
	}
	for _, idx := range t.Info.Indices {
		if idx.State == StatePublic && (idx.Unique || idx.Primary) && !enforced[idx.ID] {
			return true
		}
	}
	return slices.ContainsFunc(now.Columns, func(c ColumnInfo) bool {
		if c.State != StatePublic || c.Hidden {
			return false
		}
		i := t.Column(c.ID)
		return i < 0 || !t.Columns[i].Public || takesMore(&t.Columns[i].Type, &c.Type)
	})
}

// takesMore reports whether a type takes other values than it did.
func takesMore(was, is *types.FieldType) bool {
	return was.GetType() != is.GetType() || was.GetFlen() != is.GetFlen() || was.GetDecimal() != is.GetDecimal() ||
		was.GetCharset() != is.GetCharset() || len(was.GetElems()) != len(is.GetElems()) ||
		mysql.HasNotNullFlag(was.GetFlag()) && !mysql.HasNotNullFlag(is.GetFlag())
}

package mysql

import (
	"fmt"
	"slices"
	"strings"

	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// finds knows how many rows the statements of a text are to find: one for each of their
// changes. Statements of other kinds count too, with no changes.
type finds struct {
	changes []*txn.Change // of all the statements, one after the other
	each    []int         // by statement: how many of them
	differs differs
}

// differs is called with the changes of a statement that has found another number of rows.
type differs func(changes []*txn.Change, found int64)

func (f *finds) add(changes []*txn.Change) {
	f.changes = append(f.changes, changes...)
	f.each = append(f.each, len(changes))
}

func (f *finds) reset() {
	clear(f.changes)
	f.changes, f.each = f.changes[:0], f.each[:0]
}

// compare looks at the answers to the statements.
func (f *finds) compare(affected []int64) error {
	if len(affected) < len(f.each) {
		return fmt.Errorf("the downstream has answered %d of %d statements", len(affected), len(f.each))
	}
	at := 0
	for i, n := range f.each {
		if n > 0 && affected[i] != int64(n) {
			f.differs(f.changes[at:at+n], affected[i])
		}
		at += n
	}
	return nil
}

// diverged are the divergences of one downstream transaction, by table. They count when that
// is committed.
type diverged []nodes.TableDivergences

func (d *diverged) add(table string, one nodes.Divergence) {
	i := slices.IndexFunc(*d, func(t nodes.TableDivergences) bool { return t.Table == table })
	if i < 0 {
		i = len(*d)
		*d = append(*d, nodes.TableDivergences{Table: table})
	}
	(*d)[i].Add(nodes.TableDivergences{Count: 1, First: one, Last: one})
}

// differs notes a statement of the transaction under way that did not find its rows.
func (w *worker) differs(changes []*txn.Change, found int64) {
	d := nodes.Divergence{Statement: "UPDATE", Keys: w.shapes.keysText(changes), Rows: len(changes), Found: found}
	if changes[0].Op == txn.Delete {
		d.Statement = "DELETE"
	}
	for _, c := range changes {
		ts := w.commitTS(c)
		if d.CommitTS == 0 || ts < d.CommitTS {
			d.CommitTS = ts
		}
		d.LastCommitTS = max(d.LastCommitTS, ts)
	}
	w.diverged.add(changes[0].Table.Schema+"."+changes[0].Table.Name, d)
}

// commitTS is that of the transaction of the batch that a change is of.
func (w *worker) commitTS(c *txn.Change) nodes.TSO {
	for _, j := range w.batch[1:] { // a large one is alone
		if slices.Contains(j.txn.Changes, c) {
			return j.txn.CommitTS
		}
	}
	return w.batch[0].txn.CommitTS
}

// report tells of the divergences of a transaction that is committed.
func (w *worker) report() {
	for _, t := range w.diverged {
		if f := w.opts.Metrics.Diverged; f != nil {
			f(t)
		}
	}
}

const (
	keysShown  = 3  // rows of a statement whose keys are told
	valueShown = 48 // bytes of a value
	valuesMost = 8  // values of a row in a table without a key
)

// keysText are the keys of a statement's first rows, in words.
func (s *shapes) keysText(changes []*txn.Change) string {
	var b strings.Builder
	for i, c := range changes[:min(len(changes), keysShown)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(keyText(s.of(c.Table), c))
	}
	if n := len(changes) - keysShown; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}

// keyText is the condition by which a change finds its row: id=5, or (a=1 AND b='x').
func keyText(s *shape, c *txn.Change) string {
	places, more := s.key, 0
	if places == nil || !has(places, []*txn.Change{c}) {
		places = slices.DeleteFunc(slices.Clone(s.cols), func(i int) bool { return i >= len(c.Old) || c.Old[i].Kind == txn.Missing })
		more = max(0, len(places)-valuesMost)
		places = places[:len(places)-more]
	}
	var list []string
	for _, i := range places {
		list = append(list, s.table.Columns[i].Name+"="+valueText(c.Old[i]))
	}
	if more > 0 {
		list = append(list, "…")
	}
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, " AND ") + ")"
}

// valueText is a value for people: of a long one its beginning.
func valueText(v txn.Value) string {
	switch v.Kind {
	case txn.Null:
		return "NULL"
	case txn.Int, txn.Uint, txn.Bit, txn.Float32, txn.Float64:
		return v.String()
	}
	text := v.String()
	if len(text) > valueShown {
		text = strings.ToValidUTF8(text[:valueShown], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}

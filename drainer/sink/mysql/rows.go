package mysql

import (
	"fmt"
	"hash/maphash"
	"slices"

	"pumphouse/drainer/txn"
)

const (
	textBytes    = 128 << 10 // a text of statements is sent when it is that long, to a server that is near
	segmentBytes = 256 << 10 // of rows, about: what is grouped before it becomes text
	inRows       = 200       // rows of a DELETE … IN: longer lists make servers scan the table
)

// rows makes statements of changes. Changes that do not touch the same keys are grouped by
// table and operation, whatever order they came in; at the first that does, the groups
// become text and new ones begin.
type rows struct {
	shapes *shapes
	flavour
	hash  hasher
	limit int // bytes of a statement the downstream takes
	send  sender
	// enough is the length at which a text of statements is sent.
	enough int
	text   []byte // statements that have not been sent
	each   sender // if set, every statement is sent alone, by this
	start  int    // of the statement being written, in text
	safe   bool   // safe mode
	keys   []uint64
	finds  finds // of the statements in text

	groups []*group // of this segment, by their first change
	free   []*group
	find   map[groupKey]*group
	byKey  map[uint64]*group
	tables map[*shape]*tableUse
	bytes  int
}

// sender sends a text of whole statements. It gives the number of rows that each of them found
// (UPDATE, DELETE) or wrote.
type sender func(text []byte) (affected []int64, err error)

// group are changes that become the same kind of statement.
type group struct {
	shape   *shape
	op      txn.Op
	places  []int // columns, of inserts
	all     bool  // they are all of the table's
	lenient bool  // see rowSize
	whole   bool  // the keys of some change do not tell everything
	changes []*txn.Change
}

type groupKey struct {
	shape   *shape
	op      txn.Op
	cols    string
	lenient bool
}

// tableUse is who changed a table in a segment.
type tableUse struct {
	first *group
	more  bool // other groups than first
	whole bool // the keys of some change do not tell everything
}

func newRows(s *shapes, f flavour, seed maphash.Seed, limit int, send sender, differs differs) *rows {
	return &rows{
		shapes: s, flavour: f, hash: hasher{seed: seed}, limit: limit, send: send, enough: textBytes, finds: finds{differs: differs},
		find: map[groupKey]*group{}, byKey: map[uint64]*group{}, tables: map[*shape]*tableUse{},
	}
}

// reset forgets everything that was not sent.
func (r *rows) reset() {
	r.text, r.start = r.text[:0], 0
	r.finds.reset()
	if cap(r.text) > 4*r.enough {
		r.text = nil
	}
	r.clear()
}

func (r *rows) clear() {
	for _, g := range r.groups {
		clear(g.changes)
		g.changes = g.changes[:0]
	}
	r.free = append(r.free, r.groups...)
	r.groups = r.groups[:0]
	clear(r.find)
	clear(r.byKey)
	clear(r.tables)
	r.bytes = 0
}

// add takes the next change.
func (r *rows) add(c *txn.Change) error {
	s := r.shapes.of(c.Table)
	if s.mark {
		return nil
	}
	places, cols := s.cols, ""
	if c.Op == txn.Insert || r.replaces(s, c.Op) {
		places, cols = s.present(c.New)
	}
	var whole bool
	r.keys, whole = r.hash.change(r.keys[:0], s, c)
	size, lenient := rowSize(c)
	lenient = lenient || s.lenient && (c.Op == txn.Insert || r.replaces(s, c.Op)) ||
		s.dropped && r.flavour == tiDB && (c.Op != txn.Insert || r.safe)
	key := groupKey{s, c.Op, cols, lenient}
	g := r.find[key]
	if r.collides(s, g, whole) {
		if err := r.emit(); err != nil {
			return err
		}
		g = nil
	}
	if g == nil {
		g = r.group(key, places)
	}
	r.use(s, g, whole)
	g.whole = g.whole || whole
	g.changes = append(g.changes, c)
	if r.bytes += size; r.bytes >= segmentBytes {
		return r.emit()
	}
	return nil
}

// replaces reports whether changes are made by deleting the old rows and replacing the new ones.
func (r *rows) replaces(s *shape, op txn.Op) bool { return r.safe && op == txn.Update && s.key != nil }

// collides reports whether the order between a change for group g and what another group has
// already matters, or what g itself has, when it is to become one DELETE and one REPLACE.
func (r *rows) collides(s *shape, g *group, whole bool) bool {
	inside := g != nil && r.replaces(s, g.op)
	for _, k := range r.keys {
		if other := r.byKey[k]; other != nil && (other != g || inside) {
			return true
		}
	}
	use := r.tables[s]
	return use != nil && (whole || use.whole) && (use.more || use.first != g)
}

func (r *rows) use(s *shape, g *group, whole bool) {
	for _, k := range r.keys {
		r.byKey[k] = g
	}
	use := r.tables[s]
	if use == nil {
		use = &tableUse{first: g}
		r.tables[s] = use
	}
	use.more = use.more || use.first != g
	use.whole = use.whole || whole
}

func (r *rows) group(key groupKey, places []int) *group {
	var g *group
	if n := len(r.free); n > 0 {
		g, r.free = r.free[n-1], r.free[:n-1]
	} else {
		g = &group{}
	}
	g.shape, g.op, g.places, g.all, g.lenient, g.whole = key.shape, key.op, places, key.cols == "", key.lenient, false
	r.groups = append(r.groups, g)
	r.find[key] = g
	return g
}

// emit makes statements of the segment.
func (r *rows) emit() error {
	for _, g := range r.groups {
		do := r.statements
		if g.lenient {
			do = r.leniently
		}
		if err := do(g); err != nil {
			return err
		}
	}
	r.clear()
	return nil
}

// leniently writes rows that a strict server refuses.
func (r *rows) leniently(g *group) error {
	if err := r.statement(setLenient); err != nil {
		return err
	}
	if err := r.statements(g); err != nil {
		return err
	}
	return r.statement(setStrict)
}

func (r *rows) statements(g *group) error {
	switch {
	case g.op == txn.Insert:
		return r.insert(g)
	case g.op == txn.Delete && g.shape.key != nil:
		return r.deleteByKey(g)
	case r.replaces(g.shape, g.op) && !g.whole:
		if err := r.deleteByKey(g); err != nil {
			return err
		}
		return r.insert(g)
	}
	for _, c := range g.changes {
		var err error
		switch {
		case g.op == txn.Delete:
			err = r.delete(g.shape, c)
		case r.replaces(g.shape, g.op):
			err = r.replace(g.shape, c)
		default:
			err = r.update(g.shape, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insert writes a group's new rows, with as many in a statement as fit.
func (r *rows) insert(g *group) error {
	verb, list := "INSERT INTO ", g.shape.list
	if r.safe && g.shape.key != nil {
		verb = "REPLACE INTO "
	}
	if !g.all {
		list = g.shape.columns(g.places)
	}
	open := false
	for _, c := range g.changes {
		if !open {
			r.text = append(append(append(r.text, verb...), g.shape.name...), list...)
			open = true
		} else {
			r.text = append(r.text, ',')
		}
		r.values(g.shape, g.places, c.New)
		if len(r.text) >= r.enough {
			if err := r.end(); err != nil {
				return err
			}
			open = false
		}
	}
	if !open {
		return nil
	}
	return r.end()
}

func (r *rows) values(s *shape, places []int, row txn.Row) {
	r.text = append(r.text, '(')
	for n, i := range places {
		if n > 0 {
			r.text = append(r.text, ',')
		}
		r.text = appendValue(r.text, &s.table.Columns[i], s.value(row, i))
	}
	r.text = append(r.text, ')')
}

// deleteByKey deletes a group's rows, many in a statement.
func (r *rows) deleteByKey(g *group) error {
	if !has(g.shape.key, g.changes) {
		for _, c := range g.changes {
			if err := r.delete(g.shape, c); err != nil {
				return err
			}
		}
		return nil
	}
	if len(g.shape.key) > 1 || len(g.changes) == 1 {
		return r.deleteByKeys(g)
	}
	i := g.shape.key[0]
	for chunk := range slices.Chunk(g.changes, inRows) {
		r.text = append(append(append(r.text, "DELETE FROM "...), g.shape.name...), " WHERE "...)
		r.text = append(append(r.text, g.shape.names[i]...), " IN ("...)
		for n, c := range chunk {
			if n > 0 {
				r.text = append(r.text, ',')
			}
			r.text = appendValue(r.text, &g.shape.table.Columns[i], c.Old[i])
		}
		r.text = append(r.text, ')')
		if err := r.end(chunk...); err != nil {
			return err
		}
	}
	return nil
}

// deleteByKeys joins keys of several columns by OR: not every server uses an index for a
// list of tuples.
func (r *rows) deleteByKeys(g *group) error {
	for chunk := range slices.Chunk(g.changes, inRows/4) {
		r.text = append(append(append(r.text, "DELETE FROM "...), g.shape.name...), " WHERE "...)
		for n, c := range chunk {
			if n > 0 {
				r.text = append(r.text, " OR "...)
			}
			r.byKeyOf(g.shape, c.Old)
		}
		if err := r.end(chunk...); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether the old rows of changes have values in all the places.
func has(places []int, changes []*txn.Change) bool {
	for _, c := range changes {
		for _, i := range places {
			if i >= len(c.Old) || c.Old[i].Kind == txn.Missing {
				return false
			}
		}
	}
	return true
}

func (r *rows) byKeyOf(s *shape, row txn.Row) {
	for n, i := range s.key {
		if n > 0 {
			r.text = append(r.text, " AND "...)
		}
		r.text = append(append(r.text, s.names[i]...), '=')
		r.text = appendValue(r.text, &s.table.Columns[i], row[i])
	}
}

// where finds one row, by its key or else by all its values.
func (r *rows) where(s *shape, c *txn.Change) {
	r.text = append(r.text, " WHERE "...)
	if s.key != nil && has(s.key, []*txn.Change{c}) {
		r.byKeyOf(s, c.Old)
		return
	}
	first := true
	for _, i := range s.cols {
		if i >= len(c.Old) || c.Old[i].Kind == txn.Missing {
			continue
		}
		if !first {
			r.text = append(r.text, " AND "...)
		}
		first = false
		r.text = appendMatch(r.text, r.flavour, s.names[i], &s.table.Columns[i], c.Old[i])
	}
	if first {
		r.text = append(r.text, "TRUE"...) // rows without values are all the same
	}
	r.text = append(r.text, " LIMIT 1"...)
}

func (r *rows) delete(s *shape, c *txn.Change) error {
	r.text = append(append(r.text, "DELETE FROM "...), s.name...)
	r.where(s, c)
	return r.end(c)
}

// update sets every column, also those that stay the same: ON UPDATE CURRENT_TIMESTAMP
// would change them otherwise.
func (r *rows) update(s *shape, c *txn.Change) error {
	at := len(r.text)
	r.text = append(append(append(r.text, "UPDATE "...), s.name...), " SET "...)
	first := true
	for _, i := range s.cols {
		if i >= len(c.New) || c.New[i].Kind == txn.Missing {
			continue
		}
		if !first {
			r.text = append(r.text, ',')
		}
		first = false
		r.text = append(append(r.text, s.names[i]...), '=')
		r.text = appendValue(r.text, &s.table.Columns[i], c.New[i])
	}
	if first {
		r.text = r.text[:at]
		return nil
	}
	r.where(s, c)
	return r.end(c)
}

// replace is an update that may be done twice.
func (r *rows) replace(s *shape, c *txn.Change) error {
	if err := r.delete(s, c); err != nil {
		return err
	}
	places, _ := s.present(c.New)
	r.text = append(append(append(r.text, "REPLACE INTO "...), s.name...), s.columns(places)...)
	r.values(s, places, c.New)
	return r.end()
}

// end ends a statement, and sends what there is when it is enough. changes are those of which
// each is to find a row, if it is such a statement.
func (r *rows) end(changes ...*txn.Change) error {
	if n := len(r.text) - r.start; n >= r.limit { // with its semicolon
		return fmt.Errorf("a statement of %d bytes is larger than the downstream takes: raise its max_allowed_packet (%d)", n, r.limit)
	}
	if r.safe {
		changes = nil // what is done twice finds nothing the second time
	}
	if r.each != nil {
		r.finds.add(changes)
		return r.flush(r.each, r.text[r.start:])
	}
	r.text = append(r.text, ';')
	if len(r.text) > r.limit { // the last statement was long, and others are before it
		last := append([]byte(nil), r.text[r.start:]...)
		if err := r.flush(r.send, r.text[:r.start]); err != nil {
			return err
		}
		r.text = append(r.text, last...)
	}
	r.finds.add(changes)
	r.start = len(r.text)
	if len(r.text) < r.enough {
		return nil
	}
	return r.flush(r.send, r.text)
}

// flush sends a text and looks at what its statements found. Nothing is left to be sent then.
func (r *rows) flush(send sender, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	affected, err := send(text)
	if err == nil {
		err = r.finds.compare(affected)
	}
	r.finds.reset()
	r.text, r.start = r.text[:0], 0
	return err
}

// statement adds a statement of our own.
func (r *rows) statement(sql string) error {
	r.text = append(r.text, sql...)
	return r.end()
}

// finish makes text of everything and sends it.
func (r *rows) finish() error {
	if err := r.emit(); err != nil {
		return err
	}
	return r.flush(r.send, r.text)
}

// valueBytes is what a decoded value takes beside its bytes, about.
const valueBytes = 40

// rowSize is the memory a change takes, about. It is lenient when it has an ENUM's error
// value, which only a server that is not strict stores.
func rowSize(c *txn.Change) (n int, lenient bool) {
	n = 64 + valueBytes*(len(c.Old)+len(c.New))
	for i := range c.Old {
		n += len(c.Old[i].Bytes)
	}
	for i := range c.New {
		v := &c.New[i]
		n += len(v.Bytes)
		lenient = lenient || v.Kind == txn.Enum && v.Uint64() == 0
	}
	return n, lenient
}

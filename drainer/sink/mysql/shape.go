package mysql

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// shape is what statements on a table are made of.
type shape struct {
	table *schema.Table
	name  string   // `schema`.`table`
	names []string // quoted, by the columns' place
	cols  []int    // places of the columns to be written
	list  string   // " (`a`,`b`) VALUES " of all of them
	// fill are the values, by the columns' place, for rows of a time when a column was being dropped:
	// they lack it, and the downstream, where it is NOT NULL and has no default, needs one.
	fill map[int]txn.Value
	// key are the columns by which a row is found; none: by all of them.
	key []int
	// exactly are the columns that compare exactly downstream, by place; nil: that has not been asked.
	exactly atomic.Pointer[[]bool]
	// unique are the keys of which no two rows may have the same values.
	unique [][]int
	// whole: which rows get into each other's way cannot be told from their keys.
	whole bool
	mark  bool // it is the mark table
	// latin1 are the places of columns that may have text which is not UTF-8.
	latin1 []int
	// lenient: the downstream has columns without a default that the upstream does not have; see partial.
	lenient bool
	// dropped: a column that may be NULL has lost its default (ALTER COLUMN … DROP DEFAULT). Where it is NULL, a strict TiDB
	// does not find the row by its key: error 1364.
	dropped bool
}

// newShape makes the shape of a table of which the downstream has some columns; nil: all.
func newShape(t *schema.Table, there *columnsThere) *shape {
	s := &shape{table: t, name: schema.QuoteName(t.Schema) + "." + schema.QuoteName(t.Name), mark: IsMarkTable(t.Schema, t.Name), latin1: latin1Places(t)}
	for i := range t.Columns {
		c := &t.Columns[i]
		s.names = append(s.names, schema.QuoteName(c.Name))
		s.dropped = s.dropped || !c.NotNull() && mysql.HasNoDefaultValueFlag(c.Type.GetFlag())
		if c.Public && !c.Generated && there.has(c.Name) {
			s.cols = append(s.cols, i)
			if c.NotNull() && c.Default == nil && !mysql.HasAutoIncrementFlag(c.Type.GetFlag()) {
				s.fillIn(i)
			}
		}
	}
	s.list = s.columns(s.cols)
	for i := range t.Keys {
		k := &t.Keys[i]
		if k.Prefix || k.Virtual {
			s.whole = true // values of which we do not know the part that counts
			continue
		}
		s.unique = append(s.unique, k.Columns)
		if s.key == nil && s.identifies(k, there) {
			s.key = k.Columns
		}
	}
	s.whole = s.whole || s.key == nil
	s.lenient = there.lacks(t)
	return s
}

// fillIn notes what a missing value of a column becomes, if there is such a value.
func (s *shape) fillIn(i int) {
	v, err := txn.Default(&s.table.Columns[i], time.UTC)
	if err != nil {
		return // the downstream says that the column has no default
	}
	if s.fill == nil {
		s.fill = make(map[int]txn.Value)
	}
	s.fill[i] = v
}

// lacks reports whether a row has no value for a column, and needs none.
func (s *shape) lacks(row txn.Row, i int) bool {
	if i < len(row) && row[i].Kind != txn.Missing {
		return false
	}
	_, filled := s.fill[i]
	return !filled
}

// value is that of a row's column, or what fills it in.
func (s *shape) value(row txn.Row, i int) txn.Value {
	if i < len(row) && row[i].Kind != txn.Missing {
		return row[i]
	}
	return s.fill[i]
}

// identifies reports whether a key's values are those of one row, and in every row.
func (s *shape) identifies(k *schema.Key, there *columnsThere) bool {
	for _, i := range k.Columns {
		c := &s.table.Columns[i]
		if !c.Public || !there.has(c.Name) || c.Virtual() || !k.Primary && !c.NotNull() {
			return false
		}
	}
	return len(k.Columns) > 0
}

// columns is a column list before VALUES.
func (s *shape) columns(places []int) string {
	b := []byte(" (")
	for n, i := range places {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, s.names[i]...)
	}
	return string(append(b, ") VALUES "...))
}

// present are the columns to be written of which a row has values, and a text that is the
// same for rows with the same ones: empty for all of them.
func (s *shape) present(row txn.Row) (places []int, id string) {
	for _, i := range s.cols {
		if s.lacks(row, i) {
			return s.some(row)
		}
	}
	return s.cols, ""
}

func (s *shape) some(row txn.Row) (places []int, id string) {
	set := []byte{1}
	for _, i := range s.cols {
		if !s.lacks(row, i) {
			places = append(places, i)
			set = append(set, byte(i), byte(i>>8))
		}
	}
	return places, string(set)
}

// shapes finds a definition's shape. Definitions never change, so neither do shapes.
type shapes struct {
	partial *partial // nil: the downstream has all columns
	mu      sync.RWMutex
	all     map[*schema.Table]*shape
}

// maxShapes bounds the memory: definitions of the past are forgotten with the others.
const maxShapes = 20000

func (s *shapes) of(t *schema.Table) *shape {
	s.mu.RLock()
	sh := s.all[t]
	s.mu.RUnlock()
	if sh != nil {
		return sh
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var there *columnsThere
	if s.partial != nil {
		there = s.partial.of(t) // with the lock: forget comes before or after both
	}
	sh = newShape(t, there)
	if s.all == nil || len(s.all) >= maxShapes {
		s.all = map[*schema.Table]*shape{}
	}
	s.all[t] = sh
	return sh
}

// forget has shapes made again.
func (s *shapes) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = nil
}

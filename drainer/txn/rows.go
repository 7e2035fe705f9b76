package txn

import (
	"time"

	"pumphouse/drainer/schema"
)

// Rows are the changes of a large transaction. They stay as the binlog has them and are decoded anew each
// time somebody goes through them: decoded, all at once, they would take several times its memory.
type Rows struct {
	// Counts are how many changes there are, by [Op].
	Counts [3]int
	// Bytes is how large the binlog is.
	Bytes int
	// Tables are those of the changes, each once.
	Tables []*schema.Table

	binlog *Binlog
	zone   *time.Location
	found  map[int64]*schema.Table // by ID in the binlog, and nil for those that are left out
	keep   func(*Change) bool
}

// Rows reads all changes once and keeps none of them: what it gives has decoded without an error, and does so
// again. keep reports whether a change is wanted; it is asked each time, and always says the same. Errors are
// those of [Binlog.Each].
func (b *Binlog) Rows(find Finder, zone *time.Location, keep func(*Change) bool) (*Rows, error) {
	r := &Rows{Bytes: b.bytes, binlog: b, zone: zone, found: make(map[int64]*schema.Table), keep: keep}
	seen := make(map[*schema.Table]bool)
	var last *schema.Table
	err := b.Each(func(id int64) (*schema.Table, error) {
		t, err := find(id)
		r.found[id] = t
		return t, err
	}, zone, func(c *Change) error {
		if !keep(c) {
			return nil
		}
		r.Counts[c.Op]++
		if c.Table != last {
			if last = c.Table; !seen[last] {
				seen[last] = true
				r.Tables = append(r.Tables, last)
			}
		}
		return nil
	})
	return r, err
}

// Len is how many changes there are.
func (r *Rows) Len() int { return r.Counts[Insert] + r.Counts[Update] + r.Counts[Delete] }

// Each calls do with every change, in the order they were made, until do fails: that is the error. The change
// is do's own, but for the bytes it shares with the binlog.
func (r *Rows) Each(do func(*Change) error) error {
	find := func(id int64) (*schema.Table, error) { return r.found[id], nil }
	return r.binlog.Each(find, r.zone, func(c *Change) error {
		if !r.keep(c) {
			return nil
		}
		return do(c)
	})
}

package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// found is what the comparison of a chunk came to.
type found struct {
	rows       int64 // of the upstream
	differing  []differing
	unfinished string
}

// differing is a row that differs.
type differing struct {
	id   string // of its key
	what sort
	text string // for people
}

// sort is how a row differs.
type sort int

const (
	missing sort = iota
	extra
	different
)

// chunks compares tables by chunks.
type chunks struct {
	*pair
	up, down side
	size     int // rows
}

// compare compares the rows after a bound, up to and including the other. split: it may be cut into smaller chunks.
func (c *chunks) compare(ctx context.Context, after, upTo bound, split bool) (found, error) {
	var u, d sums
	where := c.key.between(after, upTo)
	err := both(
		func() (err error) { u, err = c.up.sums(ctx, c.pair, where); return err },
		func() (err error) { d, err = c.down.sums(ctx, c.pair, where); return err })
	if err != nil || u == d && u.whole() {
		return found{rows: u.rows}, err
	}
	if d.rows > int64(4*c.size) && split {
		return c.split(ctx, after, upTo)
	}
	f := found{rows: u.rows}
	if max(u.rows, d.rows) > maxListed {
		f.unfinished = fmt.Sprintf("between two keys there are %d rows upstream and %d downstream, too many to tell them apart", u.rows, d.rows)
		return f, nil
	}
	suspects, err := c.suspects(ctx, after, upTo)
	if err != nil {
		return f, err
	}
	return f, c.look(ctx, suspects, &f)
}

// split compares a chunk that has many more rows downstream, in parts.
func (c *chunks) split(ctx context.Context, after, upTo bound) (all found, err error) {
	for {
		at, err := c.down.boundAfter(ctx, c.key, after, upTo, c.size)
		if err != nil {
			return all, err
		}
		end := at
		if at == nil {
			end = upTo
		}
		part, err := c.compare(ctx, after, end, false)
		if err != nil {
			return all, err
		}
		all.rows += part.rows
		all.differing = append(all.differing, part.differing...)
		if all.unfinished = part.unfinished; at == nil || part.unfinished != "" || len(all.differing) >= maxDiffering {
			return all, nil
		}
		after = at
	}
}

// suspects are the rows that only one side lists, or that have different checksums.
func (c *chunks) suspects(ctx context.Context, after, upTo bound) (list []listed, err error) {
	var u, d []listed
	err = both(
		func() (err error) { u, err = c.up.list(ctx, c.pair, after, upTo, maxListed); return err },
		func() (err error) { d, err = c.down.list(ctx, c.pair, after, upTo, maxListed); return err })
	if err != nil {
		return nil, err
	}
	there := make(map[string]string, len(d))
	for _, l := range d {
		there[l.id()] = l.hash
	}
	for _, l := range u {
		if hash, ok := there[l.id()]; !ok || hash != l.hash || hash == "" {
			list = append(list, l)
		}
		delete(there, l.id())
	}
	for _, l := range d {
		if _, only := there[l.id()]; only {
			list = append(list, l)
		}
	}
	return list, nil
}

// lookAt is how many rows are read at a time.
const lookAt = 10

// look reads suspects by their keys and compares them.
func (c *chunks) look(ctx context.Context, suspects []listed, f *found) error {
	for part := range slices.Chunk(suspects, lookAt) {
		var keys []string
		for _, l := range part {
			keys = append(keys, "("+c.key.is(l.at)+")")
		}
		where := strings.Join(keys, " OR ")
		u, d := map[string]row{}, map[string]row{}
		keep := func(in map[string]row) func(bound, row) {
			return func(at bound, r row) { in[listed{at: at}.id()] = r }
		}
		err := both(
			func() error { return c.up.rows(ctx, c.pair, where, keep(u)) },
			func() error { return c.down.rows(ctx, c.pair, where, keep(d)) })
		if err != nil {
			return err
		}
		for _, l := range part {
			c.compareRow(l, u, d, f)
		}
		if len(f.differing) >= maxDiffering {
			return nil
		}
	}
	return nil
}

// compareRow compares a row as both sides have it.
func (c *chunks) compareRow(l listed, up, down map[string]row, f *found) {
	id := l.id()
	u, inUp := up[id]
	d, inDown := down[id]
	of := c.key.shown(l.at)
	switch {
	case inUp && !inDown:
		f.differing = append(f.differing, differing{id, missing, "missing downstream: " + of})
	case !inUp && inDown:
		f.differing = append(f.differing, differing{id, extra, "downstream only: " + of})
	case inUp && inDown:
		if list := c.differences(u, d); len(list) > 0 {
			f.differing = append(f.differing, differing{id, different, "different: " + of + ": " + strings.Join(list, "; ")})
		}
	}
}

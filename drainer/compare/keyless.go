package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// parts is into how many parts the checksums of a table without a key are sorted. It is prime.
const parts = 4093

// keyless compares a table without a key, in which a row may be there many times.
func (c *chunks) keyless(ctx context.Context) (f found, err error) {
	var u, d sums
	err = both(
		func() (err error) { u, err = c.up.sums(ctx, c.pair, "TRUE"); return err },
		func() (err error) { d, err = c.down.sums(ctx, c.pair, "TRUE"); return err })
	f.rows = u.rows
	if err != nil || u == d && u.whole() {
		return f, err
	}
	if !u.whole() || !d.whole() {
		f.unfinished = "it has no key, and rows that are larger than max_allowed_packet"
		return f, nil
	}
	odd, rows, err := c.oddParts(ctx)
	if err != nil {
		return f, err
	}
	if rows > maxListed {
		f.unfinished = fmt.Sprintf("it has no key, and %d rows may differ, too many to tell them apart: %d rows upstream, %d downstream", rows, u.rows, d.rows)
		return f, nil
	}
	more, err := c.surplus(ctx, odd)
	if err != nil {
		return f, err
	}
	return f, c.lookByHash(ctx, more, &f)
}

// oddParts are the parts that differ, and how many rows the larger side has in them.
func (c *chunks) oddParts(ctx context.Context) (odd []string, rows int64, err error) {
	read := func(s side, into map[string]sums) error {
		h := checksum(c.columns)
		q := fmt.Sprintf("SELECT CONCAT(MOD(%s,%d),''), COUNT(*), COALESCE(SUM(%s),0), '' FROM %s GROUP BY 1", h, parts, h, s.path)
		err := each(ctx, s.db, q, func(v [4]string) {
			one := sums{sum: v[2]}
			fmt.Sscan(v[1], &one.rows)
			into[v[0]] = one
		})
		if err != nil {
			return s.failed(err)
		}
		return nil
	}
	u, d := map[string]sums{}, map[string]sums{}
	if err := both(func() error { return read(c.up, u) }, func() error { return read(c.down, d) }); err != nil {
		return nil, 0, err
	}
	note := func(part string) {
		if u[part] != d[part] && !slices.Contains(odd, part) {
			odd = append(odd, part)
			rows += max(u[part].rows, d[part].rows)
		}
	}
	for part := range u {
		note(part)
	}
	for part := range d {
		note(part)
	}
	slices.Sort(odd)
	return odd, rows, nil
}

// surplus are the checksums in some parts that one side has more often than the other.
func (c *chunks) surplus(ctx context.Context, odd []string) (more []string, err error) {
	count := map[string]int64{}
	read := func(s side, into map[string]int64) error {
		h := checksum(c.columns)
		q := fmt.Sprintf("SELECT CONCAT(%s,''), COUNT(*), '', '' FROM %s WHERE MOD(%s,%d) IN (%s) GROUP BY 1", h, s.path, h, parts, strings.Join(odd, ","))
		err := each(ctx, s.db, q, func(v [4]string) {
			var n int64
			fmt.Sscan(v[1], &n)
			into[v[0]] = n
		})
		if err != nil {
			return s.failed(err)
		}
		return nil
	}
	there := map[string]int64{}
	if err := both(func() error { return read(c.up, count) }, func() error { return read(c.down, there) }); err != nil {
		return nil, err
	}
	for hash, n := range there {
		count[hash] -= n
	}
	for hash, n := range count {
		if n != 0 {
			more = append(more, hash)
		}
	}
	slices.Sort(more)
	return more, nil
}

// lookByHash reads the rows with these checksums and compares them. One that differs is missing on
// one side, and one more on the other: without a key nobody can tell that it is the same.
func (c *chunks) lookByHash(ctx context.Context, hashes []string, f *found) error {
	if len(hashes) > 10*maxDiffering {
		f.unfinished = fmt.Sprintf("it has no key, and %d rows differ by checksum, too many to look at", len(hashes))
		return nil
	}
	count, shown := map[string]int64{}, map[string]string{}
	for part := range slices.Chunk(hashes, 100) {
		where := checksum(c.columns) + " IN (" + strings.Join(part, ",") + ")"
		u, d := map[string]int64{}, map[string]int64{}
		names := [2]map[string]string{{}, {}}
		keep := func(in map[string]int64, names map[string]string) func(bound, row) {
			return func(_ bound, r row) {
				id := c.canonical(r)
				in[id]++
				names[id] = c.shown(r)
			}
		}
		err := both(
			func() error { return c.up.rows(ctx, c.pair, where, keep(u, names[0])) },
			func() error { return c.down.rows(ctx, c.pair, where, keep(d, names[1])) })
		if err != nil {
			return err
		}
		for i, side := range []map[string]int64{u, d} {
			for id, n := range side {
				if count[id] += n * int64(1-2*i); count[id] == 0 {
					delete(count, id)
					delete(shown, id)
				} else {
					shown[id] = names[i][id]
				}
			}
		}
	}
	var ids []string
	for id := range count {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		what, text := missing, "missing downstream: "
		n := count[id]
		if n < 0 {
			what, text, n = extra, "downstream only: ", -n
		}
		for i := range n {
			f.differing = append(f.differing, differing{fmt.Sprint(id, i), what, text + shown[id]})
		}
	}
	return nil
}

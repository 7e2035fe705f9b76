package compare

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"pumphouse/drainer/schema"
)

// side is a table in one of the two servers.
type side struct {
	db   *sql.DB
	name string // of the side, in errors
	path string // of the table, quoted
}

func (s side) failed(err error) error { return fmt.Errorf("read %s %s: %w", s.path, s.name, err) }

// unhashed counts as the checksum of a row that has none. No sum of others comes near it.
const unhashed = "1000000000000000000000000000000"

// sums are the number of rows that a condition holds for, and the sum of their checksums.
type sums struct {
	rows int64
	sum  string
}

// whole reports whether all the rows have checksums.
func (s sums) whole() bool { return len(s.sum) < len(unhashed) }

func (s side) sums(ctx context.Context, p *pair, where string) (sums, error) {
	q := fmt.Sprintf("SELECT COUNT(*), COALESCE(SUM(COALESCE(%s,%s)),0) FROM %s WHERE %s", checksum(p.columns), unhashed, s.path, where)
	var all sums
	if err := s.db.QueryRowContext(ctx, q).Scan(&all.rows, &all.sum); err != nil {
		return all, s.failed(err)
	}
	return all, nil
}

// boundAfter is the key of the n-th row after a bound, in the server's own order; nil: there are fewer up to and
// including the other bound.
func (s side) boundAfter(ctx context.Context, k key, after, upTo bound, n int) (bound, error) {
	q := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1 OFFSET %d", k.texts(), s.path, k.between(after, upTo), k.names(), n-1)
	at := make(bound, len(k))
	into := make([]any, len(k))
	for i := range at {
		into[i] = &at[i]
	}
	err := s.db.QueryRowContext(ctx, q).Scan(into...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, s.failed(err)
	}
	return at, nil
}

// listed is a row that is known by its key and checksum.
type listed struct {
	at   bound
	hash string // "": it has none
}

func (l listed) id() string { return strings.Join(l.at, "\x00") }

// list gives keys and checksums of the rows between two bounds, at most limit of them.
func (s side) list(ctx context.Context, p *pair, after, upTo bound, limit int) ([]listed, error) {
	q := fmt.Sprintf("SELECT %s,%s FROM %s WHERE %s ORDER BY %s LIMIT %d", p.key.texts(), checksum(p.columns), s.path, p.key.between(after, upTo), p.key.names(), limit)
	rows, err := s.db.QueryContext(ctx, q)
	if err != nil {
		return nil, s.failed(err)
	}
	defer rows.Close()
	var all []listed
	for rows.Next() {
		one := listed{at: make(bound, len(p.key))}
		into := make([]any, 0, len(p.key)+1)
		for i := range one.at {
			into = append(into, &one.at[i])
		}
		var hash sql.NullString
		if err := rows.Scan(append(into, &hash)...); err != nil {
			return nil, s.failed(err)
		}
		one.hash = hash.String
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(err)
	}
	return all, nil
}

// rows gives the rows that a condition holds for, each with the texts of its key if the table has one. It uses the
// binary protocol: the texts of floating-point numbers are not exact.
func (s side) rows(ctx context.Context, p *pair, where string, f func(at bound, r row)) error {
	var names []string
	for _, c := range p.columns {
		names = append(names, schema.QuoteName(c.name))
	}
	columns := strings.Join(names, ",")
	if len(p.key) > 0 {
		columns = p.key.texts() + "," + columns
	}
	stmt, err := s.db.PrepareContext(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s", columns, s.path, where))
	if err != nil {
		return s.failed(err)
	}
	defer stmt.Close()
	rows, err := stmt.QueryContext(ctx)
	if err != nil {
		return s.failed(err)
	}
	defer rows.Close()
	for rows.Next() {
		at, r := make(bound, len(p.key)), make(row, len(p.columns))
		into := make([]any, 0, len(at)+len(r))
		for i := range at {
			into = append(into, &at[i])
		}
		for i := range r {
			into = append(into, &r[i])
		}
		if err := rows.Scan(into...); err != nil {
			return s.failed(err)
		}
		for i, c := range p.columns {
			r[i] = c.inUTF8(r[i])
		}
		f(at, r)
	}
	if err := rows.Err(); err != nil {
		return s.failed(err)
	}
	return nil
}

// readable reports whether all values of a key's columns are UTF-8: of others their texts say too little to find rows by them.
func (s side) readable(ctx context.Context, k key) (bool, error) {
	var conditions []string
	for _, c := range k {
		if c.latin1 {
			conditions = append(conditions, fmt.Sprintf("HEX(%s)<>HEX(%s)", c.text(), schema.QuoteName(c.name)))
		}
	}
	if conditions == nil {
		return true, nil
	}
	var not bool
	err := s.db.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS(SELECT 1 FROM %s WHERE %s)", s.path, strings.Join(conditions, " OR "))).Scan(&not)
	if err != nil {
		return false, s.failed(err)
	}
	return !not, nil
}

// both runs f for both sides at the same time.
func both(up, down func() error) error {
	failed := make(chan error, 1)
	go func() { failed <- down() }()
	return errors.Join(up(), <-failed)
}

package replication

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// swapRows is the number of rows of shapes.swap; u is a permutation of its IDs.
const swapRows = 40

var swapSetup = []string{
	"create table shapes.swap (id int not null primary key, u int not null unique, s varchar(20) collate utf8mb4_bin unique)",
	"insert into shapes.swap select a.n * 10 + b.n, a.n * 10 + b.n, concat('s', a.n * 10 + b.n) from " + digits("a", 4) + " join " + digits("b", 10),
	"create table shapes.big (id bigint not null primary key auto_increment, a int not null, b varchar(100), key (a))",
}

func digits(alias string, n int) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("select %d as n", i))
	}
	return "(" + strings.Join(rows, " union all ") + ") " + alias
}

// swaps exchanges unique values and keys between rows within a transaction, and deletes and
// inserts the same key: a downstream that reorders or merges such rows runs into duplicates.
func (c *client) swaps(ctx context.Context) {
	a, b, d := c.r.IntN(swapRows), c.r.IntN(swapRows), c.r.IntN(swapRows)
	if a == b || b == d || a == d {
		return
	}
	type step = func(*sql.Tx) error
	run := func(kind, format string, args ...any) step {
		return func(tx *sql.Tx) error { return c.exec(ctx, tx, kind, fmt.Sprintf(format, args...)) }
	}
	value := func(tx *sql.Tx, id int) (u int, s sql.NullString, err error) {
		err = tx.QueryRowContext(ctx, "select u, s from shapes.swap where id = ? for update", id).Scan(&u, &s)
		if err != nil {
			c.w.count(ctx, "swap, look", "select", err)
		}
		return u, s, err
	}
	switch c.r.IntN(4) {
	case 0: // two unique values
		c.within(ctx, "commit, unique values swapped", func(tx *sql.Tx) error {
			u1, s1, err := value(tx, a)
			if err != nil {
				return err
			}
			u2, s2, err := value(tx, b)
			if err != nil {
				return err
			}
			for _, q := range []string{
				fmt.Sprintf("update shapes.swap set u = %d, s = null where id = %d", -1-a, a),
				fmt.Sprintf("update shapes.swap set u = %d, s = %s where id = %d", u1, literal(s1), b),
				fmt.Sprintf("update shapes.swap set u = %d, s = %s where id = %d", u2, literal(s2), a),
			} {
				if err := c.exec(ctx, tx, "swap unique", q); err != nil {
					return err
				}
			}
			return nil
		})
	case 1: // three primary keys in a ring
		c.within(ctx, "commit, primary keys rotated",
			run("swap key", "update shapes.swap set id = %d where id = %d", -1-a, a),
			run("swap key", "update shapes.swap set id = %d where id = %d", a, b),
			run("swap key", "update shapes.swap set id = %d where id = %d", b, d),
			run("swap key", "update shapes.swap set id = %d where id = %d", d, -1-a))
	case 2: // the same key and the same unique value, as a new row
		c.within(ctx, "commit, deleted and inserted", func(tx *sql.Tx) error {
			u, s, err := value(tx, a)
			if err != nil {
				return err
			}
			if err := c.exec(ctx, tx, "swap delete", fmt.Sprintf("delete from shapes.swap where id = %d", a)); err != nil {
				return err
			}
			return c.exec(ctx, tx, "swap insert", fmt.Sprintf("insert into shapes.swap values (%d, %d, %s)", a, u, literal(s)))
		})
	case 3: // a unique value goes from one row to another, and the row to another key
		c.within(ctx, "commit, unique value handed on", func(tx *sql.Tx) error {
			u, s, err := value(tx, a)
			if err != nil {
				return err
			}
			w, x, err := value(tx, b)
			if err != nil {
				return err
			}
			for _, q := range []string{
				fmt.Sprintf("delete from shapes.swap where id in (%d, %d)", a, b),
				fmt.Sprintf("insert into shapes.swap values (%d, %d, %s), (%d, %d, %s)", b, u, literal(s), a, w, literal(x)),
			} {
				if err := c.exec(ctx, tx, "swap rows", q); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func literal(s sql.NullString) string {
	if !s.Valid {
		return "null"
	}
	return "'" + s.String + "'"
}

// large makes transactions of thousands of rows.
func (c *client) large(ctx context.Context) {
	run := func(kind, query string) {
		c.within(ctx, "commit, large", func(tx *sql.Tx) error { return c.exec(ctx, tx, kind, query) })
	}
	thousand := digits("x", 10) + " join " + digits("y", 10) + " join " + digits("z", 10)
	run("large insert", fmt.Sprintf("insert into shapes.big (a, b) select x.n + 10 * y.n + 100 * z.n, concat('%d-', v.n) from %s join %s", c.r.IntN(1000), thousand, digits("v", 3)))
	run("large update", fmt.Sprintf("update shapes.big set a = a + %d, b = concat(b, '.') where a %% 3 = %d", c.r.IntN(5)+1, c.r.IntN(3)))
	run("large delete", fmt.Sprintf("delete from shapes.big where id %% 2 = %d limit 4000", c.r.IntN(2)))
	for range 100 { // and leave room for the others
		pause(ctx)
	}
}

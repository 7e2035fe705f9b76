package replication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// evolution is one client's DDL among transactions. Its tables, if it has any, have columns
// that always stay (id, v) and others that come, change and go. It runs the DDL and writes
// with the columns as they are then, while another client writes all the time with those that
// stay.
type evolution struct {
	w       *Workload
	mark    string // in new names
	kinds   []ddlKind
	tables  []*evolving
	serial  int  // for new names
	started bool // all kinds have been run once
}

// newEvolution is one for these kinds of DDL.
func newEvolution(w *Workload, mark string, kinds []ddlKind, tables int) *evolution {
	e := &evolution{w: w, mark: mark, kinds: kinds}
	for i := range tables {
		e.tables = append(e.tables, &evolving{name: fmt.Sprintf("evolve.e%d", i)})
	}
	return e
}

// evolving is a table as the DDL so far has left it.
type evolving struct {
	name    string
	extra   []extra
	indexes []string
}

// extra is a column that may go again. Its type is one of growth.
type extra struct {
	name string
	line int // of growth
	step int
}

// growth are types in the order in which a column may change from one to the next, values
// being kept the same by TiDB and MariaDB.
var growth = [][]struct {
	def   string
	value source
}{
	{{"tinyint", key(100)}, {"int unsigned", key(100000)}, {"bigint", key(1 << 30)}, {"varchar(30)" + bin, word(1000)}},
	{{"int", key(100000)}, {"decimal(20,3)", fixed(1000, 3)}, {"decimal(30,6)", fixed(1000, 6)}},
	{{"varchar(10)" + bin, word(100)}, {"varchar(200)" + bin, text(unicod, 100)}, {"text" + bin, text(unicod, 300)}, {"longtext" + bin, text(unicod, 10)}},
	{{"char(5)" + bin, word(100)}, {"char(20)" + bin, text(unicod, 8)}},
	{{"datetime", datetime(0)}, {"datetime(6)", datetime(6)}},
	{{"date", date}, {"datetime(3)", datetime(3)}},
	{{"varbinary(10)", bytesOf(10)}, {"blob", bytesOf(200)}},
	{{"enum('a','b')" + bin, oneOf("'a'", "'b'")}, {"enum('a','b','c')" + bin, oneOf("'c'")}},
	{{"set('a','b')" + bin, oneOf("'a,b'", "''")}, {"set('a','b','c')" + bin, oneOf("'a,c'")}},
	{{"double", double}}, {{"float", single}}, {{"json", jsonValue}}, {{"bit(9)", bits(9)}}, {{"year", oneOf("2024")}}, {{"time(2)", clock(2)}},
	{{"timestamp(1) null", timestamp(1)}},
}

const evolvingTables = 4

func evolveSetup() (list []string) {
	for i := range evolvingTables {
		key := []string{"primary key", "primary key /*T![clustered_index] NONCLUSTERED */", "unique", ""}[i]
		list = append(list, fmt.Sprintf("create table evolve.e%d (id bigint not null %s, v int default '5')", i, key))
	}
	return append(list,
		"create table evolve.parted (id int not null, v int) partition by range (id) (partition p100 values less than (100), partition p200 values less than (200))",
		"create table evolve.plain (id int not null, v int)",
		"create table evolve.listed (id int not null, v int) partition by list (id) (partition l0 values in (0,1,2), partition l1 values in (3,4,5))",
		"insert into evolve.plain values (1, 1), (2, 2), (2, 2)")
}

// duringDDL inserts, changes and deletes with the columns that always stay, while DDL is under way.
func (c *client) duringDDL(ctx context.Context) {
	name := fmt.Sprintf("evolve.e%d", c.r.IntN(evolvingTables))
	id := c.r.IntN(200)
	c.within(ctx, "commit, during DDL",
		func(tx *sql.Tx) error {
			return c.exec(ctx, tx, "evolve delete", fmt.Sprintf("delete from %s where id in (%d, %d)", name, id, id+1))
		},
		func(tx *sql.Tx) error {
			return c.exec(ctx, tx, "evolve insert", fmt.Sprintf("insert into %s (id, v) values (%d, %d), (%d, null)", name, id, c.r.IntN(100), id+1))
		},
		func(tx *sql.Tx) error {
			return c.exec(ctx, tx, "evolve update", fmt.Sprintf("update %s set v = v + 1 where id < %d order by id limit 5", name, id))
		},
		func(tx *sql.Tx) error { // the partition that no DDL is about: see doc.go
			return c.exec(ctx, tx, "evolve parted", fmt.Sprintf("insert into evolve.parted values (%d, %d), (%d, 1)", 100+c.r.IntN(100), id, 100+c.r.IntN(100)))
		})
}

// step is one DDL with a few rows before or after it. All kinds come in turn first.
func (e *evolution) step(ctx context.Context, c *client) {
	if !e.started {
		for i := 0; i < len(e.kinds) && ctx.Err() == nil; i++ {
			e.run(ctx, c, e.kinds[i])
		}
		e.started = true
		return
	}
	e.run(ctx, c, e.kinds[c.r.IntN(len(e.kinds))])
	for range c.r.IntN(20) {
		pause(ctx)
	}
}

func (e *evolution) run(ctx context.Context, c *client, k ddlKind) {
	var t *evolving
	if len(e.tables) > 0 {
		t = e.tables[c.r.IntN(len(e.tables))]
	}
	list, done := k.make(e, c, t)
	for _, q := range list {
		what := k.kind
		if verb, _, _ := strings.Cut(q, " "); !strings.Contains("alter create drop rename truncate", verb) {
			what = k.kind + ", " + verb
		}
		err := c.exec(ctx, c.db, what, e.dressed(ctx, c, q))
		var known *mysql.MySQLError
		if errors.As(err, &known) && known.Number == duplicatePartition {
			continue // this round drops it
		}
		if err != nil {
			e.learn(ctx, c)
			return
		}
	}
	if done != nil {
		done()
	}
	if t != nil {
		e.fill(ctx, c, t)
	}
}

// dressed is a statement as one of many clients writes it: tables of the client's current database
// without its name, databases in letters of another case.
func (e *evolution) dressed(ctx context.Context, c *client, q string) string {
	if verb, _, _ := strings.Cut(q, " "); e.w.Plain || !strings.Contains("alter create drop rename truncate", verb) {
		return q
	}
	switch c.r.IntN(4) {
	case 0, 1:
		current := []string{"evolve", "scratch"}[c.r.IntN(2)]
		if c.exec(ctx, c.db, "use", "use "+current) == nil {
			return strings.ReplaceAll(q, current+".", "")
		}
	case 2:
		return strings.NewReplacer("evolve.", "EVOLVE.", "scratch.", "Scratch.").Replace(q)
	}
	return q
}

// fill writes a few rows with all columns as they are now.
func (e *evolution) fill(ctx context.Context, c *client, t *evolving) {
	names, values, set := "id, v", "", "v = v"
	for _, x := range t.extra {
		s := growth[x.line][x.step].value
		names += ", " + quote(x.name)
		set += ", " + quote(x.name) + " = " + s(c.r, false)
	}
	for i := range 3 {
		row := fmt.Sprintf("%d, %d", c.r.IntN(200), i)
		for _, x := range t.extra {
			row += ", " + growth[x.line][x.step].value.or(6)(c.r, false)
		}
		values += strings.Repeat(", ", min(i, 1)) + "(" + row + ")"
	}
	c.within(ctx, "commit, all columns of a changed table", func(tx *sql.Tx) error {
		if err := c.exec(ctx, tx, "evolve replace", "replace into "+t.name+" ("+names+") values "+values); err != nil {
			return err
		}
		return c.exec(ctx, tx, "evolve set", fmt.Sprintf("update %s set %s where id < %d limit 3", t.name, set, c.r.IntN(200)))
	})
}

// learn looks up which columns the tables have, after a statement whose outcome is not
// known: what is in doubt is forgotten, and stays in the table.
func (e *evolution) learn(ctx context.Context, c *client) {
	for _, t := range e.tables {
		var keep []extra
		for _, x := range t.extra {
			var kind string
			_, name, _ := strings.Cut(t.name, ".")
			err := c.db.QueryRowContext(ctx, "select column_type from information_schema.columns where table_schema = 'evolve' and table_name = ? and column_name = ?", name, x.name).Scan(&kind)
			if err == nil && strings.HasPrefix(growth[x.line][x.step].def, kind) {
				keep = append(keep, x)
			}
		}
		t.extra = keep
	}
}

func (e *evolution) fresh(prefix string) string {
	e.serial++
	return fmt.Sprintf("%s%s%d_%d", prefix, e.mark, e.w.runs, e.serial)
}

// column picks a new one and gives its definition.
func (e *evolution) column(c *client) (extra, string) {
	x := extra{name: e.fresh("c"), line: c.r.IntN(len(growth))}
	return x, quote(x.name) + " " + growth[x.line][0].def
}

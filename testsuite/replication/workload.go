package replication

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Workload changes a TiDB as many clients do. Make it with [NewWorkload], call Setup once,
// then Run as often as wanted.
type Workload struct {
	open   func(params string) *sql.DB
	seed   uint64
	tables []*table
	runs   uint64
	// Rough: connections may break and the server may be unable to commit for a while.
	Rough bool
	// Plain: the texts of DDL name databases and tables as they were created, in sessions without
	// settings of their own, so that a server that tells letter case apart can run them as they are.
	Plain bool
	// Done counts the transactions that were committed.
	Done atomic.Int64

	mu       sync.Mutex
	kinds    map[string]*tally
	surprise []string
}

// tally counts the statements of one kind.
type tally struct {
	ok, failed int
	last       error
}

// NewWorkload makes one. open gives a pool of connections to the TiDB, with go-sql-driver's
// parameters; it is the pool's owner.
func NewWorkload(open func(params string) *sql.DB, seed uint64) *Workload {
	return &Workload{open: open, seed: seed, tables: append(typeTables(), keyTables()...), kinds: map[string]*tally{}}
}

// clients are the sessions that write at the same time: what they set.
var clients = []string{
	"sql_mode=%27%27",
	"time_zone=%27%2B05:30%27",
	"sql_mode=%27%27&tidb_txn_mode=%27optimistic%27",
	"tidb_txn_mode=%27optimistic%27&time_zone=%27-11:00%27",
}

// ddlClients are the sessions of DDL. Their texts mean the same in all these sql_modes.
var ddlClients = []string{
	"time_zone=%27%2B08:00%27&sql_mode=%27ANSI_QUOTES,STRICT_TRANS_TABLES%27",
	"time_zone=%27-11:00%27",
	"time_zone=%27America%2FNew_York%27&sql_mode=%27NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES%27",
}

// Setup creates the databases and tables, some with rows already.
func (w *Workload) Setup(ctx context.Context) error {
	db := w.open("")
	defer db.Close()
	for _, name := range []string{"types", "shapes", "we`ird \"名\"'s", "evolve", "scratch"} {
		if _, err := db.ExecContext(ctx, "create database "+quote(name)+" character set utf8mb4 collate utf8mb4_bin"); err != nil {
			return fmt.Errorf("create the database %s: %w", name, err)
		}
	}
	for _, t := range w.tables {
		if _, err := db.ExecContext(ctx, t.create()); err != nil {
			return fmt.Errorf("%s: %w", t.create(), err)
		}
	}
	for _, q := range append(slices.Clone(swapSetup), evolveSetup()...) {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// Run lets all clients work until ctx is done, and gives what went wrong that should not.
func (w *Workload) Run(ctx context.Context) error {
	w.runs++
	var wg sync.WaitGroup
	work := func(number uint64, params string, step func(*client, context.Context)) {
		wg.Go(func() {
			db := w.open(params)
			defer db.Close()
			db.SetMaxOpenConns(1)
			c := &client{w: w, db: db, r: rand.New(rand.NewPCG(w.seed, w.runs<<32|number)), loose: strings.Contains(params, "sql_mode")}
			for ctx.Err() == nil {
				step(c, ctx)
			}
		})
	}
	for i, params := range clients {
		work(uint64(i), params, (*client).transaction)
	}
	work(100, "", (*client).swaps)
	work(101, "", (*client).large)
	work(102, "sql_mode=%27%27", (*client).duringDDL)
	for i, e := range []*evolution{
		newEvolution(w, "a", alterKinds, evolvingTables), newEvolution(w, "p", partitionKinds, 0), newEvolution(w, "o", objectKinds, 0),
	} {
		params := ddlClients[i]
		if w.Plain {
			params = ""
		}
		work(uint64(110+i), params, func(c *client, ctx context.Context) { e.step(ctx, c) })
	}
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.surprise) > 0 {
		return fmt.Errorf("%d statements failed that should not, the first: %s", len(w.surprise), strings.Join(w.surprise[:min(5, len(w.surprise))], "\n"))
	}
	return nil
}

// Summary says what was done, and which kinds of statements never succeeded in twenty attempts.
func (w *Workload) Summary() (text string, never []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, never = summary(w.kinds, 20)
	return fmt.Sprintf("%d transactions; %s", w.Done.Load(), text), never
}

// summary says how often each kind succeeded, and which never did in that many attempts or more.
func summary(kinds map[string]*tally, attempts int) (text string, never []string) {
	var b strings.Builder
	for _, kind := range names(kinds, nil) {
		t := kinds[kind]
		fmt.Fprintf(&b, "%s %d", kind, t.ok)
		if t.failed > 0 {
			fmt.Fprintf(&b, " (%d failed)", t.failed)
		}
		b.WriteString("; ")
		if t.ok == 0 && t.failed >= attempts {
			never = append(never, fmt.Sprintf("%s: %v", kind, t.last))
		}
	}
	return b.String(), never
}

// client is one session.
type client struct {
	w     *Workload
	db    *sql.DB
	r     *rand.Rand
	loose bool
}

// executor is a connection or a transaction.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// exec runs one statement and counts it under its kind.
func (c *client) exec(ctx context.Context, e executor, kind, query string) error {
	_, err := e.ExecContext(ctx, query)
	c.w.count(ctx, kind, query, err)
	return err
}

func (w *Workload) count(ctx context.Context, kind, query string, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.kinds[kind]
	if t == nil {
		t = &tally{}
		w.kinds[kind] = t
	}
	if err == nil {
		t.ok++
		return
	}
	t.failed++
	t.last = err
	if !w.expected(err) {
		w.surprise = append(w.surprise, fmt.Sprintf("%s: %.400s: %v", kind, query, err))
	}
}

// expectedErrors are what clients that do not know of each other run into.
var expectedErrors = []uint16{
	1062, 1213, 1205, 9007, 8002, 8022, 8028, 8029, // duplicates, deadlocks, conflicts, a schema that changed
	1054, 1091, 1146, 1051, 1050, 1060, 1061, 1049, 1008, // another client's DDL was there first
	1451, 1452, // foreign keys
	1105,             // TiDB's general error: seen for a schema that changes under a prepared plan
	1364, 1136, 1048, // no default for a column that has just come
	1264, 1406, 1265, 1366, 1292, 1690, // values that a changed column cannot take
	8141, // assertions of rows during a DDL, when another client's statement was under way
}

// roughErrors come when PD or the pumps are away for a while; 8243 is PD's HTTP, of which TiDB asks placement.
var roughErrors = []uint16{9001, 9002, 9003, 9004, 9005, 8027, 8229, 8003, 8243, 1317, 3024, 1046, duplicatePartition} // 1046: a new connection, in no database

// duplicatePartition is the error of a partition that an interrupted round of DDL has left.
const duplicatePartition = 1517

func (w *Workload) expected(err error) bool {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return slices.Contains(expectedErrors, e.Number) || w.Rough && slices.Contains(roughErrors, e.Number)
	}
	var network net.Error
	return w.Rough && (errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.As(err, &network))
}

// within runs a transaction: steps until one fails, then commit, or at times rollback.
func (c *client) within(ctx context.Context, kind string, steps ...func(*sql.Tx) error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		c.w.count(ctx, "begin", "begin", err)
		pause(ctx)
		return
	}
	for _, step := range steps {
		if step(tx) != nil {
			_ = tx.Rollback() // the error is counted already
			return
		}
	}
	if c.r.IntN(12) == 0 {
		c.w.count(ctx, "rollback", "rollback", tx.Rollback())
		return
	}
	err = tx.Commit()
	c.w.count(ctx, kind, "commit", err)
	if err == nil {
		c.w.Done.Add(1)
	}
}

// pause keeps a client from asking a server that is away in a tight loop.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

// transaction is one to four statements on any tables.
func (c *client) transaction(ctx context.Context) {
	var steps []func(*sql.Tx) error
	kind := "commit, single statement"
	for range 1 + max(0, c.r.IntN(8)-4) {
		t := c.w.tables[c.r.IntN(len(c.w.tables))]
		for range 1 + c.r.IntN(2) {
			steps = append(steps, func(tx *sql.Tx) error { return c.change(ctx, tx, t) })
		}
	}
	if len(steps) > 1 {
		kind = "commit, several statements"
	}
	c.within(ctx, kind, steps...)
}

// change is a statement on one table.
func (c *client) change(ctx context.Context, tx *sql.Tx, t *table) error {
	n := c.r.IntN(12)
	switch {
	case n < 6:
		return c.exec(ctx, tx, "insert "+t.name, c.insert(t))
	case n < 10:
		return c.exec(ctx, tx, "update "+t.name, c.update(t))
	}
	limit := 1 + c.r.IntN(3)
	var rows int
	if err := tx.QueryRowContext(ctx, "select count(*) from "+t.path()).Scan(&rows); err != nil {
		c.w.count(ctx, "count", t.path(), err)
		return err
	}
	if rows > 250 {
		limit = rows - 200
	}
	return c.exec(ctx, tx, "delete "+t.name, fmt.Sprintf("delete from %s order by rand() limit %d", t.path(), limit))
}

// insert writes rows in one of the ways there are, most of which come to terms with rows
// that are there already.
func (c *client) insert(t *table) string {
	columns := t.written()
	var names, rows []string
	for _, col := range columns {
		names = append(names, quote(col.name))
	}
	for range 1 + c.r.IntN(4) {
		var values []string
		for _, col := range columns {
			values = append(values, col.value(c.r, c.loose))
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	verb, end := "insert into ", ""
	switch c.r.IntN(5) {
	case 0:
	case 1:
		verb = "insert ignore into "
	case 2:
		verb = "replace into "
	default:
		col := columns[len(columns)-1]
		end = fmt.Sprintf(" on duplicate key update %[1]s = values(%[1]s)", quote(col.name))
	}
	return verb + t.path() + " (" + strings.Join(names, ", ") + ") values " + strings.Join(rows, ", ") + end
}

// update changes a few columns of a few rows, keys too.
func (c *client) update(t *table) string {
	columns := t.written()
	var sets []string
	for _, i := range c.r.Perm(len(columns))[:1+c.r.IntN(min(3, len(columns)))] {
		sets = append(sets, quote(columns[i].name)+" = "+columns[i].value(c.r, c.loose))
	}
	return fmt.Sprintf("update %s set %s order by rand() limit %d", t.path(), strings.Join(sets, ", "), 1+c.r.IntN(2))
}

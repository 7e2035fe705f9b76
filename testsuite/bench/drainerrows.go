package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// rowsCase is one line of the table: transactions of some rows each.
type rowsCase struct {
	name      string
	txns, per int
	update    bool // of rows that are there, chosen at random; else inserts
	hot       int  // updates choose from so many rows; 0: from all
	safe      bool // -safe-mode
}

var rowsCases = []rowsCase{
	{name: "50,000 × 1 insert", txns: 50000, per: 1},
	{name: "500,000 × 1 insert", txns: 500000, per: 1}, // its start, 0.1 s, does not count
	{name: "1,000 × 50 inserts", txns: 1000, per: 50},
	{name: "1 × 50,000 inserts", txns: 1, per: 50000},
	{name: "10,000 × 50 inserts", txns: 10000, per: 50}, // fills all buffers
	{name: "50,000 × 1 update", txns: 50000, per: 1, update: true},
	{name: "50,000 × 1 update of 100 rows", txns: 50000, per: 1, update: true, hot: 100},
	{name: "50,000 × 1 update of 10 rows", txns: 50000, per: 1, update: true, hot: 10},
	{name: "50,000 × 1 update of 1 row", txns: 50000, per: 1, update: true, hot: 1},
	{name: "50,000 × 1 insert, -safe-mode", txns: 50000, per: 1, safe: true},
	{name: "50,000 × 1 update, -safe-mode", txns: 50000, per: 1, update: true, safe: true},
}

// applied is what it took to bring rows into MariaDB.
type applied struct {
	perSecond float64
	cpu       float64 // of who sends them, µs a row
	dbCPU     float64 // of MariaDB, µs a row
	rss       int64   // the most of who sends them
}

// rows prints how fast rows get into MariaDB.
func (b *drainerBench) rows(ctx context.Context, s *site) error {
	return withMariaDB(func(db *mariadbtest.Server) error { return b.rowsInto(ctx, s, db) })
}

func (b *drainerBench) rowsInto(ctx context.Context, s *site, db *mariadbtest.Server) error {
	_, u, err := s.onePump(ctx)
	if err != nil {
		return err
	}
	defer u.close()
	pool, err := openPool(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "CREATE DATABASE plain"); err != nil {
		return err
	}
	durable, err := durability(ctx, pool)
	if err != nil {
		return err
	}
	fmt.Printf("### Drainer: rows into MariaDB\n\nA pump holds the transactions when bin/drainer starts; from its start until all of them are downstream for good, the\n"+
		"median of %d rounds. The limit: the same rows by %d connections of go-sql-driver, inserts of %d rows, updates by %d in\n"+
		"a transaction sent as one text. Rows have 190 bytes (sysbench's table without its second index).\n%s. CPU in µs a row;\n"+
		"RSS is the drainer's largest.\n\n", b.rounds, plainConns, plainRows, plainUpdates, durable)
	fmt.Println("| transactions | rows/s | limit rows/s | of it | CPU drainer | CPU MariaDB | CPU client of the limit | CPU MariaDB of the limit | RSS MB |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for i, c := range rowsCases {
		if !b.lines.MatchString(c.name) {
			continue
		}
		got, limit, err := b.median(ctx, s, u, db, pool, int64(100+i), c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Printf("| %s | %.0f | %.0f | %.2f | %.1f | %.1f | %.1f | %.1f | %.0f |\n", c.name, got.perSecond, limit.perSecond,
			got.perSecond/limit.perSecond, got.cpu, got.dbCPU, limit.cpu, limit.dbCPU, float64(got.rss)/1e6)
	}
	fmt.Println()
	return nil
}

// median measures a case, some rounds of drainer and limit in turns.
func (b *drainerBench) median(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server, pool *sql.DB, table int64, c rowsCase) (got, limit applied, err error) {
	if err := b.prepare(ctx, s, u, db, pool, table, c); err != nil {
		return got, limit, err
	}
	var gots, limits []applied
	for round := range b.rounds {
		rows := c.rows(round)
		before := func(i int) row { return row{id: rows[i].id, k: -1} }
		last, err := u.load(ctx, c.txns, func(i int) []byte {
			if c.update {
				return u.update(table, before(i), rows[i])
			}
			return u.inserts(table, rows[i*c.per:(i+1)*c.per]...)
		})
		if err != nil {
			return got, limit, err
		}
		limit, err := plain(ctx, db, pool, table, c, rows)
		if err != nil {
			return got, limit, fmt.Errorf("the limit: %w", err)
		}
		got, err := b.drained(ctx, s, u, db, last, len(rows), c.args()...)
		if err != nil {
			return got, limit, err
		}
		gots, limits = append(gots, got), append(limits, limit)
	}
	if err := same(ctx, pool, table); err != nil {
		return got, limit, err
	}
	return middle(gots), middle(limits), nil
}

func middle(list []applied) applied {
	slices.SortFunc(list, func(a, b applied) int { return cmp.Compare(a.perSecond, b.perSecond) })
	m := list[len(list)/2]
	for _, a := range list {
		m.rss = max(m.rss, a.rss)
	}
	return m
}

func (c rowsCase) args() []string {
	if c.safe {
		return []string{"-safe-mode"}
	}
	return nil
}

const updated = 50000 // rows that updates choose from

// rows are the rows of a round: new ones, or for updates any, with another k.
func (c rowsCase) rows(round int) []row {
	random := rand.New(rand.NewPCG(uint64(round), 1))
	list := make([]row, c.txns*c.per)
	for i := range list {
		if c.update {
			list[i] = row{id: 1 + random.IntN(cmp.Or(c.hot, updated)), k: round + 1}
		} else {
			list[i] = row{id: round*len(list) + i + 1, k: i}
		}
	}
	return list
}

// prepare makes the table upstream, downstream and for the limit, and the rows for updates. A
// drainer brings them there: from then on one knows what is downstream and is not in safe
// mode by itself, as in a drainer's whole life but its first start.
func (b *drainerBench) prepare(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server, pool *sql.DB, table int64, c rowsCase) error {
	last, err := u.createTable(ctx, table)
	if err != nil {
		return err
	}
	if _, err := pool.ExecContext(ctx, "CREATE TABLE plain."+tableName(table)+" "+createColumns); err != nil {
		return err
	}
	if c.update {
		there := rowsCase{txns: 50, per: updated / 50}
		rows := there.rows(0)
		if last, err = u.load(ctx, there.txns, func(i int) []byte { return u.inserts(table, rows[i*there.per:(i+1)*there.per]...) }); err != nil {
			return err
		}
		if _, err := plain(ctx, db, pool, table, there, rows); err != nil {
			return err
		}
	}
	_, err = b.drained(ctx, s, u, db, last, 1)
	return err
}

// drained runs a drainer until everything up to last is downstream.
func (b *drainerBench) drained(ctx context.Context, s *site, u *upstream, db *mariadbtest.Server, last nodes.TSO, rows int, args ...string) (applied, error) {
	server, err := running(db.PID())
	if err != nil {
		return applied{}, err
	}
	to := fmt.Sprintf("host = %q\nport = %d\nuser = \"root\"\n", db.Host, db.Port)
	d, err := s.startDrainer(u, to, args...)
	if err != nil {
		return applied{}, err
	}
	own, before, began := d.cpu(), server.cpu(), time.Now()
	err = reaches(ctx, d, last)
	took := time.Since(began)
	got := applied{perSecond: float64(rows) / took.Seconds(), cpu: micros(d.cpu()-own, rows), dbCPU: micros(server.cpu()-before, rows)}
	got.rss, _ = d.peak()
	return got, errors.Join(err, d.stop())
}

func micros(d time.Duration, rows int) float64 { return float64(d.Microseconds()) / float64(rows) }

// reaches waits until a drainer says that everything up to ts is downstream.
func reaches(ctx context.Context, d *process, ts nodes.TSO) error {
	_, err := passes(ctx, d, ts)
	return err
}

// passes is reaches for who wants to know how far the drainer is then: it may be farther.
func passes(ctx context.Context, d *process, ts nodes.TSO) (nodes.TSO, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Minute); ; <-tick.C {
		var st struct {
			Applied nodes.TSO
			ErrMsg  string
		}
		err := getJSON(ctx, "http://"+lastField(d.line)+"/status", &st)
		switch {
		case err == nil && st.ErrMsg != "":
			return 0, errors.New(st.ErrMsg)
		case err == nil && st.Applied >= ts:
			return st.Applied, nil
		case err != nil || time.Now().After(deadline):
			return 0, errors.Join(fmt.Errorf("the drainer did not get from %s to %s", st.Applied, ts), err)
		}
	}
}

func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

const (
	plainConns   = 16
	plainRows    = 500 // of a statement
	plainUpdates = 320 // statements of a transaction
)

// plain is the limit: the rows without a drainer.
func plain(ctx context.Context, db *mariadbtest.Server, pool *sql.DB, table int64, c rowsCase, rows []row) (applied, error) {
	server, err := running(db.PID())
	if err != nil {
		return applied{}, err
	}
	work := make(chan string, len(rows)) // all texts are made before
	if c.update {
		for chunk := range slices.Chunk(rows, plainUpdates) {
			work <- updateText(table, chunk)
		}
	} else {
		for chunk := range slices.Chunk(rows, plainRows) {
			work <- insertText(table, chunk)
		}
	}
	close(work)
	before, own, began := server.cpu(), ownCPU(), time.Now()
	var wg sync.WaitGroup
	errs := make([]error, plainConns)
	for i := range errs {
		wg.Go(func() {
			for q := range work {
				if errs[i] = execAgain(ctx, pool, q); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	return applied{perSecond: float64(len(rows)) / took.Seconds(), cpu: micros(ownCPU()-own, len(rows)), dbCPU: micros(server.cpu()-before, len(rows))}, errors.Join(errs...)
}

// execAgain runs a text, again when it was the victim of a deadlock and so rolled back.
func execAgain(ctx context.Context, pool *sql.DB, q string) error {
	for {
		if _, err := pool.ExecContext(ctx, q); !isDeadlock(err) {
			return err
		}
	}
}

func insertText(table int64, rows []row) string {
	var q strings.Builder
	fmt.Fprintf(&q, "INSERT INTO plain.%s VALUES ", tableName(table))
	for i, r := range rows {
		if i > 0 {
			q.WriteByte(',')
		}
		fmt.Fprintf(&q, "(%d,%d,'%s','%s')", r.id, r.k, r.c(), r.pad())
	}
	return q.String()
}

// updateText updates rows in the order of their IDs, so that transactions seldom deadlock.
func updateText(table int64, rows []row) string {
	rows = slices.SortedFunc(slices.Values(rows), func(a, b row) int { return cmp.Compare(a.id, b.id) })
	q := strings.Builder{}
	q.WriteString("BEGIN;")
	for _, r := range rows {
		fmt.Fprintf(&q, "UPDATE plain.%s SET k=%d,c='%s',pad='%s' WHERE id=%d;", tableName(table), r.k, r.c(), r.pad(), r.id)
	}
	q.WriteString("COMMIT")
	return q.String()
}

// same compares a table with that of the limit.
func same(ctx context.Context, pool *sql.DB, table int64) error {
	var sums [2]int64
	var counts [2]int64
	for i, from := range []string{"bench.", "plain."} {
		q := "SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS(',',id,k,c,pad))) FROM " + from + tableName(table)
		if err := pool.QueryRowContext(ctx, q).Scan(&counts[i], &sums[i]); err != nil {
			return err
		}
	}
	if counts[0] != counts[1] || sums[0] != sums[1] {
		return fmt.Errorf("the drainer brought %d rows with the sum %d, the limit %d with %d", counts[0], sums[0], counts[1], sums[1])
	}
	return nil
}

// durability says how durable MariaDB's commits are.
func durability(ctx context.Context, pool *sql.DB) (string, error) {
	var version, flush, doublewrite, binlog, buffer, log string
	q := "SELECT VERSION(), @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite, @@log_bin, @@innodb_buffer_pool_size>>20, @@innodb_log_file_size>>20"
	if err := pool.QueryRowContext(ctx, q).Scan(&version, &flush, &doublewrite, &binlog, &buffer, &log); err != nil {
		return "", err
	}
	return fmt.Sprintf("MariaDB %s with innodb_flush_log_at_trx_commit %s, innodb_doublewrite %s, log_bin %s\n(its defaults: every commit is synced), "+
		"a buffer pool of %s MiB and a log of %s MiB", version, flush, doublewrite, binlog, buffer, log), nil
}

// running is a process that somebody else has started.
func running(pid int) (*process, error) {
	p, err := os.FindProcess(pid)
	return &process{cmd: &exec.Cmd{Process: p}}, err
}

// peak is the most resident memory the process has had so far, in bytes.
func (p *process) peak() (int64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	var kb int64
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(after, &kb)
	return kb << 10, err
}

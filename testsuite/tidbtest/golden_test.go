package tidbtest

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest/golden"
)

var update = flag.Bool("update", false, "write golden files from a real TiDB")

// TestGolden holds the captured data to what it says it is, and captures it anew with -update.
func TestGolden(t *testing.T) {
	for _, year := range golden.Years() {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			if *update && (year == 2023 || form.Long()) {
				saveCaptured(t, year)
			} else {
				checkCaptured(t, year)
			}
		})
	}
}

func saveCaptured(t *testing.T, year int) {
	data := capture(t, year)
	if t.Failed() {
		t.Fatal("the workload did not run as it says: nothing is written")
	}
	if err := data.Save(filepath.Join("golden", fmt.Sprint(year))); err != nil {
		t.Fatal(err)
	}
	t.Log("captured; run again without -update to check it")
}

func checkCaptured(t *testing.T, year int) {
	data, err := golden.Load(year)
	if err != nil {
		t.Fatal(err)
	}
	c := count(t, data.Binlogs)
	t.Logf("%d prewrites (%d DDL), %d commits, %d rollbacks, %d rows, %d jobs, %d tables",
		c.prewrites, c.ddl, c.commits, c.rollbacks, c.rows, len(data.Jobs), len(data.Tables))
	if c.prewrites != c.commits+c.rollbacks {
		t.Errorf("%d prewrites without an end", c.prewrites-c.commits-c.rollbacks)
	}
	if c.ddl < 120 || c.rollbacks < 3 || c.rows < 10000 || len(data.Jobs) < 120 || len(data.Tables) < 35 {
		t.Error("that is less than the workload makes")
	}
	for _, tab := range data.Tables {
		if tab.Schema == "parts" && (tab.Name == "by_range" || tab.Name == "swap") {
			continue // truncated, dropped and exchanged partitions: rows went without row binlogs
		}
		if c.left[tab.ID] != len(tab.Rows) {
			t.Errorf("%s.%s has %d rows, the binlogs leave %d", tab.Schema, tab.Name, len(tab.Rows), c.left[tab.ID])
		}
	}
}

// counts is what a sequence of binlogs adds up to.
type counts struct {
	prewrites, ddl, commits, rollbacks int
	rows                               int           // changed by prewrites
	left                               map[int64]int // by table ID: rows inserted less rows deleted, of what was committed
}

// count reads binlogs in order of arrival and fails the test where they contradict themselves.
func count(t *testing.T, binlogs [][]byte) counts {
	t.Helper()
	c := counts{left: make(map[int64]int)}
	open := make(map[int64]*binlogpb.PrewriteValue)
	for i, payload := range binlogs {
		b := decode(t, payload)
		if b.GetTp() == binlogpb.BinlogType_Prewrite {
			v := prewriteValue(t, b)
			open[b.GetStartTs()] = v
			c.prewrites++
			if b.GetDdlJobId() != 0 {
				c.ddl++
			}
			for _, m := range v.GetMutations() {
				n := len(m.GetInsertedRows()) + len(m.GetUpdatedRows()) + len(m.GetDeletedRows())
				if n != len(m.GetSequence()) {
					t.Errorf("binlog %d, table %d: %d rows, %d in the sequence", i, m.GetTableId(), n, len(m.GetSequence()))
				}
				c.rows += n
			}
			continue
		}
		v, ok := open[b.GetStartTs()]
		if !ok {
			t.Errorf("binlog %d: a %s of %d before its prewrite", i, b.GetTp(), b.GetStartTs())
		}
		delete(open, b.GetStartTs())
		if b.GetTp() == binlogpb.BinlogType_Rollback {
			c.rollbacks++
			continue
		}
		c.commits++
		for _, m := range v.GetMutations() {
			c.left[m.GetTableId()] += len(m.GetInsertedRows()) - len(m.GetDeletedRows())
		}
	}
	return c
}

// capture runs the workload on a real TiDB over a real PD and an order of commit TS that is
// PD's, and takes what came to the pump.
func capture(t *testing.T, year int) *golden.Data {
	t.Helper()
	pd := pdtest.StartReal(t, 1)
	pump := startRecorder(t, pd, "pump1")
	StartUnistore(t, pd.Endpoint(0))
	tidb := StartTiDB(t, Options{PD: pd.Endpoint(0), Store: TiKV, Binlog: true, Year: year})
	db := tidb.Open(t, "time_zone=%27%2B00:00%27")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	runWorkload(t, ctx, db)

	data := new(golden.Data)
	for _, a := range pump.settled(t) {
		data.Binlogs = append(data.Binlogs, a.payload)
	}
	var err error
	if data.Jobs, err = tidb.Jobs(); err != nil {
		t.Fatal(err)
	}
	if data.Tables, err = dump(ctx, db); err != nil {
		t.Fatal(err)
	}
	return data
}

// runWorkload runs golden.SQL on two connections.
func runWorkload(t *testing.T, ctx context.Context, db *sql.DB) {
	t.Helper()
	w := &workload{t: t, ctx: ctx}
	for _, c := range []**sql.Conn{&w.first, &w.second} {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		*c = conn
	}
	var statement strings.Builder
	for line := range strings.Lines(golden.SQL()) {
		if strings.HasPrefix(line, "--") {
			continue
		}
		statement.WriteString(line)
		if strings.HasSuffix(line, ";\n") {
			w.statement(strings.TrimSpace(statement.String()))
			statement.Reset()
		}
	}
}

// workload runs statements as the comments before them say; see package golden.
type workload struct {
	t             *testing.T
	ctx           context.Context
	first, second *sql.Conn

	background chan error // a statement that runs on the second connection, or nil
	during     []string   // what to run on the first in the mean time
}

func (w *workload) statement(q string) {
	w.t.Helper()
	if q, ok := strings.CutPrefix(q, "/*during*/"); ok {
		w.during = append(w.during, q)
		return
	}
	w.join()
	if q, ok := strings.CutPrefix(q, "/*bg*/"); ok {
		w.background = make(chan error, 1)
		go func() { w.background <- w.exec(w.second, q) }()
		return
	}
	conn := w.first
	if strings.HasPrefix(q, "/*c2*/") {
		conn = w.second
	}
	err := w.exec(conn, q)
	if fails := strings.HasPrefix(q, "/*fails*/"); fails != (err != nil) {
		w.t.Errorf("%.200s\nfails: %t, error: %v", q, fails, err)
	}
}

// join repeats the statements of during until the one in the background has ended. Some of them
// fail at some of the moments, as they would in production; what does not is in the binlogs.
func (w *workload) join() {
	w.t.Helper()
	if w.background == nil {
		return
	}
	done := 0
	for i := 0; ; i++ {
		select {
		case err := <-w.background:
			if err != nil {
				w.t.Errorf("in the background, with %v: %v", w.during, err)
			}
			w.t.Logf("%d of %d statements during one in the background", done, i)
			w.background, w.during = nil, nil
			return
		default:
		}
		if err := w.exec(w.first, w.during[i%len(w.during)]); err == nil {
			done++
		}
	}
}

func (w *workload) exec(conn *sql.Conn, q string) error {
	_, err := conn.ExecContext(w.ctx, q)
	return err
}

// dump reads every base table that is not the system's.
func dump(ctx context.Context, db *sql.DB) ([]golden.Table, error) {
	found, err := db.QueryContext(ctx, `select tidb_table_id, table_schema, table_name from information_schema.tables
		where table_type = 'BASE TABLE' and table_schema not in ('mysql', 'test')
		and lower(table_schema) not in ('information_schema', 'performance_schema', 'metrics_schema', 'sys') order by 2, 3`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	defer found.Close()
	var tables []golden.Table
	for found.Next() {
		var tab golden.Table
		if err := found.Scan(&tab.ID, &tab.Schema, &tab.Name); err != nil {
			return nil, err
		}
		tables = append(tables, tab)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	for i := range tables {
		if err := dumpTable(ctx, db, &tables[i]); err != nil {
			return nil, fmt.Errorf("dump %s.%s: %w", tables[i].Schema, tables[i].Name, err)
		}
	}
	return tables, nil
}

func dumpTable(ctx context.Context, db *sql.DB, tab *golden.Table) error {
	cols, err := db.QueryContext(ctx, `select column_name, column_type from information_schema.columns
		where table_schema = ? and table_name = ? order by ordinal_position`, tab.Schema, tab.Name)
	if err != nil {
		return err
	}
	defer cols.Close()
	for cols.Next() {
		var c golden.Column
		if err := cols.Scan(&c.Name, &c.Type); err != nil {
			return err
		}
		c.Hex = strings.Contains(c.Type, "blob") || strings.Contains(c.Type, "binary") || strings.HasPrefix(c.Type, "bit")
		tab.Columns = append(tab.Columns, c)
	}
	quote := func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
	// A query without arguments: the text protocol, in which values are what MySQL prints.
	rows, err := db.QueryContext(ctx, "select * from "+quote(tab.Schema)+"."+quote(tab.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	tab.Rows = [][]*string{}
	raw, into := make([]sql.RawBytes, len(tab.Columns)), make([]any, len(tab.Columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		tab.Rows = append(tab.Rows, textRow(tab.Columns, raw))
	}
	slices.SortFunc(tab.Rows, func(a, b []*string) int {
		return slices.CompareFunc(a, b, func(x, y *string) int {
			if x == nil || y == nil {
				return cmp.Compare(fmt.Sprint(y == nil), fmt.Sprint(x == nil))
			}
			return strings.Compare(*x, *y)
		})
	})
	return rows.Err()
}

func textRow(cols []golden.Column, raw []sql.RawBytes) []*string {
	row := make([]*string, len(raw))
	for i, v := range raw {
		if v == nil {
			continue
		}
		text := string(v)
		if cols[i].Hex {
			text = hex.EncodeToString(v)
		}
		row[i] = &text
	}
	return row
}

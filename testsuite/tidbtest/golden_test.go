package tidbtest

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest/golden"
)

var update = flag.Bool("update", false, "write golden files from a real TiDB")

// TestGolden holds the captured data to what it says it is, and captures it anew with -update.
func TestGolden(t *testing.T) {
	if *update {
		data := capture(t)
		if t.Failed() {
			t.Fatal("the workload did not run as it says: nothing is written")
		}
		if err := data.Save("golden"); err != nil {
			t.Fatal(err)
		}
		t.Skip("captured; run again without -update to check it")
	}
	data, err := golden.Load()
	if err != nil {
		t.Fatal(err)
	}
	var prewrites, ddl, commits, rollbacks, rows int
	open := make(map[int64]bool)
	for i, payload := range data.Binlogs {
		b := decode(t, payload)
		switch b.GetTp() {
		case binlogpb.BinlogType_Prewrite:
			prewrites++
			open[b.GetStartTs()] = true
			if b.GetDdlJobId() != 0 {
				ddl++
			}
			for _, m := range prewriteValue(t, b).GetMutations() {
				n := len(m.GetInsertedRows()) + len(m.GetUpdatedRows()) + len(m.GetDeletedRows())
				if n != len(m.GetSequence()) {
					t.Errorf("binlog %d, table %d: %d rows, %d in the sequence", i, m.GetTableId(), n, len(m.GetSequence()))
				}
				rows += n
			}
		case binlogpb.BinlogType_Commit, binlogpb.BinlogType_Rollback:
			if !open[b.GetStartTs()] {
				t.Errorf("binlog %d: a %s of %d before its prewrite", i, b.GetTp(), b.GetStartTs())
			}
			delete(open, b.GetStartTs())
			if b.GetTp() == binlogpb.BinlogType_Commit {
				commits++
			} else {
				rollbacks++
			}
		default:
			t.Errorf("binlog %d has type %s", i, b.GetTp())
		}
	}
	t.Logf("%d prewrites (%d DDL), %d commits, %d rollbacks, %d rows, %d jobs, %d tables",
		prewrites, ddl, commits, rollbacks, rows, len(data.Jobs), len(data.Tables))
	if len(open) != 0 || prewrites != commits+rollbacks {
		t.Errorf("%d prewrites without an end", len(open))
	}
	if ddl < 120 || rollbacks < 3 || rows < 8000 || len(data.Jobs) < 120 || len(data.Tables) < 35 {
		t.Error("that is less than the workload makes")
	}
}

// capture runs the workload on a real TiDB over a real PD and an order of commit TS that is
// PD's, and takes what came to the pump.
func capture(t *testing.T) *golden.Data {
	t.Helper()
	pd := pdtest.StartReal(t, 1)
	pump := startRecorder(t, pd, "pump1")
	StartUnistore(t, pd.Endpoint(0))
	tidb := StartTiDB(t, Options{PD: pd.Endpoint(0), Store: TiKV, Binlog: true})
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
	var conns [2]*sql.Conn
	for i := range conns {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	var statement strings.Builder
	for line := range strings.Lines(golden.SQL()) {
		if strings.HasPrefix(line, "--") {
			continue
		}
		statement.WriteString(line)
		if !strings.HasSuffix(line, ";\n") {
			continue
		}
		q := strings.TrimSpace(statement.String())
		statement.Reset()
		conn := conns[0]
		if strings.HasPrefix(q, "/*c2*/") {
			conn = conns[1]
		}
		_, err := conn.ExecContext(ctx, q)
		if fails := strings.HasPrefix(q, "/*fails*/"); fails != (err != nil) {
			t.Errorf("%.200s\nfails: %t, error: %v", q, fails, err)
		}
	}
}

// dump reads every base table that is not the system's.
func dump(ctx context.Context, db *sql.DB) ([]golden.Table, error) {
	found, err := db.QueryContext(ctx, `select table_schema, table_name from information_schema.tables
		where table_type = 'BASE TABLE' and table_schema not in ('mysql', 'test')
		and lower(table_schema) not in ('information_schema', 'performance_schema', 'metrics_schema', 'sys') order by 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	defer found.Close()
	var tables []golden.Table
	for found.Next() {
		var tab golden.Table
		if err := found.Scan(&tab.Schema, &tab.Name); err != nil {
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

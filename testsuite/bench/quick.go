package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// quick measures the ten figures that matter in about three minutes.
func quick(pump *pumpBench, drainer *drainerBench, bin string) error {
	pump.d, pump.binlogs, pump.cells = 2*time.Second, 200_000, regexp.MustCompile(`^on/256/(1|128)$`)
	drainer.d, drainer.rounds, drainer.txns = 2*time.Second, 1, 50_000
	drainer.oneWays = []time.Duration{0, 20 * time.Millisecond}
	drainer.lines = regexp.MustCompile(`^(500,000 × 1 insert|10,000 × 50 inserts|50,000 × 1 update|1,000,000 × 1 insert|100/s|inserts)$`)
	for _, part := range []string{"writes", "pulls"} {
		if err := pump.run(part); err != nil {
			return fmt.Errorf("pump: %w", err)
		}
	}
	for _, part := range []string{"rows", "file", "lag", "distance"} {
		if err := drainer.run(part); err != nil {
			return err
		}
	}
	return benchConsole(bin, 2*time.Second, regexp.MustCompile(`^10/(1|16)$`))
}

// felt is a figure in the words of who feels it.
type felt struct {
	words               string
	table, line, column string // table: the beginning of its heading
	unit                string
	ratio, of           string // column of the ratio to a limit of the same run, and what that is; "": none
}

var ten = []felt{
	{"A TiDB waits for its two calls to a pump, each synced", "Pump: transactions", "on, 256 B, 1", "p50 ms", "ms", "of (a)", "of the rate of a front end that stores nothing"},
	{"Transactions that a pump stores, each synced, for 128 writers", "Pump: transactions", "on, 256 B, 128", "txn/s", "/s", "of (a)", "of a front end that stores nothing"},
	{"Binlogs that a drainer can pull from a pump", "Pump: pulls", "256 B", "binlogs/s", "/s", "of it", "of a server that sends one prepared message"},
	{"One-row inserts into MariaDB", "Drainer: rows into MariaDB", "500,000 × 1 insert", "rows/s", "/s", "of it", "of 16 connections that insert 500 rows at once"},
	{"Rows of transactions of 50 into MariaDB", "Drainer: rows into MariaDB", "10,000 × 50 inserts", "rows/s", "/s", "of it", "of the same"},
	{"One-row updates into MariaDB", "Drainer: rows into MariaDB", "50,000 × 1 update", "rows/s", "/s", "of it", "of 16 connections that send 320 at once"},
	{"One-row inserts over 40 ms of round trip", "Drainer: rows into a MariaDB that is far", "inserts", "20ms", "/s", "20ms ratio", "of the same without distance"},
	{"One-row transactions into binlog files", "Drainer: into files", "1,000,000 × 1 insert", "MB/s", "MB/s", "", ""},
	{"Until a row is downstream, 99 of 100, at 100 a second", "Drainer: lag", "100", "p99 ms", "ms", "", ""},
	{"SHOW PUMP STATUS on 16 connections", "Console:", "10, 16", "statements/s", "/s", "ratio", "of a TCP echo of the same bytes"},
}

// printTen prints the ten figures, as far as they were measured.
func printTen(list []figure) {
	find := func(f felt, column string) (float64, bool) {
		for _, g := range list {
			if strings.HasPrefix(g.Table, f.table) && g.Line == f.line && g.Column == column {
				return g.Value, true
			}
		}
		return 0, false
	}
	head := fmt.Sprintf("### The ten that matter\n\nLoad average at the end: %s.\n\n| what | figure | beside a limit of the same run |\n|---|---:|---|\n", loadNow())
	for _, f := range ten {
		v, ok := find(f, f.column)
		if !ok {
			continue
		}
		fmt.Print(head)
		head = ""
		beside := ""
		if r, ok := find(f, f.ratio); ok {
			beside = fmt.Sprintf("%.2f %s", r, f.of)
		}
		digits := 0
		if v < 100 {
			digits = 2
		}
		fmt.Printf("| %s | %.*f %s | %s |\n", f.words, digits, v, f.unit, beside)
	}
	fmt.Println()
}

// Command bench measures the product against limits measured in the same run and prints
// the tables of BENCHMARKS.md. Servers and limits run in processes of their own; the load
// comes from this one. Nothing here asserts anything: figures are for people.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	limits := map[string]func([]string) error{"echo": echoServer, "null": nullServer, "peers": hostilePeers, "sink": sinkServer}
	if len(os.Args) > 1 && limits[os.Args[1]] != nil {
		return limits[os.Args[1]](os.Args[2:])
	}
	var (
		bin     = flag.String("bin", "bin/pumphouse", "the console and PD to measure with")
		pump    = flag.String("pump", "bin/pump", "the pump to measure")
		drainer = flag.String("drainer", "bin/drainer", "the drainer to measure")
		reparo  = flag.String("reparo", "bin/reparo", "the reparo to measure")
		arbiter = flag.String("arbiter", "bin/arbiter", "the arbiter to measure")
		only    = flag.String("only", "all", "what to measure: console, tables, pump, import, drainer, reparo, arbiter or all")
		mib     = flag.Int("import-mib", 1024, "how many MiB of an upstream pump to import")
		part    = flag.String("part", "", "of the pump only this: writes, pulls, peers or clock; of the drainer: rows, stages, file or lag")
		rounds  = flag.Int("rounds", 3, "how often the drainer's figures are measured; the median counts")
		workers = flag.Int("c", 0, "the drainer's -c; 0: its default")
		batch   = flag.Int("txn-batch", 0, "the drainer's -txn-batch; 0: its default")
		pdURL   = flag.String("pd", "", "`URL` of a running PD for the pumps; default: one that -bin embeds")
		cells   = flag.String("cells", "", "of the pump's writes only those whose sync-log/bytes/writers this `regexp` finds, such as on/256/128, and of its peers those whose name it finds; of the drainer's lines those whose name it finds; of the import those sizes in bytes (^1024$)")
		d       = flag.Duration("time", 5*time.Second, "how long each figure is measured")
		binlogs = flag.Int("binlogs", 1_000_000, "how many binlogs of 256 B to pull; an eighth of 4 KiB")
	)
	flag.Parse()
	known := map[string]bool{"all": true, "console": true, "tables": true, "pump": true, "import": true, "drainer": true, "reparo": true, "arbiter": true}
	if !known[*only] {
		return fmt.Errorf("-only %q: use console, tables, pump, import, drainer, reparo, arbiter or all", *only)
	}
	wanted := func(what string) bool { return *only == "all" || *only == what }
	if wanted("console") {
		if err := benchConsole(*bin, *d); err != nil {
			return err
		}
	}
	if wanted("tables") {
		if err := benchTables(*bin, *d); err != nil {
			return err
		}
	}
	pattern, err := regexp.Compile(*cells)
	if err != nil {
		return err
	}
	if wanted("pump") {
		b := &pumpBench{pumphouse: *bin, pump: *pump, d: *d, binlogs: *binlogs, cells: pattern, pdURL: *pdURL}
		if err := b.run(*part); err != nil {
			return err
		}
	}
	if wanted("import") {
		if err := benchImport(*mib, pattern); err != nil {
			return err
		}
	}
	if wanted("drainer") {
		b := &drainerBench{pumphouse: *bin, pump: *pump, drainer: *drainer, rounds: max(1, *rounds), workers: *workers, batch: *batch, d: *d, lines: pattern}
		if err := b.run(*part); err != nil {
			return err
		}
	}
	if wanted("reparo") {
		if err := benchReparo(context.Background(), *reparo, max(1, *rounds), pattern); err != nil {
			return err
		}
	}
	if wanted("arbiter") {
		return benchArbiter(context.Background(), *arbiter, max(1, *rounds), pattern)
	}
	return nil
}

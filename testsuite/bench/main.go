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
	if len(os.Args) > 1 && os.Args[1] == "compare" {
		return compare(os.Args[2:])
	}
	if len(os.Args) > 1 && limits[os.Args[1]] != nil {
		return limits[os.Args[1]](os.Args[2:])
	}
	var (
		bin     = flag.String("bin", "bin/pumphouse", "the console and PD to measure with")
		pump    = flag.String("pump", "bin/pump", "the pump to measure")
		drainer = flag.String("drainer", "bin/drainer", "the drainer to measure")
		reparo  = flag.String("reparo", "bin/reparo", "the reparo to measure")
		arbiter = flag.String("arbiter", "bin/arbiter", "the arbiter to measure")
		only    = flag.String("only", "all", "what to measure: console, tables, pump, tidb, import, drainer, rest, history, reparo, arbiter, huge, growth or all")
		idle    = flag.String("pumps", "1,5,20,100", "how many pumps are at rest")
		jobs    = flag.String("jobs", "1000,10000,100000", "how many jobs the DDL history has")
		huge    = flag.String("huge-mib", "200,1000", "of the huge transactions: how many MiB each has")
		stored  = flag.String("stored", "1000000,10000000", "of growth: how many binlogs are stored; 100000000 take 22 GB")
		pullers = flag.String("pullers", "1,8,32", "of growth: how many pull from one pump")
		waiting = flag.String("waiting", "100000,1000000,5000000", "of growth: how many transactions wait for an unresolved one")
		mib     = flag.Int("import-mib", 1024, "how many MiB of an upstream pump to import")
		part    = flag.String("part", "", "of the pump only this: writes, pulls, peers or clock; of the drainer: rows, stages, file, lag or distance; of growth: stored, pullers or waiting")
		rounds  = flag.Int("rounds", 3, "how often the figures of TiDB and of the drainer are measured; the median counts")
		workers = flag.Int("c", 0, "the drainer's -c; 0: its default")
		batch   = flag.Int("txn-batch", 0, "the drainer's -txn-batch; 0: its default")
		txns    = flag.Int("txns", 100_000, "how many transactions of a load over a distance")
		oneWay  = flag.String("one-way", "0s,1ms,10ms,20ms,40ms,150ms", "the distances between drainer and MariaDB")
		profile = flag.String("profiles", "", "a `directory` for CPU profiles of the drainer, one of each load over a distance")
		pdURL   = flag.String("pd", "", "`URL` of a running PD for the pumps; default: one that -bin embeds")
		cells   = flag.String("cells", "", "of the pump's writes only those whose sync-log/bytes/writers this `regexp` finds, such as on/256/128, and of its peers those whose name it finds; of the drainer's lines those whose name it finds; of the import those sizes in bytes (^1024$)")
		d       = flag.Duration("time", 5*time.Second, "how long each figure is measured")
		ten     = flag.Bool("quick", false, "measure the ten figures that matter, in some three minutes; -only, -part, -cells and how long are without effect")
		file    = flag.String("json", "", "add the figures of the run to this `file`, for bench compare OLD NEW")
		binlogs = flag.Int("binlogs", 1_000_000, "how many binlogs of 256 B to pull; an eighth of 4 KiB; half of 100 B by each puller of growth")
	)
	flag.Parse()
	known := map[string]bool{"all": true, "console": true, "tables": true, "pump": true, "tidb": true, "import": true, "drainer": true, "rest": true, "history": true, "reparo": true, "arbiter": true, "huge": true, "growth": true}
	if !known[*only] {
		return fmt.Errorf("-only %q: use console, tables, pump, tidb, import, drainer, rest, history, reparo, arbiter, huge, growth or all", *only)
	}
	pattern, err := regexp.Compile(*cells)
	if err != nil {
		return err
	}
	ways, err := parseOneWays(*oneWay)
	if err != nil {
		return err
	}
	p := &pumpBench{pumphouse: *bin, pump: *pump, d: *d, binlogs: *binlogs, cells: pattern, pdURL: *pdURL}
	dr := &drainerBench{pumphouse: *bin, pump: *pump, drainer: *drainer, rounds: max(1, *rounds), txns: *txns, oneWays: ways, profiles: *profile, workers: *workers, batch: *batch, d: *d, lines: pattern}
	measure := func() error {
		for _, m := range []struct {
			name string
			do   func() error
		}{
			{"console", func() error { return benchConsole(*bin, *d, pattern) }},
			{"tables", func() error { return benchTables(*bin, *d) }},
			{"pump", func() error { return p.run(*part) }},
			{"tidb", func() error { return benchTiDB(context.Background(), *pump, max(1, *rounds), *d) }},
			{"import", func() error { return benchImport(*mib, pattern) }},
			{"drainer", func() error { return dr.run(*part) }},
			{"rest", func() error {
				counts, err := parseCounts("-pumps", *idle)
				if err != nil {
					return err
				}
				return dr.rest(context.Background(), counts)
			}},
			{"history", func() error {
				counts, err := parseCounts("-jobs", *jobs)
				if err != nil {
					return err
				}
				return dr.history(context.Background(), counts)
			}},
			{"reparo", func() error { return benchReparo(context.Background(), *reparo, max(1, *rounds), pattern, ways) }},
			{"arbiter", func() error { return benchArbiter(context.Background(), *arbiter, max(1, *rounds), pattern, ways) }},
			{"huge", func() error {
				sizes, err := hugeSizes(*huge)
				if err != nil {
					return err
				}
				b := &hugeBench{drainerBench: &drainerBench{pumphouse: *bin, pump: *pump, drainer: *drainer}, sizes: sizes, lines: pattern}
				return b.run(context.Background())
			}},
			{"growth", func() error {
				b := &growthBench{drainerBench: &drainerBench{pumphouse: *bin, pump: *pump}, pulled: *binlogs / 2}
				for _, list := range []struct {
					name, text string
					to         *[]int
				}{{"-stored", *stored, &b.stored}, {"-pullers", *pullers, &b.pullers}, {"-waiting", *waiting, &b.waiting}} {
					var err error
					if *list.to, err = parseCounts(list.name, list.text); err != nil {
						return err
					}
				}
				return b.run(*part)
			}},
		} {
			if *only != "all" && *only != m.name {
				continue
			}
			if err := m.do(); err != nil {
				return err
			}
		}
		return nil
	}
	if *ten {
		measure = func() error { return quick(p, dr, *bin) }
	}
	r := results{Time: time.Now(), Load: loadNow()}
	if r.Figures, err = printed(measure); err != nil {
		return err
	}
	printTen(r.Figures)
	if *file == "" {
		return nil
	}
	return addResults(*file, r)
}

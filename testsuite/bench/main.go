// Command bench measures the product against limits measured in the same run and prints
// the tables of BENCHMARKS.md. Servers and limits run in processes of their own; the load
// comes from this one. Nothing here asserts anything: figures are for people.
package main

import (
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
	limits := map[string]func([]string) error{"echo": echoServer, "null": nullServer}
	if len(os.Args) > 1 && limits[os.Args[1]] != nil {
		return limits[os.Args[1]](os.Args[2:])
	}
	var (
		bin     = flag.String("bin", "bin/pumphouse", "the console and PD to measure with")
		pump    = flag.String("pump", "bin/pump", "the pump to measure")
		only    = flag.String("only", "all", "what to measure: console, pump or all")
		part    = flag.String("part", "", "of the pump only this: writes, pulls or clock")
		pdURL   = flag.String("pd", "", "`URL` of a running PD for the pumps; default: one that -bin embeds")
		cells   = flag.String("cells", "", "of the writes only those whose sync-log/bytes/writers this `regexp` finds, such as on/256/128")
		d       = flag.Duration("time", 5*time.Second, "how long each figure is measured")
		binlogs = flag.Int("binlogs", 1_000_000, "how many binlogs of 256 B to pull; an eighth of 4 KiB")
	)
	flag.Parse()
	if *only != "all" && *only != "console" && *only != "pump" {
		return fmt.Errorf("-only %q: use console, pump or all", *only)
	}
	if *only != "pump" {
		if err := benchConsole(*bin, *d); err != nil {
			return err
		}
	}
	if *only != "console" {
		pattern, err := regexp.Compile(*cells)
		if err != nil {
			return err
		}
		b := &pumpBench{pumphouse: *bin, pump: *pump, d: *d, binlogs: *binlogs, cells: pattern, pdURL: *pdURL}
		return b.run(*part)
	}
	return nil
}

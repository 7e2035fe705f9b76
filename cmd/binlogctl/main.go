// Command binlogctl lists the pumps and drainers of a TiDB Binlog cluster, edits and
// removes their records in PD, and asks them how they are, to pause or to go offline. Its flags are those of the tool it
// replaces; its results are results, not log lines, and it prints success only when there
// was one.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // -time-zone works where the machine has no zone files

	"pumphouse/internal/program"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program: it gives the exit code, 0 on success, 1 when the command
// failed, 2 when it was not understood, 3 when a node accepted but was not there when
// -wait had passed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseFlags(args, stdout)
	if code, ends := (program.Start{Name: "binlogctl", Err: err, Version: opts.version}).Ends(stdout, stderr); ends {
		return code
	}
	if err := commands[opts.cmd].run(ctx, opts, stdout, stderr); err != nil {
		var away *nodes.PDError
		if errors.As(err, &away) {
			endpoints, _ := nodes.ParseEndpoints([]string{opts.pdURLs}, opts.security.Enabled()) // parseFlags has checked them
			err = life.ExplainPD(err, endpoints)
		}
		setting.PrintErrors(stderr, "binlogctl", err)
		var late *lateError
		if errors.As(err, &late) {
			return 3
		}
		return 1
	}
	return 0
}

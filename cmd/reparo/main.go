// Command reparo applies the binlog files that a drainer has written (db-type = "file") to a database, from one
// commit TS to another, or prints them. Its flags and configuration keys are those of upstream's reparo.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // time-zone works where the machine has no zone files

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/restore"
	"pumphouse/drainer/txn"
	"pumphouse/internal/logs"
	"pumphouse/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program. It gives the exit code: 0 when everything in the range is in the database, 1 when
// something failed or the run was interrupted, 2 when flags or configuration were not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, warnings, err := parseConfig(args, stdout)
	log, code := program.Start{Name: "reparo", Err: err, Version: cfg.version, Check: cfg.check, Warnings: warnings, Logging: cfg.Config}.Open(stdout, stderr)
	if log == nil {
		return code
	}
	defer log.Close()
	for _, w := range warnings {
		log.Warn(w)
	}
	err = work(ctx, cfg, log, stdout, stderr)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted: the same command resumes")
	}
	return program.ExitCode(stderr, "reparo", err)
}

func work(ctx context.Context, cfg *config, log *logs.Logger, stdout, stderr io.Writer) error {
	opts, err := cfg.options()
	if err != nil {
		return err
	}
	if cfg.DestType == "print" {
		filter, err := txn.NewFilter(opts.Filter)
		if err != nil {
			return err
		}
		return restore.Print(ctx, stdout, opts.Range, func(schema, table string) bool { return !filter.Skip(schema, table) })
	}
	p := newProgress(stderr, log)
	opts.Logger, opts.Progress = log, p.tell
	begin := time.Now()
	result, err := restore.Run(ctx, opts)
	p.end()
	if err != nil {
		return err
	}
	if result.Torn != nil {
		log.WithError(result.Torn).Warn("the newest file ends within a record, as it does after a crash or while a drainer writes it: what is after that is not restored")
	}
	log.WithFields(logrus.Fields{"rows": result.Rows, "took": time.Since(begin).Round(time.Millisecond).String(), "last_commit_ts": result.Last, "to": cfg.to()}).Info("restored")
	fmt.Fprintln(stdout, summary(result))
	if result.Divergent > 0 {
		return fmt.Errorf("%d statements did not find the rows that they change: the database was not as the upstream was at the start, and is not as it was at the end. "+
			"Load the dump again and run with -restart", result.Divergent)
	}
	return nil
}

// summary is what a run came to, for people.
func summary(r restore.Result) string {
	if r.Last == 0 {
		return "nothing to restore: the files have nothing in the range"
	}
	text := fmt.Sprintf("restored up to commit TS %s (%s)", r.Last, r.Last.Time().Format(time.RFC3339Nano))
	switch {
	case r.Resumed >= r.Last:
		text += "; an earlier run had done it: load the dump and give -restart to do it again"
	case r.Resumed > 0:
		text += fmt.Sprintf(", resumed at %s", r.Resumed)
	}
	return text
}

// Command pumphouse is the console of a TiDB Binlog cluster: a MySQL-protocol server for
// the statements that show and change pumps and drainers. It also brings a PD for one
// machine and a demo that runs everything at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	_ "time/tzdata" // SET time_zone = 'Asia/Shanghai' works where the machine has no zone files

	"pumphouse/nodes/daemon"
	"pumphouse/nodes/setting"
)

// command is one subcommand. Its run returns when ctx ends or when it is done.
type command struct {
	name, help string
	run        func(ctx context.Context, args []string, std stdio) error
}

// stdio is what a command may read and print to.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func commands() []command {
	return []command{
		{"serve", "run the console on the records of a PD", serve},
		{"pd", "run a single-node PD for trials and tests", servePD},
		{"demo", "run PD, nodes and console in one process", demo},
		{"passwd", "make a password hash for the console's configuration", passwd},
	}
}

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-signals
		cancel(fmt.Errorf("received %v", sig))
		sig = <-signals // a second one does not wait for the orderly end
		fmt.Fprintf(os.Stderr, "pumphouse: received %v again, ending at once\n", sig)
		os.Exit(1)
	}()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// run picks the subcommand and turns its error into an exit code: 0 done, 1 failed,
// 2 not understood.
func run(ctx context.Context, args []string, std stdio) int {
	if len(args) == 0 {
		usage(std.err)
		return 2
	}
	switch args[0] {
	case "-V", "--V", "-version", "--version":
		fmt.Fprintln(std.out, version())
		return 0
	case "-h", "-help", "--help", "help":
		usage(std.out)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		if slices.ContainsFunc(args[1:], func(arg string) bool { return arg == "-V" || arg == "--V" }) {
			fmt.Fprintln(std.out, version())
			return 0
		}
		err := c.run(ctx, args[1:], std)
		var usage *usageError
		switch {
		case err == nil || errors.Is(err, flag.ErrHelp):
			return 0
		case errors.As(err, &usage):
			setting.PrintErrors(std.err, "pumphouse "+c.name, err)
			return 2
		}
		fmt.Fprintf(std.err, "pumphouse %s: %v\n", c.name, err)
		return 1
	}
	fmt.Fprintf(std.err, "pumphouse: there is no command %q\n", args[0])
	usage(std.err)
	return 2
}

// usageError marks what the user typed as not understood.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func version() string {
	return daemon.VersionLine("pumphouse")
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "Usage: pumphouse COMMAND [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.help)
	}
	fmt.Fprintf(w, "\npumphouse COMMAND -h lists the flags of a command, pumphouse -V prints the version.\n")
}

// parse reads the flags of a command that has no configuration file.
func parse(fs *flag.FlagSet, args []string, std stdio) error {
	fs.SetOutput(io.Discard)
	err := setting.ParseFlags(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(std.out, "Flags of pumphouse %s:\n", fs.Name())
		setting.PrintFlags(fs, std.out)
		return err
	case err != nil:
		return &usageError{err}
	}
	return nil
}

// Package subcommand is a program with commands, as `pumphouse serve`: which one is run, its flags, and
// what exit code its error becomes.
package subcommand

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"pumphouse/internal/program"
	"pumphouse/internal/setting"
)

// Program is a program with commands. Name is how errors begin, Version what -V prints.
type Program struct {
	Name, Version string
	Commands      []Command
}

// Command is one of them. Its Run returns when ctx ends or when it is done.
type Command struct {
	Name, Help string
	Run        func(ctx context.Context, args []string, std Stdio) error
}

// Stdio is what a command may read and print to.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// UsageError marks what the user typed as not understood.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Main runs the command of the program's arguments until it is done or a signal ends it, and calls exit,
// which is os.Exit, with the exit code; see Run. A second signal ends the process at once.
func (p Program) Main(exit func(code int)) {
	ctx := program.UntilSignal(p.Name, exit, os.Interrupt, syscall.SIGTERM)
	exit(p.Run(ctx, os.Args[1:], Stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// Run picks the command and turns its error into an exit code: 0 done, 1 failed, 2 not understood.
func (p Program) Run(ctx context.Context, args []string, std Stdio) int {
	if len(args) == 0 {
		p.usage(std.Err)
		return 2
	}
	switch args[0] {
	case "-V", "--V", "-version", "--version":
		fmt.Fprintln(std.Out, p.Version)
		return 0
	case "-h", "-help", "--help", "help":
		p.usage(std.Out)
		return 0
	}
	i := slices.IndexFunc(p.Commands, func(c Command) bool { return c.Name == args[0] })
	if i < 0 {
		fmt.Fprintf(std.Err, "%s: there is no command %q\n", p.Name, args[0])
		p.usage(std.Err)
		return 2
	}
	if slices.ContainsFunc(args[1:], func(arg string) bool { return arg == "-V" || arg == "--V" }) {
		fmt.Fprintln(std.Out, p.Version)
		return 0
	}
	err := p.Commands[i].Run(ctx, args[1:], std)
	name := p.Name + " " + args[0]
	var usage *UsageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		setting.PrintErrors(std.Err, name, err)
		return 2
	}
	return program.ExitCode(std.Err, name, err)
}

func (p Program) usage(w io.Writer) {
	fmt.Fprintf(w, "Usage: %s COMMAND [flags]\n\nCommands:\n", p.Name)
	for _, c := range p.Commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.Name, c.Help)
	}
	fmt.Fprintf(w, "\n%[1]s COMMAND -h lists the flags of a command, %[1]s -V prints the version.\n", p.Name)
}

// Parse reads the flags of a command that has no configuration file. name is the program's in its help.
func Parse(name string, fs *flag.FlagSet, args []string, std Stdio) error {
	fs.SetOutput(io.Discard)
	err := setting.ParseFlags(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(std.Out, "Flags of %s %s:\n", name, fs.Name())
		setting.PrintFlags(fs, std.Out)
		return err
	case err != nil:
		return &UsageError{err}
	}
	return nil
}

// Package program is what every program does around what it is for: it answers -h, -V and -check-config, opens
// its log, listens for signals, and ends with an exit code.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"pumphouse/internal/logs"
	"pumphouse/internal/setting"
	"pumphouse/internal/version"
)

// Start is what a program has read: its command line, environment and configuration file.
type Start struct {
	Name     string // of the program, with which its errors begin
	Err      error  // what is wrong with it, or flag.ErrHelp when help was asked for and has been printed
	Version  bool   // -V
	Check    bool   // -check-config
	Warnings []string
	Logging  logs.Config // for Open
}

// Ends reports whether the program has nothing else to do, and its exit code: 0 after -h, -V or -check-config,
// 2 when something was not understood, a line each on stderr.
func (s Start) Ends(stdout, stderr io.Writer) (code int, ends bool) {
	switch {
	case errors.Is(s.Err, flag.ErrHelp):
		return 0, true
	case s.Err != nil:
		setting.PrintErrors(stderr, s.Name, s.Err)
		return 2, true
	case s.Version:
		fmt.Fprintln(stdout, version.Line(s.Name+" (Pumphouse)"))
		return 0, true
	case s.Check:
		setting.ReportOK(stdout, stderr, s.Name, s.Warnings)
		return 0, true
	}
	return 0, false
}

// Open opens the program's log, which the caller closes. It is nil where the program ends with the exit code: see
// Ends, and 1 when the log cannot be opened.
func (s Start) Open(stdout, stderr io.Writer) (log *logs.Logger, code int) {
	if code, ends := s.Ends(stdout, stderr); ends {
		return nil, code
	}
	log, err := logs.Open(s.Logging, stderr)
	if err != nil {
		return nil, ExitCode(stderr, s.Name, err)
	}
	return log, 0
}

// ExitCode is 0 without an error. Otherwise it is 1, and the error is printed after the program's name.
func ExitCode(stderr io.Writer, name string, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}

// UntilSignal ends with the first of the signals, which is its cause. A second one does not wait for the orderly end:
// it calls exit, which is os.Exit, with 1.
func UntilSignal(name string, exit func(code int), signals ...os.Signal) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	received := make(chan os.Signal, 2)
	signal.Notify(received, signals...)
	go func() {
		cancel(fmt.Errorf("received %v", <-received))
		fmt.Fprintf(os.Stderr, "%s: received %v again, ending at once\n", name, <-received)
		exit(1)
	}()
	return ctx
}

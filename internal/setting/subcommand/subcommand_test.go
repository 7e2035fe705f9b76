package subcommand_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"pumphouse/internal/setting/subcommand"
)

// program has a command that ends in every way: its first argument that is no flag says how.
func program() subcommand.Program {
	return subcommand.Program{Name: "prog", Version: "prog 1.2", Commands: []subcommand.Command{
		{Name: "work", Help: "do it", Run: func(_ context.Context, args []string, std subcommand.Stdio) error {
			fs := flag.NewFlagSet("work", flag.ContinueOnError)
			fails := fs.Bool("fail", false, "fail at it")
			if err := subcommand.Parse("prog", fs, args, std); err != nil {
				return err
			}
			if *fails {
				return errors.New("the disk is full")
			}
			return nil
		}},
	}}
}

// TestExitCodes: 0 when it is done or help was asked for, 1 when it failed, 2 when it was not understood; what is
// wrong goes to stderr, after the name of program and command.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args        string
		code        int
		out, stderr string // that is in there; "": nothing is
	}{
		{"", 2, "", "Usage: prog COMMAND"},
		{"rest", 2, "", "prog: there is no command \"rest\"\nUsage: prog COMMAND"},
		{"help", 0, "work     do it", ""},
		{"-V", 0, "prog 1.2\n", ""},
		{"work -fail -V", 0, "prog 1.2\n", ""},
		{"work", 0, "", ""},
		{"work -h", 0, "Flags of prog work:\n  -fail\n", ""},
		{"work -fail", 1, "", "prog work: the disk is full\n"},
		{"work -fai -x", 2, "", "prog work: unknown flag -fai, did you mean -fail?\nprog work: unknown flag -x"},
	} {
		var out, errs bytes.Buffer
		code := program().Run(t.Context(), strings.Fields(c.args), subcommand.Stdio{Out: &out, Err: &errs})
		says := func(got, want string) bool { return strings.Contains(got, want) && (want != "" || got == "") }
		if code != c.code || !says(out.String(), c.out) || !says(errs.String(), c.stderr) {
			t.Errorf("prog %s: exit code %d, want %d\nstdout %q, want %q\nstderr %q, want %q", c.args, code, c.code, &out, c.out, &errs, c.stderr)
		}
	}
}

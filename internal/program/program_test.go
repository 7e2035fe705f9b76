package program

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"pumphouse/internal/logs"
)

func TestStart(t *testing.T) {
	for _, c := range []struct {
		name           string
		start          Start
		code           int
		goesOn         bool
		stdout, stderr string // how they begin
	}{
		{"-h", Start{Err: flag.ErrHelp}, 0, false, "", ""},
		{"two mistakes", Start{Err: errors.Join(errors.New("addr: no port"), errors.New("unknown flag -x"))}, 2, false, "", "prog: addr: no port\nprog: unknown flag -x\n"},
		{"-V of a configuration with a mistake", Start{Err: errors.New("addr: no port"), Version: true}, 2, false, "", "prog: addr"},
		{"-V", Start{Version: true, Check: true}, 0, false, "prog (Pumphouse) ", ""},
		{"-check-config", Start{Check: true, Warnings: []string{"x has no effect"}}, 0, false, "ok\n", "prog: warning: x has no effect\n"},
		{"a log that cannot be opened", Start{Logging: logs.Config{LogFile: "/dev/null/log"}}, 1, false, "", "prog: "},
		{"run", Start{Warnings: []string{"x has no effect"}}, 0, true, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			c.start.Name = "prog"
			log, code := c.start.Open(&stdout, &stderr)
			if log != nil {
				defer log.Close()
			}
			if code != c.code || (log != nil) != c.goesOn {
				t.Errorf("exit code %d, it goes on: %t; want %d, %t", code, log != nil, c.code, c.goesOn)
			}
			for _, out := range [][2]string{{stdout.String(), c.stdout}, {stderr.String(), c.stderr}} {
				if got, want := out[0], out[1]; !strings.HasPrefix(got, want) || (want == "") != (got == "") {
					t.Errorf("printed %q, want %q", got, want)
				}
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	var stderr strings.Builder
	if code := ExitCode(&stderr, "prog", nil); code != 0 || stderr.String() != "" {
		t.Errorf("without an error: %d, %q", code, stderr.String())
	}
	if code := ExitCode(&stderr, "prog", errors.New("disk full")); code != 1 || stderr.String() != "prog: disk full\n" {
		t.Errorf("with an error: %d, %q", code, stderr.String())
	}
}

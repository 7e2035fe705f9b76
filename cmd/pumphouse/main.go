// Command pumphouse is the console of a TiDB Binlog cluster: a MySQL-protocol server for
// the statements that show and change pumps and drainers. `pumphouse pd`, a PD for one machine, and
// `pumphouse demo`, which runs everything at once, are in a program of their own, pumphouse-demo, which
// this one becomes: what they link does not weigh on the console.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	_ "time/tzdata" // SET time_zone = 'Asia/Shanghai' works where the machine has no zone files

	"pumphouse/internal/setting/subcommand"
	"pumphouse/internal/version"
)

func main() {
	subcommand.Program{
		Name:    "pumphouse",
		Version: version.Line("pumphouse"),
		Commands: []subcommand.Command{
			{Name: "serve", Help: "run the console on the records of a PD", Run: serve},
			{Name: "pd", Help: "run a single-node PD for trials and tests", Run: become("pd")},
			{Name: "demo", Help: "run PD, nodes and console in one process", Run: become("demo")},
			{Name: "passwd", Help: "make a password hash for the console's configuration", Run: passwd},
		},
	}.Main(os.Exit)
}

// trials is the program with the commands for trials.
const trials = "pumphouse-demo"

// become has the process go on as the program with the commands for trials, which stands beside this
// one or in PATH.
func become(command string) func(context.Context, []string, subcommand.Stdio) error {
	return func(_ context.Context, args []string, _ subcommand.Stdio) error {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		program = filepath.Join(filepath.Dir(program), trials)
		if _, err := os.Stat(program); err != nil {
			found, lookErr := exec.LookPath(trials)
			if lookErr != nil {
				return errors.Join(fmt.Errorf("this command is in the program %s, which `make build` puts beside pumphouse: %w", trials, err), lookErr)
			}
			program = found
		}
		if err := syscall.Exec(program, append([]string{trials, command}, args...), os.Environ()); err != nil {
			return fmt.Errorf("run %s: %w", program, err)
		}
		return nil
	}
}

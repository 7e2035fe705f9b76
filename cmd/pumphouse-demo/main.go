// Command pumphouse-demo is what `pumphouse pd` and `pumphouse demo` run: a PD for one machine, and
// everything at once for a first look.
package main

import (
	"os"
	_ "time/tzdata" // as in pumphouse

	"pumphouse/internal/setting/subcommand"
	"pumphouse/internal/version"
)

// calledAs is how users call it.
const calledAs = "pumphouse"

func main() {
	subcommand.Program{
		Name:    calledAs,
		Version: version.Line(calledAs),
		Commands: []subcommand.Command{
			{Name: "pd", Help: "run a single-node PD for trials and tests", Run: servePD},
			{Name: "demo", Help: "run PD, nodes and console in one process", Run: demo},
		},
	}.Main(os.Exit)
}

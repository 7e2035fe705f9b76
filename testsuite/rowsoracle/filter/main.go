// Command filter says which tables TiCDC replicates: it reads lines {"rules": […], "tables": [["db", "table"], …]}
// and writes for each a line with one boolean a table. TiCDC takes its filters from the same package.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	filter "github.com/pingcap/tidb/pkg/util/table-filter"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "filter:", err)
		os.Exit(1)
	}
}

func run() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var line struct {
			Rules  []string
			Tables [][2]string
		}
		if err := in.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		f, err := filter.Parse(line.Rules)
		if err != nil {
			return fmt.Errorf("rules %q: %w", line.Rules, err)
		}
		f = filter.CaseInsensitive(f)
		answers := make([]bool, len(line.Tables))
		for i, t := range line.Tables {
			answers[i] = f.MatchTable(t[0], t[1])
		}
		if err := out.Encode(answers); err != nil {
			return err
		}
	}
}

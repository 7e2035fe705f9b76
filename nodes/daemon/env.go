package daemon

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

// SetFromEnv sets flags from the environment: -pd-urls from <prefix>_PD_URLS. The command line wins over
// that, and that over the file and the defaults, as in the programs before. It gives the
// variables that it has used; an error names the one that is wrong.
func SetFromEnv(fs *flag.FlagSet, prefix string) (used []string, err error) {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := prefix + "_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := os.Getenv(name)
		if value == "" || given[f.Name] {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", name, err))
			return
		}
		used = append(used, name)
	})
	return used, errors.Join(errs...)
}

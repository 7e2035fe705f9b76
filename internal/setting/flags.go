package setting

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// ParseFlags sets flags from a command line, in the forms of package flag: -x v, -x=v and --x=v. It
// reports all mistakes, unlike that package: unknown flags with the name that may have been meant, and
// values with what they must be. Arguments that are not flags are errors of type [*ArgumentError]. The
// error is flag.ErrHelp when help is asked for.
func ParseFlags(fs *flag.FlagSet, args []string) error {
	var errs []error
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "-")
		name, value, hasValue := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		if !isFlag || name == "" {
			errs = append(errs, argumentError(fs, args, i))
			continue
		}
		f := fs.Lookup(name)
		next := i+1 < len(args)
		switch {
		case f == nil && (name == "h" || name == "help"):
			return flag.ErrHelp
		case f == nil:
			errs = append(errs, unknownFlag(fs, name))
			if next && !hasValue && !strings.HasPrefix(args[i+1], "-") {
				i++ // its value, presumably
			}
			continue
		case hasValue:
		case isBool(f):
			value = "true"
		case next:
			i++
			value = args[i]
		default:
			errs = append(errs, fmt.Errorf("-%s needs a value", name))
			continue
		}
		if err := setFlag(fs, name, value); err != nil {
			errs = append(errs, fmt.Errorf("-%s %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// ArgumentError is about an argument that is not a flag, where a program takes only flags.
type ArgumentError struct {
	Arg  string
	Cure string
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("unexpected argument %q: %s", e.Arg, e.Cure)
}

func argumentError(fs *flag.FlagSet, args []string, i int) error {
	if i > 0 && (args[i] == "true" || args[i] == "false") {
		if f := fs.Lookup(strings.TrimLeft(args[i-1], "-")); f != nil && isBool(f) {
			return &ArgumentError{args[i], fmt.Sprintf("write -%s=%s", f.Name, args[i])}
		}
	}
	return &ArgumentError{args[i], "only flags are taken; -h lists them"}
}

func unknownFlag(fs *flag.FlagSet, name string) error {
	known := map[string]bool{}
	fs.VisitAll(func(f *flag.Flag) { known[f.Name] = true })
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("unknown flag -%s, did you mean -%s?", name, near)
	}
	return fmt.Errorf("unknown flag -%s: -h lists the flags", name)
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// setFlag sets one flag. The error begins with the value and says what it must be.
func setFlag(fs *flag.FlagSet, name, value string) error {
	err := fs.Set(name, value)
	if err == nil {
		return nil
	}
	if g, ok := fs.Lookup(name).Value.(flag.Getter); ok {
		switch g.Get().(type) {
		case int, int64, uint, uint64:
			return fmt.Errorf("%q: must be a whole number", value)
		case bool:
			return fmt.Errorf("%q: must be true or false", value)
		case time.Duration:
			return fmt.Errorf("%q: must be a time such as 30s, 5m or 8h", value)
		}
	}
	return fmt.Errorf("%q: %w", value, err)
}

// setFromEnv sets the flags of which there is an environment variable, -pd-urls from <prefix>_PD_URLS. It returns
// a notice for each that counts: those whose flag is not on the command line.
func setFromEnv(fs *flag.FlagSet, prefix string, given []string) (notices []string, err error) {
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := envName(prefix, f.Name)
		value := os.Getenv(name)
		if value == "" || slices.Contains(given, f.Name) {
			return
		}
		if err := setFlag(fs, f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s %w", name, err))
			return
		}
		notices = append(notices, fmt.Sprintf("the environment variable %s counts, before the configuration file", name))
	})
	return notices, errors.Join(errs...)
}

func envName(prefix, flagName string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// Alias adds another name for a flag.
func Alias(fs *flag.FlagSet, name, of string) {
	fs.Var(fs.Lookup(of).Value, name, "the same as -"+of)
}

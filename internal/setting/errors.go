package setting

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Errors collects what is wrong with a configuration, so that all of it is reported at once.
type Errors struct{ list []error }

// Add adds an error, if it is one, about a section or key; "": it says itself what it is about.
func (e *Errors) Add(about string, err error) {
	switch {
	case err == nil:
	case about == "":
		e.list = append(e.list, err)
	default:
		for _, line := range strings.Split(err.Error(), "\n") {
			e.list = append(e.list, fmt.Errorf("%s: %s", about, line))
		}
	}
}

// Addf adds an error.
func (e *Errors) Addf(format string, args ...any) {
	e.list = append(e.list, fmt.Errorf(format, args...))
}

// Least adds an error if the value is below least; unit is that of least, "" for none.
func (e *Errors) Least(key string, value, least int, unit string) {
	if value >= least {
		return
	}
	if least == 0 {
		e.Addf("%s %d: must not be negative", key, value)
		return
	}
	e.Addf("%s %d: must be at least %s", key, value, strings.TrimSpace(fmt.Sprintf("%d %s", least, unit)))
}

// Join is all of them as one error, a line each; nil if there are none.
func (e *Errors) Join() error { return errors.Join(e.list...) }

// PrintErrors prints the mistakes that err holds, a line each, after the program's name.
func PrintErrors(w io.Writer, program string, err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(w, "%s: %s\n", program, line)
	}
}

// ReportOK ends -check-config of a good configuration: warnings go to stderr, ok to stdout.
func ReportOK(stdout, stderr io.Writer, program string, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(stderr, "%s: warning: %s\n", program, w)
	}
	fmt.Fprintln(stdout, "ok")
}

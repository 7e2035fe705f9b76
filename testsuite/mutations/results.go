package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// results keeps verdicts in a file as they come: a run that is interrupted goes on where it was. A line has the verdict, the
// seconds, how it was noticed, and what identifies the mutation: path, old text, new text, tests; with tabs between.
type results struct {
	mu   sync.Mutex
	file *os.File           // nil: they are not kept
	had  map[string]verdict // by key
}

// openResults reads what a file has, if there is one. "": nothing is kept.
func openResults(name string) (r *results, err error) {
	r = &results{had: map[string]verdict{}}
	if name == "" {
		return r, nil
	}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		fields := strings.SplitN(line, "\t", 4)
		if line == "" {
			continue
		}
		if len(fields) < 4 {
			return nil, fmt.Errorf("%s, line %d is no verdict: remove it", name, i+1)
		}
		how, err := strconv.Unquote(fields[2])
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w: remove it", name, i+1, err)
		}
		r.had[fields[3]] = verdict{was: fields[0], how: how}
	}
	r.file, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return r, err
}

func (m mutation) key() string {
	return fmt.Sprintf("%s\t%q\t%q\t%s", m.path, m.old, m.new, strings.Join(m.tests, " "))
}

func (r *results) add(v verdict, seconds float64) error {
	if r.file == nil || v.was == "stale" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := fmt.Fprintf(r.file, "%s\t%.0f\t%q\t%s\n", v.was, seconds, v.how, v.key())
	return err
}

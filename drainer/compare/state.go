package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// state is what an interrupted comparison has found, in a file.
type state struct {
	path string // "": nowhere

	contents
}

// contents is the file.
type contents struct {
	TS      nodes.TSO `json:"ts"`
	Servers string    `json:"servers"` // and the rules
	Tables  []Table   `json:"tables"`  // that are done
	// Part is a table that has been compared up to and including a key.
	Part *Table   `json:"part,omitempty"`
	UpTo []string `json:"up-to,omitempty"`
}

// loadState reads the file if it is of the same comparison. Another one's is replaced.
func loadState(o Options) (*state, error) {
	s := &state{path: o.State}
	if s.path != "" {
		b, err := os.ReadFile(s.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("read the state of the comparison before: %w", err)
		default:
			if err := json.Unmarshal(b, &s.contents); err != nil {
				return nil, fmt.Errorf("the state of the comparison before in %s does not decode: %w; remove it to begin again", s.path, err)
			}
		}
	}
	if s.TS != o.TS || s.Servers != o.Servers {
		s.contents = contents{TS: o.TS, Servers: o.Servers}
	}
	return s, nil
}

// done gives what a table came to.
func (s *state) done(name string) (Table, bool) {
	i := slices.IndexFunc(s.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return s.Tables[i], true
}

// part gives what is known of a table that has been compared in part.
func (s *state) part(name string) (t Table, upTo bound, ok bool) {
	if s.Part == nil || s.Part.Name != name {
		return t, nil, false
	}
	return *s.Part, s.UpTo, true
}

func (s *state) keep(t Table, upTo bound) error {
	s.Part, s.UpTo = &t, upTo
	return s.write()
}

func (s *state) finish(t Table) error {
	if _, ok := s.done(t.Name); ok {
		return nil
	}
	s.Part, s.UpTo = nil, nil
	s.Tables = append(s.Tables, t)
	return s.write()
}

func (s *state) write() error {
	if s.path == "" {
		return nil
	}
	b, err := json.Marshal(s.contents)
	if err != nil {
		return err
	}
	if err := disk.WriteFile(disk.OS{}, s.path, append(b, '\n'), 0o640); err != nil {
		return fmt.Errorf("keep the state of the comparison: %w", err)
	}
	return nil
}

// remove removes the file: the comparison is over.
func (s *state) remove() error {
	if s.path == "" {
		return nil
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the state of the comparison: %w", err)
	}
	return nil
}

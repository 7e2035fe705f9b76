package definition

import (
	"slices"

	"pumphouse/drainer/schema"
)

// Verdict is whether a definition shows that a statement has been run.
type Verdict int

// The verdicts.
const (
	Silent Verdict = iota // the statement changes nothing that shows in definitions
	NotRun
	Run
	Mixed // the definition is neither as before nor as after
)

// And is the verdict on a statement of the verdicts on two of its tables.
func (v Verdict) And(other Verdict) Verdict {
	switch {
	case v == Silent || v == other:
		return other
	case other == Silent:
		return v
	}
	return Mixed
}

// Judge finds out whether a statement that made after of before has been run on this server, where
// the definition is now. Only what the statement changes counts: what else is not as upstream was so
// before, or is not the statement's doing. Nil is no table.
func (s Server) Judge(before, after, now *Table) Verdict {
	differences := s.Compare(after, now)
	if (before == nil) != (after == nil) { // it makes or removes the table, as a whole
		switch {
		case len(differences) == 0:
			return Run
		case (now == nil) == (before == nil):
			return NotRun
		}
		return Mixed
	}
	changes := s.Compare(after, before.on(now))
	done, undone := 0, 0
	for _, c := range changes {
		i := slices.IndexFunc(differences, c.Is)
		switch {
		case i < 0:
			done++
		case differences[i].Same(c):
			undone++
		}
	}
	switch {
	case len(changes) == 0:
		return Silent
	case done == len(changes):
		return Run
	case undone == len(changes):
		return NotRun
	}
	return Mixed
}

// on is the definition of the upstream as the server of another one can have it.
func (t *Table) on(other *Table) *Table {
	if t == nil || other == nil || t.plain == other.plain {
		return t
	}
	like := *t
	like.plain = other.plain
	return &like
}

// New gives those differences between after, which a statement made of before, and the server's
// definition now that were not standing before it, or that the statement should have removed.
// Columns that the statement renamed are found by renamed, the old name to the new one; it may be nil.
func (s Server) New(before, after, now *Table, standing []Difference, renamed map[string]string) (fresh, old []Difference) {
	changes := s.Compare(after, before.on(now))
	for _, d := range s.Compare(after, now) {
		stood := slices.ContainsFunc(standing, func(o Difference) bool {
			if name, ok := renamed[o.Object]; ok {
				o.Object = name
			}
			return d.Same(o)
		})
		if stood && !slices.ContainsFunc(changes, d.Is) {
			old = append(old, d)
		} else {
			fresh = append(fresh, d)
		}
	}
	return fresh, old
}

// Renamed are the objects of differences that have another name in after: the columns with the same ID.
func Renamed(before, after map[int64]string) map[string]string {
	list := make(map[string]string)
	for id, name := range before {
		if now, ok := after[id]; ok && now != name {
			list["column "+schema.QuoteName(name)] = "column " + schema.QuoteName(now)
		}
	}
	return list
}

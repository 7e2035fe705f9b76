package compare

import (
	"fmt"
	"slices"
	"strings"
)

// matched is a table of the upstream and the table downstream that its rows go to; one of them may be nil.
type matched struct {
	up, down *relation
	shared   string // why it cannot be compared: others go there too
}

// match finds the table downstream of each upstream table, and what is left there, in the order of their
// names. databases are the upstream's; others are those downstream that have tables and that it has not got.
func match(o Options, up, down catalog, databases []string) (list []matched, others []string, err error) {
	from := map[*relation][]*relation{} // by table downstream
	targets := map[string]bool{}        // databases downstream
	for _, schema := range databases {
		if schema, _, err = o.Route(schema, ""); err != nil {
			return nil, nil, err
		}
		targets[strings.ToLower(schema)] = true
	}
	for _, u := range up {
		schema, table, err := o.Route(u.schema, u.name)
		if err != nil {
			return nil, nil, fmt.Errorf("find the name of %s downstream: %w", u, err)
		}
		targets[strings.ToLower(schema)] = true
		d := down[catalogKey(schema, table)]
		if d != nil {
			from[d] = append(from[d], u)
		}
		list = append(list, matched{up: u, down: d})
	}
	for i, m := range list {
		if n := len(from[m.down]); m.down != nil && n > 1 {
			list[i].shared = fmt.Sprintf("%d tables of the upstream go into %s", n, m.down)
		}
	}
	for _, d := range down {
		switch {
		case from[d] != nil || o.Skip(d.schema, d.name): // filters are about names upstream, but names mostly stay
		case targets[strings.ToLower(d.schema)]:
			list = append(list, matched{down: d})
		case !slices.Contains(others, d.schema):
			others = append(others, d.schema)
		}
	}
	slices.Sort(others)
	slices.SortFunc(list, func(a, b matched) int { return strings.Compare(a.name(), b.name()) })
	return list, others, nil
}

// name is a table's, as the report has it.
func (m matched) name() string {
	if m.up != nil {
		return m.up.String()
	}
	return m.down.String()
}

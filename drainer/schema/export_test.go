package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Everything is all that a History knows, as text; empty and missing lists are the same.
func (h *History) Everything() string {
	var b strings.Builder
	ts := h.tables
	fmt.Fprintln(&b, ts.version, ts.finished, ts.partitions, slices.Sorted(maps.Keys(ts.dropped)), h.pending, h.reached)
	for _, id := range slices.Sorted(maps.Keys(ts.databases)) {
		fmt.Fprintf(&b, "%+v\n", *ts.databases[id])
	}
	for _, t := range ts.All() {
		text, err := json.Marshal(t)
		if err != nil {
			panic(err) // it was made of JSON
		}
		fmt.Fprintln(&b, t.job, t.finished, t.byID, ts.names[t.key()], len(ts.names), strings.ReplaceAll(string(text), "[]", "null"))
		for _, c := range t.Columns {
			fmt.Fprintf(&b, "%#v %#v %q %q\n", c.Default, c.OriginDefault, c.Type.String(), c.Type.GetElems())
		}
	}
	return b.String()
}

package nodes

import (
	"fmt"
	"strings"
)

// Divergence says that an UPDATE or a DELETE of a drainer did not find the rows downstream that
// it was sent for: the downstream is not as the upstream was.
type Divergence struct {
	Statement string `json:"Statement"` // UPDATE or DELETE
	// Keys are those of the first rows that the statement was sent for, cut to a length; in a
	// table without a key, their values.
	Keys  string `json:"Keys"`
	Rows  int    `json:"Rows"`  // that it was sent for
	Found int64  `json:"Found"` // rows downstream
	// CommitTS and LastCommitTS are of the first and the last transaction that these rows are of.
	CommitTS     TSO `json:"CommitTS"`
	LastCommitTS TSO `json:"LastCommitTS"`
}

// TableDivergences are the divergences of one table.
type TableDivergences struct {
	Table string     `json:"Table"` // schema.table
	Count uint64     `json:"Count"` // of statements
	First Divergence `json:"First"`
	Last  Divergence `json:"Last"`
}

// Add adds the divergences of the same table that were seen after t's.
func (t *TableDivergences) Add(later TableDivergences) {
	if t.Count == 0 {
		t.First = later.First
	}
	t.Last = later.Last
	t.Count += later.Count
}

// String is a clause such as "DELETE found 0 rows, not 1: id=5; commit TS 4706… (2026-11-22 …)".
func (d Divergence) String() string {
	rows := "rows"
	if d.Found == 1 {
		rows = "row"
	}
	b := fmt.Sprintf("%s found %d %s downstream, not %d: %s; commit TS %s (%s)", d.Statement, d.Found, rows, d.Rows, d.Keys,
		d.CommitTS, d.CommitTS.Time().UTC().Format("2006-01-02 15:04:05 MST"))
	if d.LastCommitTS != d.CommitTS {
		b += fmt.Sprintf(" to %s", d.LastCommitTS)
	}
	return b
}

func more(n uint64, what string) string {
	if n == 1 {
		return "1 more " + what
	}
	return fmt.Sprintf("%d more %ss", n, what)
}

// divergedShown is how many tables a text names.
const divergedShown = 3

// DivergenceText says in words where the downstream was found to differ; "" if nowhere.
func DivergenceText(tables []TableDivergences) string {
	if len(tables) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("the downstream differs from the upstream (drainer -compare finds all that does): ")
	for i, t := range tables[:min(len(tables), divergedShown)] {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", t.Table, t.First)
		if t.Count > 1 {
			fmt.Fprintf(&b, ", and %s", more(t.Count-1, "such statement"))
		}
	}
	if n := len(tables) - divergedShown; n > 0 {
		fmt.Fprintf(&b, "; and %s", more(uint64(n), "table"))
	}
	return b.String()
}

package compare

import (
	"fmt"
	"io"
	"strings"
	"time"

	"pumphouse/nodes"
)

// Report is what a comparison came to.
type Report struct {
	TS     nodes.TSO
	Tables []Table // by name
	// Others are databases downstream that the upstream has not got. They are not compared.
	Others []string
}

// Table is what the comparison of one table came to.
type Table struct {
	Name string `json:"name"` // schema.table, as upstream; downstream only: as there
	// Rows are those of the upstream that were compared.
	Rows int64 `json:"rows"`
	// Missing rows are not downstream, Extra ones only there; Different ones have other values.
	Missing   int64 `json:"missing,omitempty"`
	Extra     int64 `json:"extra,omitempty"`
	Different int64 `json:"different,omitempty"`
	// Definition says what differs beside the rows, or that a whole table is missing.
	Definition []string `json:"definition,omitempty"`
	// Examples are the first rows that differ, a line each.
	Examples []string `json:"examples,omitempty"`
	// Unfinished says why not all of the table was compared; "": all was.
	Unfinished string `json:"unfinished,omitempty"`
}

// Differences is the number of rows found to differ.
func (t *Table) Differences() int64 { return t.Missing + t.Extra + t.Different }

// Equal reports whether the table was compared in whole and nothing differs.
func (t *Table) Equal() bool {
	return t.Differences() == 0 && len(t.Definition) == 0 && t.Unfinished == ""
}

func (t *Table) example(format string, args ...any) {
	if len(t.Examples) < maxExamples {
		t.Examples = append(t.Examples, fmt.Sprintf(format, args...))
	}
}

// Equal reports whether all tables are equal.
func (r *Report) Equal() bool { return r.differing() == 0 }

func (r *Report) differing() (n int) {
	for i := range r.Tables {
		if !r.Tables[i].Equal() {
			n++
		}
	}
	return n
}

// Print writes the report for people: a summary, then a paragraph for each table that differs.
func (r *Report) Print(w io.Writer) error {
	var rows int64
	for i := range r.Tables {
		rows += r.Tables[i].Rows
	}
	verdict := "all are equal"
	if n := r.differing(); n > 0 {
		verdict = fmt.Sprintf("%d differ", n)
	}
	_, err := fmt.Fprintf(w, "compared at commit TS %s (%s): %d tables, %d rows; %s\n", r.TS, r.TS.Time().UTC().Format(time.RFC3339), len(r.Tables), rows, verdict)
	for i := range r.Tables {
		if t := &r.Tables[i]; err == nil && !t.Equal() {
			err = t.print(w)
		}
	}
	if len(r.Others) > 0 && err == nil {
		_, err = fmt.Fprintf(w, "not compared, because they are downstream only: the databases %s\n", strings.Join(r.Others, ", "))
	}
	return err
}

func (t *Table) print(w io.Writer) error {
	b := fmt.Appendf(nil, "%s: %d rows upstream; %d missing downstream, %d downstream only, %d different\n", t.Name, t.Rows, t.Missing, t.Extra, t.Different)
	for _, d := range t.Definition {
		b = fmt.Appendf(b, "  %s\n", d)
	}
	for _, e := range t.Examples {
		b = fmt.Appendf(b, "  %s\n", e)
	}
	if n := t.Differences() - int64(len(t.Examples)); n > 0 && len(t.Examples) > 0 {
		b = fmt.Appendf(b, "  and %d more\n", n)
	}
	if t.Unfinished != "" {
		b = fmt.Appendf(b, "  not compared in whole: %s\n", t.Unfinished)
	}
	_, err := w.Write(b)
	return err
}

package mysqlsink

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/tidbtest/golden"
)

// TestRealTransactions replays what real TiDBs wrote and compares every table with what the
// TiDB had in the end. No statement is refused.
func TestRealTransactions(t *testing.T) {
	srv := mariadbtest.Start(t)
	for _, year := range golden.Years() {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			newLab(t, srv).replayAll(t, data)
		})
	}
}

// replayAll replays everything and compares the tables in the end.
func (l *lab) replayAll(t *testing.T, data *golden.Data) {
	t.Helper()
	for _, table := range data.Tables {
		l.exec(t, "DROP DATABASE IF EXISTS `"+table.Schema+"`")
	}
	if err := applyAll(t, l.open(t, 0), slices.DeleteFunc(data.Transactions(t), system)); err != nil {
		t.Fatal(err)
	}
	for _, table := range data.Tables {
		if table.Name != "gtemp" { // a temporary table: nothing of it is replicated
			l.compare(t, table)
		}
	}
}

// system tells what the filters of a drainer leave out.
func system(x *sink.Txn) bool {
	if x.DDL != nil {
		return x.DDL.Schema == "mysql"
	}
	return len(x.Changes) > 0 && x.Changes[0].Table.Schema == "mysql"
}

func applyAll(t *testing.T, s sink.Sink, txns []*sink.Txn) error {
	for part := range slices.Chunk(txns, 7) {
		if err := s.Apply(t.Context(), sink.Batch{Txns: part, Passed: part[len(part)-1].CommitTS}); err != nil {
			return err
		}
	}
	return s.Flush(t.Context())
}

// compare compares a table with the TiDB's.
func (l *lab) compare(t *testing.T, want golden.Table) {
	t.Helper()
	var list []string
	for _, c := range want.Columns {
		name := "`" + strings.ReplaceAll(c.Name, "`", "``") + "`"
		switch {
		case c.Hex:
			name = "LOWER(HEX(" + name + "))"
		case strings.HasPrefix(c.Type, "float"):
			name = "CAST(" + name + " AS DOUBLE)" // MariaDB prints six digits
		}
		list = append(list, name)
	}
	name := "`" + want.Schema + "`.`" + strings.ReplaceAll(want.Name, "`", "``") + "`"
	rows, err := l.db.Query("SELECT " + strings.Join(list, ",") + " FROM " + name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		values := make([]sql.NullString, len(list))
		targets := make([]any, len(list))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for i, v := range values {
			line = append(line, printed(want.Columns[i].Type, v.String, v.Valid))
		}
		got = append(got, strings.Join(line, " | "))
	}
	var wanted []string
	for _, row := range want.Rows {
		var line []string
		for i, v := range row {
			if v == nil {
				line = append(line, "NULL")
			} else {
				line = append(line, printed(want.Columns[i].Type, *v, true))
			}
		}
		wanted = append(wanted, strings.Join(line, " | "))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Errorf("%s differs:\n%s", name, difference(got, wanted))
	}
}

// printed brings what the two servers print differently into one form.
func printed(tp, text string, valid bool) string {
	if !valid {
		return "NULL"
	}
	if strings.HasPrefix(tp, "bit") {
		return strings.TrimLeft(text, "0")
	}
	if strings.HasPrefix(tp, "float") {
		f, _ := strconv.ParseFloat(text, 64)
		return strconv.FormatFloat(f, 'g', 8, 32)
	}
	if strings.HasPrefix(tp, "double") {
		f, _ := strconv.ParseFloat(text, 64)
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return text
}

func difference(got, want []string) string {
	var b strings.Builder
	for _, g := range got {
		if !slices.Contains(want, g) {
			fmt.Fprintf(&b, "  too much: %.3000s\n", g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			fmt.Fprintf(&b, "  missing:  %.3000s\n", w)
		}
	}
	if b.Len() == 0 {
		fmt.Fprintf(&b, "  %d rows, want %d\n", len(got), len(want))
	}
	return b.String()
}

package mysqlsink

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/tidbtest/golden"
)

// instead is what an operator does by hand for statements that MariaDB does not know: the
// beginning of TiDB's text, and what to run for it; nothing: it is only skipped.
var instead = []struct{ query, run string }{
	{"CREATE TABLE `expr_index`", "CREATE TABLE handles.expr_index (id INT PRIMARY KEY, s VARCHAR(20))"},
	{"CREATE TABLE `from_seq`", "CREATE TABLE ddls.from_seq (id BIGINT PRIMARY KEY, v INT)"},
}

// TestRealTransactions replays what real TiDBs wrote and compares every table with what the
// TiDB had in the end. Statements that MariaDB refuses are skipped as the error says.
func TestRealTransactions(t *testing.T) {
	srv := mariadbtest.Start(t)
	for _, year := range golden.Years() {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			data, err := golden.Load(year)
			if err != nil {
				t.Fatal(err)
			}
			l := newLab(t, srv)
			for _, table := range data.Tables {
				l.exec(t, "DROP DATABASE IF EXISTS `"+table.Schema+"`")
			}
			l.replay(t, slices.DeleteFunc(data.Transactions(t), system))
			for _, table := range data.Tables {
				if table.Name != "gtemp" { // a temporary table: nothing of it is replicated
					l.compare(t, table)
				}
			}
		})
	}
}

// system tells what the filters of a drainer leave out.
func system(x *sink.Txn) bool {
	if x.DDL != nil {
		return x.DDL.Schema == "mysql"
	}
	return len(x.Changes) > 0 && x.Changes[0].Table.Schema == "mysql"
}

// replay applies everything, and restarts after every statement that is refused.
func (l *lab) replay(t *testing.T, txns []*sink.Txn) {
	t.Helper()
	from := nodes.TSO(0)
	for range 20 {
		s := l.open(t, from)
		err := applyAll(t, s, txns, from)
		from = s.Applied()
		s.Close()
		if err == nil {
			return
		}
		var refused *mysql.StatementError
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		i := slices.IndexFunc(txns, func(x *sink.Txn) bool { return x.CommitTS == refused.CommitTS })
		if i < 0 || !strings.Contains(err.Error(), "ignore-txn-commit-ts = ["+refused.CommitTS.String()+"]") {
			t.Fatalf("the error does not tell what to do: %v", err)
		}
		known := false
		for _, in := range instead {
			if strings.HasPrefix(txns[i].Query, in.query) {
				known = true
				l.exec(t, in.run)
			}
		}
		if !known {
			t.Fatal(err)
		}
		l.opts.IgnoreTxnCommitTS = append(l.opts.IgnoreTxnCommitTS, refused.CommitTS)
	}
	t.Fatal("too many statements are refused")
}

func applyAll(t *testing.T, s sink.Sink, txns []*sink.Txn, from nodes.TSO) error {
	for part := range slices.Chunk(txns, 7) {
		if part[len(part)-1].CommitTS <= from {
			continue
		}
		for part[0].CommitTS <= from {
			part = part[1:]
		}
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

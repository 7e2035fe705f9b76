package engineoracle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
)

// answer is what a server made of a query, in a form that can be compared.
type answer struct {
	code     uint16
	columns  []column
	rows     []string
	warnings []warning
}

// column is what the protocol says of a column.
type column struct {
	name, kind string
	length     uint32
	flags      string // unsigned, not null
}

// warning is a line of SHOW WARNINGS.
type warning struct {
	code uint16
	text string
}

// String is everything, in the form in which differences are pinned.
func (a answer) String() string {
	columns := make([]string, len(a.columns))
	for i, c := range a.columns {
		columns[i] = fmt.Sprintf("%s %s(%d)%s", c.name, c.kind, c.length, c.flags)
	}
	var warnings string
	for _, w := range a.warnings {
		warnings += fmt.Sprintf("; warning %d %s", w.code, w.text)
	}
	if a.code != 0 {
		return fmt.Sprintf("error %d", a.code) + warnings
	}
	return strings.Join(columns, ", ") + ": " + strings.Join(a.rows, ", ") + warnings
}

// lazy are the queries with parts that a server may compute or not, as it finds out first.
var lazy = regexp.MustCompile(`\b(FROM|IF|IFNULL|NULLIF|COALESCE|CASE|AND|OR|XOR|IN|IS|NULL|DIV)\b|<=>|/`)

// digits is how long the values of a type narrower than BIGINT may be.
var digits = map[string]uint32{"tinyint": 4, "smallint": 6, "mediumint": 9, "int": 11}

// essence leaves out what is up to a server's optimizer and to its guesses: how often what is
// lazy is computed and warns, and how long what is computed may become.
func (a answer) essence(query string) answer {
	essence := answer{code: a.code}
	for _, row := range a.rows {
		essence.rows = append(essence.rows, a.rounded(row))
	}
	for _, c := range a.columns {
		if strings.HasSuffix(c.kind, "text") || strings.HasSuffix(c.kind, "char") {
			c.kind = "text"
		}
		// Any type that is wide enough, also a decimal where it is thought that no integer is.
		if most, narrow := digits[c.kind]; narrow && c.length <= most || c.kind == "bigint" || c.kind == "decimal .0" {
			c.kind = "integer"
		}
		c.length = 0
		essence.columns = append(essence.columns, c)
	}
	if lazy.MatchString(query) {
		return essence
	}
	for _, w := range a.warnings {
		if !slices.Contains(essence.warnings, warning{code: w.code}) {
			essence.warnings = append(essence.warnings, warning{code: w.code})
		}
	}
	slices.SortFunc(essence.warnings, func(x, y warning) int { return cmp.Compare(x.code, y.code) })
	return essence
}

// rounded is a row whose doubles have 13 digits: sums come out otherwise in another order.
func (a answer) rounded(row string) string {
	cells := strings.Split(row, "|")
	for i := range cells {
		if len(cells) != len(a.columns) || !strings.HasPrefix(a.columns[i].kind, "double") {
			continue
		}
		if x, err := strconv.ParseFloat(cells[i], 64); err == nil {
			cells[i] = strconv.FormatFloat(x, 'g', 13, 64)
		}
	}
	return strings.Join(cells, "|")
}

// widened is MariaDB's answer with BIGINT for the integers that are BIGINT in ours. For an expression MariaDB takes
// the narrowest type that it thinks can hold it, MySQL 8 and this engine BIGINT or the type of the columns in it.
func widened(theirs, ours answer) answer {
	theirs.columns = slices.Clone(theirs.columns)
	for i := range min(len(theirs.columns), len(ours.columns)) {
		if c := &theirs.columns[i]; digits[c.kind] > 0 && ours.columns[i].kind == "integer" {
			c.kind = "integer"
		}
	}
	return theirs
}

// differ reports whether two answers to a random query differ in essence. MariaDB takes IF and
// CASE for nullable where a condition is, MySQL and this engine only where a result is: a
// column may be NOT NULL in ours alone, and then there is no NULL in it.
func differ(query string, theirs, ours answer) bool {
	theirs, ours = theirs.essence(query), ours.essence(query)
	if len(theirs.columns) == len(ours.columns) {
		for i := range ours.columns {
			if c := &theirs.columns[i]; c.flags+" not null" == ours.columns[i].flags && !ours.hasNull(i) {
				c.flags = ours.columns[i].flags
			}
		}
	}
	return theirs.String() != ours.String()
}

// hasNull reports whether a column has a NULL in some row.
func (a answer) hasNull(column int) bool {
	return slices.ContainsFunc(a.rows, func(row string) bool {
		cells := strings.Split(row, "|")
		return len(cells) != len(a.columns) || cells[column] == "NULL"
	})
}

// describe is a column as the protocol describes it. BIGINT is "integer" where it is no table's
// column: it says nothing of the value.
func describe(name string, code uint8, flags uint16, length uint32, decimals uint8, charset uint16, ofTable bool) column {
	c := column{name: name, kind: typeName(code, decimals, charset, ofTable), length: length}
	if flags&mysql.UNSIGNED_FLAG != 0 {
		c.flags += " unsigned"
	}
	if flags&mysql.NOT_NULL_FLAG != 0 {
		c.flags += " not null"
	}
	return c
}

func typeName(code uint8, decimals uint8, charset uint16, ofTable bool) string {
	switch code {
	case mysql.MYSQL_TYPE_LONGLONG:
		if ofTable {
			return "bigint"
		}
		return "integer"
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_TINY:
		return map[uint8]string{mysql.MYSQL_TYPE_LONG: "int", mysql.MYSQL_TYPE_INT24: "mediumint", mysql.MYSQL_TYPE_SHORT: "smallint", mysql.MYSQL_TYPE_TINY: "tinyint"}[code]
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return fmt.Sprintf("decimal .%d", decimals)
	case mysql.MYSQL_TYPE_DOUBLE:
		return fmt.Sprintf("double .%d", decimals)
	case mysql.MYSQL_TYPE_DATE:
		return "date"
	case mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		return fmt.Sprintf("datetime .%d", decimals)
	case mysql.MYSQL_TYPE_TIME:
		return fmt.Sprintf("time .%d", decimals)
	case mysql.MYSQL_TYPE_NULL:
		return "null"
	}
	kind := map[uint8]string{mysql.MYSQL_TYPE_VAR_STRING: "varchar", mysql.MYSQL_TYPE_STRING: "char", mysql.MYSQL_TYPE_VARCHAR: "varchar",
		mysql.MYSQL_TYPE_BLOB: "text", mysql.MYSQL_TYPE_LONG_BLOB: "longtext", mysql.MYSQL_TYPE_MEDIUM_BLOB: "mediumtext", mysql.MYSQL_TYPE_TINY_BLOB: "tinytext"}[code]
	if kind == "" {
		return fmt.Sprintf("type %d", code)
	}
	if charset == 63 {
		kind += " binary"
	}
	return kind
}

func askMariaDB(t *testing.T, conn *client.Conn, query string) answer {
	t.Helper()
	// MariaDB forgets its warnings only when a statement has a table or a warning of its own.
	if _, err := conn.Execute("SELECT 1 FROM (SELECT 1) AS x"); err != nil {
		t.Fatal(err)
	}
	r, err := conn.Execute(query)
	if err != nil {
		var my *mysql.MyError
		if !errors.As(err, &my) {
			t.Fatalf("%s: %v", query, err)
		}
		return answer{code: my.Code}
	}
	var a answer
	for _, f := range r.Fields {
		a.columns = append(a.columns, describe(string(f.Name), f.Type, f.Flag, f.ColumnLength, f.Decimal, f.Charset, len(f.OrgTable) > 0))
	}
	for _, data := range r.RowDatas {
		row, err := data.ParseText(r.Fields, nil)
		if err != nil {
			t.Fatal(err)
		}
		var cells []string
		for i := range row {
			cells = append(cells, cell(r.Fields[i], row[i].Value()))
		}
		a.rows = append(a.rows, strings.Join(cells, "|"))
	}
	a.warnings = warningsOf(t, conn)
	return a
}

func warningsOf(t *testing.T, conn *client.Conn) (all []warning) {
	t.Helper()
	r, err := conn.Execute("SHOW WARNINGS")
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range r.RowDatas {
		row, err := data.ParseText(r.Fields, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, warning{uint16(row[1].AsUint64()), string(row[2].AsString())})
	}
	return all
}

func cell(f *mysql.Field, v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		if s := string(v); f.Type != mysql.MYSQL_TYPE_NEWDECIMAL || strings.Trim(s, "-0.") != "" {
			return s
		}
		return strings.TrimPrefix(string(v), "-") // this engine's decimals have no negative zero
	case float64:
		return string(engine.Column{Decimals: f.Decimal}.AppendText(nil, engine.Float(v)))
	}
	return fmt.Sprint(v)
}

func askEngine(e *env, query string) answer {
	e.warnings = nil
	p := parser.New()
	p.EnableWindowFunc(true)
	stmt, err := p.ParseOneStmt(query, "", "")
	if err != nil {
		return answer{code: 1064}
	}
	rs, ok := stmt.(ast.ResultSetNode)
	if !ok {
		return answer{code: 1}
	}
	x := &engine.Executor{Env: e}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := x.Select(ctx, rs)
	if err != nil {
		var my *engine.Error
		if !errors.As(err, &my) {
			return answer{code: 2}
		}
		return answer{code: my.Code}
	}
	a := answerOf(r)
	a.warnings = e.warnings
	return a
}

// answerOf is a result of the engine in the form that can be compared.
func answerOf(r *engine.Result) (a answer) {
	for _, c := range r.Columns {
		a.columns = append(a.columns, describe(c.Name, c.Type, c.Flags, c.Length, c.Decimals, c.Charset, c.OrgTable != ""))
	}
	for _, row := range r.Rows {
		var cells []string
		for i, v := range row {
			if v.IsNull() {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, string(r.Columns[i].AppendText(nil, v)))
			}
		}
		a.rows = append(a.rows, strings.Join(cells, "|"))
	}
	return a
}

// TestAgainstMariaDB runs every family of queries on both.
func TestAgainstMariaDB(t *testing.T) {
	conn := oracle(t)
	e := &env{vars: map[string]engine.Value{}, now: time.Now()}
	e.load(t, conn)
	listed := map[string]pin{}
	for _, d := range differences {
		for _, p := range d.pins {
			if _, twice := listed[p.query]; twice || d.why == "" || p.ours == p.theirs {
				t.Errorf("%s is listed twice, or without a reason or a difference", p.query)
			}
			listed[p.query] = p
		}
	}
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) {
			for _, query := range fam.all() {
				got := askEngine(e, query)
				theirs, ours := widened(askMariaDB(t, conn, query), got).String(), got.String()
				want, found := listed[strings.TrimPrefix(query, "SELECT ")]
				delete(listed, strings.TrimPrefix(query, "SELECT "))
				switch {
				case found && (ours != want.ours || theirs != want.theirs):
					t.Errorf("%s\nMariaDB: %s\nlisted:  %s\nengine:  %s\nlisted:  %s", query, theirs, want.theirs, ours, want.ours)
				case !found && ours != theirs:
					t.Errorf("%s\nMariaDB: %s\nengine:  %s", query, theirs, ours)
				}
			}
		})
	}
	if !t.Failed() {
		for query := range listed {
			t.Errorf("%s is listed and in no family", query)
		}
	}
}

package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// testEnv is a session with one table t(a INT, b VARCHAR) in the database test.
type testEnv struct {
	vars     map[string]Value
	warnings []string
	scanned  int
}

func newEnv() *testEnv { return &testEnv{vars: map[string]Value{}} }

type testTable struct {
	env  *testEnv
	cols []Column
	rows [][]Value
}

func (t *testTable) Columns() []Column { return t.cols }
func (t *testTable) Scan(_ context.Context, yield func([]Value) bool) error {
	for _, r := range t.rows {
		t.env.scanned++
		if !yield(r) {
			break
		}
	}
	return nil
}

func (e *testEnv) Table(_ context.Context, db, name string) (Table, error) {
	if name != "t" || db != "" && db != "test" {
		return nil, fail(1146, "42S02", "Table '%s.%s' doesn't exist", db, name)
	}
	return &testTable{env: e,
		cols: []Column{
			{Schema: "test", OrgTable: "t", Name: "a", OrgName: "a", Type: mysql.TypeLong, Length: 11, Charset: 63, Flags: uint16(mysql.NotNullFlag)},
			{Schema: "test", OrgTable: "t", Name: "b", OrgName: "b", Type: mysql.TypeVarString, Length: 40, Charset: 45},
		},
		rows: [][]Value{{Int(1), String("x")}, {Int(2), String("Y")}, {Int(3), Null()}},
	}, nil
}

func (e *testEnv) SysVar(_ context.Context, name string, _, _ bool) (Value, error) {
	if name == "max_allowed_packet" {
		return Uint(1 << 24), nil
	}
	return Null(), fail(1193, "HY000", "Unknown system variable '%s'", name)
}
func (e *testEnv) UserVar(name string) Value { return e.vars[strings.ToLower(name)] }
func (e *testEnv) SetUserVar(name string, v Value) error {
	e.vars[strings.ToLower(name)] = v
	return nil
}
func (e *testEnv) Database() string         { return "test" }
func (e *testEnv) User() string             { return "root@127.0.0.1" }
func (e *testEnv) CurrentUser() string      { return "root@%" }
func (e *testEnv) Version() string          { return "8.0.11-test" }
func (e *testEnv) ConnectionID() uint32     { return 7 }
func (e *testEnv) Now() time.Time           { return time.Unix(1700000000, 123456000) }
func (e *testEnv) Location() *time.Location { return time.FixedZone("+02:00", 7200) }
func (e *testEnv) Zone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return loc
}
func (e *testEnv) SQLMode() uint64               { return uint64(mysql.ModeErrorForDivisionByZero) }
func (e *testEnv) Collation() uint16             { return collGeneralCI }
func (e *testEnv) LastInsertID() uint64          { return 5 }
func (e *testEnv) RowCount() int64               { return -1 }
func (e *testEnv) FoundRows() int64              { return 3 }
func (e *testEnv) Warn(_ uint16, message string) { e.warnings = append(e.warnings, message) }

// parseQuery parses one query.
func parseQuery(t *testing.T, sql string) ast.ResultSetNode {
	t.Helper()
	stmt, err := parser.New().ParseOneStmt(sql, "", "")
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	q, ok := stmt.(ast.ResultSetNode)
	if !ok {
		t.Fatalf("%s is no query", sql)
	}
	return q
}

// show writes rows as text: values separated by |, rows by a line end.
func show(r *Result) string {
	var lines []string
	for _, row := range r.Rows {
		var cells []string
		for i, v := range row {
			if v.IsNull() {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, string(r.Columns[i].AppendText(nil, v)))
			}
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

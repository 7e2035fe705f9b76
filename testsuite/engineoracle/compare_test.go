package engineoracle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pumphouse/server/engine"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// answer is what a server made of a query, in a form that can be compared.
type answer struct {
	code  uint16
	names []string
	types []string
	rows  []string
}

func (a answer) String() string {
	if a.code != 0 {
		return fmt.Sprintf("error %d", a.code)
	}
	return fmt.Sprintf("names %q types %q rows %q", a.names, a.types, a.rows)
}

// typeClass names a column's type: code, sign, and decimals where they are part of it.
// Integers have one class: MySQL 8 and this engine send BIGINT for every integer
// expression, MariaDB the narrowest type.
func typeClass(code uint8, flags uint16, decimals uint8) string {
	unsigned := ""
	if flags&mysql.UNSIGNED_FLAG != 0 {
		unsigned = " unsigned"
	}
	switch code {
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_TINY:
		return "int" + unsigned
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return fmt.Sprintf("decimal(%d)", decimals)
	case mysql.MYSQL_TYPE_DOUBLE:
		return "double"
	case mysql.MYSQL_TYPE_DATE:
		return "date"
	case mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		return fmt.Sprintf("datetime(%d)", decimals)
	case mysql.MYSQL_TYPE_TIME:
		return fmt.Sprintf("time(%d)", decimals)
	case mysql.MYSQL_TYPE_NULL:
		return "null"
	case mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VARCHAR,
		mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_LONG_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB, mysql.MYSQL_TYPE_TINY_BLOB:
		return "text"
	}
	return fmt.Sprintf("type %d", code)
}

func class(code uint8, flags uint16, decimals uint8, charset uint16) string {
	c := typeClass(code, flags, decimals)
	if c == "text" && charset == 63 {
		return "binary"
	}
	return c
}

func askMariaDB(t *testing.T, conn *client.Conn, query string) answer {
	t.Helper()
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
		a.names = append(a.names, string(f.Name))
		a.types = append(a.types, class(f.Type, f.Flag, f.Decimal, f.Charset))
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
	return a
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
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := x.Select(ctx, rs)
	if err != nil {
		var my *engine.Error
		if !errors.As(err, &my) {
			return answer{code: 2}
		}
		return answer{code: my.Code}
	}
	return answerOf(r)
}

// answerOf is a result of the engine in the form that can be compared.
func answerOf(r *engine.Result) (a answer) {
	for _, c := range r.Columns {
		a.names = append(a.names, c.Name)
		a.types = append(a.types, class(c.Type, c.Flags, c.Decimals, c.Charset))
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
	for _, fam := range families {
		t.Run(fam.name, func(t *testing.T) {
			for _, line := range strings.Split(strings.TrimSpace(fam.queries), "\n") {
				query := strings.TrimSpace(line)
				if query == "" || strings.HasPrefix(query, "#") {
					continue
				}
				if !strings.HasPrefix(strings.ToLower(query), "select") && !strings.HasPrefix(query, "(") && !strings.HasPrefix(query, "with") {
					query = "SELECT " + query
				}
				want, got := askMariaDB(t, conn, query), askEngine(e, query)
				same := want.String() == got.String()
				if reason := differences[query]; reason != "" {
					if same {
						t.Errorf("%s\nno longer differs: strike it from the list of differences", query)
					}
					continue
				}
				if !same {
					t.Errorf("%s\nMariaDB: %v\nengine:  %v", query, want, got)
				}
			}
		})
	}
}

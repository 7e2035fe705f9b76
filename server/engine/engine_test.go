package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

func TestSelect(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SELECT 1+1", "2"},
		{"SELECT a, b FROM t WHERE b LIKE 'y' OR b IS NULL ORDER BY a DESC", "3|NULL\n2|Y"},
		{"SELECT NOW(), NOW(3), CURDATE(), CURTIME(), UTC_TIMESTAMP()", "2023-11-15 00:13:20|2023-11-15 00:13:20.123|2023-11-15|00:13:20|2023-11-14 22:13:20"},
		{"SELECT UNIX_TIMESTAMP(), UNIX_TIMESTAMP(NOW()), FROM_UNIXTIME(0)", "1700000000|1700000000|1970-01-01 02:00:00"},
		{"SELECT USER(), CURRENT_USER(), DATABASE(), CONNECTION_ID(), VERSION()", "root@127.0.0.1|root@%|test|7|8.0.11-test"},
		{"SELECT LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT()", "5|3|-1"},
		{"SELECT @x := 5, @x + 1", "5|6"},
		{"SELECT @@max_allowed_packet", "16777216"},
		{"SELECT PI(), 1/3, 2.50", "3.141593|0.3333|2.50"},
		{"SELECT COUNT(*), GROUP_CONCAT(b ORDER BY b DESC SEPARATOR '+') FROM t", "3|Y+x"},
		{"SELECT x.a, y.a FROM t x JOIN t y ON x.a = y.a + 1", "2|1\n3|2"},
		{"SELECT a FROM t UNION SELECT 2 UNION ALL SELECT 9 ORDER BY 1 DESC LIMIT 2", "9\n3"},
		{"SELECT LOAD_FILE('/etc/passwd')", "NULL"},
		{"SELECT 1 WHERE FALSE", ""},
		{"SELECT 1 UNION SELECT 2 INTERSECT SELECT 3", "1"},
		{"SELECT 1 INTERSECT SELECT 1 UNION SELECT 2 EXCEPT SELECT 2 INTERSECT SELECT 3", "1\n2"},
		{"SELECT 1 UNION ALL SELECT 1 UNION SELECT 2 INTERSECT SELECT 2", "1\n2"},
		{"(SELECT 1 UNION SELECT 2) INTERSECT SELECT 2", "2"},
		{"SELECT TO_DAYS('0000-00-00'), TO_SECONDS('0000-00-00'), TO_DAYS('0000-01-01'), TO_DAYS('0000-03-01')", "NULL|NULL|1|60"},
		{"SELECT FROM_UNIXTIME(4102444800), FROM_UNIXTIME(32536771199.5), FROM_UNIXTIME(32536771200), FROM_UNIXTIME(1e60)", "2100-01-01 02:00:00|3001-01-19 01:59:59.5|NULL|NULL"},
		{"SELECT UNIX_TIMESTAMP('2100-01-01 02:00:00'), UNIX_TIMESTAMP('3001-01-19 02:00:00')", "4102444800|0"},
		{"SELECT 'a\nb' REGEXP 'a.b', 'a\nb' REGEXP '^b', 'ab\n' REGEXP 'b$', 'ab\n\n' REGEXP 'b$', REGEXP_LIKE('ab\n', 'b$')", "0|0|1|0|1"},
		{"SELECT 'a' COLLATE utf8mb4_bin, CONVERT('a' USING utf8) COLLATE utf8mb3_general_ci", "a|a"},
	} {
		r, err := (&Executor{Env: newEnv()}).Select(context.Background(), parseQuery(t, c.sql))
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
		} else if got := show(r); got != c.want {
			t.Errorf("%s gives\n%s\nwant\n%s", c.sql, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		sql  string
		code uint16
		text string
	}{
		{"SELECT nosuch", 1054, "Unknown column 'nosuch' in 'field list'"},
		{"SELECT 1 FROM t WHERE t.x = 1", 1054, "Unknown column 't.x' in 'where clause'"},
		{"SELECT a FROM t x, t y", 1052, "Column 'a' in field list is ambiguous"},
		{"SELECT 1 FROM t, t", 1066, "Not unique table/alias: 't'"},
		{"SELECT z.* FROM t", 1051, "Unknown table 'z'"},
		{"SELECT * FROM nosuch", 1146, "nosuch"},
		{"SELECT nosuch(1)", 1305, "FUNCTION nosuch does not exist"},
		{"SELECT abs()", 1582, "Incorrect parameter count in the call to native function 'abs'"},
		{"SELECT 9223372036854775807 + 1", 1690, "BIGINT value is out of range in '9223372036854775807 + 1'"},
		{"SELECT @@nosuch", 1193, "nosuch"},
		{"SELECT (SELECT a FROM t)", 1242, "more than 1 row"},
		{"SELECT (SELECT 1, 2)", 1241, "Operand should contain 1 column(s)"},
		{"SELECT a FROM t WHERE COUNT(*) > 1", 1111, "Invalid use of group function"},
		{"SELECT 1 UNION SELECT 1, 2", 1222, "different number of columns"},
		{"SELECT *", 1096, "No tables used"},
		{"SELECT BENCHMARK(1, 1)", 1235, "BENCHMARK()"},
		{"SELECT GET_LOCK('a', 1)", 1235, "user locks"},
		{"SELECT ROW_NUMBER() OVER () FROM t", 1235, "window functions"},
		{"SELECT JSON_SET(1)", 1235, "JSON_SET"},
		{"SELECT DATE'2020-13-01'", 1525, "Incorrect DATE value: '2020-13-01'"},
		{"SELECT 'a' COLLATE latin1_bin", 1253, "COLLATION 'latin1_bin' is not valid for CHARACTER SET 'utf8mb4'"},
	} {
		_, err := (&Executor{Env: newEnv()}).Select(context.Background(), parseQuery(t, c.sql))
		var my *Error
		if !errors.As(err, &my) || my.Code != c.code || !strings.Contains(my.Message, c.text) {
			t.Errorf("%s: error %v, want %d … %s", c.sql, err, c.code, c.text)
		}
	}
}

func TestColumns(t *testing.T) {
	notNull, unsigned := uint16(mysql.NotNullFlag), uint16(mysql.UnsignedFlag)
	for _, c := range []struct {
		sql  string
		want Column
	}{
		{"SELECT 1+1", Column{Name: "1+1", Type: mysql.TypeLonglong, Flags: notNull}},
		{"SELECT  1 + 1 ", Column{Name: "1 + 1", Type: mysql.TypeLonglong, Flags: notNull}},
		{"SELECT 'it''s'", Column{Name: "it's", Type: mysql.TypeVarString, Flags: notNull, Charset: 45, Length: 16, Decimals: 31}},
		{"SELECT ~0", Column{Name: "~0", Type: mysql.TypeLonglong, Flags: notNull | unsigned}},
		{"SELECT 1/3 AS x", Column{Name: "x", Type: mysql.TypeNewDecimal, Decimals: 4, Length: 7}},
		{"SELECT NULL", Column{Name: "NULL", Type: mysql.TypeNull}},
		{"SELECT NOW(6)", Column{Name: "NOW(6)", Type: mysql.TypeDatetime, Decimals: 6, Length: 26, Flags: notNull}},
		{"SELECT T.A FROM t", Column{Name: "A", OrgName: "a", Table: "t", OrgTable: "t", Schema: "test", Type: mysql.TypeLong, Length: 11, Flags: notNull}},
		{"SELECT b z FROM t y", Column{Name: "z", OrgName: "b", Table: "y", OrgTable: "t", Schema: "test", Type: mysql.TypeVarString, Charset: 45, Length: 40}},
		{"SELECT x'41'", Column{Name: "x'41'", Type: mysql.TypeVarString, Flags: notNull | unsigned, Charset: 63, Length: 1, Decimals: 31}},
	} {
		q := parseQuery(t, c.sql)
		r, err := (&Executor{Env: newEnv()}).Select(context.Background(), q)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		got := r.Columns[0]
		described, err := (&Executor{Env: newEnv()}).Describe(context.Background(), q)
		if err != nil || described[0] != got {
			t.Errorf("%s: Describe gives %+v, %v; Select %+v", c.sql, described, err, got)
		}
		if c.want.Charset == 0 {
			c.want.Charset = 63
		}
		got.Flags &= notNull | unsigned
		if c.want.Length == 0 {
			got.Length = 0
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.sql, got, c.want)
		}
	}
}

func TestParameters(t *testing.T) {
	q := parseQuery(t, "SELECT ?, ? + 1, b FROM t WHERE a = ? LIMIT ?")
	cols, err := (&Executor{Env: newEnv()}).Describe(context.Background(), q)
	if err != nil || len(cols) != 3 || cols[0].Name != "?" || cols[2].Name != "b" {
		t.Fatalf("Describe: %+v, %v", cols, err)
	}
	x := &Executor{Env: newEnv(), Params: []Value{String("é"), Int(1), String("2"), Int(5)}}
	r, err := x.Select(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(r); got != "é|2|Y" {
		t.Errorf("rows %q", got)
	}
	x.Params = x.Params[:2]
	if _, err := x.Select(context.Background(), q); err == nil {
		t.Error("a missing parameter is no error")
	}
}

func TestFilterAndEval(t *testing.T) {
	in := &Result{
		Columns: []Column{{Name: "State", Type: mysql.TypeVarString, Length: 80, Charset: 45}, {Name: "n", Type: mysql.TypeLonglong, Charset: 63}},
		Rows:    [][]Value{{String("Online"), Int(1)}, {String("Paused"), Int(2)}, {Null(), Int(3)}},
	}
	sel := parseQuery(t, "SELECT 1 FROM t WHERE `state` = 'online' OR n IN (3)").(*ast.SelectStmt)
	x := &Executor{Env: newEnv()}
	out, err := x.Filter(context.Background(), in, sel.Where)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(out); got != "Online|1\nNULL|3" {
		t.Errorf("rows %q", got)
	}
	v, err := x.Eval(context.Background(), parseQuery(t, "SELECT CONCAT('a', 1+1)").(*ast.SelectStmt).Fields.Fields[0].Expr)
	if err != nil || v.Text() != "a2" {
		t.Errorf("Eval: %v, %v", v.Text(), err)
	}
	_, err = x.Filter(context.Background(), in, parseQuery(t, "SELECT 1 FROM t WHERE x = 1").(*ast.SelectStmt).Where)
	var my *Error
	if !errors.As(err, &my) || my.Code != 1054 {
		t.Errorf("unknown column: %v", err)
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		escape     byte
		want       bool
	}{
		{"%", "", '\\', true}, {"pump%", "Pump1", '\\', true}, {"p_mp1", "pump1", '\\', true}, {"a\\%", "a%", '\\', true},
		{"a\\%", "ab", '\\', false}, {"a|_", "a_", '|', true}, {"%a%b%", "xxaxxbxx", '\\', true}, {"_", "é", '\\', true}, {"", "a", '\\', false},
		{"a\\", "a\\", '\\', true},
	} {
		if got := Like(c.pattern, c.s, c.escape); got != c.want {
			t.Errorf("%q LIKE %q = %v", c.s, c.pattern, got)
		}
	}
	begin := time.Now()
	Like(strings.Repeat("%a", 50)+"b", strings.Repeat("a", 20000), '\\')
	if spent := time.Since(begin); spent > 30*time.Second {
		t.Errorf("a hostile pattern took %v", spent)
	}
}

func TestWarnings(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT '1x' + 1":                 "Truncated incorrect DOUBLE value: '1x'",
		"SELECT 1/0":                      "Division by 0",
		"SELECT CAST('x' AS DATE)":        "Incorrect datetime value: 'x'",
		"SELECT REPEAT('abcd', 10000000)": "Result of repeat() was larger than max_allowed_packet (16777216) - truncated",
	} {
		env := newEnv()
		if _, err := (&Executor{Env: env}).Select(context.Background(), parseQuery(t, sql)); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		if len(env.warnings) != 1 || env.warnings[0] != want {
			t.Errorf("%s warns %q, want %q", sql, env.warnings, want)
		}
	}
}

// TestParseSurvives feeds a literal on which the parser itself panics.
func TestParseSurvives(t *testing.T) {
	p := parser.New()
	_, _, err := Parse(p, "SELECT "+strings.Repeat("0", 60)+"1"+strings.Repeat("0", 40))
	var my *Error
	if !errors.As(err, &my) || my.Code != 1064 {
		t.Errorf("a number of 101 digits: %v", err)
	}
	if stmts, _, err := Parse(p, "SELECT 1; SELECT 2"); err != nil || len(stmts) != 2 {
		t.Errorf("the parser is of no use afterwards: %v", err)
	}
}

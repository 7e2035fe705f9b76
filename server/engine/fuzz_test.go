package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// FuzzEval runs whatever parses as a query: it must end in time, without a panic, with
// rows or with an error that has MySQL's number; and Describe must give as many columns.
func FuzzEval(f *testing.F) {
	for _, seed := range []string{
		"SELECT 1+1, 'a', NULL", "SELECT * FROM t WHERE a LIKE 'x%' ORDER BY 2 DESC LIMIT 1",
		"SELECT a, COUNT(*) FROM t GROUP BY a HAVING COUNT(*) > 0", "SELECT (SELECT MAX(b) FROM t x WHERE x.a = t.a) FROM t",
		"SELECT REPEAT('a', 1e9), LPAD('x', 99999999999, 'y'), SPACE(-1)", "SELECT 1 UNION SELECT 'x' ORDER BY 1",
		"SELECT DATE_ADD('2020-01-31', INTERVAL '1:1' MINUTE_SECOND), DATE_FORMAT(NOW(), '%Y%j%X%v')",
		"SELECT CAST('1e400' AS DECIMAL(65,30)), -9223372036854775808 DIV -1, 1e308*10, ROUND(1.5, -400), CONV('zz',36,-2)",
		"SELECT * FROM t NATURAL JOIN t u", "SELECT 'a' REGEXP '(a*)*b', x'41'+0, b'1' << 70, SUBSTRING('é', -1), CHAR(0xffffff USING utf8mb4)",
		"SELECT GROUP_CONCAT(DISTINCT a ORDER BY b DESC SEPARATOR '') FROM t", "WITH c AS (SELECT 1 x) SELECT * FROM c JOIN c d",
		"SELECT TIME'-838:59:59' - INTERVAL 1 MICROSECOND, FROM_DAYS(-1), SEC_TO_TIME(1e300), FROM_UNIXTIME(1e18)",
		"SELECT a IN (1,NULL), (a,b) = (1,2), a <=> NULL, CASE a WHEN 1 THEN b END FROM t", "SELECT FORMAT(1e200, 30), HEX(REVERSE(x'00ff'))",
	} {
		f.Add(seed)
	}
	p := parser.New()
	f.Fuzz(func(t *testing.T, sql string) {
		stmts, _, err := Parse(p, sql)
		if err != nil || len(stmts) != 1 {
			return
		}
		query, ok := stmts[0].(ast.ResultSetNode)
		if !ok {
			return
		}
		x := &Executor{Env: newEnv(), Limits: Limits{Rows: 10000, Memory: 1 << 24}}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		begin := time.Now()
		r, err := x.Select(ctx, query)
		if spent := time.Since(begin); spent > 30*time.Second {
			t.Fatalf("%q took %v", sql, spent)
		}
		var my *Error
		if err != nil {
			if !errors.As(err, &my) && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%q: an error without a number: %v", sql, err)
			}
			return
		}
		for _, row := range r.Rows {
			if len(row) != len(r.Columns) {
				t.Fatalf("%q: a row of %d values under %d columns", sql, len(row), len(r.Columns))
			}
			for i, v := range row {
				_ = r.Columns[i].AppendText(nil, v)
			}
		}
		cols, err := x.Describe(context.Background(), query)
		if err == nil && len(cols) != len(r.Columns) {
			t.Fatalf("%q: Describe gives %d columns, Select %d", sql, len(cols), len(r.Columns))
		}
	})
}

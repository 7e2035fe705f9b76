package engineoracle

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/server/engine"
)

// TestRandomAgainstMariaDB runs random queries on both. PUMPHOUSE_ORACLE_QUERIES says how
// many (default 2,000), PUMPHOUSE_ORACLE_SEED which.
func TestRandomAgainstMariaDB(t *testing.T) {
	conn := oracle(t)
	e := &env{vars: map[string]engine.Value{}, now: time.Now()}
	e.load(t, conn)
	n, seed := number(t, "PUMPHOUSE_ORACLE_QUERIES", 2000), number(t, "PUMPHOUSE_ORACLE_SEED", 1)
	g := &generator{r: rand.New(rand.NewPCG(uint64(seed), 2))}
	bad := 0
	for range n {
		query := g.query()
		want, got := askMariaDB(t, conn, query), askEngine(e, query)
		if want.String() == got.String() {
			continue
		}
		t.Errorf("%s\nMariaDB: %v\nengine:  %v", query, want, got)
		if bad++; bad >= 20 {
			t.Fatalf("stopped after %d differences", bad)
		}
	}
}

func number(t *testing.T, name string, def int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// generator makes queries of the shapes the evaluator supports. Functions get arguments
// of the class they are made for: what a server does with DAYNAME(1.5) is of no use to
// anyone. Comparisons and arithmetic do mix classes.
type generator struct{ r *rand.Rand }

func (g *generator) pick(choices ...string) string { return choices[g.r.IntN(len(choices))] }

func (g *generator) query() string {
	switch g.r.IntN(6) {
	case 0:
		return "SELECT " + g.any(2)
	case 1:
		return fmt.Sprintf("SELECT p.id, %s AS x FROM pumps p WHERE %s ORDER BY p.id", g.colAny(2), g.condition(2))
	case 2:
		return fmt.Sprintf("SELECT p.id, %s AS x FROM pumps p ORDER BY %s, p.id LIMIT %d", g.colAny(1), g.pick("p.node", "p.state DESC", "p.score", "p.load_avg DESC", "p.seen", "x"), g.r.IntN(5))
	case 3:
		return fmt.Sprintf("SELECT %s, %s FROM pumps p WHERE %s", g.aggregate(), g.aggregate(), g.condition(1))
	case 4:
		return fmt.Sprintf("SELECT p.id, d.id, %s AS x FROM pumps p %s JOIN drainers d ON p.id = d.pump_id AND %s ORDER BY p.id, d.id",
			g.colAny(1), g.pick("LEFT", "INNER", "RIGHT"), g.condition(1))
	}
	return fmt.Sprintf("SELECT lower(p.state) s, count(*), %s FROM pumps p GROUP BY s ORDER BY s", g.aggregate())
}

// any is an expression without columns, colAny one with.
func (g *generator) any(depth int) string { return g.value(depth, false) }

func (g *generator) colAny(depth int) string { return g.value(depth, true) }

func (g *generator) value(depth int, cols bool) string {
	switch g.r.IntN(4) {
	case 0:
		return g.text(depth, cols)
	case 1:
		return g.date(depth, cols)
	}
	return g.num(depth, cols)
}

func (g *generator) num(depth int, cols bool) string {
	if depth == 0 {
		if cols && g.r.IntN(2) == 0 {
			return g.pick("p.id", "p.score", "p.load_avg")
		}
		return g.pick("0", "1", "-1", "2", "7", "1.5", "-0.25", "10.125", "1e0", "2.5e1", "NULLIF(1,1)", "100", "12345678901", "TRUE")
	}
	a := func() string { return g.num(depth-1, cols) }
	switch g.r.IntN(12) {
	case 0, 1, 2:
		return "(" + a() + " " + g.pick("+", "-", "*", "/", "DIV") + " " + a() + ")"
	case 3:
		return g.pick("ABS", "SIGN", "CEIL", "FLOOR", "ROUND") + "(" + a() + ")"
	case 4:
		return g.pick("ROUND", "TRUNCATE") + "(" + a() + "," + g.pick("0", "1", "2") + ")"
	case 5:
		return g.pick("LENGTH", "CHAR_LENGTH", "ASCII") + "(" + g.text(depth-1, cols) + ")"
	case 6:
		return g.pick("IFNULL", "NULLIF", "COALESCE", "GREATEST", "LEAST") + "(" + a() + "," + a() + ")"
	case 7:
		return "IF(" + a() + "," + a() + "," + a() + ")"
	case 8:
		return "CASE WHEN " + g.compare(depth-1, cols) + " THEN " + a() + " ELSE " + a() + " END"
	case 9:
		return g.pick("YEAR", "MONTH", "DAY", "DAYOFWEEK", "DAYOFYEAR", "QUARTER", "TO_DAYS") + "(" + g.date(depth-1, cols) + ")"
	case 10:
		return "INSTR(" + g.text(depth-1, cols) + "," + g.text(depth-1, cols) + ")"
	}
	return "(" + g.compare(depth-1, cols) + ")"
}

func (g *generator) text(depth int, cols bool) string {
	if depth == 0 {
		if cols && g.r.IntN(2) == 0 {
			return g.pick("p.node", "p.state")
		}
		return g.pick("'a'", "'Pump1'", "''", "'online'", "'é'", "'12'", "'x y z'", "NULLIF('a','a')", "'a,b,c'")
	}
	a := func() string { return g.text(depth-1, cols) }
	switch g.r.IntN(9) {
	case 0:
		return "CONCAT(" + a() + "," + g.value(depth-1, cols) + ")"
	case 1:
		return g.pick("UPPER", "LOWER", "TRIM", "REVERSE", "LTRIM") + "(" + a() + ")"
	case 2:
		return g.pick("LEFT", "RIGHT", "SUBSTRING") + "(" + a() + "," + g.pick("0", "1", "2", "-1", "10") + ")"
	case 3:
		return "REPLACE(" + a() + "," + a() + "," + a() + ")"
	case 4:
		return g.pick("IFNULL", "COALESCE", "NULLIF") + "(" + a() + "," + a() + ")"
	case 5:
		return "IF(" + g.compare(depth-1, cols) + "," + a() + "," + g.value(depth-1, cols) + ")"
	case 6:
		return g.pick("LPAD", "RPAD") + "(" + a() + "," + g.pick("0", "3", "8") + "," + g.pick("'x'", "'ab'") + ")"
	case 7:
		return "SUBSTRING_INDEX(" + a() + ",','," + g.pick("1", "2", "-1") + ")"
	}
	return "CONCAT(" + g.num(depth-1, cols) + ")"
}

func (g *generator) date(depth int, cols bool) string {
	if depth == 0 {
		if cols && g.r.IntN(2) == 0 {
			return "p.seen"
		}
		return g.pick("DATE'2020-02-29'", "DATE'1999-12-31'", "TIMESTAMP'2024-06-01 10:00:00'", "TIMESTAMP'2024-01-31 23:59:59.5'")
	}
	a := g.date(depth-1, cols)
	switch g.r.IntN(4) {
	case 0:
		return "(" + a + g.pick(" + ", " - ") + "INTERVAL " + g.pick("1", "10", "-3") + " " + g.pick("DAY", "MONTH", "YEAR", "WEEK", "HOUR", "MINUTE", "SECOND") + ")"
	case 1:
		return "DATE(" + a + ")"
	case 2:
		return "IFNULL(" + a + "," + g.date(depth-1, cols) + ")"
	}
	return "LAST_DAY(" + a + ")"
}

func (g *generator) compare(depth int, cols bool) string {
	depth = max(depth, 0)
	op := g.pick("=", "<>", "<", "<=", ">", ">=", "<=>")
	switch g.r.IntN(7) {
	case 0:
		return g.num(depth, cols) + " " + op + " " + g.num(depth, cols)
	case 1:
		return g.text(depth, cols) + " " + op + " " + g.text(depth, cols)
	case 2:
		return g.date(depth, cols) + " " + op + " " + g.date(depth, cols)
	case 3:
		return g.num(depth, cols) + " " + op + " " + g.text(depth, cols)
	case 4:
		return g.text(depth, cols) + " LIKE " + g.pick("'%1'", "'p%'", "'_n%'", "''", "'%'")
	case 5:
		return g.num(depth, cols) + g.pick(" IN ", " NOT IN ") + "(" + g.num(0, cols) + "," + g.num(0, cols) + ")"
	}
	return g.num(depth, cols) + " IS " + g.pick("NULL", "NOT NULL", "TRUE", "FALSE")
}

func (g *generator) condition(depth int) string {
	parts := []string{g.compare(depth, true)}
	for g.r.IntN(3) == 0 {
		parts = append(parts, g.pick("AND", "OR", "XOR"), g.pick("", "NOT ")+"("+g.compare(depth, true)+")")
	}
	return strings.Join(parts, " ")
}

func (g *generator) aggregate() string {
	switch g.r.IntN(4) {
	case 0:
		return g.pick("SUM", "AVG", "MIN", "MAX", "COUNT") + "(" + g.num(1, true) + ")"
	case 1:
		return g.pick("MIN", "MAX", "COUNT") + "(" + g.text(1, true) + ")"
	case 2:
		return "GROUP_CONCAT(" + g.pick("", "DISTINCT ") + g.text(0, true) + " ORDER BY p.id)"
	}
	return g.pick("MIN", "MAX") + "(" + g.date(0, true) + ")"
}

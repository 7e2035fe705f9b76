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
	"pumphouse/testsuite/form"
)

// TestRandomAgainstMariaDB runs random queries on both, other ones each time.
// PUMPHOUSE_ORACLE_QUERIES says how many (default 2,000).
func TestRandomAgainstMariaDB(t *testing.T) {
	conn := oracle(t)
	e := &env{vars: map[string]engine.Value{}, now: time.Now()}
	e.load(t, conn)
	n := number(t, "PUMPHOUSE_ORACLE_QUERIES", 2000)
	g := &generator{r: random(t), nums: []string{"p.id", "p.score", "p.load_avg"},
		texts: []string{"p.node", "p.state"}, dates: []string{"p.seen"}, id: "p.id"}
	bad := 0
	for range n {
		query := g.query()
		want, got := askMariaDB(t, conn, query), askEngine(e, query)
		if !differ(query, want, got) {
			continue
		}
		t.Errorf("%s\nMariaDB: %v\nengine:  %v", query, want, got)
		if bad++; bad >= 20 {
			t.Fatalf("stopped after %d differences", bad)
		}
	}
}

func random(t *testing.T) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(form.Seed(t), 2))
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
// anyone. Comparisons and arithmetic do mix classes. Numbers stay small enough not to
// overflow: whether error 1690 comes for a row that no condition needs is up to a
// server's optimizer. No quotient is so small that it shows as 0: MariaDB then compares
// it now as 0, now as it is.
type generator struct {
	r                  *rand.Rand
	nums, texts, dates []string // the columns of each class of the table p
	id                 string   // its key
}

func (g *generator) pick(choices ...string) string { return choices[g.r.IntN(len(choices))] }

func (g *generator) query() string {
	switch g.r.IntN(11) {
	case 0:
		return "SELECT " + g.any(3)
	case 6:
		// Texts beside quotients are left out too: MariaDB shows more digits there than
		// the column of the quotient has. Integers out of functions are left out: MariaDB gives them too few digits beside
		// a decimal (ABS(100) UNION 1.50 is 99.99 there).
		side := func() string { return g.pick(g.num(0, false), g.num(0, false)+" / "+g.num(0, false)) }
		return fmt.Sprintf("SELECT %s AS x %s SELECT %s ORDER BY x", side(), g.pick("UNION", "UNION ALL"), side())
	case 7:
		return fmt.Sprintf("SELECT DISTINCT %s AS x FROM pumps p, drainers d ORDER BY x", g.pick("p.state", "p.score", "d.pump_id", "p.id + d.id", "LENGTH(p.node)", "d.day IS NULL"))
	case 8:
		return fmt.Sprintf("SELECT p.id FROM pumps p WHERE p.id %s (SELECT d.pump_id FROM drainers d WHERE %s) ORDER BY p.id",
			g.pick("IN", "NOT IN", "> ALL", "= ANY", "<= ALL"), g.condition(1))
	case 9:
		return fmt.Sprintf("SELECT d.id, %s AS x FROM drainers d WHERE %s ORDER BY d.id", g.drainer(), g.drainerCondition())
	case 10:
		return fmt.Sprintf("SELECT p.id, (SELECT %s FROM drainers d WHERE d.pump_id %s p.id) AS x FROM pumps p ORDER BY p.id",
			g.pick("COUNT(*)", "SUM(d.delay)", "MAX(d.day)", "MIN(d.node)", "AVG(d.delay)", "MAX(d.took)"), g.pick("=", "<", ">=", "<=>"))
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
			return g.pick(g.nums...)
		}
		return g.pick("0", "1", "-1", "2", "7", "1.5", "-0.25", "10.125", "1e0", "2.5e1", "NULLIF(1,1)", "100", "1000", "TRUE")
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
		return g.pick("YEAR", "MONTH", "DAY", "DAYOFWEEK", "DAYOFYEAR", "QUARTER", "WEEKDAY") + "(" + g.date(depth-1, cols) + ")"
	case 10:
		return "INSTR(" + g.text(depth-1, cols) + "," + g.text(depth-1, cols) + ")"
	}
	return "(" + g.compare(depth-1, cols) + ")"
}

func (g *generator) text(depth int, cols bool) string {
	if depth == 0 {
		if cols && g.r.IntN(2) == 0 {
			return g.pick(g.texts...)
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
			return g.pick(g.dates...)
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

// drainer and drainerCondition are about the table with a DATE and a TIME.
func (g *generator) drainer() string {
	return g.pick("d.took", "d.day", "d.day + INTERVAL 1 DAY", "HOUR(d.took)", "MINUTE(d.took)", "SECOND(d.took)", "d.took + INTERVAL 1 HOUR", "TIME_TO_SEC(d.took)",
		"DATEDIFF(d.day, '2024-01-01')", "DATE_FORMAT(d.day, '%d.%m.%y %W %j %U %v')", "TIMESTAMPDIFF(MONTH, d.day, '2024-03-15')", "CONCAT(d.day, ' ', d.took)",
		"UNIX_TIMESTAMP(d.day)", "d.delay / d.id", "IFNULL(d.delay, 'none')", "d.day + 0", "WEEK(d.day, 3)", "EXTRACT(YEAR_MONTH FROM d.day)", "CAST(d.day AS DATETIME)",
		"CAST(d.day AS CHAR)", "CAST(d.took AS CHAR)", "GREATEST(d.delay, d.id)", "HEX(d.node)", "MD5(d.node)", "FORMAT(d.delay * 1234.5, 2)", "d.delay MOD 3", "d.delay & 6",
		"CAST(d.delay AS DECIMAL(6,2))", "CAST(d.node AS SIGNED)", "COALESCE(d.day, '2000-01-01')", "d.delay XOR d.id", "-d.delay", "~d.id", "d.delay BETWEEN 5 AND 10")
}

func (g *generator) drainerCondition() string {
	return g.pick("d.day > '2024-01-01'", "d.day = '20240229'", "d.took < '02:00'", "d.took IS NULL", "d.day BETWEEN '2024-01-01' AND '2024-12-31'", "d.delay > '7'",
		"d.node LIKE 'D%'", "d.node IN ('D1', 'd4 ')", "NOT d.delay", "d.delay <=> NULL", "d.day <> d.took", "d.node REGEXP '[1-3]$'", "YEAR(d.day) = 2024", "d.delay", "1",
		"d.day >= DATE'2024-01-31' AND d.delay < 100", "d.pump_id IN (1, NULL, 9)", "d.node > 'd2'", "d.day + INTERVAL 1 YEAR > '2025-01-15'", "d.delay % 2 = 0 OR d.day IS NULL")
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
		arg := g.num(1, true)
		if strings.Contains(arg, "/") { // how many more digits a sum of quotients has is the servers' own
			return g.pick("MIN", "MAX", "COUNT") + "(" + arg + ")"
		}
		return g.pick("SUM", "AVG", "MIN", "MAX", "COUNT") + "(" + arg + ")"
	case 1:
		return g.pick("MIN", "MAX", "COUNT") + "(" + g.text(1, true) + ")"
	case 2:
		// Not DISTINCT of a constant: beside that MariaDB does not round what it divides.
		return "GROUP_CONCAT(" + g.pick(g.text(0, true), "DISTINCT "+g.pick(g.texts...)) + " ORDER BY " + g.id + ")"
	}
	return g.pick("MIN", "MAX") + "(" + g.date(0, true) + ")"
}

package engineoracle

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pumphouse/server/engine"
)

// exactCase is one comparison of a number with a text: the number as SQL, the text, and
// the values of both.
type exactCase struct {
	number, text string
	n, s         *big.Rat
}

// exactNumbers draws numbers and texts around those that a double cannot tell apart.
func exactNumbers(r *rand.Rand) exactCase {
	bits := []uint{53, 58, 63}[r.IntN(3)]
	near := func() *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		return n.Add(n, big.NewInt(int64(r.IntN(7)-3)))
	}
	number, text := near().String(), near().String()
	if r.IntN(4) == 0 {
		number, text = "-"+number, "-"+text
	}
	if r.IntN(4) == 0 {
		number += []string{".5", ".0", ".25"}[r.IntN(3)]
	}
	switch r.IntN(6) {
	case 0:
		text += []string{".5", ".0", ".75"}[r.IntN(3)]
	case 1:
		text += "e0"
	}
	c := exactCase{number: number, text: text}
	c.n, _ = new(big.Rat).SetString(number)
	c.s, _ = new(big.Rat).SetString(text)
	return c
}

// rounded is what a number becomes in a double.
func rounded(x *big.Rat) *big.Rat {
	f, _ := x.Float64()
	return new(big.Rat).SetFloat64(f)
}

// exactForms are the places where SQL compares; each gives 1 or 0 by the order of the
// number and the text.
var exactForms = []struct {
	sql  string
	true func(order int) bool
}{
	{"%s = '%s'", func(o int) bool { return o == 0 }},
	{"%s < '%s'", func(o int) bool { return o < 0 }},
	{"%s >= '%s'", func(o int) bool { return o >= 0 }},
	{"%s <=> '%s'", func(o int) bool { return o == 0 }},
	{"%s IN ('7', '%s')", func(o int) bool { return o == 0 }},
	{"%s IN (7, '%s')", func(o int) bool { return o == 0 }},
	{"%s NOT BETWEEN '%s' AND '1e30'", func(o int) bool { return o < 0 }},
	{"NULLIF(%s, '%s') IS NULL", func(o int) bool { return o == 0 }},
	{"CASE %s WHEN '%s' THEN 1 ELSE 0 END", func(o int) bool { return o == 0 }},
	{"%s = (SELECT '%s')", func(o int) bool { return o == 0 }},
	{"%s IN (SELECT '%s')", func(o int) bool { return o == 0 }},
	{"EXISTS (SELECT 1 FROM (SELECT %s AS n) x JOIN (SELECT '%s' AS s) y ON x.n = y.s)", func(o int) bool { return o == 0 }},
}

// TestExactAgainstMariaDB: this engine always gives the exact order. MariaDB gives that too,
// or else the order of the numbers when both are rounded to doubles: nothing else.
func TestExactAgainstMariaDB(t *testing.T) {
	conn := oracle(t)
	e := &env{vars: map[string]engine.Value{}, now: time.Now()}
	e.load(t, conn)
	r := random(t)
	inexact := map[string]int{}
	for range number(t, "PUMPHOUSE_ORACLE_QUERIES", 2000) {
		c, form := exactNumbers(r), exactForms[r.IntN(len(exactForms))]
		query := "SELECT (" + fmt.Sprintf(form.sql, c.number, c.text) + ") AS x"
		exact, asDoubles := answerOfOrder(form.true(c.n.Cmp(c.s))), answerOfOrder(form.true(rounded(c.n).Cmp(rounded(c.s))))
		theirs, ours := strings.Join(askMariaDB(t, conn, query).rows, ","), strings.Join(askEngine(e, query).rows, ",")
		if ours != exact {
			t.Errorf("%s\nis %s, this engine says %s", query, exact, ours)
		}
		if theirs != exact {
			inexact[form.sql]++
			if theirs != asDoubles {
				t.Errorf("%s\nis %s, and %s in doubles, MariaDB says %s", query, exact, asDoubles, theirs)
			}
		}
	}
	t.Logf("where MariaDB rounds: %v", inexact)
}

func answerOfOrder(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

// exactDifferences are queries that MariaDB answers after rounding to doubles, with both
// answers.
var exactDifferences = []struct{ query, ours, theirs string }{
	{"9007199254740993.0 IN ('9007199254740992')", "0", "1"},
	{"470763089353768990.5 = '470763089353768990'", "0", "1"},
	{"470763089353768990 BETWEEN '470763089353768991' AND '1e30'", "0", "1"},
	{"FIELD(470763089353768990, '470763089353768991')", "0", "1"},
	{"INTERVAL(470763089353768990, '470763089353768991')", "0", "1"},
	{"JSON_CONTAINS('[470763089353768990]', '470763089353768991')", "0", "1"},
	{"JSON_EXTRACT('[9]', '$[0]') < JSON_EXTRACT('[10]', '$[0]')", "1", "0"},
}

// TestExactDifferences pins both answers.
func TestExactDifferences(t *testing.T) {
	conn := oracle(t)
	e := &env{vars: map[string]engine.Value{}, now: time.Now()}
	e.load(t, conn)
	for _, d := range exactDifferences {
		d.query = "SELECT " + d.query
		if got := strings.Join(askEngine(e, d.query).rows, ","); got != d.ours {
			t.Errorf("%s gives %s here, want %s", d.query, got, d.ours)
		}
		if got := strings.Join(askMariaDB(t, conn, d.query).rows, ","); got != d.theirs {
			t.Errorf("%s gives %s in MariaDB, want %s", d.query, got, d.theirs)
		}
	}
}

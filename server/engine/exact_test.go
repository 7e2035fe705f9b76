package engine

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"pumphouse/testsuite/form"
)

// numbers makes integers and decimals near those that a double cannot tell apart, and texts
// of them in every notation.
type numbers struct{ *rand.Rand }

func (r numbers) pick(choices ...string) string { return choices[r.IntN(len(choices))] }

// near gives the text of an integer close to a power of two.
func (r numbers) near() string {
	n := new(big.Int).Lsh(big.NewInt(1), []uint{0, 31, 52, 53, 54, 58, 59, 62, 63, 64}[r.IntN(10)])
	n.Add(n, big.NewInt(int64(r.IntN(9)-4)))
	if r.IntN(3) == 0 {
		n.Neg(n)
	}
	return n.String()
}

// number gives a value and what it is.
func (r numbers) number() (Value, *big.Rat) {
	text := r.near()
	n, _ := new(big.Int).SetString(text, 10)
	switch r.IntN(3) {
	case 0:
		text += r.pick(".5", ".0", ".0000000001", ".999999999999999999999999999999")
	case 1:
		if n.IsUint64() && !n.IsInt64() || n.IsUint64() && r.IntN(2) == 0 {
			return Uint(n.Uint64()), new(big.Rat).SetInt(n)
		}
		if n.IsInt64() {
			return Int(n.Int64()), new(big.Rat).SetInt(n)
		}
	}
	rat, _ := new(big.Rat).SetString(text)
	return Decimal(decimal.RequireFromString(text)), rat
}

// text gives a text that begins with a number, and the number.
func (r numbers) text() (string, *big.Rat) {
	number := r.near()
	switch r.IntN(8) {
	case 0:
		number += r.pick(".5", ".0", ".", ".000", "."+strings.Repeat("0", 50)+"1", "."+strings.Repeat("9", 40))
	case 1:
		number += r.pick("e0", "e-3", "E2", "e-60", "e60", "e+1")
	case 2:
		if sign, digits, ok := strings.Cut(number, "-"); ok {
			number = sign + "-000" + digits
		} else {
			number = "+000" + number
		}
	case 3:
		number = r.pick("0", "-0", "0.0", ".5", "-.5", "1e400", "-1e400", "1e-400", "-1e-400", "0e999999999999999999999")
	}
	rat, ok := new(big.Rat).SetString(strings.TrimSuffix(number, "."))
	if strings.HasPrefix(number, "0e") {
		rat, ok = new(big.Rat), true
	}
	if !ok {
		panic(number)
	}
	return r.pick("", "", " ", "\t") + number + r.pick("", "", " ", "x", " y", "e", "ee1"), rat
}

// TestNumbersAndTextsCompareExactly: against a reference of unlimited precision.
func TestNumbersAndTextsCompareExactly(t *testing.T) {
	r := numbers{rand.New(rand.NewPCG(form.Seed(t), 1))}
	f := &frame{st: &statement{ctx: context.Background(), x: &Executor{Env: newEnv()}}}
	for range 20000 {
		v, number := r.number()
		s, read := r.text()
		want := number.Cmp(read)
		if got := compareNumbers(f, v, String(s)); got != want {
			t.Errorf("%s to %q is %d, want %d", v.Text(), s, got, want)
		}
		if got := compareNumbers(f, Bytes([]byte(s)), v); got != -want {
			t.Errorf("%q to %s is %d, want %d", s, v.Text(), got, -want)
		}
	}
}

// TestLongNumbersAreCheap: a text of millions of digits costs no more than reading it.
func TestLongNumbersAreCheap(t *testing.T) {
	many := strings.Repeat("9", 4<<20)
	for text, want := range map[string]string{
		many: "1e400", "-" + many: "-1e400", "0." + many: "", "1" + many + "e-4194304": "", "1e" + many: "1e400", "1e-" + many: "1e-400",
		"0e" + many: "0",
	} {
		v := exactNumber(text)
		if n := len(v.Text()); n > 3*decimalReach {
			t.Errorf("%.20s…: %d digits", text, n)
		}
		if want != "" && orderNumbers(v, exactNumber(want)) != 0 {
			t.Errorf("%.20s… is %.20s…, want %s", text, v.Text(), want)
		}
	}
	zeros := strings.Repeat("0", 2*decimalReach)
	if orderNumbers(exactNumber("1."+zeros+"1"), Int(1)) != 1 || orderNumbers(exactNumber("-1."+zeros+"1"), Int(-1)) != -1 || orderNumbers(exactNumber("1."+zeros), Int(1)) != 0 {
		t.Error("digits beyond the reach do not count")
	}
	if orderNumbers(exactNumber("0."+many), Int(1)) != -1 || orderNumbers(exactNumber("1."+many), Int(2)) != -1 {
		t.Error("a number a little below an integer is not below it")
	}
}

// TestExactInEveryStatement: wherever SQL compares a number with a text, the text is the
// neighbour of the number and a double could not tell them apart.
func TestExactInEveryStatement(t *testing.T) {
	const ts, next = "470763089353768990", "470763089353768991"
	env := newEnv()
	env.vars["text"], env.vars["json"] = String(next), String(`{"ts":`+next+`,"list":[`+next+`]}`)
	for _, sql := range []string{
		"%[1]s = '%[2]s'", "%[1]s >= '%[2]s'", "'%[2]s' <= %[1]s", "%[1]s <=> '%[2]s'", "NOT %[1]s <> '%[2]s'", "NOT %[1]s < '%[2]s'",
		"%[1]s.0 = '%[2]s'", "%[1]s = '%[2]s.0'", "%[1]s = '470763089353768.991e3'", "%[1]s >= ' %[2]s and more'",
		"%[1]s IN ('1', '%[2]s')", "%[1]s IN (1, '%[2]s')", "'%[2]s' IN (1, %[1]s)", "%[1]s BETWEEN '%[2]s' AND '9e99'", "'%[2]s' BETWEEN 0 AND %[1]s",
		"NULLIF(%[1]s, '%[2]s') IS NULL", "CASE %[1]s WHEN '%[2]s' THEN 1 ELSE 0 END", "CASE WHEN %[1]s >= '%[2]s' THEN 1 ELSE 0 END",
		"IF(%[1]s = '%[2]s', 1, 0)", "FIELD(%[1]s, 1, '%[2]s') = 2", "INTERVAL('%[2]s', %[1]s, '%[2]s') = 2 AND INTERVAL(%[1]s, 0, '%[2]s') = 2",
		"(1, %[1]s) = ('1', '%[2]s')", "(%[1]s, 0) >= ('%[2]s', 0)", "%[1]s IN (SELECT '%[2]s')", "%[1]s >= ALL (SELECT '%[2]s' UNION SELECT '1')",
		"(SELECT COUNT(*) FROM (SELECT %[1]s AS n) x JOIN (SELECT '%[2]s' AS n) y USING (n))",
		"(SELECT COUNT(*) FROM (SELECT %[1]s AS n) x JOIN (SELECT '%[2]s' AS n) y ON y.n = x.n)",
		"%[1]s = @text", "%[1]s >= @text", "%[1]s = JSON_EXTRACT(@json, '$.ts')", "%[1]s >= JSON_UNQUOTE(JSON_EXTRACT(@json, '$.ts'))",
		"JSON_CONTAINS('[%[1]s]', '%[2]s')", "JSON_CONTAINS('{\"a\":%[1]s}', '%[2]s', '$.a')",
		"JSON_EXTRACT('[%[1]s]', '$[0]') >= JSON_EXTRACT(@json, '$.ts')", "JSON_EXTRACT('[%[1]s]', '$[0]') = JSON_EXTRACT(@json, '$.list[0]')",
	} {
		for number, want := range map[string]string{ts: "0", next: "1"} {
			query := fmt.Sprintf("SELECT ("+sql+") + 0", number, next)
			r, err := (&Executor{Env: env}).Select(context.Background(), parseQuery(t, query))
			if err != nil {
				t.Errorf("%s: %v", query, err)
			} else if got := show(r); got != want {
				t.Errorf("%s gives %s, want %s", query, got, want)
			}
		}
	}
	r, err := (&Executor{Env: env}).Select(context.Background(), parseQuery(t,
		`SELECT JSON_EXTRACT(x.d, '$.n') AS n FROM (SELECT '{"n":10}' AS d UNION SELECT '{"n":9}' UNION SELECT '{"n":9007199254740993}' UNION SELECT '{"n":9007199254740992}') x ORDER BY n`))
	if err != nil {
		t.Fatal(err)
	}
	if got := show(r); got != "9\n10\n9007199254740992\n9007199254740993" {
		t.Errorf("numbers of documents are sorted as %q", got)
	}
}

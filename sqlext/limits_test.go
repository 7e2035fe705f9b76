package sqlext

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Texts made to break the parser are answered, in a time that is out of reach for work
// that grows with the square of their length, and on a thirtieth of the stack that Go
// allows, beyond which the test would end with the process.
func TestHostileTexts(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(32 << 20))
	const mega = 2 << 20
	long := strings.Repeat
	for name, c := range map[string]struct {
		text    string
		complex bool // must be refused for that reason
	}{
		"semicolons":               {long(";", mega), true},
		"parentheses":              {"select " + long("(", mega), true},
		"parentheses, allowed":     {"select " + long("(", 9900) + "1" + long(")", 9900), false},
		"operators":                {"select 1" + long("+1", mega), true},
		"operators, allowed":       {"select 1" + long("+1", 9900), false},
		"not":                      {"show pump status where " + long("not ", mega) + "1", true},
		"not, allowed":             {"show pump status where " + long("not ", 19_900) + "1", false},
		"tables":                   {"select 1 from t" + long(",t", mega), true},
		"tables, allowed":          {"select 1 from t" + long(",t", 9900), false},
		"subqueries, allowed":      {long("select * from (", 3300) + "select 1" + long(") a", 3300), false},
		"comments":                 {long("/**/", mega) + "select 1", true},
		"comments, allowed":        {long("#\n", 19_900) + "select 1", false},
		"executable comments":      {long("/*!", mega) + "show pump status", true},
		"comments after a mistake": {"show pump as " + long("/**/", mega), true},
		"hint":                     {"select /*+ leading" + long("(", mega) + "*/ 1", true},
		"hint, allowed":            {"select /*+ leading" + long("(", 19_000) + "*/ 1", false},
		"statements":               {long("do 1;", mega), true},
		"statements, allowed":      {long("do 1;", 33_000), false},
		"our statements":           {long("show pump status like 'a';", 16_000), false},
		"mistake at the end":       {long("show pump status like 'a';", 16_000) + "foo", false},
		"mistake at the start":     {"foo;" + long("show pump status like 'a';", 16_000), false},
		"string":                   {"select '" + long("a''", mega/3) + "'", false},
		"open string":              {"show pump status like '" + long("\\", mega), false},
		"open comment":             {"show pump status /*" + long("* /", mega/3), false},
		"spaces":                   {"show pump" + long(" ", mega) + "status", false},
		"word":                     {"show " + long("pump", mega/4), false},
		"number":                   {"select " + long("1", mega) + "; show pump status", false},
		"zeros":                    {"\x00" + long("\x00", mega), true},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, _, err := New().Parse(c.text, "", "")
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if errors.Is(err, ErrTooComplex) != c.complex {
				t.Errorf("error %.200v", err)
			}
			var e *Error
			if err != nil && (!errors.As(err, &e) || len(e.Message) > 3000) {
				t.Errorf("error of %d bytes: %.200v", len(err.Error()), err)
			}
		})
	}
}

// A session that sent a large text once does not hold on to it.
func TestLargeTextIsForgotten(t *testing.T) {
	p := New()
	before := heap()
	for _, text := range []string{
		"select '" + strings.Repeat("a''", 1<<20) + "'",
		"show pump status where '" + strings.Repeat("a''", 1<<20) + "'",
	} {
		if _, _, err := p.Parse(text, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 256<<10 {
		t.Errorf("the parser holds %d bytes more", grown)
	}
	runtime.KeepAlive(p)
}

// heap gives the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

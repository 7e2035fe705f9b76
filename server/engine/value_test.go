package engine

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

func TestValueText(t *testing.T) {
	day := time.Date(2024, 2, 3, 4, 5, 6, 789000000, time.UTC)
	for _, c := range []struct {
		v    Value
		want string
	}{
		{Null(), ""}, {Int(-5), "-5"}, {Uint(1<<64 - 1), "18446744073709551615"}, {Float(0.1), "0.1"}, {Float(1e15), "1e15"},
		{Float(123456789012345), "123456789012345"}, {Float(1e-20), "1e-20"}, {Float(-1.5e300), "-1.5e300"},
		{Decimal(decimal.RequireFromString("1.50")), "1.50"}, {Decimal(decimal.New(5, 2)), "500"}, {String("é"), "é"}, {Bytes([]byte{0, 255}), "\x00\xff"},
		{Date(day), "2024-02-03"}, {Datetime(day, 0), "2024-02-03 04:05:06"}, {Datetime(day, 2), "2024-02-03 04:05:06.78"},
		{Date(time.Time{}), "0000-00-00"}, {Datetime(time.Time{}, 1), "0000-00-00 00:00:00.0"},
		{Duration(-time.Hour, 0), "-01:00:00"}, {Duration(100*time.Hour+time.Millisecond, 3), "100:00:00.001"},
	} {
		if got := c.v.Text(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.v, got, c.want)
		}
	}
}

func TestTextToNumber(t *testing.T) {
	for _, c := range []struct {
		s    string
		f    float64
		n    int64
		d    string
		warn bool
	}{
		{"12", 12, 12, "12", false}, {" 12 ", 12, 12, "12", false}, {"12abc", 12, 12, "12", true}, {"abc", 0, 0, "0", true}, {"", 0, 0, "0", true},
		{"-1.5", -1.5, -1, "-1.5", false}, {"1e3", 1000, 1, "1000", false}, {".5", 0.5, 0, "0.5", false}, {"+7", 7, 7, "7", false}, {"1e", 1, 1, "1", true},
		{"1e999999999", 1.7976931348623157e308, 1, "99999999999999999999999999999999999999999999999999999999999999999", false},
	} {
		warned := false
		w := warner(func(uint16, string) { warned = true })
		if got := textToFloat(c.s, nil); got != c.f {
			t.Errorf("%q as double: %v, want %v", c.s, got, c.f)
		}
		if got := String(c.s).int64(nil); got != c.n {
			t.Errorf("%q as integer: %v, want %v", c.s, got, c.n)
		}
		if got := textToDecimal(c.s, w).String(); got != c.d || warned != c.warn {
			t.Errorf("%q as decimal: %v (warned %v), want %v (%v)", c.s, got, warned, c.d, c.warn)
		}
	}
}

func TestParseDatetime(t *testing.T) {
	for s, want := range map[string]string{
		"2024-02-03": "2024-02-03 00:00:00.000000", "24-2-3": "2024-02-03 00:00:00.000000", "70-1-1": "1970-01-01 00:00:00.000000",
		"20240203": "2024-02-03 00:00:00.000000", "240203": "2024-02-03 00:00:00.000000", "20240203040506": "2024-02-03 04:05:06.000000",
		"2024-02-03T04:05:06.5": "2024-02-03 04:05:06.500000", "2024/02/03 04.05.06": "2024-02-03 04:05:06.000000", "2024-02-03 04:05": "2024-02-03 04:05:00.000000",
		"0000-00-00": "0000-00-00 00:00:00.000000", "2023-02-29": "", "2024-13-01": "", "x": "", "": "", "2024-02-03 25:00:00": "", "2024-02": "",
	} {
		p, ok := parseDatetime(s)
		got := ""
		if ok {
			got = Datetime(p.t, 6).Text()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]string{
		"10:11:12": "10:11:12", "-10:11": "-10:11:00", "101112": "10:11:12", "12": "00:00:12", "1 02:03:04": "26:03:04", "900:00:00": "838:59:59",
		"10:60:00": "bad", "x": "bad", "": "bad",
	} {
		d, _, _, ok := parseDuration(s)
		got := "bad"
		if ok {
			got = Duration(d, 0).Text()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestCollations(t *testing.T) {
	for _, c := range []struct {
		coll, a, b string
		want       int
	}{
		{"utf8mb4_general_ci", "a", "A", 0}, {"utf8mb4_general_ci", "é", "E", 0}, {"utf8mb4_general_ci", "a ", "a", 0}, {"utf8mb4_general_ci", "a", "b", -1},
		{"utf8mb4_general_ci", "a\t", "a", -1}, {"utf8mb4_bin", "a", "A", 1}, {"utf8mb4_bin", "a ", "a", 0}, {"binary", "a ", "a", 1},
		{"utf8mb4_0900_ai_ci", "a ", "a", 1}, {"utf8mb4_0900_ai_ci", "É", "e", 0}, {"utf8mb4_0900_ai_ci", "_", "1", -1}, {"latin1_general_cs", "a", "A", 1},
	} {
		coll, err := collatorByName(c.coll)
		if err != nil {
			t.Fatal(err)
		}
		if got := sign(coll.compare(c.a, c.b)); got != c.want {
			t.Errorf("%s: %q to %q is %d, want %d", c.coll, c.a, c.b, got, c.want)
		}
		if same := coll.key(c.a) == coll.key(c.b); same != (c.want == 0) {
			t.Errorf("%s: keys of %q and %q equal: %v", c.coll, c.a, c.b, same)
		}
	}
}

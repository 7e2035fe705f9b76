package sysvar

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
)

// TestSysVarTable: every line of the table reads as it is meant, and every variable
// that may be set takes its own start value.
func TestSysVarTable(t *testing.T) {
	vars := variables()
	if len(vars.sorted) < 300 || len(vars.sorted) != len(vars.byName) {
		t.Fatalf("%d variables, %d names", len(vars.sorted), len(vars.byName))
	}
	s := New(&Facts{IdleTimeout: time.Hour}, Owner{
		Account: &privilege.Account{Role: privilege.Admin}, Diag: &result.Diagnostics{}, Changed: func(int64) {},
		LogBin: func(context.Context) (string, error) { return "0", nil },
	})
	s.Start(time.Date(2019, 5, 1, 0, 1, 0, 0, time.UTC))
	for line := range strings.Lines(tableText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line, " ", 4)
		v := vars.byName[f[0]]
		kind, _, _ := strings.Cut(f[2], ":")
		if _, ok := varTypes[kind]; !ok || !(v.Global || v.Session) {
			t.Errorf("%q: unknown type or scope", line)
			continue
		}
		text, err := s.Text(t.Context(), v, false)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		val := v.value(text)
		if v.readOnly || !v.Session {
			continue
		}
		got, err := s.check(v, val)
		if err != nil || got != text && v.Name != "timestamp" {
			t.Errorf("%s: set to its own value %q: %q, %v", v.Name, text, got, err)
		}
	}
}

// TestModeTextIsCanonical: what @@sql_mode shows can be set again and means the same.
func TestModeTextIsCanonical(t *testing.T) {
	for word, bit := range mysql.Str2SQLMode {
		text, err := checkMode(engine.String(strings.ToLower(word)), strings.ToLower(word))
		if err != nil {
			t.Fatal(err)
		}
		mode, err := mysql.GetSQLMode(text)
		if err != nil || mode&bit != bit {
			t.Errorf("%s: %s means %b, %v", word, text, mode, err)
		}
		if again, err := checkMode(engine.String(text), text); err != nil || again != text {
			t.Errorf("%s: %s becomes %s, %v", word, text, again, err)
		}
	}
}

func TestZones(t *testing.T) {
	at := time.Date(2019, 5, 1, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"+08:00": "08:00", "-3:30": "20:30", "+14:00": "14:00", "Europe/Berlin": "02:00",
		"europe/berlin": "02:00", "utc": "00:00", "America/New_York": "20:00", "asia/shanghai": "08:00",
	} {
		name, err := canonicalZone(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		loc, err := parseZone(name)
		if err != nil || at.In(loc).Format("15:04") != want {
			t.Errorf("%s: %s %v, want %s", in, at.In(loc).Format("15:04"), err, want)
		}
	}
	for _, in := range []string{"", "Local", "../../etc/passwd", "/etc/localtime", "+14:01", "-14:00", "+1", "+08:60", "Europe", "nope"} {
		if name, err := canonicalZone(in); err == nil {
			t.Errorf("%q is taken for %s", in, name)
		}
	}
}

// TestEveryDefaultCollationExists: SET NAMES x gives a collation that can be named
// again.
func TestEveryDefaultCollationExists(t *testing.T) {
	for _, c := range charsets {
		got, err := canonicalCollation(c.Collation)
		if err != nil || got.CharsetName != c.Name || got.Name != c.Collation {
			t.Errorf("%s: %v, %v", c.Name, got, err)
		}
	}
}

package session

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pumphouse/server/engine"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// TestSysVarTable: every line of the table reads as it is meant, and every variable
// that may be set takes its own start value.
func TestSysVarTable(t *testing.T) {
	vars := sysVars()
	if len(vars.sorted) < 300 || len(vars.sorted) != len(vars.byName) {
		t.Fatalf("%d variables, %d names", len(vars.sorted), len(vars.byName))
	}
	takePD(t, standard())
	s := newSession(t, testOptions(), admin)
	for line := range strings.Lines(sysVarText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line, " ", 4)
		v := vars.byName[f[0]]
		kind, _, _ := strings.Cut(f[2], ":")
		if _, ok := varTypes[kind]; !ok || !(v.global || v.session) {
			t.Errorf("%q: unknown type or scope", line)
			continue
		}
		text, err := s.varText(v, false)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		val := v.value(text)
		if v.readOnly || !v.session {
			continue
		}
		got, err := s.check(v, val)
		if err != nil || got != text && v.name != "timestamp" {
			t.Errorf("%s: set to its own value %q: %q, %v", v.name, text, got, err)
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

// TestRecordedStatements: whatever real clients were seen to send is answered, with a
// result or an error that a client can show; those sent on connect must succeed.
func TestRecordedStatements(t *testing.T) {
	takePD(t, standard())
	var failed []string
	for _, sql := range recorded(t) {
		s := newSession(t, testOptions(), admin)
		s.SetCollation(45)
		if err := s.UseDB(context.Background(), "binlog"); err != nil {
			t.Fatal(err)
		}
		_, err := outcomes(s, sql)
		var e *engine.Error
		switch {
		case err == nil:
		case !errors.As(err, &e) || e.Code == 0 || len(e.State) != 5 || e.Message == "":
			t.Errorf("%s: %v is no error for a client", sql, err)
		case onConnect(sql):
			t.Errorf("%s: %d %s", sql, e.Code, e.Message)
		default:
			failed = append(failed, sql)
		}
	}
	// What still fails needs tables, or is no statement of the console.
	for _, sql := range failed {
		if !slices.ContainsFunc(needTables, func(w string) bool { return strings.Contains(strings.ToLower(sql), w) }) {
			t.Errorf("%s fails", sql)
		}
	}
}

// needTables are words of the recorded statements that may fail: about tables, about
// what is no business of a console, and mistakes made on purpose.
var needTables = []string{
	"`pumps`", "`drainers`", "`heartbeat`", "mysql", "bogus", "kill 99999", "test", "slaves status",
	"master logs", "ndb", "set password", "query_response_time_stats",
}

// onConnect tells whether a client cannot work if this statement fails.
func onConnect(sql string) bool {
	lower := strings.ToLower(strings.TrimLeft(sql, "/*!0123456789 "))
	for _, p := range []string{"set ", "begin", "start", "commit", "rollback", "unlock", "show variables", "show warnings",
		"show databases", "select version()", "select database()", "select now()", "select connection_id()", "select 1",
		"show pump", "flush", "use "} {
		if strings.HasPrefix(lower, p) {
			return !strings.Contains(lower, "password")
		}
	}
	return false
}

// recorded are the statements of testdata/clients.txt, a JSON string a line: the short
// ones that clients send by protocol or habit. Their long metadata queries are their
// authors' work and not kept here.
func recorded(t *testing.T) []string {
	f, err := os.Open("testdata/clients.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var sql string
		if err := json.Unmarshal(lines.Bytes(), &sql); err != nil {
			t.Fatal(err)
		}
		if sql != "" {
			all = append(all, sql)
		}
	}
	if err := lines.Err(); err != nil || len(all) < 80 {
		t.Fatal(len(all), err)
	}
	return all
}

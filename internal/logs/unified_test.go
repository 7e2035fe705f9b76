package logs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	pinglog "github.com/pingcap/log"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"pumphouse/internal/logs"
)

// at is the time of the format's own samples.
var at = time.Date(2018, 12, 15, 14, 20, 11, 15e6, time.FixedZone("", 8*3600))

func format(t testing.TB, e *logrus.Entry) string {
	t.Helper()
	b, err := logs.Unified{}.Format(e)
	if err != nil {
		t.Fatal(err)
	}
	line, found := strings.CutSuffix(string(b), "\n")
	if !found || strings.Contains(line, "\n") {
		t.Fatalf("not one line: %q", b)
	}
	return line
}

// TestUnifiedSamples: the rules and samples of TiDB's format document.
func TestUnifiedSamples(t *testing.T) {
	in := func(file string, line int) *runtime.Frame { return &runtime.Frame{File: file, Line: line} }
	for _, s := range []struct {
		entry logrus.Entry
		want  string
	}{
		{logrus.Entry{Level: logrus.InfoLevel, Caller: in("/src/tikv-server.rs", 13), Message: "TiKV Started"},
			`[INFO] [tikv-server.rs:13] ["TiKV Started"]`},
		{logrus.Entry{Level: logrus.WarnLevel, Message: "DDL_Finished", Data: logrus.Fields{"ddl_job_id": 1, "duration": 1300 * time.Millisecond}},
			`[WARN] [<unknown>] [DDL_Finished] [ddl_job_id=1] [duration=1.3s]`},
		{logrus.Entry{Level: logrus.WarnLevel, Caller: in("session.go", 1234), Message: "Slow query",
			Data: logrus.Fields{"sql": "SELECT * FROM TABLE\nWHERE ID=\"abc\"", "duration": "1.345s", "client": "192.168.0.123:12345", "txn_id": uint64(123000102231)}},
			`[WARN] [session.go:1234] ["Slow query"] [client=192.168.0.123:12345] [duration=1.345s] [sql="SELECT * FROM TABLE\nWHERE ID=\"abc\""] [txn_id=123000102231]`},
		{logrus.Entry{Level: logrus.FatalLevel, Message: "m", Data: logrus.Fields{"user name": "foo", "sql": `insert into t values ("]This should not break log parsing!")`}},
			`[FATAL] [<unknown>] [m] [sql="insert into t values (\"]This should not break log parsing!\")"] ["user name"=foo]`},
		{logrus.Entry{Level: logrus.ErrorLevel, Caller: in(`C:\a/b c(1)é[2].go`, 7), Message: "a=b", Data: logrus.Fields{"error": errors.New("no [such] thing"), "ok": true, "n": int64(-3)}},
			`[ERROR] [bc12.go:7] ["a=b"] [error="no [such] thing"] [n=-3] [ok=true]`},
		{logrus.Entry{Level: logrus.DebugLevel, Message: "bad \xff utf", Data: logrus.Fields{"k\xfe": "\xfd", "nul": "\x00\x1f", "back": `a\b`}},
			`[DEBUG] [<unknown>] ["bad ` + "\uFFFD" + ` utf"] [back="a\\b"] [k` + "\uFFFD" + `=` + "\uFFFD" + `] [nul="\u0000\u001f"]`},
	} {
		s.entry.Time = at
		if got, want := format(t, &s.entry), "[2018/12/15 14:20:11.015 +08:00] "+s.want; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// token is a message, key or value of the format: a JSON string, or text without the characters
// that ask for one.
const token = `("(?:[^"\\]|\\.)*"|[^\x00-\x20"=\[\]]*)`

var lineForm = regexp.MustCompile(`^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[INFO\] \[<unknown>\] \[` + token + `\] \[` + token + `=` + token + `\]$`)

// FuzzUnified: whatever is logged can be read back by the format's rules, and TiDB's own encoder
// writes the same.
func FuzzUnified(f *testing.F) {
	for _, s := range []string{"", "plain", "two words", `"quoted"`, `\`, `a\ b`, "a=b", "[x]", "\x00\n\r\t\x7f", "\xff \xc3", "日本 語", "\u2028 ", "<&> "} {
		f.Add(s, "key", s)
		f.Add("m", s, "v")
	}
	theirs, err := pinglog.NewTextEncoder(&pinglog.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message, key, value string) {
		line := format(t, &logrus.Entry{Time: at, Level: logrus.InfoLevel, Message: message, Data: logrus.Fields{key: value}})
		m := lineForm.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not of the form: %s", line)
		}
		for i, text := range []string{message, key, value} {
			got := m[i+1]
			if strings.HasPrefix(got, `"`) {
				if err := json.Unmarshal([]byte(m[i+1]), &got); err != nil {
					t.Fatalf("%s: %v", m[i+1], err)
				}
			}
			if runes := string([]rune(text)); got != runes && got != strings.ToValidUTF8(text, "\uFFFD") {
				t.Errorf("%q is read back as %q", text, got)
			}
		}
		if message == "" || key == "" || !utf8.ValidString(message) || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return // theirs has no say
		}
		b, err := theirs.EncodeEntry(zapcore.Entry{Time: at, Level: zapcore.InfoLevel, Message: message}, []zapcore.Field{zap.String(key, value)})
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(b.String(), "\n"); strings.Replace(line, "[<unknown>] ", "", 1) != strings.Replace(want, "[<unknown>] ", "", 1) {
			t.Errorf("got          %s\nTiDB's writes %s", line, want)
		}
	})
}

// BenchmarkFormat compares the formats: TiDB's is not to be slower than the one before.
func BenchmarkFormat(b *testing.B) {
	e := &logrus.Entry{Buffer: new(bytes.Buffer), Logger: logrus.New(), Time: time.Now(), Level: logrus.InfoLevel, Message: "a drainer pulls",
		Data: logrus.Fields{"addr": "10.0.0.6:40122", "from": uint64(470645325688471553), "node": "pump1", "error": fmt.Errorf("a %s", "b")}}
	for _, f := range []struct {
		name string
		logrus.Formatter
	}{
		{"unified", logs.Unified{}},
		{"logfmt", &logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339Nano, DisableColors: true}},
	} {
		b.Run(f.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Buffer.Reset()
				if _, err := f.Format(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

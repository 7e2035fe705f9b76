package logs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pumphouse/internal/logs"
)

func open(t *testing.T, c logs.Config, stderr io.Writer) *logs.Logger {
	t.Helper()
	l, err := logs.Open(c, stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFormats(t *testing.T) {
	for _, f := range []struct {
		format logs.Format
		want   string
	}{
		{"", `^time="[^"]+" level=info msg="a message" pump=p1\n$`},
		{logs.FormatLogfmt, `^time="[^"]+" level=info msg="a message" pump=p1\n$`},
		{logs.FormatUnified, `^\[[^]]+\] \[INFO\] \[open_test.go:\d+\] \["a message"\] \[pump=p1\]\n$`},
		{logs.FormatJSON, `^\{.*"msg":"a message".*\}\n$`},
	} {
		var out bytes.Buffer
		l := open(t, logs.Config{LogFormat: f.format}, &out)
		l.WithField("pump", "p1").Info("a message")
		l.Debug("not at this level")
		if !regexp.MustCompile(f.want).Match(out.Bytes()) {
			t.Errorf("%q: %s", f.format, &out)
		}
		if f.format == logs.FormatJSON {
			var v map[string]string
			if err := json.Unmarshal(out.Bytes(), &v); err != nil || v["pump"] != "p1" || v["level"] != "info" || v["time"] == "" {
				t.Errorf("%v %v", v, err)
			}
		}
	}
}

// TestRefused: what cannot be meant is refused with what can.
func TestRefused(t *testing.T) {
	for _, r := range []struct {
		c    logs.Config
		want []string
	}{
		{logs.Config{LogLevel: "trace"}, []string{`"trace"`, "debug, info, warn, error or fatal"}},
		{logs.Config{LogLevel: "loud"}, []string{`"loud"`, "debug, info, warn, error or fatal"}},
		{logs.Config{LogFormat: "text"}, []string{`"text"`, "unified, logfmt or json"}},
		{withFile(logs.Config{LogFile: "a"}, logs.Rotation{Filename: "b"}), []string{`"a"`, `"b"`, "keep one"}},
		{withFile(logs.Config{}, logs.Rotation{MaxSize: 1}), []string{"filename", "[log.file]"}},
		{withFile(logs.Config{LogFile: "a"}, logs.Rotation{MaxDays: -1}), []string{"max-days", "negative"}},
		{logs.Config{LogFile: filepath.Join(t.TempDir(), "none", "log")}, []string{"log-file", "none"}},
	} {
		_, err := logs.Open(r.c, io.Discard)
		for _, want := range r.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", r.c, err, want)
			}
		}
	}
	for _, level := range []string{"debug", "info", "WARN", "warning", "error", "fatal"} {
		if c := (logs.Config{LogLevel: level}); c.Check() != nil {
			t.Errorf("%s: %v", level, c.Check())
		}
	}
}

func withFile(c logs.Config, r logs.Rotation) logs.Config {
	c.Log.File = r
	return c
}

// TestRotation: a file that is full is moved away, and as many are kept as was said.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "node.log")
	l := open(t, withFile(logs.Config{}, logs.Rotation{Filename: path, MaxSize: 1, MaxBackups: 1}), nil)
	long := strings.Repeat("x", 700<<10)
	for i := range 4 {
		l.WithField("n", i).Info(long)
	}
	l.Info("the last line")
	if text := read(t, path); !strings.Contains(text, "the last line") || len(text) > 1<<20 {
		t.Errorf("%d bytes, the end is %q", len(text), text[max(0, len(text)-100):])
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // they are removed beside the writing
		old, err := filepath.Glob(filepath.Join(dir, "node-*.log"))
		if err != nil || len(old) == 0 {
			t.Fatalf("no full file was kept: %v", err)
		}
		if len(old) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("kept are %q, want one", old)
		}
	}
}

// TestReopen is what logrotate(8) does.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.log")
	if err := os.WriteFile(path, []byte("from before\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	l := open(t, logs.Config{LogFile: path}, nil)
	l.Info("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Info("second")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Info("third")
	moved, now := read(t, path+".1"), read(t, path)
	if !strings.HasPrefix(moved, "from before\n") || !strings.Contains(moved, "second") || strings.Contains(moved, "third") || !strings.Contains(now, "third") {
		t.Errorf("moved away:\n%s\nnow:\n%s", moved, now)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

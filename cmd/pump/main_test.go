package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFlags: what a pump refuses, with exit code 2 what it does not understand and 1 what it cannot do.
func TestFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nobody := []string{"-pd-urls", "http://127.0.0.1:1", "-data-dir", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0"}
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"version", []string{"-V"}, 0, []string{"pump (Pumphouse)"}},
		{"help", []string{"-h"}, 0, []string{"-fake-binlog-interval", "-gc"}},
		{"unknown flag", []string{"-frobnicate"}, 2, []string{"frobnicate"}},
		{"no flag", []string{"start"}, 2, []string{`unexpected argument "start"`}},
		{"unknown key", []string{"-config", file("unknown.toml", "gc = 7\nfrobnicate = 1\n[storage]\nsynk-log = true\n")}, 2,
			[]string{"unknown key frobnicate (line 2)", "storage.synk-log (line 4), did you mean storage.sync-log?"}},
		{"broken file", []string{"-config", file("broken.toml", "gc = \n")}, 2, []string{"broken.toml", "line 1"}},
		{"no file", []string{"-config", filepath.Join(dir, "none.toml")}, 2, []string{"none.toml"}},
		{"gc", []string{"-gc", "soon"}, 2, []string{"gc", "8h"}},
		{"heartbeat", []string{"-heartbeat-interval", "0"}, 2, []string{"heartbeat-interval 0"}},
		{"space", []string{"-config", file("space.toml", "[storage]\nstop-write-at-available-space = \"much\"\n")}, 2,
			[]string{`"much": must be a size such as 10 GiB`}},
		{"log level", []string{"-L", "trace"}, 2, []string{`"trace"`, "debug, info, warn, error or fatal"}},
		{"log format", []string{"-log-format", "text"}, 2, []string{`"text"`, "unified, logfmt or json"}},
		{"log directory", append([]string{"-log-file", filepath.Join(dir, "none", "log")}, nobody...), 1, []string{"open log-file", filepath.Join(dir, "none", "log")}},
		{"node ID", append([]string{"-node-id", "a/b"}, nobody...), 2, []string{"a slash would make it another key"}},
		{"address", append(slices.Clone(nobody), "-addr", "nonsense"), 2, []string{`addr "nonsense": must be host:port`}},
		{"advertise", append(slices.Clone(nobody), "-addr", "0.0.0.0:0"), 2, []string{"advertise-addr"}},
		{"half a key pair", append([]string{"-config", file("half.toml", "[security]\nssl-ca = \"x\"\n")}, nobody...), 2, []string{"security: ssl-ca"}},
		{"PD away", nobody, 1, []string{"PD at"}},
		{"deprecated", append([]string{"-binlog-file-size", "512", "-config",
			file("old.toml", "gen-binlog-interval = 2\n[storage]\nkv_chan_capacity = 1048576\nslow_write_threshold = 1.0\n[storage.kv]\nblock-cache-capacity = 8\n")}, nobody...), 1,
			[]string{"-binlog-file-size has no effect", "storage.kv_chan_capacity has no effect", "storage.kv has no effect", "fake-binlog-interval", "PD at"}},
		{"nothing to repair", []string{"-repair", "-data-dir", filepath.Join(dir, "data")}, 1, []string{"repair binlog storage in " + filepath.Join(dir, "data")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := run(c.args, &out, &errs); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			said := out.String() + errs.String()
			for _, text := range c.says {
				if !strings.Contains(said, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			if t.Failed() {
				t.Log(said)
			}
		})
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pumphouse/internal/setting"
	"pumphouse/nodes"
	"pumphouse/testsuite/secrettest"
)

// TestConfigHidesSecrets: what could be shown of a configuration has no secret, whatever key it stands in.
func TestConfigHidesSecrets(t *testing.T) { secrettest.Hidden(t, &config{}, setting.Shown) }

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reparo.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// upstreams has every key that upstream's user guide and its sample have.
const upstreams = `data-dir = "./data.drainer"
log-file = ""
log-rotate = "hour"
log-level = "info"
start-datetime = "2026-11-28 12:00:00"
stop-datetime = ""
start-tso = 0
stop-tso = 480000000000000000
dest-type = "mysql"
txn-batch = 30
worker-count = 8
safe-mode = true
replicate-do-db = ["~^b.*","s1"]
replicate-ignore-db = ["b1"]
[[replicate-do-table]]
db-name ="test"
tbl-name = "~^a.*"
[[replicate-ignore-table]]
db-name ="s1"
tbl-name = "log"
[dest-db]
host = "127.0.0.1"
port = 3309
user = "root"
password = "secret"
`

// An old configuration and old flags mean what they meant.
func TestOldConfiguration(t *testing.T) {
	var out bytes.Buffer
	cfg, warnings, err := parseConfig([]string{"-config", writeConfig(t, upstreams), "-c", "4", "-L", "warn", "-log-rotate", "day"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "log-rotate") {
		t.Errorf("warnings: %q", warnings)
	}
	o, err := cfg.options()
	if err != nil {
		t.Fatal(err)
	}
	start := nodes.MakeTSO(time.Date(2026, 11, 28, 12, 0, 0, 0, time.Local), 0)
	if o.Range.Dir != "./data.drainer" || o.Range.Start != start || o.Range.Stop != 480000000000000000 {
		t.Errorf("the range is %v, want the start %s", o.Range, start)
	}
	if o.Workers != 4 || o.TxnBatch != 30 || !o.SafeMode || o.Server.Port != 3309 || o.Server.Password != "secret" || cfg.LogLevel != "warn" || cfg.DestType != "mysql" {
		t.Errorf("%+v", o)
	}
	if len(o.Filter.DoDBs) != 2 || len(o.Filter.DoTables) != 1 || len(o.Filter.IgnoreTables) != 1 || o.Filter.IgnoreSchemas[len(o.Filter.IgnoreSchemas)-1] != "b1" {
		t.Errorf("%+v", o.Filter)
	}
}

// Every mistake is said, and the exit status is 2; nothing is started.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"dest-type = \"kafka\"\n":                      "dest-type \"kafka\" does not exist: use print or mysql",
		"start-datetime = \"yesterday\"\n":             "start-datetime \"yesterday\": use the form",
		"start-tso = 20\nstop-tso = 10\n":              "the start, 20, is after the stop, 10",
		"worker-count = 0\n":                           "worker-count 0",
		"txn-batch = -1\n":                             "txn-batch -1",
		"time-zone = \"Nowhere\"\n":                    "time-zone \"Nowhere\"",
		"on-divergence = \"panic\"\n":                  "on-divergence \"panic\"",
		"replicate-do-db = [\"~(\"]\n":                 "not a regular expression",
		"no-such-key = 1\n":                            "unknown key no-such-key (line 1)",
		"[dest-db]\nencrypted_password = \"nonsense\"": "dest-db.encrypted_password",
	} {
		for _, check := range []string{"-check-config", "-check-config=false"} {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), []string{"-config", writeConfig(t, text), check}, &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
				t.Errorf("%q ends with %d, want 2 and %q:\n%s", text, code, want, stderr.String())
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	for args, want := range map[string]int{"-V": 0, "-h": 0, "-check-config": 0, "-no-such-flag": 2, "-data-dir=" + t.TempDir(): 1, "-data-dir=/no/such/directory": 1} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{args}, &stdout, &stderr); code != want {
			t.Errorf("reparo %s ends with %d, want %d:\n%s%s", args, code, want, stdout.String(), stderr.String())
		}
	}
}

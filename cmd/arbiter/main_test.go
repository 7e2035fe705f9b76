package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/internal/logs"
	"pumphouse/internal/setting"
	"pumphouse/testsuite/secrettest"
)

// TestConfigHidesSecrets: what is shown of a configuration has no secret, whatever key it stands in.
func TestConfigHidesSecrets(t *testing.T) { secrettest.Hidden(t, &config{}, setting.Shown) }

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "arbiter.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// upstreams has every key that upstream's sample and its configuration have.
const upstreams = `addr = "127.0.0.1:8261"
log-level = "info"
log-file = ""
log-rotate = "hour"
[security]
ssl-ca = ""
[up]
initial-commit-ts = 470642465486929921
kafka-addrs = "10.0.0.1:9092,10.0.0.2:9092"
kafka-version = "0.8.2.0"
topic = "shop"
message-buffer-size = 0
sarama-buffer-size = 0
[down]
host = "10.0.0.9"
port = 3309
User = "sync"
password = "secret"
worker-count = 8
batch-size = 128
safe-mode = true
`

// An old configuration, old flags and old environment variables mean what they meant.
func TestOldConfiguration(t *testing.T) {
	t.Setenv("BINLOG_SERVER_METRICS_INTERVAL", "7")
	cfg, warnings, err := parseConfig([]string{"-config", writeConfig(t, upstreams), "-L", "warn", "-log-rotate", "day", "-down.worker-count", "4",
		"-up.topic", "shop2", "-metrics-addr", "10.0.0.3:9091"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(warnings, "\n"); strings.Count(got, "has no effect any more") != 3 {
		t.Errorf("warnings: %s", got)
	}
	o, err := cfg.options(logs.OrSilent(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Brokers.Addrs) != 2 || o.Topic != "shop2" || o.InitialCommitTS != 470642465486929921 || o.Server.Host != "10.0.0.9" || o.Server.Port != 3309 ||
		o.Server.User != "sync" || o.Server.Password != "secret" || o.Workers != 4 || o.TxnBatch != 128 || !o.SafeMode || o.StopAtDivergence {
		t.Errorf("%+v", o)
	}
	if cfg.Addr != "127.0.0.1:8261" || cfg.LogLevel != "warn" || cfg.MetricsAddr != "10.0.0.3:9091" || cfg.MetricsInterval != 7 {
		t.Errorf("%+v", cfg)
	}
}

// Every mistake is said, and the exit status is 2; nothing is started.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "up.topic is missing",
		"addr = \"8251\"\n[up]\ntopic = \"x\"\n": "addr \"8251\"",
		"[up]\ntopic = \"x\"\ninitial-commit-ts = -1\n":                        "up.initial-commit-ts -1",
		"[up]\ntopic = \"x\"\nkafka-version = \"new\"\n":                       "up.kafka-version \"new\"",
		"[up]\ntopic = \"x\"\ntime-zone = \"Nowhere\"\n":                       "up.time-zone \"Nowhere\"",
		"[up]\ntopic = \"x\"\n[down]\nworker-count = 0\n":                      "down.worker-count 0",
		"[up]\ntopic = \"x\"\n[down]\nbatch-size = 0\n":                        "down.batch-size 0",
		"[up]\ntopic = \"x\"\n[down]\non-divergence = \"panic\"\n":             "down.on-divergence \"panic\"",
		"[up]\ntopic = \"x\"\n[down]\nencrypted_password = \"nonsense\"\n":     "down.encrypted_password",
		"[up]\ntopic = \"x\"\n[up.security]\nssl-ca = \"/no/such/file.pem\"\n": "up.security",
		"[up]\ntopic = \"x\"\n[up.security]\nsasl-mechanism = \"PLAIN\"\n":     "up.security.sasl-mechanism PLAIN needs sasl-user",
		"[up]\ntopics = \"x\"\n":                                               "unknown key up.topics (line 2), did you mean up.topic?",
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
	for _, x := range []struct {
		args []string
		want int
	}{
		{[]string{"-V"}, 0},
		{[]string{"-h"}, 0},
		{[]string{"-up.topic", "x", "-check-config"}, 0},
		{[]string{"-no-such-flag"}, 2},
		{[]string{"-up.topic", "x", "-addr", "192.0.2.1:1"}, 1}, // not an address of this machine
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), x.args, &stdout, &stderr); code != x.want {
			t.Errorf("arbiter %v ends with %d, want %d:\n%s%s", x.args, code, x.want, stdout.String(), stderr.String())
		}
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"
)

// Flags of old scripts, bare boolean ones before others too, and variables that stand for flags: each counts, and what has no effect is named.
func TestOldFlags(t *testing.T) {
	t.Setenv("PUMP_PD_URLS", "http://10.0.0.1:2379")
	t.Setenv("PUMP_DATA_DIR", "from the environment")
	t.Setenv("PUMP_HEARTBEAT_INTERVAL", "5")
	t.Setenv("PUMP_PORT", "tcp://10.0.0.9:8250") // Kubernetes sets this for a service named pump; it is no flag
	c, warnings, err := parseConfig([]string{"-enable-debug", "-enable-binlog-slice", "-enable-tolerant", "-data-dir", "given", "-log-rotate", "day", "-binlog-slice-size=5", "-kafka-addrs", "x"}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	if !c.EnableDebug || c.PDURLs != "http://10.0.0.1:2379" || c.DataDir != "given" || c.Heartbeat != 5 {
		t.Errorf("%+v", c)
	}
	all := strings.Join(warnings, "\n")
	for text, want := range map[string]bool{"PUMP_PD_URLS": true, "PUMP_HEARTBEAT_INTERVAL": true, "PUMP_DATA_DIR": false, "PUMP_PORT": false,
		"-enable-binlog-slice has no effect": true, "-enable-tolerant has no effect": true, "-log-rotate has no effect": true, "-binlog-slice-size has no effect": true,
		"-kafka-addrs has no effect": true, "enable-debug": false} {
		if strings.Contains(all, text) != want {
			t.Errorf("a warning about %s: %v, want %v\n%s", text, !want, want, all)
		}
	}
	t.Setenv("PUMP_HEARTBEAT_INTERVAL", "often")
	if _, _, err := parseConfig(nil, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), `PUMP_HEARTBEAT_INTERVAL "often": must be a whole number`) {
		t.Errorf("a variable that is no number: %v", err)
	}
}

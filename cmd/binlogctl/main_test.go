package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestExitCodes: what is not understood is said on stderr, with exit code 2, before anything is done.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		what        string
		args        []string
		code        int
		out, stderr string
	}{
		{"an unknown command", []string{"-cmd", "pump"}, 2, "", "-cmd pump does not exist"},
		{"an unknown flag", []string{"-pd-url", "x"}, 2, "", "-pd-url"},
		{"an argument", []string{"pumps"}, 2, "", `unexpected argument "pumps": write -cmd pumps`},
		{"no node", []string{"-cmd", "pause-pump"}, 2, "", "needs -node-id"},
		{"an unknown form", []string{"-o", "xml"}, 2, "", "-o xml does not exist"},
		{"a bad PD address", []string{"-pd-urls", "ftp://h"}, 2, "", "ftp"},
		{"a wait that is no time", []string{"-cmd", "pause-pump", "-node-id", "a", "-wait", "soon"}, 2, "", "use seconds, or a time like 90s"},
		{"a wait for a list", []string{"-wait", "5"}, 2, "", "-wait does not go with -cmd pumps"},
		{"no node to drop", []string{"-cmd", "drop-drainer"}, 2, "", "needs -node-id"},
		{"no state", []string{"-cmd", "update-pump", "-node-id", "a"}, 2, "", "-cmd update-pump needs -state: online, pausing"},
		{"a state that is none", []string{"-cmd", "update-pump", "-node-id", "a", "-state", "gone"}, 2, "", "state gone is illegal: use online, pausing, paused, closing or offline"},
		{"a zone that is none", []string{"-cmd", "generate_meta", "-time-zone", "Nowhere/Else"}, 2, "", "-time-zone Nowhere/Else"},
		{"nothing to encrypt", []string{"-cmd", "encrypt"}, 2, "", "needs -text"},
		{"half a certificate", []string{"-ssl-cert", "/nonexistent"}, 2, "", "ssl-"},
		{"the version", []string{"-V"}, 0, "binlogctl (Pumphouse) ", ""},
		{"help", []string{"-h"}, 0, "Usage: binlogctl", ""},
	} {
		expect(t, c.what, c.args, c.code, c.out, c.stderr)
	}
}

// TestPDIsAway: a command that cannot reach PD fails within its timeout and names the endpoint.
func TestPDIsAway(t *testing.T) {
	for _, cmd := range [][]string{
		{"-cmd", "pumps"}, {"-cmd", "update-pump", "-node-id", "a", "-state", "paused"}, {"-cmd", "generate_meta", "-data-dir", t.TempDir()},
		{"-cmd", "offline-pump", "-node-id", "a", "-wait", "5"}, {"-cmd", "switch-drainer", "-node-id", "a", "-wait", "5"}, {"-cmd", "handover", "-node-id", "a", "-wait", "1m"},
	} {
		args := append([]string{"-pd-urls", "http://127.0.0.1:1", "-timeout", "300ms"}, cmd...)
		expect(t, strings.Join(cmd, " ")+" while PD is away", args, 1, "", "127.0.0.1:1")
	}
}

// expect runs the program; it fails the test unless the exit code is that one and stdout and stderr contain
// the texts ("" = nothing at all).
func expect(t *testing.T, what string, args []string, code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	got := run(t.Context(), args, &stdout, &stderr)
	holds := func(got, want string) bool { return strings.Contains(got, want) && (want != "" || got == "") }
	if got != code || !holds(stdout.String(), out) || !holds(stderr.String(), errs) {
		t.Errorf("%s: exit code %d, want %d\nstdout: %s\n  want: %s\nstderr: %s\n  want: %s", what, got, code, &stdout, out, &stderr, errs)
	}
}

package server

import (
	"fmt"
	"strings"
	"testing"
)

// TestRefusedLoginsAreLogged: the client learns no more than from MySQL, the log has user, address and
// reason.
func TestRefusedLoginsAreLogged(t *testing.T) {
	cert, key := selfSigned(t)
	users := testUsers(t)
	users[3].Hosts = []string{"10.0.0.0/8"}
	h := open(t, Options{Users: users, TLSCert: cert, TLSKey: key}, nil)
	for _, c := range []struct{ login, reason string }{
		{"boss:wrong", "wrong password"},
		{"boss", "no password was given"},
		{"nobody:x", "there is no such user in [[users]]"},
		{"guest:gpass", "the user may not log in from this address (its hosts in [[users]] are 10.0.0.0/8)"},
	} {
		h.logs.Reset()
		wantError(t, h.db(c.login, "").Ping(), 1045)
		user, _, _ := strings.Cut(c.login, ":")
		wantLine(t, h.logs.String(), "login refused", "user="+user, `addr="127.0.0.1:`, fmt.Sprintf("reason=%q", c.reason))
	}
	h.logs.Reset()
	wantError(t, h.db("boss:bpass", "nowhere").Ping(), 1049)
	wantLine(t, h.logs.String(), "login refused", "user=boss", "Unknown database")

	strict := open(t, Options{Users: users, TLSCert: cert, TLSKey: key, RequireSecureTransport: true}, nil)
	wantError(t, strict.db("boss:bpass", "").Ping(), 3159)
	wantLine(t, strict.logs.String(), "login refused", "user=boss", `addr="127.0.0.1:`, "it is not over TLS, and require-secure-transport is on")
}

// wantLine looks for a line that has all texts.
func wantLine(t *testing.T, log string, texts ...string) {
	t.Helper()
	for line := range strings.Lines(log) {
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(line, text)
		}
		if !missing {
			return
		}
	}
	t.Errorf("no line with %q in:\n%s", texts, log)
}

// TestFloodOfLoginsCannotFillTheLog: however many logins are refused from one network, and however
// long the names are, the log gets some lines and a count.
func TestFloodOfLoginsCannotFillTheLog(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	h.logs.Reset()
	const logins = 60
	for i := range logins {
		// Different names: each has its own pause after failures.
		wantError(t, h.db(fmt.Sprintf("user%d%s:x", i, strings.Repeat("u", 500)), "").Ping(), 1045)
	}
	if n := strings.Count(h.logs.String(), "login refused"); n == 0 || n >= logins/2 {
		t.Errorf("%d lines for %d refused logins", n, logins)
	}
	if long := strings.Repeat("u", 200); strings.Contains(h.logs.String(), long) {
		t.Error("a name of any length reaches the log")
	}
}

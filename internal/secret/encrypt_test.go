package secret_test

import (
	"strings"
	"testing"

	"pumphouse/internal/secret"
)

func TestSecrets(t *testing.T) {
	const own = "00112233445566778899aabbccddeeff"
	for _, c := range []struct{ name, key, encrypted, want, err string }{
		{"upstream's own form", "", "rSxhxPGNIh2ZJ/t0MuaV1kDcpYrvSFuaLHOnRA==", "open sesame", ""},
		{"empty, by everybody's key", "", encrypt(t, "", ""), "", ""},
		{"by a key of one's own", own, encrypt(t, own, "pässword"), "pässword", ""},
		{"no base64", "", "secret!", "", "binlogctl -cmd encrypt"},
		{"no @ after the IV", "", "AAAAAAAAAAAAAAAAAAAAAAA=", "", "binlogctl -cmd encrypt"},
		{"shorter than an IV", "", "AAAA", "", "binlogctl -cmd encrypt"},
		{"a key that is none", "zz", encrypt(t, "", "a"), "", "BINLOG_SECRET_KEY is not hexadecimal"},
		{"a key too short", "0011", encrypt(t, "", "a"), "", "BINLOG_SECRET_KEY holds 2 bytes"},
	} {
		got, err := secret.Decrypt(c.key, c.encrypted)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if a, b := encrypt(t, "", "same"), encrypt(t, "", "same"); a == b {
		t.Errorf("the same text twice gives %s twice", a)
	}
	if _, err := secret.Encrypt("zz", "a"); err == nil {
		t.Error("encrypted by a key that is none")
	}
}

func encrypt(t *testing.T, key, text string) string {
	t.Helper()
	out, err := secret.Encrypt(key, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

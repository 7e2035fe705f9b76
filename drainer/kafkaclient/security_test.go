package kafkaclient

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/internal/secret"
)

// TestSecurityIsChecked: what does not go together is an error that names the key and has no secret.
func TestSecurityIsChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const password = "swordfish"
	for name, is := range map[string]struct {
		Security
		want string
	}{
		"no mechanism":          {Security{User: "u", Password: password}, "sasl-user is set and sasl-mechanism is not"},
		"unknown mechanism":     {Security{Mechanism: "GSSAPI"}, `sasl-mechanism "GSSAPI" is not supported: use PLAIN`},
		"no user":               {Security{Mechanism: "PLAIN", Password: password}, "PLAIN needs sasl-user"},
		"no password":           {Security{Mechanism: "SCRAM-SHA-256", User: "u"}, "needs one of sasl-password, encrypted_sasl_password and sasl-password-file; 0 are set"},
		"two passwords":         {Security{Mechanism: "PLAIN", User: "u", Password: password, PasswordFile: empty}, "2 are set"},
		"no file":               {Security{Mechanism: "PLAIN", User: "u", PasswordFile: empty + "2"}, "sasl-password-file: open "},
		"an empty file":         {Security{Mechanism: "PLAIN", User: "u", PasswordFile: empty}, "empty is empty"},
		"not encrypted":         {Security{Mechanism: "PLAIN", User: "u", EncryptedPassword: password}, "encrypted_sasl_password: "},
		"a token for PLAIN":     {Security{Mechanism: "PLAIN", User: "u", Password: password, TokenFile: "f"}, "sasl-token-file is for sasl-mechanism OAUTHBEARER"},
		"no token":              {Security{Mechanism: "OAUTHBEARER"}, "needs sasl-token-file"},
		"a user for a token":    {Security{Mechanism: "OAUTHBEARER", User: "u", TokenFile: empty}, "remove sasl-user"},
		"an empty token's file": {Security{Mechanism: "OAUTHBEARER", TokenFile: empty}, "sasl-token-file: "},
	} {
		_, err := is.SASL()
		if text := fmt.Sprint(err); !strings.Contains(text, is.want) || strings.Contains(text, password) {
			t.Errorf("%s: %v, want %q", name, err, is.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	encrypted, err := secret.Encrypt("", "swordfish")
	if err != nil {
		t.Fatal(err)
	}
	s := Security{Mechanism: "PLAIN", User: "u", EncryptedPassword: encrypted}
	if got := s.Secrets(); len(got) != 1 || got[0] != "swordfish" {
		t.Errorf("Secrets() = %q", got)
	}
}

// TestSSL: TLS with the system's authorities needs no files.
func TestSSL(t *testing.T) {
	cfg, err := Security{SSL: true}.Client()
	if err != nil || cfg == nil || cfg.RootCAs != nil || cfg.InsecureSkipVerify {
		t.Errorf("%+v, %v", cfg, err)
	}
	if cfg, err := (Security{}).Client(); err != nil || cfg != nil {
		t.Errorf("without anything: %+v, %v", cfg, err)
	}
}

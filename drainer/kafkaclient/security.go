package kafkaclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"pumphouse/internal/certfile"
	"pumphouse/internal/secret"
)

// Security is the section of a configuration that says how brokers are reached: TLS, and as whom.
type Security struct {
	certfile.Security

	SSL               bool   `toml:"ssl" doc:"Kafka: TLS with the authorities that the system trusts, for brokers with a public certificate. The three files above turn TLS on, too"`
	Mechanism         string `toml:"sasl-mechanism" example:"\"SCRAM-SHA-512\"" doc:"Kafka: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; default: no SASL"`
	User              string `toml:"sasl-user" example:"\"pumphouse\"" doc:"Kafka: user for PLAIN and SCRAM"`
	Password          string `toml:"sasl-password" doc:"Kafka: the user's password"`
	EncryptedPassword string `toml:"encrypted_sasl_password" doc:"Kafka: the password as binlogctl -cmd encrypt prints it, under the key in BINLOG_SECRET_KEY"`
	PasswordFile      string `toml:"sasl-password-file" value:"file" example:"\"/etc/pumphouse/kafka.password\"" doc:"Kafka: file with the password, read again for each connection"`
	TokenFile         string `toml:"sasl-token-file" value:"file" example:"\"/run/pumphouse/kafka.token\"" doc:"Kafka: file with the token for OAUTHBEARER, read again for each connection"`
}

// Client is the TLS configuration towards brokers, nil when TLS is off.
func (s Security) Client() (*tls.Config, error) {
	cfg, err := s.Security.Client()
	if cfg == nil && err == nil && s.SSL {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return cfg, err
}

// ForKafka names a key that only Kafka has and that is set; "" if there is none.
func (s Security) ForKafka() string {
	switch {
	case s.SSL:
		return "ssl"
	case s.Mechanism != "":
		return "sasl-mechanism"
	}
	return s.credential()
}

// credential names a key of SASL that is set, "" if there is none.
func (s Security) credential() string {
	for _, k := range []struct{ name, value string }{
		{"sasl-user", s.User}, {"sasl-password", s.Password}, {"encrypted_sasl_password", s.EncryptedPassword},
		{"sasl-password-file", s.PasswordFile}, {"sasl-token-file", s.TokenFile},
	} {
		if k.value != "" {
			return k.name
		}
	}
	return ""
}

// SASL is how a client logs in, nil when it does not. Files are read again for each connection, so that what is in
// them can be renewed. Errors name the key, and hold no secret.
func (s Security) SASL() (sasl.Mechanism, error) {
	m, err := s.mechanism()
	if m == nil || err != nil {
		return nil, err
	}
	return login{m}, nil
}

func (s Security) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		if key := s.credential(); key != "" {
			return nil, fmt.Errorf("%s is set and sasl-mechanism is not: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", key)
		}
		return nil, nil
	case "OAUTHBEARER":
		if s.TokenFile == "" {
			return nil, errors.New("sasl-mechanism OAUTHBEARER needs sasl-token-file")
		}
		if s.User != "" || s.Password != "" || s.EncryptedPassword != "" || s.PasswordFile != "" {
			return nil, errors.New("sasl-mechanism OAUTHBEARER takes sasl-token-file alone: remove sasl-user and the password")
		}
		if _, err := s.token(); err != nil {
			return nil, err
		}
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := s.token()
			return oauth.Auth{Token: token}, err
		}), nil
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
	default:
		return nil, fmt.Errorf("sasl-mechanism %q is not supported: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", s.Mechanism)
	}
	switch {
	case s.User == "":
		return nil, fmt.Errorf("sasl-mechanism %s needs sasl-user", s.Mechanism)
	case s.TokenFile != "":
		return nil, fmt.Errorf("sasl-token-file is for sasl-mechanism OAUTHBEARER, not for %s: remove it", s.Mechanism)
	}
	if _, err := s.password(); err != nil {
		return nil, err
	}
	user := func(context.Context) (scram.Auth, error) {
		password, err := s.password()
		return scram.Auth{User: s.User, Pass: password}, err
	}
	switch s.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Sha256(user), nil
	case "SCRAM-SHA-512":
		return scram.Sha512(user), nil
	}
	return plain.Plain(func(ctx context.Context) (plain.Auth, error) {
		a, err := user(ctx)
		return plain.Auth{User: a.User, Pass: a.Pass}, err
	}), nil
}

// password is the only one of the three that is set.
func (s Security) password() (string, error) {
	set := 0
	for _, v := range []string{s.Password, s.EncryptedPassword, s.PasswordFile} {
		if v != "" {
			set++
		}
	}
	switch {
	case set != 1:
		return "", fmt.Errorf("sasl-mechanism %s needs one of sasl-password, encrypted_sasl_password and sasl-password-file; %d are set", s.Mechanism, set)
	case s.PasswordFile != "":
		return secretIn("sasl-password-file", s.PasswordFile)
	}
	return secret.Password(s.Password, "encrypted_sasl_password", s.EncryptedPassword)
}

func (s Security) token() (string, error) { return secretIn("sasl-token-file", s.TokenFile) }

// secretIn is what is in a file, without the end of the line.
func secretIn(key, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return "", fmt.Errorf("%s: %s is empty", key, path)
	}
	return text, nil
}

// Secrets are what must not be in a text that is published, as far as it does not change.
func (s Security) Secrets() []string {
	if s.PasswordFile != "" {
		return nil
	}
	password, err := s.password()
	if err != nil { // there is none
		return nil
	}
	return []string{password}
}

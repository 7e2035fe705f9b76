package kafka

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pumphouse/drainer/kafkaclient"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/internal/certfile"
	"pumphouse/internal/secret"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/pdtest"
)

const password = "pass, word=1"

// secured is a broker that wants to know who asks, and what is needed to tell it.
type secured struct {
	*kafkabroker.Cluster
	certs *pdtest.Certs
	dir   string
}

func startSecured(t *testing.T) *secured {
	t.Helper()
	certs := pdtest.NewCerts(t)
	c := kafkabroker.Start(t, kafkabroker.Options{Certs: certs, Users: map[string]string{"alice": password, "bob": password},
		Listeners: []string{kafkabroker.SASLPlaintext, kafkabroker.SASLTLS, kafkabroker.TLS},
		Settings: map[string]string{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users": "User:ANONYMOUS;User:alice;User:CN=pdtest", "auto.create.topics.enable": "false",
			"connections.max.reauth.ms": "2000"}})
	for _, m := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		answers, err := c.Admin().AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "alice", Mechanism: m, Iterations: 4096, Password: password}})
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &secured{Cluster: c, certs: certs, dir: t.TempDir()}
}

// file is a file with a text.
func (c *secured) file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// stream is one to a listener, with a section [security].
func (c *secured) stream(t testing.TB, protocol, topic string, s kafkaclient.Security) *stream {
	t.Helper()
	if protocol != kafkabroker.SASLPlaintext && s.CA == "" {
		s.CA = c.certs.CAFile
	}
	w := newStream(t, c.Cluster, topic)
	w.opts.Addrs = c.AddrsOf(protocol)
	var err error
	if w.opts.TLS, err = s.Client(); err != nil {
		t.Fatal(err)
	}
	if w.opts.SASL, err = s.SASL(); err != nil {
		t.Fatal(err)
	}
	return w
}

// token is one as the broker takes it, good until then.
func token(user string, until time.Time) string {
	part := func(format string, args ...any) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, format, args...))
	}
	return part(`{"alg":"none"}`) + "." + part(`{"sub":%q,"iat":%d,"exp":%d}`, user, until.Add(-24*time.Hour).Unix(), until.Unix()) + "."
}

func tomorrow() time.Time { return time.Now().Add(20 * time.Hour) }

// TestSecured: the sink is let in by every kind of login and by a certificate, and says what is wrong, where and
// what to do when it is not.
func TestSecured(t *testing.T) {
	c := startSecured(t)
	encrypted, err := secret.Encrypt("", password)
	if err != nil {
		t.Fatal(err)
	}
	passwordFile := c.file(t, "password", password+"\n")
	plain := kafkaclient.Security{Mechanism: "PLAIN", User: "alice", Password: password}
	for name, is := range map[string]struct {
		protocol string
		security kafkaclient.Security
	}{
		"plain":         {kafkabroker.SASLPlaintext, plain},
		"plain-tls":     {kafkabroker.SASLTLS, plain},
		"scram-256":     {kafkabroker.SASLTLS, kafkaclient.Security{Mechanism: "SCRAM-SHA-256", User: "alice", EncryptedPassword: encrypted}},
		"scram-512":     {kafkabroker.SASLTLS, kafkaclient.Security{Mechanism: "SCRAM-SHA-512", User: "alice", PasswordFile: passwordFile}},
		"oauth":         {kafkabroker.SASLTLS, kafkaclient.Security{Mechanism: "OAUTHBEARER", TokenFile: c.file(t, "token", token("alice", tomorrow())+"\n")}},
		"a-certificate": {kafkabroker.TLS, kafkaclient.Security{Security: certfile.Security{Cert: c.certs.CertFile, Key: c.certs.KeyFile}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.stream(t, is.protocol, name, is.security)
			s.open()
			s.must(20)
			s.flush()
			s.open() // it reads what is there, as this user
			s.must(5)
			s.flush()
			if n := s.exact(); n > 0 {
				t.Errorf("%d messages are there twice", n)
			}
		})
	}
	t.Run("refused", func(t *testing.T) { refused(t, c) })
	t.Run("rights", func(t *testing.T) { rights(t, c) })
	t.Run("guide", func(t *testing.T) { guide(t, c) })
	t.Run("arbiter", func(t *testing.T) { arbiter(t, c) })
	t.Run("expired", func(t *testing.T) { expired(t, c) })
}

// refused: who is not let in is told where and what to change, and no secret.
func refused(t *testing.T, c *secured) {
	// Why there is no answer is known from the first try on, which can be late on a busy machine.
	timeouts := []time.Duration{10 * time.Second, time.Minute}
	for name, is := range map[string]struct {
		protocol string
		security kafkaclient.Security
		tls      func(*kafka.Options)
		want     []string
	}{
		"a wrong password": {protocol: kafkabroker.SASLPlaintext,
			security: kafkaclient.Security{Mechanism: "PLAIN", User: "alice", Password: "wrong-one"},
			want:     []string{"SASL_AUTHENTICATION_FAILED", "check sasl-mechanism, and user and password"}},
		"an unknown user": {protocol: kafkabroker.SASLTLS,
			security: kafkaclient.Security{Mechanism: "SCRAM-SHA-512", User: "nobody", Password: "wrong-one"},
			want:     []string{"SASL_AUTHENTICATION_FAILED", "check sasl-mechanism, and user and password"}},
		"an expired token": {protocol: kafkabroker.SASLTLS,
			security: kafkaclient.Security{Mechanism: "OAUTHBEARER", TokenFile: c.file(t, "old-token", token("alice", time.Now().Add(-time.Hour)))},
			want:     []string{"check sasl-mechanism, and user and password or token, which may have expired"}},
		"no login":       {protocol: kafkabroker.SASLPlaintext, want: []string{"no answer within ", "sasl-mechanism"}},
		"no certificate": {protocol: kafkabroker.TLS, want: []string{"no answer within ", "the brokers want a certificate of this side", "ssl-cert"}},
		"no TLS": {protocol: kafkabroker.TLS, security: kafkaclient.Security{},
			tls: func(o *kafka.Options) { o.TLS = nil }, want: []string{"no answer within ", "ssl-ca"}},
		"an unknown authority": {protocol: kafkabroker.SASLTLS, security: kafkaclient.Security{Mechanism: "PLAIN", User: "alice", Password: password},
			tls:  func(o *kafka.Options) { o.TLS = &tls.Config{MinVersion: tls.VersionTLS12} },
			want: []string{"no answer within ", "certificate signed by unknown authority", "ssl-ca"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			s := c.stream(t, is.protocol, "refused", is.security)
			if is.tls != nil {
				is.tls(&s.opts)
			}
			want := append(is.want, s.opts.Addrs[0])
			var err error
			for _, s.opts.StartTimeout = range timeouts {
				err = s.tryOpen()
				if len(unsaid(err, want...)) == 0 {
					break
				}
			}
			says(t, err, want...)
		})
	}
}

// rights: what an ACL denies is named with topic, broker and what to allow; and goes once it is allowed.
func rights(t *testing.T, c *secured) {
	const topic = "rights"
	bob := kafkaclient.Security{Mechanism: "PLAIN", User: "bob", Password: password}
	allow := func(ops ...kadm.ACLOperation) {
		t.Helper()
		b := kadm.NewACLs().Allow("User:bob").AllowHosts("*").Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(ops...)
		answers, err := c.Admin().CreateACLs(t.Context(), b)
		for _, a := range answers {
			if err == nil {
				err = a.Err
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := c.stream(t, kafkabroker.SASLTLS, topic, bob)
	says(t, s.tryOpen(), `topic "rights"`, s.opts.Addrs[0], "TOPIC_AUTHORIZATION_FAILED", "allow the drainer")
	allow(kadm.OpDescribe)
	eventually(t, "an error about creation", func() (bool, string) {
		err := s.tryOpen()
		return err != nil && strings.Contains(err.Error(), "could not be made"), fmt.Sprint(err)
	})
	says(t, s.tryOpen(), `topic "rights"`, s.opts.Addrs[0], "allow the drainer Create on the topic", "kafka-topics.sh --bootstrap-server")
	c.CreateTopic(topic, 1, nil)
	eventually(t, "the topic is open", func() (bool, string) {
		err := s.tryOpen()
		return err == nil, fmt.Sprint(err)
	})
	err := s.send(1)
	if err == nil {
		err = s.sink.Flush(t.Context())
	}
	says(t, err, `topic "rights"`, s.opts.Addrs[0], "commit TS 10", "CLUSTER_AUTHORIZATION_FAILED", "IdempotentWrite on the cluster (or Write on the topic")
	allow(kadm.OpWrite, kadm.OpRead)
	eventually(t, "the right to write", func() (bool, string) {
		s.next = 10
		err := s.tryOpen()
		if err == nil {
			err = s.send(5)
		}
		if err == nil {
			err = s.sink.Flush(t.Context())
		}
		return err == nil, fmt.Sprint(err)
	})
	s.exact()
}

// expired: a token that expires while the drainer runs blocks it, with the reason, until the file has another.
func expired(t *testing.T, c *secured) {
	file := c.file(t, "short-token", token("alice", tomorrow()))
	s := c.stream(t, kafkabroker.SASLTLS, "expired", kafkaclient.Security{Mechanism: "OAUTHBEARER", TokenFile: file})
	var why atomic.Value
	s.opts.Stalled = func(err error) { why.Store(fmt.Sprint(err)) }
	s.open()
	s.must(5)
	s.flush()
	c.file(t, "short-token", token("alice", time.Now().Add(-time.Minute)))
	eventually(t, "the sink says that its login is refused", func() (bool, string) {
		s.must(1)
		text := fmt.Sprint(why.Load())
		return strings.Contains(text, s.opts.Addrs[0]) && strings.Contains(text, `topic "expired"`) && strings.Contains(text, "token, which may have expired"), text
	})
	c.file(t, "short-token", token("alice", tomorrow()))
	s.must(5)
	s.flush()
	s.exact()
	eventually(t, "the sink says that it is over", func() (bool, string) {
		text := fmt.Sprint(why.Load())
		return text == "<nil>", text
	})
}

// says checks an error's text.
func says(t testing.TB, err error, want ...string) {
	t.Helper()
	for _, w := range unsaid(err, want...) {
		t.Errorf("it does not say %q: %v", w, err)
	}
	if text := fmt.Sprint(err); strings.Contains(text, password) || strings.Contains(text, "wrong-one") {
		t.Errorf("it has a secret: %s", text)
	}
}

// unsaid are those texts that an error does not have.
func unsaid(err error, want ...string) []string {
	text := fmt.Sprint(err)
	return slices.DeleteFunc(slices.Clone(want), func(w string) bool { return strings.Contains(text, w) })
}

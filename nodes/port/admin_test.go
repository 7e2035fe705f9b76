package port_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"google.golang.org/grpc"

	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
	"pumphouse/testsuite/pdtest"
)

// guarded is a port with one request that admin limits; it gives the address and the path of
// the Unix socket.
func guarded(t *testing.T, admin port.Admin, sec certfile.Security) (addr, socket string) {
	t.Helper()
	if err := admin.Check(sec); err != nil {
		t.Fatal(err)
	}
	log, _ := logtest.NewNullLogger()
	socket = filepath.Join(t.TempDir(), "socket")
	p, err := port.Listen(t.Context(), "127.0.0.1:0", "", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /change", port.Answer(log, admin.Guard(func(r *http.Request) (any, error) {
		return nodes.Reply{Message: port.Peer(r), Code: http.StatusOK}, nil
	})))
	if err := p.Serve(sec, grpc.NewServer(), mux); err != nil {
		t.Fatal(err)
	}
	return p.Addr().String(), socket
}

// change sends the request.
func change(t *testing.T, client *http.Client, base string) (int, nodes.Reply) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/change", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var reply nodes.Reply
	if err != nil || json.Unmarshal(body, &reply) != nil || reply.Code != resp.StatusCode {
		t.Fatalf("HTTP status %d, %v: %s", resp.StatusCode, err, body)
	}
	return resp.StatusCode, reply
}

func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func overTLS(cfg *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: cfg}}
}

// TestAdminOverRealPorts: who is let through, over TCP, TLS and the Unix socket.
func TestAdminOverRealPorts(t *testing.T) {
	certs := pdtest.NewCerts(t)
	withCA := certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}
	for _, c := range []struct {
		admin       port.Admin
		sec         certfile.Security
		tcp, socket int
		peer        string // part of what Peer says of a TCP client
	}{
		{"", certfile.Security{}, 200, 200, "127.0.0.1:"},
		{port.AdminAny, withCA, 200, 200, `(certificate "pdtest")`},
		{port.AdminLoopback, certfile.Security{}, 200, 200, "127.0.0.1:"},
		{port.AdminLoopback, withCA, 200, 200, `(certificate "pdtest")`},
		{port.AdminCert, withCA, 200, 403, `(certificate "pdtest")`},
	} {
		addr, socket := guarded(t, c.admin, c.sec)
		base, client := "http://"+addr, overTLS(nil)
		if c.sec.Enabled() {
			base, client = "https://"+addr, overTLS(certs.Client())
		}
		if code, reply := change(t, client, base); code != c.tcp || !strings.Contains(reply.Message, c.peer) {
			t.Errorf("admin %q, TCP: %d %s, want %d from %s", c.admin, code, reply.Message, c.tcp, c.peer)
		}
		code, reply := change(t, overSocket(socket), "http://socket")
		if code != c.socket || !strings.Contains(reply.Message, "the Unix socket") {
			t.Errorf("admin %q, Unix socket: %d %s, want %d", c.admin, code, reply.Message, c.socket)
		}
		if code == 403 && !strings.Contains(reply.Message, `admin = "cert"`) {
			t.Errorf("the refusal does not name the setting: %s", reply.Message)
		}
	}
}

// TestCertificateOnTLSWithoutCA: a client whose certificate nothing verifies has none.
func TestCertificateOnTLSWithoutCA(t *testing.T) {
	certs := pdtest.NewCerts(t)
	addr, _ := guarded(t, port.AdminAny, certfile.Security{Cert: certs.CertFile, Key: certs.KeyFile})
	if code, reply := change(t, overTLS(certs.Client()), "https://"+addr); code != 200 || strings.Contains(reply.Message, "certificate") {
		t.Errorf("%d %s, want no certificate", code, reply.Message)
	}
}

// TestAdminFromElsewhere: a client on another machine, and on another address of this one.
func TestAdminFromElsewhere(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 8250}
	for _, c := range []struct {
		admin port.Admin
		from  string
		code  int
	}{
		{port.AdminAny, "10.0.0.9:5000", 200},
		{port.AdminLoopback, "10.0.0.9:5000", 403},
		{port.AdminLoopback, "[2001:db8::1]:5000", 403},
		{port.AdminLoopback, "nonsense", 403},
		{port.AdminLoopback, "10.0.0.5:5000", 200}, // the address it was sent to: this machine
		{port.AdminLoopback, "[::ffff:10.0.0.5]:5000", 200},
		{port.AdminLoopback, "[::1]:5000", 200},
		{port.AdminCert, "127.0.0.1:5000", 403},
	} {
		log, _ := logtest.NewNullLogger()
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, here), http.MethodPut, "/state/pump1/pause", nil)
		r.RemoteAddr = c.from
		w := httptest.NewRecorder()
		port.Answer(log, c.admin.Guard(func(*http.Request) (any, error) { return nodes.Reply{Code: 200}, nil }))(w, r)
		if w.Code != c.code {
			t.Errorf("admin %q from %s: %d, want %d", c.admin, c.from, w.Code, c.code)
		}
		for _, part := range []string{"PUT /state/pump1/pause", c.from, string(c.admin), "set admin"} {
			if w.Code == 403 && !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), part) {
				t.Errorf("admin %q from %s: %s does not say %q", c.admin, c.from, w.Body, part)
			}
		}
	}
}

// TestAdminSetting: what the setting needs, and when a node says that it is open.
func TestAdminSetting(t *testing.T) {
	full := certfile.Security{CA: "ca.pem", Cert: "c.pem", Key: "k.pem"}
	for _, c := range []struct {
		admin port.Admin
		sec   certfile.Security
		want  string
	}{
		{"", certfile.Security{}, ""},
		{"any", certfile.Security{}, ""},
		{"loopback", certfile.Security{}, ""},
		{"cert", full, ""},
		{"cert", certfile.Security{Cert: "c.pem", Key: "k.pem"}, "ssl-ca"},
		{"cert", certfile.Security{}, "ssl-ca"},
		{"all", full, `"all"`},
	} {
		err := c.admin.Check(c.sec)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("admin %q with %+v: %v, want %q", c.admin, c.sec, err, c.want)
		}
	}
	for _, c := range []struct {
		admin port.Admin
		addr  net.IP
		sec   certfile.Security
		warns int
	}{
		{"", net.IPv4zero, certfile.Security{}, 1},
		{"any", net.IPv4(10, 0, 0, 5), certfile.Security{}, 1},
		{"any", net.IPv4(127, 0, 0, 1), certfile.Security{}, 0},
		{"any", net.IPv4(10, 0, 0, 5), full, 0},
		{"loopback", net.IPv4(10, 0, 0, 5), certfile.Security{}, 0},
	} {
		log, hook := logtest.NewNullLogger()
		c.admin.Warn(log, &net.TCPAddr{IP: c.addr, Port: 8250}, c.sec)
		if got := len(hook.AllEntries()); got != c.warns {
			t.Errorf("admin %q on %s: %d warnings, want %d", c.admin, c.addr, got, c.warns)
		}
	}
}

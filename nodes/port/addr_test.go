package port_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes/port"
)

func TestDefaultAddr(t *testing.T) {
	for advertise, want := range map[string]string{
		"pump-0.pump:8250": "0.0.0.0:8250", "10.0.0.5:9000": "0.0.0.0:8250",
		"127.0.0.1:8250": "127.0.0.1:8250", "localhost:8250": "127.0.0.1:8250",
	} {
		if got := port.DefaultAddr(8250, advertise); got != want {
			t.Errorf("with advertise-addr %s: %s, want %s", advertise, got, want)
		}
	}
	// Without one: an address of this machine, and 127.0.0.1 only if there is no other.
	host, port, err := net.SplitHostPort(port.DefaultAddr(8249, ""))
	if err != nil || port != "8249" {
		t.Fatal(host, port, err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var others []string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			others = append(others, n.IP.String())
		}
	}
	if len(others) == 0 {
		others = []string{"127.0.0.1"}
	}
	if host != others[0] {
		t.Errorf("%s, this machine has %v", host, others)
	}
}

func TestDialSelf(t *testing.T) {
	p, err := port.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	if err := p.DialSelf(t.Context(), "TiDB"); err != nil {
		t.Error(err)
	}
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := away.Addr().String()
	away.Close()
	q, err := port.Listen(t.Context(), "127.0.0.1:0", nobody, "")
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close(t.Context())
	if err := q.DialSelf(t.Context(), "TiDB"); err == nil || !strings.Contains(err.Error(), nobody) || !strings.Contains(err.Error(), "advertise-addr") {
		t.Error(err)
	}
}

// TestProfiles: profiles are for this machine, unless they are opened, and within what admin allows.
func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		from  string
		open  bool
		admin port.Admin
		want  int
	}{
		{"127.0.0.1:5", false, "", 200}, {"10.0.0.1:5", false, "", 403}, {"10.0.0.1:5", true, "", 200}, {"10.0.0.1:5", true, port.AdminLoopback, 403},
		{"127.0.0.1:5", true, port.AdminCert, 403},
	} {
		mux := http.NewServeMux()
		port.Profiles(mux, logrus.New(), c.admin, c.open)
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1"} {
			r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
			r.RemoteAddr = c.from
			mux.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%s of %+v: %d, %s", path, c, w.Code, w.Body)
			}
		}
	}
}

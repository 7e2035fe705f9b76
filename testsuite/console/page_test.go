package console

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestPageOfManyNodes: 10,000 nodes, readers in crowds and readers that do not read. The console
// stays small and answers MySQL clients and whoever reads.
func TestPageOfManyNodes(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	cli := rig.Etcd(t, pd.Endpoints())
	for from := 0; from < 10_000; from += 100 {
		ops := make([]clientv3.Op, 100)
		for i := range ops {
			id := fmt.Sprintf("pump%05d", from+i)
			ops[i] = clientv3.OpPut("/tidb-binlog/v1/pumps/"+id, strings.Replace(rig.Pump1Record, "pump1", id, 1))
		}
		if _, err := cli.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	c := rig.StartConsole(t, pd.Endpoints(), "-log-level", "error")
	url := c.Page(t)
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	for range 200 { // they ask and take nothing
		nc, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	}
	db := c.Open(t)
	rig.Eventually(t, time.Minute, "a client is answered while nobody reads the page", func() (bool, string) {
		var n int
		err := db.QueryRow("SELECT count(*) FROM binlog.pumps").Scan(&n)
		return err == nil && n == 10_000, fmt.Sprintf("%d pumps (%v)", n, err)
	})
	// Those who do not read are cut, then everybody is served.
	get := func(path string) (string, error) {
		resp, err := http.Get(url + path)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	rig.Eventually(t, time.Minute, "the page is served beside readers that do not read", func() (bool, string) {
		body, err := get("")
		return err == nil && strings.Contains(body, "pump09999"), fmt.Sprint(err)
	})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			path := ""
			if i%8 == 0 {
				path = "metrics"
			}
			// On a busy machine an answer may take longer than a reader is given, or PD longer than the page.
			var body string
			var err error
			for late := time.Now().Add(rig.Timeout); ; {
				body, err = get(path)
				if err == nil && (strings.Contains(body, "pump09999") || strings.Contains(body, "Limit of concurrent requests")) {
					return
				}
				if time.Now().After(late) {
					break
				}
			}
			t.Errorf("/%s: %.200s (%v)", path, body, err)
		})
	}
	wg.Wait()
	peak := c.Peak(t)
	t.Logf("peak resident memory %d MB", peak>>20)
	if peak > maxRSS {
		t.Errorf("peak resident memory %d MB", peak>>20)
	}
}

// TestPageWithTLSAndLogin: the console's own users, over TLS, by a configured name; a certificate
// that is renewed is shown without a restart.
func TestPageWithTLSAndLogin(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	before, after := pdtest.NewCerts(t), pdtest.NewCerts(t)
	cert, key, ca := before.CertFile, before.KeyFile, before.Client().RootCAs
	c := rig.StartConsole(t, pd.Endpoints(), "-http-addr", "127.0.0.1:0", "-http-hosts", "page.example.com", "-http-login",
		"-http-tls-cert", cert, "-http-tls-key", key, "-config", withUsers(t, ""))
	url := c.Page(t)
	if !strings.HasPrefix(url, "https://") {
		t.Fatalf("page: %s", url)
	}
	get := func(name, user, password string, ca *x509.CertPool) (int, error) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca, ServerName: "localhost"}}}
		r, _ := http.NewRequest(http.MethodGet, url, nil)
		r.Host = name
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		resp, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	for _, q := range []struct {
		name, user, password string
		want                 int
	}{
		{"page.example.com", "watch", "w4tch", 200}, {"page.example.com", "boss", "b0ss", 200}, {"page.example.com", "", "", 401},
		{"page.example.com", "watch", "b0ss", 401}, {"evil.example.com", "watch", "w4tch", 421},
	} {
		if code, err := get(q.name, q.user, q.password, ca); code != q.want || err != nil {
			t.Errorf("%+v: %d %v", q, code, err)
		}
	}
	for from, to := range map[string]string{after.CertFile: cert, after.KeyFile: key} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	rig.Eventually(t, 20*time.Second, "the renewed certificate is shown", func() (bool, string) {
		code, err := get("page.example.com", "watch", "w4tch", after.Client().RootCAs)
		return code == 200, fmt.Sprint(code, err)
	})
}

// TestPageSettings: what cannot work is refused at the start, with the cure.
func TestPageSettings(t *testing.T) {
	users := withUsers(t, "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-http-login"}, "pumphouse passwd"},
		{[]string{"-http-login", "-config", users, "-http-addr", "0.0.0.0:0"}, "http-tls-cert"},
		{[]string{"-http-tls-cert", "x.pem"}, "name both or neither"},
		{[]string{"-http-hosts", "http://console"}, "http-hosts"},
		{[]string{"-max-memory", "1000"}, "max-memory 1000: must be at least"},
		{[]string{"-max-user-connections", "2000"}, "max-connections (1024)"},
	} {
		args := append([]string{"serve", "-addr", "127.0.0.1:0", "-pd-urls", "http://127.0.0.1:1"}, c.args...)
		r := rig.RunToEnd(t, "", nil, "pumphouse", args...)
		if r.Code == 0 || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("%v: exit code %d\n%s", c.args, r.Code, r.Stderr)
		}
	}
}

package nodes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// A PD of three members moves its leader and loses members under load: no write is lost,
// no call fails, and the view follows.
func TestThreeMembers(t *testing.T) {
	t.Parallel()
	members := startThree(t)
	var gates []*gate
	var addrs []string
	for _, m := range members {
		gates = append(gates, newGate(t, m.addr))
		addrs = append(addrs, gates[len(gates)-1].addr())
	}
	cli, err := NewClient(addrs, nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	reg := NewRegistry(cli, 6*time.Second)
	mustPut(t, reg, Pump, testRecord("p1", Online))
	c := openTestCache(t, reg, CacheOptions{})
	awaitFresh(t, c)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	var count atomic.Int64
	go func() { // the load: every write is seen by the view at once
		defer close(done)
		for ; ctx.Err() == nil; count.Add(1) {
			want := States()[count.Load()%5]
			_, rev, err := reg.SetState(context.Background(), Pump, "p1", want, nil)
			if err != nil {
				t.Errorf("write %d: %v", count.Load(), err)
				return
			}
			s, err := c.View(context.Background(), rev)
			if err != nil || s.Pumps[0].Record.State != want || s.Pumps[0].ModRevision != rev {
				t.Errorf("write %d at %d: the view is %+v, %v", count.Load(), rev, s, err)
				return
			}
		}
	}()
	for range 2 {
		moveLeader(t, members)
	}
	leader := members[0]
	for _, m := range members {
		if m.srv.Server.Leader() == m.srv.Server.MemberID() {
			leader = m
		}
	}
	leader.stop()
	seen := c.fresh()
	eventually(t, "the view follows the other two", func() bool { now := c.fresh(); return now != nil && now != seen })
	leader.start()
	eventually(t, "the view is current with all three", func() bool { return c.fresh() != nil })

	// The network to one member swallows everything; the others answer.
	gates[0].shut()
	before := count.Load()
	eventually(t, "writes go on", func() bool { return count.Load() > before+1 || t.Failed() })
	gates[0].pass()
	cancel()
	<-done
}

// moveLeader hands the leadership to the next member.
func moveLeader(t *testing.T, members []*etcd) {
	t.Helper()
	for i, m := range members {
		if m.srv.Server.Leader() != m.srv.Server.MemberID() {
			continue
		}
		to := members[(i+1)%len(members)].srv.Server.MemberID()
		if _, err := newTestClient(t, m.addr).MoveLeader(context.Background(), uint64(to)); err != nil {
			t.Logf("move the leader: %v", err) // it moved by itself
		}
		return
	}
}

func TestClientOverTLS(t *testing.T) {
	t.Parallel()
	e := startEtcdWith(t, func(cfg *embed.Config) {
		for _, urls := range [][]url.URL{cfg.ListenClientUrls, cfg.AdvertiseClientUrls} {
			urls[0].Scheme = "https"
		}
		cfg.ClientAutoTLS, cfg.SelfSignedCertValidity = true, 1
	})
	pem, err := os.ReadFile(filepath.Join(e.dir, "fixtures", "client", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	connect := func(conf *tls.Config) *clientv3.Client {
		cli, err := NewClient([]string{e.addr}, conf, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cli.Close() })
		return cli
	}
	if _, err := NewRegistry(connect(&tls.Config{RootCAs: pool}), 0).List(context.Background()); err != nil {
		t.Errorf("trusted: %v", err)
	}
	for name, conf := range map[string]*tls.Config{"untrusted": {}, "plain": nil} {
		var pd *PDError
		if _, err := NewRegistry(connect(conf), 300*time.Millisecond).List(context.Background()); !errors.As(err, &pd) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseEndpointsRefuses: what cannot be an address of PD is quoted, with what is wrong and what to write. An address whose scheme does
// not fit the certificates has two cures, and none of them is the scheme that it has.
func TestParseEndpointsRefuses(t *testing.T) {
	for _, c := range []struct {
		text   string
		secure bool
		want   string
	}{
		{"https://pd0:2379", false, `PD address "https://pd0:2379" is https, and no certificates are set. Set ssl-ca, ssl-cert and ssl-key (flags, or keys in [security]), or write http://pd0:2379 (-pd-urls)`},
		{"http://pd0", true, `PD address "http://pd0" is plain http, and certificates are set. Write https://pd0:2379 (-pd-urls), or remove ssl-ca, ssl-cert and ssl-key`},
		{"http://:2379", false, `PD address "http://:2379": it names no host. Write it like http://127.0.0.1:2379 (-pd-urls)`},
		{"http://root:x@pd0/path", false, `PD address "http://root:***@pd0/path": it is more than a host and a port. Write it like http://127.0.0.1:2379 (-pd-urls)`},
		{"ftp://pd0", true, `PD address "ftp://pd0": its scheme is ftp, want http or https. Write it like https://127.0.0.1:2379 (-pd-urls)`},
		{" , ", false, "no address of PD is given: set -pd-urls, for example http://127.0.0.1:2379"},
	} {
		_, err := ParseEndpoints([]string{c.text}, c.secure)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q, certificates %t:\n got %v\nwant %s", c.text, c.secure, err, c.want)
		}
	}
}

package pdtest

import (
	"context"
	"crypto/tls"
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// readyLimit bounds every wait for a PD: a start, an election. The wait ends as soon as
// PD is ready; the limit is only met by one that never will be.
const readyLimit = time.Minute

// member is one PD of a cluster, running or not.
type member interface {
	start() error
	stop() error // as an operator does: asks, waits until it has ended
	kill() error // as a power cut does
	running() bool
	url() string
	name() string
	log() string // the end of its log
}

// Cluster is a running PD of one or more members. It ends with its test.
type Cluster struct {
	// Kind is "pd-server" or "embedpd".
	Kind    string
	t       testing.TB
	members []member
	certs   *Certs
}

// Both runs the test once on a real pd-server and once on the embedded PD.
func Both(t *testing.T, test func(t *testing.T, pd *Cluster)) {
	t.Run("pd-server", func(t *testing.T) { test(t, StartReal(t, 1)) })
	t.Run("embedpd", func(t *testing.T) { test(t, StartEmbed(t)) })
}

// startAll starts the members and waits until they lead, and ends them with the test.
func (c *Cluster) startAll() error {
	for _, m := range c.members {
		if err := m.start(); err != nil {
			return err
		}
	}
	return c.awaitReady()
}

func (c *Cluster) cleanup() {
	for _, m := range c.members {
		if c.t.Failed() && m.log() != "" {
			c.t.Logf("the last of %s's log:\n%s", m.name(), m.log())
		}
		if err := m.kill(); err != nil {
			c.t.Errorf("stop %s: %v", m.name(), err)
		}
	}
}

// Size is the number of members, running or not.
func (c *Cluster) Size() int { return len(c.members) }

// Endpoints are the client URLs of all members, running or not.
func (c *Cluster) Endpoints() []string {
	urls := make([]string, len(c.members))
	for i, m := range c.members {
		urls[i] = m.url()
	}
	return urls
}

// Endpoint is one member's client URL.
func (c *Cluster) Endpoint(i int) string { return c.members[i].url() }

// Stop ends a member as an operator does and waits until it has ended.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	if err := c.members[i].stop(); err != nil {
		c.t.Fatalf("stop %s: %v", c.members[i].name(), err)
	}
}

// Kill ends a member's process with SIGKILL. The embedded PD, which has no process of
// its own, closes all its connections and stops.
func (c *Cluster) Kill(i int) {
	c.t.Helper()
	if err := c.members[i].kill(); err != nil {
		c.t.Fatalf("kill %s: %v", c.members[i].name(), err)
	}
}

// Start starts a stopped member, on its old address and data, and waits until the
// cluster serves timestamps.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	if err := c.members[i].start(); err != nil {
		c.t.Fatalf("start %s: %v", c.members[i].name(), err)
	}
	c.WaitReady()
}

// Restart is Stop and Start.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	c.Stop(i)
	c.Start(i)
}

// WaitReady returns when the cluster serves timestamps.
func (c *Cluster) WaitReady() {
	c.t.Helper()
	if err := c.awaitReady(); err != nil {
		c.t.Fatal(err)
	}
}

// ClusterID is the cluster's ID.
func (c *Cluster) ClusterID() uint64 {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	var id uint64
	err := c.eventually(ctx, func(m member) error {
		resp, err := c.getMembers(ctx, m)
		id = resp.GetHeader().GetClusterId()
		return err
	})
	if err != nil {
		c.t.Fatalf("cluster ID: %v", err)
	}
	return id
}

// TLS is what a client of the cluster needs; nil if it does not use TLS.
func (c *Cluster) TLS() *tls.Config {
	if c.certs == nil {
		return nil
	}
	return c.certs.Client()
}

// Etcd gives a client of the cluster's etcd API that is closed with the test.
func (c *Cluster) Etcd() *clientv3.Client {
	c.t.Helper()
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: c.Endpoints(), TLS: c.TLS(), DialTimeout: 5 * time.Second, Logger: zap.NewNop(), DialOptions: Redial(),
	})
	if err != nil {
		c.t.Fatalf("etcd client: %v", err)
	}
	c.t.Cleanup(func() { cli.Close() })
	return cli
}

// Redial makes an etcd client try again at least once a second. By default the pauses grow
// to two minutes, which a PD that goes away again and again brings about.
func Redial() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: 5 * time.Second,
	})}
}

// dial opens a connection to one member.
func (c *Cluster) dial(m member) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if c.certs != nil {
		creds = credentials.NewTLS(c.certs.Client())
	}
	return grpc.NewClient("passthrough:///"+hostOf(m.url()), grpc.WithTransportCredentials(creds))
}

func silent() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

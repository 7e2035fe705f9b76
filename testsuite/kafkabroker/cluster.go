package kafkabroker

import (
	"crypto/rand"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/programs"
)

// What a listener speaks.
const (
	Plaintext     = "PLAINTEXT"
	TLS           = "SSL"
	SASLPlaintext = "SASL_PLAINTEXT"
	SASLTLS       = "SASL_SSL"
)

// Options say what Kafka is to be started. The zero value is one node of the newest release, without security.
type Options struct {
	Nodes int  // 1 by default, or 3
	Old   bool // the oldest release that is tested
	// Listeners are the protocols for clients; the default is Plaintext. That of TLS takes nobody without a certificate.
	Listeners []string
	// Certs are the brokers' certificate, and who signs those of clients. Required with TLS and SASLTLS.
	Certs *pdtest.Certs
	// Users and their passwords, for PLAIN on listeners with SASL. For OAUTHBEARER any unsigned token is good.
	Users map[string]string
	// Settings are added to server.properties.
	Settings map[string]string
	// LogDir is where node 1 keeps messages; "": in a directory of the test.
	LogDir string
}

// Cluster is a running Kafka.
type Cluster struct {
	t     testing.TB
	opts  Options
	jars  string // what -cp takes
	id    string
	Nodes []*Node
	admin *kadm.Client
}

// Start runs a Kafka and waits until all its nodes are in it.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	jars := filepath.Join(form.Clients(t, programs.Root, "kafka"), "lib")
	if opts.Old {
		jars = filepath.Join(filepath.Dir(jars), "old")
	}
	opts.Nodes = max(opts.Nodes, 1)
	if len(opts.Listeners) == 0 {
		opts.Listeners = []string{Plaintext}
	}
	raw := make([]byte, 16)
	_, _ = rand.Read(raw)
	c := &Cluster{t: t, opts: opts, jars: jars + "/*", id: base64.RawURLEncoding.EncodeToString(raw)}
	for i := range opts.Nodes {
		n := &Node{cluster: c, ID: i + 1, Dir: t.TempDir(), control: form.Addr(t), admin: form.Addr(t), addrs: make(map[string]string)}
		for _, protocol := range opts.Listeners {
			n.addrs[protocol] = form.Addr(t)
		}
		c.Nodes = append(c.Nodes, n)
	}
	var wg sync.WaitGroup
	for _, n := range c.Nodes {
		n.configure()
		wg.Go(n.format)
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, n := range c.Nodes {
		n.Launch()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs(func(n *Node) string { return n.admin })...), kgo.MetadataMinAge(minAge))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c.admin = kadm.NewClient(client)
	c.AwaitNodes(opts.Nodes)
	return c
}

// Addrs are where clients reach the brokers with the first protocol, host:port.
func (c *Cluster) Addrs() []string { return c.AddrsOf(c.opts.Listeners[0]) }

// AddrsOf are where clients reach the brokers with one of the protocols.
func (c *Cluster) AddrsOf(protocol string) []string {
	return c.addrs(func(n *Node) string { return n.addrs[protocol] })
}

// Admin reaches the brokers past security.
func (c *Cluster) Admin() *kadm.Client { return c.admin }

// AdminAddrs are the brokers' listeners without security.
func (c *Cluster) AdminAddrs() []string { return c.addrs(func(n *Node) string { return n.admin }) }

// Classpath is what -cp takes to find Kafka's classes.
func (c *Cluster) Classpath() string { return c.jars }

// Java is a command that runs a class of the jars, or of a directory that is named.
func (c *Cluster) Java(dir, class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{"-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", dir + ":" + c.jars, class}, args...)...)
}

func (c *Cluster) addrs(of func(*Node) string) []string {
	var list []string
	for _, n := range c.Nodes {
		list = append(list, of(n))
	}
	return list
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/pd"
)

// cluster is what the commands work with.
type cluster struct {
	registry *nodes.Registry
	pd       *pd.Client
	control  *nodes.Control
	audit    *audit.Log
	etcd     *clientv3.Client
	timeout  time.Duration
}

// connect prepares the clients; nothing is dialled before it is needed.
func connect(o options) (*cluster, error) {
	tlsConfig, err := o.security.Client()
	if err == nil {
		err = o.security.Expired() // others would only cut the connection
	}
	if err != nil {
		return nil, err
	}
	etcd, err := nodes.NewClient([]string{o.pdURLs}, tlsConfig, o.timeout)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		registry: nodes.NewRegistry(etcd, o.timeout),
		control:  nodes.NewControl(tlsConfig, o.timeout),
		etcd:     etcd,
		timeout:  o.timeout,
	}
	log := logrus.New() // to stderr
	c.audit = audit.New(audit.Options{Registry: c.registry, Logger: log})
	c.pd, err = pd.New(pd.Options{Endpoints: etcd.Endpoints(), TLS: tlsConfig, Timeout: o.timeout})
	if err != nil {
		etcd.Close()
		return nil, err
	}
	return c, nil
}

func (c *cluster) close() {
	c.pd.Close()
	c.etcd.Close()
}

// on gives the command that does something with the node of -node-id, of a kind.
func on(kind nodes.Kind, do func(ctx context.Context, c *cluster, e nodes.Entry, o options, stdout, stderr io.Writer) error) func(context.Context, options, io.Writer, io.Writer) error {
	return func(ctx context.Context, o options, stdout, stderr io.Writer) error {
		c, err := connect(o)
		if err != nil {
			return err
		}
		defer c.close()
		e, err := c.registry.Find(ctx, kind, o.nodeID)
		if err != nil {
			return err
		}
		return do(ctx, c, e, o, stdout, stderr)
	}
}

// now is the time by PD's clock, with which nodes stamp their records: this machine's
// own may be off. Where PD gives no TSO, the own one has to do, and stderr says so.
func (c *cluster) now(ctx context.Context, stderr io.Writer) time.Time {
	ts, err := c.pd.TSO(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "binlogctl: PD gives no TSO, so this machine's clock tells who reports and when: %v\n", err)
		return time.Now()
	}
	return ts.Time()
}

// event is what the audit says of this command: who ran it, where, and when by PD's
// clock.
func event(o options, now time.Time, to nodes.State, result string) audit.Event {
	e := audit.Event{At: now, New: to, Source: audit.Binlogctl, Statement: o.cmd, User: os.Getenv("USER"), Result: result}
	if u, err := user.Current(); err == nil {
		e.User = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		e.From = host
	}
	return e
}

// trim keeps the audit within its bounds. What it cannot do now, the next one does.
func (c *cluster) trim(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, audit.DefaultTimeout)
	defer cancel()
	_ = c.audit.Trim(ctx)
}

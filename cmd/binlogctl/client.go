package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/pd"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// cluster is what the commands work with.
type cluster struct {
	registry *nodes.Registry
	pd       *pd.Client
	control  *nodes.Control
	etcd     *clientv3.Client
	timeout  time.Duration
}

// connect prepares the clients; nothing is dialled before it is needed.
func connect(o options) (*cluster, error) {
	tlsConfig, err := o.security.Client()
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

// now is the time by PD's clock, with which nodes stamp their records: this machine's
// own may be off. Where PD gives no TSO, the own one has to do, and stderr says so.
func (c *cluster) now(ctx context.Context, stderr io.Writer) time.Time {
	ts, err := c.pd.TSO(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "binlogctl: PD gives no TSO, so REPORTING goes by this machine's clock: %v\n", err)
		return time.Now()
	}
	return ts.Time()
}

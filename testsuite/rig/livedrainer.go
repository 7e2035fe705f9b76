package rig

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// LiveDrainer is a gRPC server that takes Notify, as a drainer does, and looks at the
// record of the pump at that moment.
type LiveDrainer struct {
	binlogpb.UnimplementedCisternServer
	addr string
	Look func() nodes.State

	mu   sync.Mutex
	seen []nodes.State
}

func (c *Pumps) LiveDrainer(id, watchedPump string) *LiveDrainer {
	c.T.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.T.Fatal(err)
	}
	d := &LiveDrainer{addr: l.Addr().String(), Look: func() nodes.State {
		e, err := c.Registry.Get(context.Background(), nodes.Pump, watchedPump)
		if err != nil {
			return nodes.State(err.Error())
		}
		return e.Record.State
	}}
	var opts []grpc.ServerOption
	if c.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: c.TLS.Certificates, ClientCAs: c.TLS.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert,
		})))
	}
	g := grpc.NewServer(opts...)
	binlogpb.RegisterCisternServer(g, d)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	c.T.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			c.T.Error(err)
		}
	})
	c.Drainer(id, d.addr, nodes.Online, c.TSO())
	return d
}

func (d *LiveDrainer) Notify(context.Context, *binlogpb.NotifyReq) (*binlogpb.NotifyResp, error) {
	s := d.Look()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, s)
	return &binlogpb.NotifyResp{}, nil
}

func (d *LiveDrainer) Notified() []nodes.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen)
}

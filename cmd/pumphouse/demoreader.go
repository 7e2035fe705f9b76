package main

import (
	"context"
	"net"
	"sync"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// reader stands in the place of a drainer until there is one: it pulls from every pump
// that is not offline, applies nothing, and reports how far it has come in all of them.
type reader struct {
	binlogpb.UnimplementedCisternServer
	cluster uint64

	mu   sync.Mutex
	done nodes.TSO
	at   map[string]nodes.TSO // by pump: what has arrived
}

// Notify is a pump's "look at the records now"; the reader watches them anyway.
func (r *reader) Notify(context.Context, *binlogpb.NotifyReq) (*binlogpb.NotifyResp, error) {
	return &binlogpb.NotifyResp{}, nil
}

// runReader is one life of a reader.
func (d *demoCluster) runReader(ctx context.Context, id, addr string, ready func()) error {
	cluster, err := d.pd.ClusterID(ctx)
	if err != nil {
		return err
	}
	r := &reader{cluster: cluster, at: make(map[string]nodes.TSO)}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := grpc.NewServer()
	binlogpb.RegisterCisternServer(srv, r)
	go func() { _ = srv.Serve(l) }() // ends with Stop
	defer srv.Stop()
	work, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.follow(work, d.registry) })
	err = obeyRecord(ctx, nodes.AgentOptions{Kind: nodes.Drainer, NodeID: id, Host: addr, Registry: d.registry,
		TSO: d.pd.TSO, MaxCommitTS: r.position, Logger: d.log}, ready, func() { stop(); wg.Wait() })
	stop()
	wg.Wait()
	return err
}

// position is what every pump has passed.
func (r *reader) position() nodes.TSO {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// arrived notes that a pump has nothing at or below ts to come.
func (r *reader) arrived(pump string, ts nodes.TSO) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[pump] = ts
	least := ts
	for _, other := range r.at {
		least = min(least, other)
	}
	r.done = max(r.done, least)
}

// follow keeps one puller for every pump that is not offline.
func (r *reader) follow(ctx context.Context, registry *nodes.Registry) {
	var wg sync.WaitGroup
	defer wg.Wait()
	cache := nodes.OpenCache(registry, nodes.CacheOptions{})
	defer cache.Close()
	pulling := make(map[string]bool)
	for snap := (*nodes.Snapshot)(nil); ; {
		next, err := cache.Next(ctx, snap)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // Next waits for PD itself
		}
		snap = next
		for _, e := range snap.Pumps {
			rec := e.Record
			if rec.State == nodes.Offline || pulling[rec.NodeID] {
				continue
			}
			pulling[rec.NodeID] = true
			r.arrived(rec.NodeID, r.position()) // holds the others until it has spoken
			wg.Go(func() { r.pull(ctx, rec) })
		}
	}
}

// pull reads one pump for ever, from where it was.
func (r *reader) pull(ctx context.Context, rec nodes.Record) {
	for ctx.Err() == nil {
		r.stream(ctx, rec)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// stream reads until the pump or ctx ends.
func (r *reader) stream(ctx context.Context, rec nodes.Record) {
	conn, err := grpc.NewClient("passthrough:///"+rec.Host, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(binlogpb.Codec{}), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return
	}
	defer conn.Close()
	r.mu.Lock()
	from := int64(r.at[rec.NodeID])
	r.mu.Unlock()
	stream, err := binlogpb.NewPumpClient(conn).PullBinlogs(ctx, &binlogpb.PullBinlogReq{
		ClusterID: r.cluster, StartFrom: &binlogpb.Pos{Offset: from}})
	if err != nil {
		return
	}
	var d binlogpb.Delivery
	for stream.RecvMsg(&d) == nil {
		r.arrived(rec.NodeID, nodes.TSO(d.CommitTS))
	}
}

package pump

import (
	"context"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // the compressor that old drainers may ask for
	"google.golang.org/grpc/keepalive"

	"pumphouse/binlogpb"
	"pumphouse/nodes/port"
	"pumphouse/pump/direct"
)

// What TiDB may send ahead: windows that hold a few large transactions.
const streamWindow, connWindow = 4 << 20, 8 << 20

// maxStreams is how many calls of one connection run at once, whatever its peer opens and
// resets; far more than the sessions of a TiDB that commit at the same moment.
const maxStreams = 4096

// ServerOptions are those of a pump's gRPC server. maxMessage bounds what may be sent to it, in
// bytes. What it sends has no such bound: a stored binlog comes with a few bytes of position
// around it, and whatever was once accepted must be deliverable after the setting was lowered.
func ServerOptions(maxMessage int) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(binlogpb.Codec{}),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow),
		grpc.WriteBufferSize(128 << 10), grpc.ReadBufferSize(128 << 10),
		// Goroutines that stay spare each call the growth of a new stack. A pull keeps one;
		// calls beyond their number get goroutines of their own.
		grpc.NumStreamWorkers(256),
		// TiDB pings its pumps; a ping is no abuse.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		// A peer that the machine does not let run for a few seconds has not gone.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(direct.MaxHeaderList),
	}
}

// WriteDirectly puts what serves plain WriteBinlog calls before a gRPC server with
// [ServerOptions].
func WriteDirectly(server *grpc.Server, maxMessage int, write func([]direct.Call)) *direct.Server {
	return direct.New(server, direct.Options{Write: write, MaxMessage: maxMessage, MaxStreams: maxStreams,
		StreamWindow: streamWindow, ConnWindow: connWindow, Vouch: port.Vouch, Member: port.Vouched})
}

// serve starts to answer gRPC and HTTP on every listener. Writes are still refused.
func (p *Pump) serve(ctx context.Context) error {
	server := grpc.NewServer(ServerOptions(p.opts.MaxMessageSize)...)
	binlogpb.RegisterPumpServer(server, service{Pump: p})
	binlogpb.RegisterWakeServer(server, service{Pump: p})
	p.Port.MaxConns = p.opts.MaxConns
	if p.opts.NoDirectWrites {
		return p.Serve(ctx, server, p.routes())
	}
	return p.Serve(ctx, WriteDirectly(server, p.opts.MaxMessageSize, p.write), p.routes())
}

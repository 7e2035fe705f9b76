package binlogpb

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A pump of Pumphouse tells the time seldom while it is idle, if all who pull from it wake it when they have
// use for the time. Who does so sends WakesKey with PullBinlogs, with any value, and calls Wake on the same
// connection. Upstream's programs know neither; its pumps answer Wake with the code Unimplemented.
const (
	WakesKey    = "pumphouse-wakes"
	wakeService = "pumphouse.Pump"
	wakeMethod  = "Wake"
)

// Sent reports whether the sender of a call, whose context it is, has sent metadata of that key, such as [WakesKey] or [PacksKey].
func Sent(ctx context.Context, key string) bool {
	md, _ := metadata.FromIncomingContext(ctx)
	return len(md.Get(key)) > 0
}

// WakeServer is the service of a pump that can be woken.
type WakeServer interface {
	// Wake has the pump tell the time now and, for some seconds, often. Of the request only the cluster ID
	// counts; another cluster's is refused. The answer does not wait for PD.
	Wake(context.Context, *PullBinlogReq) (*WriteBinlogResp, error)
}

// RegisterWakeServer lets a gRPC server answer Wake.
func RegisterWakeServer(s grpc.ServiceRegistrar, srv WakeServer) {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: wakeService, HandlerType: (*WakeServer)(nil),
		Methods: []grpc.MethodDesc{{MethodName: wakeMethod, Handler: answerWake}}}, srv)
}

func answerWake(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var req PullBinlogReq
	if err := dec(&req); err != nil {
		return nil, err
	}
	return srv.(WakeServer).Wake(ctx, &req)
}

// Wake calls a pump's [WakeServer]. The error has gRPC's code Unimplemented where there is none.
func Wake(ctx context.Context, conn grpc.ClientConnInterface, clusterID uint64, opts ...grpc.CallOption) error {
	return conn.Invoke(ctx, "/"+wakeService+"/"+wakeMethod, &PullBinlogReq{ClusterID: clusterID}, new(WriteBinlogResp), opts...)
}

package nodes

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fault is what happens to one write on its way to PD.
type fault int

const (
	noFault     fault = iota
	lostRequest       // it never reaches PD
	lostAnswer        // PD carries it out, and the writer does not hear of it
	lateRequest       // PD gets it some time after the writer has given up
	refused           // PD says that it will not, for good
)

// errLost is what a writer sees of a connection that broke.
var errLost = status.Error(codes.Unavailable, "the connection broke")

// faulty makes a registry whose writes meet what plan says, called once a write.
func faulty(t testing.TB, endpoints []string, timeout time.Duration, plan func() fault) *Registry {
	t.Helper()
	var late sync.WaitGroup
	meet := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		txn, ok := req.(*etcdserverpb.TxnRequest)
		if !ok || !slices.ContainsFunc(txn.Success, func(op *etcdserverpb.RequestOp) bool { return op.GetRequestRange() == nil }) {
			return invoke(ctx, method, req, reply, cc, opts...)
		}
		switch plan() {
		case lostRequest:
			return errLost
		case lostAnswer:
			if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
				return err
			}
			return errLost
		case lateRequest:
			late.Go(func() {
				_ = invoke(context.WithoutCancel(ctx), method, req, new(etcdserverpb.TxnResponse), cc) // opts hold what the caller goes on reading
			})
			return errLost
		case refused:
			return status.Error(codes.PermissionDenied, "no")
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: time.Second, MaxUnaryRetries: 1, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(failFast, meet)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		late.Wait()
		cli.Close()
	})
	return NewRegistry(cli, timeout)
}

// script is a plan that runs once through its steps: what meets a write, and what somebody
// else does between that and the next attempt. Afterwards nothing goes wrong.
type step struct {
	fault fault
	then  func()
}

func script(steps ...step) func() fault {
	var pending func()
	return func() fault {
		if pending != nil {
			pending()
			pending = nil
		}
		if len(steps) == 0 {
			return noFault
		}
		s := steps[0]
		steps, pending = steps[1:], s.then
		return s.fault
	}
}

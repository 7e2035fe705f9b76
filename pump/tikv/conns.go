package tikv

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// stores is what a session needs of TiKV.
type stores interface {
	// mvccGetByKey gives all that the store at addr knows about a key; errTooLarge if that
	// is more than fits into maxAnswer, or may be, because it takes too long.
	mvccGetByKey(ctx context.Context, addr string, req *kvrpcpb.MvccGetByKeyRequest) (*kvrpcpb.MvccGetByKeyResponse, error)
	checkTxnStatus(ctx context.Context, addr string, req *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error)
	close()
}

const (
	// maxAnswer bounds an answer of TiKV in bytes. A version of a key takes 30 bytes and
	// its value, and TiDB keeps those of the last 10 minutes.
	maxAnswer = 8 << 20
	// attemptTimeout bounds one request: a store that hangs may have lost its regions. Two
	// of them fit into the time of a question.
	attemptTimeout = 2 * time.Second
	// idleAfter closes a connection that nothing is asked over.
	idleAfter = time.Minute
)

// conns are connections to TiKV stores, one for each, made when first needed.
type conns struct {
	creds credentials.TransportCredentials

	mu     sync.Mutex
	byAddr map[string]*grpc.ClientConn // nil: closed
}

func newConns(config *tls.Config) *conns {
	c := &conns{creds: insecure.NewCredentials(), byAddr: make(map[string]*grpc.ClientConn)}
	if config != nil {
		c.creds = credentials.NewTLS(config)
	}
	return c
}

// to gives the calls of the store at addr.
func (c *conns) to(addr string) (tikvpb.TikvClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byAddr == nil {
		return nil, ErrClosed
	}
	conn := c.byAddr[addr]
	if conn == nil {
		var err error
		conn, err = grpc.NewClient(addr,
			grpc.WithTransportCredentials(c.creds),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
			grpc.WithIdleTimeout(idleAfter))
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		c.byAddr[addr] = conn
	}
	return tikvpb.NewTikvClient(conn), nil
}

func (c *conns) mvccGetByKey(ctx context.Context, addr string, req *kvrpcpb.MvccGetByKeyRequest) (*kvrpcpb.MvccGetByKeyResponse, error) {
	client, err := c.to(addr)
	if err != nil {
		return nil, err
	}
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	resp, err := client.MvccGetByKey(attempt, req)
	switch status.Code(err) {
	case codes.ResourceExhausted: // its own limit or ours
		return nil, fmt.Errorf("%w: %w", errTooLarge, err)
	case codes.DeadlineExceeded: // many versions take their time too
		// By the clock: this can be here a moment before ctx says that it has ended.
		if end, ok := ctx.Deadline(); !ok || time.Now().Before(end) {
			return nil, fmt.Errorf("%w: %w", errTooLarge, err)
		}
	}
	return resp, err
}

func (c *conns) checkTxnStatus(ctx context.Context, addr string, req *kvrpcpb.CheckTxnStatusRequest) (*kvrpcpb.CheckTxnStatusResponse, error) {
	client, err := c.to(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return client.KvCheckTxnStatus(ctx, req)
}

func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.byAddr {
		_ = conn.Close() // fails only if closed already
	}
	c.byAddr = nil
}

package tikvconn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	pd "github.com/tikv/pd/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/internal/certfile"
)

// PD is PD's client, which follows PD's leader, with what it lacks.
type PD struct {
	pd.Client
	members pd.ServiceDiscovery // follows the leader
}

// DialPD connects to PD. It tries until PD answers or ctx ends; the client ends with ctx too, and
// with its Close. timeout bounds one request.
func DialPD(ctx context.Context, endpoints []string, sec certfile.Security, timeout time.Duration) (*PD, error) {
	if sec.Enabled() && (sec.CA == "" || sec.Cert == "" || sec.Key == "") {
		return nil, errors.New("connect to PD: its client needs all of ssl-ca, ssl-cert and ssl-key")
	}
	c, err := pd.NewClientWithContext(ctx, endpoints,
		pd.SecurityOption{CAPath: sec.CA, CertPath: sec.Cert, KeyPath: sec.Key},
		pd.WithCustomTimeoutOption(timeout), pd.WithMaxErrorRetry(math.MaxInt32), pd.WithInitMetricsOption(false))
	if err != nil {
		return nil, fmt.Errorf("connect to PD: %w", err)
	}
	leader, ok := c.(interface{ GetServiceDiscovery() pd.ServiceDiscovery })
	if !ok {
		c.Close()
		return nil, fmt.Errorf("connect to PD: its client %T does not tell its connection", c)
	}
	return &PD{c, leader.GetServiceDiscovery()}, nil
}

// ask sends the leader a plain request, for what PD's client does not have or tells only
// in the text of an error. After a failure the leader is looked for.
func ask[R interface{ GetHeader() *pdpb.ResponseHeader }](ctx context.Context, c *PD, send func(pdpb.PDClient, *pdpb.RequestHeader) (R, error)) (resp R, err error) {
	defer func() {
		if err != nil {
			c.members.ScheduleCheckMemberChanged()
		}
	}()
	conn := c.members.GetServingEndpointClientConn()
	if conn == nil {
		return resp, errors.New("no leader")
	}
	resp, err = send(pdpb.NewPDClient(conn), &pdpb.RequestHeader{ClusterId: c.GetClusterID(ctx)})
	if err != nil {
		return resp, err
	}
	if e := resp.GetHeader().GetError(); e != nil && e.GetType() != pdpb.ErrorType_NOT_BOOTSTRAPPED {
		return resp, errors.New(e.String())
	}
	return resp, nil // of a cluster that never had a store: empty
}

// Stores are all stores that PD knows and that are not gone; none in a cluster that never had one.
func (c *PD) Stores(ctx context.Context) ([]*metapb.Store, error) {
	resp, err := ask(ctx, c, func(to pdpb.PDClient, h *pdpb.RequestHeader) (*pdpb.GetAllStoresResponse, error) {
		return to.GetAllStores(ctx, &pdpb.GetAllStoresRequest{Header: h, ExcludeTombstoneStores: true})
	})
	return resp.GetStores(), err
}

// SafePoint is the TS before which GC may have removed what newer versions hide.
func (c *PD) SafePoint(ctx context.Context) (uint64, error) {
	resp, err := ask(ctx, c, func(to pdpb.PDClient, h *pdpb.RequestHeader) (*pdpb.GetGCSafePointResponse, error) {
		return to.GetGCSafePoint(ctx, &pdpb.GetGCSafePointRequest{Header: h})
	})
	return resp.GetSafePoint(), err
}

// HoldGC registers a service safe point: PD does not let TiKV's garbage collection go beyond ts
// for ttl, whole seconds; ttl 0 removes it. min is the smallest service safe point of the cluster
// afterwards. If it is larger than ts, PD has refused: garbage collection may have gone further
// already. A PD that does not know the call answers with an error that is [errors.ErrUnsupported].
func (c *PD) HoldGC(ctx context.Context, service string, ts uint64, ttl time.Duration) (min uint64, err error) {
	resp, err := ask(ctx, c, func(to pdpb.PDClient, h *pdpb.RequestHeader) (*pdpb.UpdateServiceGCSafePointResponse, error) {
		return to.UpdateServiceGCSafePoint(ctx, &pdpb.UpdateServiceGCSafePointRequest{
			Header: h, ServiceId: []byte(service), TTL: int64(ttl / time.Second), SafePoint: ts,
		})
	})
	if status.Code(err) == codes.Unimplemented {
		err = fmt.Errorf("this PD has no service safe points (UpdateServiceGCSafePoint): %w", errors.ErrUnsupported)
	}
	return resp.GetMinSafePoint(), err
}

package tikv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"

	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	pd "github.com/tikv/pd/client"
)

// placement is what a session needs of PD.
type placement interface {
	// stores are all that PD knows and that are not gone; none in a cluster that never
	// had one.
	stores(ctx context.Context) ([]*metapb.Store, error)
	store(ctx context.Context, id uint64) (*metapb.Store, error)
	// region finds the region of a key in the form that TiKV keeps it in.
	region(ctx context.Context, key []byte) (*pd.Region, error)
	// safePoint is the TS before which GC may have removed what newer versions hide.
	safePoint(ctx context.Context) (uint64, error)
	close()
}

// pdClient is PD's client, which follows PD's leader, as a placement.
type pdClient struct {
	pd.Client
	members pd.ServiceDiscovery // follows the leader
}

// dialPD connects to PD. It tries until PD answers or ctx ends; the client ends with ctx.
func dialPD(ctx context.Context, opts Options) (*pdClient, error) {
	sec := opts.Security
	if sec.Enabled() && (sec.CA == "" || sec.Cert == "" || sec.Key == "") {
		return nil, errors.New("connect to PD: its client needs all of ssl-ca, ssl-cert and ssl-key")
	}
	c, err := pd.NewClientWithContext(ctx, opts.Endpoints,
		pd.SecurityOption{CAPath: sec.CA, CertPath: sec.Cert, KeyPath: sec.Key},
		pd.WithCustomTimeoutOption(opts.Timeout), pd.WithMaxErrorRetry(math.MaxInt32), pd.WithInitMetricsOption(false))
	if err != nil {
		return nil, fmt.Errorf("connect to PD: %w", err)
	}
	leader, ok := c.(interface{ GetServiceDiscovery() pd.ServiceDiscovery })
	if !ok {
		c.Close()
		return nil, fmt.Errorf("connect to PD: its client %T does not tell its connection", c)
	}
	return &pdClient{c, leader.GetServiceDiscovery()}, nil
}

// ask sends the leader a plain request, for what PD's client does not have or tells only
// in the text of an error. After a failure the leader is looked for.
func ask[R interface{ GetHeader() *pdpb.ResponseHeader }](ctx context.Context, c *pdClient, send func(pdpb.PDClient, *pdpb.RequestHeader) (R, error)) (resp R, err error) {
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

func (c *pdClient) stores(ctx context.Context) ([]*metapb.Store, error) {
	resp, err := ask(ctx, c, func(to pdpb.PDClient, h *pdpb.RequestHeader) (*pdpb.GetAllStoresResponse, error) {
		return to.GetAllStores(ctx, &pdpb.GetAllStoresRequest{Header: h, ExcludeTombstoneStores: true})
	})
	return resp.GetStores(), err
}

func (c *pdClient) safePoint(ctx context.Context) (uint64, error) {
	resp, err := ask(ctx, c, func(to pdpb.PDClient, h *pdpb.RequestHeader) (*pdpb.GetGCSafePointResponse, error) {
		return to.GetGCSafePoint(ctx, &pdpb.GetGCSafePointRequest{Header: h})
	})
	return resp.GetSafePoint(), err
}

func (c *pdClient) store(ctx context.Context, id uint64) (*metapb.Store, error) {
	return c.GetStore(ctx, id)
}

func (c *pdClient) region(ctx context.Context, key []byte) (*pd.Region, error) {
	return c.GetRegion(ctx, key)
}

func (c *pdClient) close() { c.Close() }

// dialCluster connects to the cluster's PD; TiKV is connected to when it is asked.
func dialCluster(ctx context.Context, opts Options) (*session, error) {
	var config *tls.Config
	if opts.Security.Enabled() {
		var err error
		if config, err = opts.Security.Client(); err != nil {
			return nil, err
		}
	}
	c, err := dialPD(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &session{pd: c, tikv: newConns(config)}, nil
}

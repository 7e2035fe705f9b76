package tikv

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/pingcap/kvproto/pkg/metapb"
	pd "github.com/tikv/pd/client"

	"pumphouse/nodes/tikvconn"
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
	// now is a new timestamp, larger than all that PD has given to anybody.
	now(ctx context.Context) (uint64, error)
	// holdGC registers a service safe point; see [tikvconn.PD.HoldGC].
	holdGC(ctx context.Context, service string, ts uint64, ttl time.Duration) (min uint64, err error)
	close()
}

// pdClient is PD's client as a placement.
type pdClient struct{ *tikvconn.PD }

func (c pdClient) stores(ctx context.Context) ([]*metapb.Store, error) { return c.Stores(ctx) }

func (c pdClient) safePoint(ctx context.Context) (uint64, error) { return c.SafePoint(ctx) }

func (c pdClient) now(ctx context.Context) (uint64, error) {
	physical, logical, err := c.GetTS(ctx)
	return uint64(physical)<<18 + uint64(logical), err
}

func (c pdClient) holdGC(ctx context.Context, service string, ts uint64, ttl time.Duration) (uint64, error) {
	return c.HoldGC(ctx, service, ts, ttl)
}

func (c pdClient) store(ctx context.Context, id uint64) (*metapb.Store, error) {
	return c.GetStore(ctx, id)
}

func (c pdClient) region(ctx context.Context, key []byte) (*pd.Region, error) {
	return c.GetRegion(ctx, key)
}

func (c pdClient) close() { c.Close() }

// dialCluster connects to the cluster's PD; TiKV is connected to when it is asked.
func dialCluster(ctx context.Context, opts Options) (*session, error) {
	var config *tls.Config
	if opts.Security.Enabled() {
		var err error
		if config, err = opts.Security.Client(); err != nil {
			return nil, err
		}
	}
	c, err := tikvconn.DialPD(ctx, opts.Endpoints, opts.Security, opts.Timeout)
	if err != nil {
		return nil, err
	}
	return &session{pd: pdClient{c}, tikv: newConns(config)}, nil
}

package tikvmock

import (
	"context"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/tikv/client-go/v2/tikvrpc"
	pd "github.com/tikv/pd/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	cmdMvccGetByKey   = tikvrpc.CmdMvccGetByKey
	cmdCheckTxnStatus = tikvrpc.CmdCheckTxnStatus
)

// send passes a request on to the store in process.
func send[R any](ctx context.Context, f *storeFront, cmd tikvrpc.CmdType, body any, at *kvrpcpb.Context) (r R, err error) {
	resp, err := f.c.kv.SendRequest(ctx, f.addr, tikvrpc.NewRequest(cmd, body, *at), time.Second)
	refused := err != nil
	if !refused {
		region, err := resp.GetRegionError()
		if err != nil {
			return r, err
		}
		refused = region != nil
	}
	f.c.mu.Lock()
	f.c.attempts++
	then := f.c.refused
	f.c.mu.Unlock()
	if refused && then != nil {
		then()
	}
	if err != nil {
		return r, status.Error(codes.Unavailable, err.Error())
	}
	return resp.Resp.(R), nil
}

// pdFront serves what PD's client and the resolver ask.
type pdFront struct {
	pdpb.UnimplementedPDServer
	c *cluster
}

var header = &pdpb.ResponseHeader{ClusterId: 1}

func (f *pdFront) GetMembers(context.Context, *pdpb.GetMembersRequest) (*pdpb.GetMembersResponse, error) {
	m := &pdpb.Member{Name: "pd", MemberId: 1, ClientUrls: []string{f.c.pdURL}}
	return &pdpb.GetMembersResponse{Header: header, Members: []*pdpb.Member{m}, Leader: m, EtcdLeader: m}, nil
}

func (f *pdFront) GetAllStores(context.Context, *pdpb.GetAllStoresRequest) (*pdpb.GetAllStoresResponse, error) {
	return &pdpb.GetAllStoresResponse{Header: header, Stores: f.c.layout.GetAllStores()}, nil
}

func (f *pdFront) GetStore(ctx context.Context, req *pdpb.GetStoreRequest) (*pdpb.GetStoreResponse, error) {
	return &pdpb.GetStoreResponse{Header: header, Store: f.c.layout.GetStore(req.StoreId)}, nil
}

func (f *pdFront) GetRegion(ctx context.Context, req *pdpb.GetRegionRequest) (*pdpb.GetRegionResponse, error) {
	f.c.mu.Lock()
	first := f.c.leader
	f.c.mu.Unlock()
	if first != nil {
		first()
	}
	r, err := f.c.pd.GetRegion(ctx, req.RegionKey)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetRegionResponse{Header: header, Region: r.Meta, Leader: r.Leader}, nil
}

func (f *pdFront) GetGCSafePoint(context.Context, *pdpb.GetGCSafePointRequest) (*pdpb.GetGCSafePointResponse, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return &pdpb.GetGCSafePointResponse{Header: header, SafePoint: f.c.safe}, nil
}

// UpdateServiceGCSafePoint refuses what is before the smallest, as PD does. The tests' service
// safe points do not expire.
func (f *pdFront) UpdateServiceGCSafePoint(_ context.Context, req *pdpb.UpdateServiceGCSafePointRequest) (*pdpb.UpdateServiceGCSafePointResponse, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.c.services == nil {
		return f.UnimplementedPDServer.UpdateServiceGCSafePoint(context.Background(), req)
	}
	least := func() (id string, ts uint64) {
		for service, at := range f.c.services {
			if id == "" || at < ts {
				id, ts = service, at
			}
		}
		return id, ts
	}
	service := string(req.ServiceId)
	if req.TTL <= 0 {
		delete(f.c.services, service)
	} else if _, ts := least(); req.SafePoint >= ts {
		f.c.services[service] = req.SafePoint
	}
	id, ts := least()
	return &pdpb.UpdateServiceGCSafePointResponse{Header: header, ServiceId: []byte(id), TTL: req.TTL, MinSafePoint: ts}, nil
}

// lateChange is a PD after whose answer the cluster changes.
type lateChange struct {
	pd.Client
	change func()
}

func (p lateChange) GetRegion(ctx context.Context, key []byte, opts ...pd.GetRegionOption) (*pd.Region, error) {
	r, err := p.Client.GetRegion(ctx, key, opts...)
	p.change()
	return r, err
}

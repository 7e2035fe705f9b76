package embedpd

import (
	"context"
	"fmt"

	"github.com/pingcap/kvproto/pkg/keyspacepb"
	"github.com/pingcap/kvproto/pkg/meta_storagepb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errNoTiKV refuses what only a PD with TiKV servers can do.
func errNoTiKV(call string) error {
	return status.Errorf(codes.Unimplemented,
		"%s: this PD is embedded in Pumphouse and keeps node records and timestamps only; TiKV needs a real PD", call)
}

// IsBootstrapped: no store has ever joined, and none can.
func (s *service) IsBootstrapped(_ context.Context, req *pdpb.IsBootstrappedRequest) (*pdpb.IsBootstrappedResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.IsBootstrappedResponse{Header: m.header()}, nil
}

// Bootstrap is how a first TiKV joins.
func (s *service) Bootstrap(context.Context, *pdpb.BootstrapRequest) (*pdpb.BootstrapResponse, error) {
	return nil, errNoTiKV("Bootstrap")
}

// AllocID is how a TiKV asks for its store ID.
func (s *service) AllocID(context.Context, *pdpb.AllocIDRequest) (*pdpb.AllocIDResponse, error) {
	return nil, errNoTiKV("AllocID")
}

// PutStore is how a TiKV announces itself.
func (s *service) PutStore(context.Context, *pdpb.PutStoreRequest) (*pdpb.PutStoreResponse, error) {
	return nil, errNoTiKV("PutStore")
}

// GetClusterConfig describes a cluster without replicas.
func (s *service) GetClusterConfig(_ context.Context, req *pdpb.GetClusterConfigRequest) (*pdpb.GetClusterConfigResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetClusterConfigResponse{
		Header: m.header(), Cluster: &metapb.Cluster{Id: m.clusterID, MaxPeerCount: 1},
	}, nil
}

// GetStore knows no store.
func (s *service) GetStore(_ context.Context, req *pdpb.GetStoreRequest) (*pdpb.GetStoreResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	h := m.header()
	h.Error = &pdpb.Error{Type: pdpb.ErrorType_UNKNOWN, Message: fmt.Sprintf("store %d not found: this PD has no stores", req.GetStoreId())}
	return &pdpb.GetStoreResponse{Header: h}, nil
}

// GetAllStores lists no store.
func (s *service) GetAllStores(_ context.Context, req *pdpb.GetAllStoresRequest) (*pdpb.GetAllStoresResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetAllStoresResponse{Header: m.header()}, nil
}

// GetRegion finds no region, which clients take for "not yet".
func (s *service) GetRegion(_ context.Context, req *pdpb.GetRegionRequest) (*pdpb.GetRegionResponse, error) {
	return s.noRegion(req)
}

// GetPrevRegion finds no region.
func (s *service) GetPrevRegion(_ context.Context, req *pdpb.GetRegionRequest) (*pdpb.GetRegionResponse, error) {
	return s.noRegion(req)
}

// GetRegionByID finds no region.
func (s *service) GetRegionByID(_ context.Context, req *pdpb.GetRegionByIDRequest) (*pdpb.GetRegionResponse, error) {
	return s.noRegion(req)
}

func (s *service) noRegion(req interface{ GetHeader() *pdpb.RequestHeader }) (*pdpb.GetRegionResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetRegionResponse{Header: m.header()}, nil
}

// ScanRegions finds no region.
func (s *service) ScanRegions(_ context.Context, req *pdpb.ScanRegionsRequest) (*pdpb.ScanRegionsResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.ScanRegionsResponse{Header: m.header()}, nil
}

// GetGCSafePoint: nothing was ever collected.
func (s *service) GetGCSafePoint(_ context.Context, req *pdpb.GetGCSafePointRequest) (*pdpb.GetGCSafePointResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetGCSafePointResponse{Header: m.header()}, nil
}

// UpdateGCSafePoint leaves the safe point at 0: there is no data to collect.
func (s *service) UpdateGCSafePoint(_ context.Context, req *pdpb.UpdateGCSafePointRequest) (*pdpb.UpdateGCSafePointResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.UpdateGCSafePointResponse{Header: m.header()}, nil
}

// UpdateServiceGCSafePoint grants every service's wish to keep data: as nothing is ever
// collected, each of them holds.
func (s *service) UpdateServiceGCSafePoint(_ context.Context, req *pdpb.UpdateServiceGCSafePointRequest) (*pdpb.UpdateServiceGCSafePointResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.UpdateServiceGCSafePointResponse{
		Header: m.header(), ServiceId: req.GetServiceId(), TTL: req.GetTTL(), MinSafePoint: req.GetSafePoint(),
	}, nil
}

// LoadGlobalConfig: nobody has stored any.
func (s *service) LoadGlobalConfig(context.Context, *pdpb.LoadGlobalConfigRequest) (*pdpb.LoadGlobalConfigResponse, error) {
	return &pdpb.LoadGlobalConfigResponse{}, nil
}

// GetExternalTimestamp: none was ever set.
func (s *service) GetExternalTimestamp(_ context.Context, req *pdpb.GetExternalTimestampRequest) (*pdpb.GetExternalTimestampResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetExternalTimestampResponse{Header: m.header()}, nil
}

// keyspaces knows the default keyspace only.
type keyspaces struct {
	keyspacepb.UnimplementedKeyspaceServer
	pd *service
}

const defaultKeyspace = "DEFAULT"

func theKeyspace() *keyspacepb.KeyspaceMeta {
	return &keyspacepb.KeyspaceMeta{Name: defaultKeyspace, State: keyspacepb.KeyspaceState_ENABLED}
}

// LoadKeyspace finds the default keyspace.
func (k *keyspaces) LoadKeyspace(_ context.Context, req *keyspacepb.LoadKeyspaceRequest) (*keyspacepb.LoadKeyspaceResponse, error) {
	m, err := k.pd.check(req)
	if err != nil {
		return nil, err
	}
	if req.GetName() != defaultKeyspace {
		h := m.header()
		h.Error = &pdpb.Error{Type: pdpb.ErrorType_ENTRY_NOT_FOUND, Message: fmt.Sprintf("keyspace %q does not exist", req.GetName())}
		return &keyspacepb.LoadKeyspaceResponse{Header: h}, nil
	}
	return &keyspacepb.LoadKeyspaceResponse{Header: m.header(), Keyspace: theKeyspace()}, nil
}

// GetAllKeyspaces lists the default keyspace.
func (k *keyspaces) GetAllKeyspaces(_ context.Context, req *keyspacepb.GetAllKeyspacesRequest) (*keyspacepb.GetAllKeyspacesResponse, error) {
	m, err := k.pd.check(req)
	if err != nil {
		return nil, err
	}
	return &keyspacepb.GetAllKeyspacesResponse{Header: m.header(), Keyspaces: []*keyspacepb.KeyspaceMeta{theKeyspace()}}, nil
}

// WatchKeyspaces sends the default keyspace; it never changes.
func (k *keyspaces) WatchKeyspaces(req *keyspacepb.WatchKeyspacesRequest, stream keyspacepb.Keyspace_WatchKeyspacesServer) error {
	m, err := k.pd.check(req)
	if err != nil {
		return err
	}
	err = stream.Send(&keyspacepb.WatchKeyspacesResponse{Header: m.header(), Keyspaces: []*keyspacepb.KeyspaceMeta{theKeyspace()}})
	if err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// metaStorage is where clients look for the settings of services that this PD does not
// have. An honest "nothing there" lets the newest of them start at once instead of
// trying again for five seconds.
type metaStorage struct {
	meta_storagepb.UnimplementedMetaStorageServer
	pd *service
}

// Get finds nothing.
func (ms *metaStorage) Get(context.Context, *meta_storagepb.GetRequest) (*meta_storagepb.GetResponse, error) {
	m, err := ms.pd.member()
	if err != nil {
		return nil, err
	}
	return &meta_storagepb.GetResponse{Header: &meta_storagepb.ResponseHeader{ClusterId: m.clusterID}}, nil
}

// Watch has nothing to report.
func (ms *metaStorage) Watch(_ *meta_storagepb.WatchRequest, stream meta_storagepb.MetaStorage_WatchServer) error {
	if _, err := ms.pd.member(); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

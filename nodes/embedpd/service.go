package embedpd

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/pingcap/kvproto/pkg/keyspacepb"
	"github.com/pingcap/kvproto/pkg/meta_storagepb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// member is what the services know once the PD is open.
type member struct {
	clusterID uint64
	memberID  uint64
	url       string // what clients dial, with scheme
	oracle    *oracle
}

// service is pdpb.PD as far as nodes of a TiDB Binlog cluster and their tools call it;
// cluster.go holds the calls about stores and regions, of which there are none.
type service struct {
	pdpb.UnimplementedPDServer
	open       atomic.Pointer[member]
	server     atomic.Pointer[grpc.Server]
	registered chan struct{} // closed when etcd's gRPC server has our services
}

func newService() *service { return &service{registered: make(chan struct{})} }

func registerServices(gs *grpc.Server, s *service) {
	pdpb.RegisterPDServer(gs, s)
	keyspacepb.RegisterKeyspaceServer(gs, &keyspaces{pd: s})
	meta_storagepb.RegisterMetaStorageServer(gs, &metaStorage{pd: s})
}

// start lets calls in.
func (s *service) start(m *member) { s.open.Store(m) }

// stop ends every call and every connection of the client port.
func (s *service) stop() {
	s.open.Store(nil)
	if gs := s.server.Load(); gs != nil {
		gs.Stop()
	}
}

// member gives the open member, or the error that makes clients try again.
func (s *service) member() (*member, error) {
	if m := s.open.Load(); m != nil {
		return m, nil
	}
	return nil, status.Error(codes.Unavailable, "PD is starting or stopping")
}

// check is member for calls that must name their cluster, as PD holds them to.
func (s *service) check(req interface{ GetHeader() *pdpb.RequestHeader }) (*member, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	if id := req.GetHeader().GetClusterId(); id != m.clusterID {
		return nil, status.Errorf(codes.FailedPrecondition, "mismatch cluster id, need %d but got %d", m.clusterID, id)
	}
	return m, nil
}

func (m *member) header() *pdpb.ResponseHeader {
	return &pdpb.ResponseHeader{ClusterId: m.clusterID}
}

// GetMembers names the one member, which leads. It is the first call of every client,
// who does not know the cluster's ID yet. Clients dial the leader's first client URL
// and want a scheme in it.
func (s *service) GetMembers(context.Context, *pdpb.GetMembersRequest) (*pdpb.GetMembersResponse, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	self := &pdpb.Member{
		Name:       memberName,
		MemberId:   m.memberID,
		PeerUrls:   []string{peerURL},
		ClientUrls: []string{m.url},
	}
	return &pdpb.GetMembersResponse{
		Header: m.header(), Members: []*pdpb.Member{self}, Leader: self, EtcdLeader: self,
	}, nil
}

// GetClusterInfo tells clients since 2023 that timestamps come from PD itself.
func (s *service) GetClusterInfo(context.Context, *pdpb.GetClusterInfoRequest) (*pdpb.GetClusterInfoResponse, error) {
	m, err := s.member()
	if err != nil {
		return nil, err
	}
	return &pdpb.GetClusterInfoResponse{
		Header:       m.header(),
		ServiceModes: []pdpb.ServiceMode{pdpb.ServiceMode_PD_SVC_MODE},
	}, nil
}

// Tso answers every request of the stream with count timestamps: the reply's logical
// part is the last of them. Metadata that asks to forward the request to another member
// is ignored: the one it can name is this one.
func (s *service) Tso(stream pdpb.PD_TsoServer) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m, err := s.check(req)
		if err != nil {
			return err
		}
		if dc := req.GetDcLocation(); dc != "" && dc != "global" {
			return status.Errorf(codes.InvalidArgument, "this PD has no timestamps local to %q", dc)
		}
		ts, err := m.timestamp(stream.Context(), req.GetCount())
		if err != nil {
			return err
		}
		if err := stream.Send(&pdpb.TsoResponse{Header: m.header(), Count: req.GetCount(), Timestamp: ts}); err != nil {
			return err
		}
	}
}

// GetMinTS is the smallest timestamp over all timestamp servers: there is one.
func (s *service) GetMinTS(ctx context.Context, req *pdpb.GetMinTSRequest) (*pdpb.GetMinTSResponse, error) {
	m, err := s.check(req)
	if err != nil {
		return nil, err
	}
	ts, err := m.timestamp(ctx, 1)
	if err != nil {
		return nil, err
	}
	return &pdpb.GetMinTSResponse{Header: m.header(), Timestamp: ts}, nil
}

func (m *member) timestamp(ctx context.Context, count uint32) (*pdpb.Timestamp, error) {
	physical, logical, err := m.oracle.allocate(ctx, count)
	switch {
	case err == nil:
		return &pdpb.Timestamp{Physical: physical, Logical: logical}, nil
	case errors.Is(err, errCount):
		return nil, status.Error(codes.InvalidArgument, err.Error())
	default:
		return nil, status.Error(codes.Unavailable, err.Error())
	}
}

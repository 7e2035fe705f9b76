package replication

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// reportRegions tells PD who leads each region. A PD that has been restarted does not know
// until it is told, and answers nobody's question about the region before. TiKV tells it once a
// minute; unistore only when a region is made.
func (c *Cluster) reportRegions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, standstill)
	defer cancel()
	conn, err := grpc.NewClient(strings.TrimPrefix(c.PD.Endpoint(0), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("report regions: %w", err)
	}
	defer conn.Close()
	pd := pdpb.NewPDClient(conn)
	header := &pdpb.RequestHeader{ClusterId: c.PD.ClusterID()}
	for {
		missing, err := reportOnce(ctx, pd, header)
		if err == nil && missing == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("report regions: PD still misses %d leaders: %w", missing, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// reportOnce sends a heartbeat for every region without a leader, and gives their number.
func reportOnce(ctx context.Context, pd pdpb.PDClient, header *pdpb.RequestHeader) (int, error) {
	//lint:ignore SA1019 the PDs of these years know no other
	all, err := pd.ScanRegions(ctx, &pdpb.ScanRegionsRequest{Header: header, Limit: 1000})
	if err != nil {
		return 0, err
	}
	var missing []*pdpb.Region
	for _, r := range all.Regions {
		if r.Leader.GetId() == 0 {
			missing = append(missing, r)
		}
	}
	if len(all.Regions) == 0 {
		return 0, fmt.Errorf("PD tells of no region: %v", all.GetHeader().GetError())
	}
	if len(missing) == 0 {
		return 0, nil
	}
	stream, err := pd.RegionHeartbeat(ctx)
	if err != nil {
		return len(missing), err
	}
	defer stream.CloseSend()
	for _, r := range missing {
		beat := &pdpb.RegionHeartbeatRequest{Header: header, Region: r.Region, Leader: r.Region.Peers[0], ApproximateSize: 1}
		if err := stream.Send(beat); err != nil {
			return len(missing), err
		}
	}
	return len(missing), nil
}

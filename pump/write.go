package pump

import (
	"context"
	"errors"
	"fmt"

	"pumphouse/binlogpb"
	"pumphouse/pump/storage"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// service is the gRPC service binlog.Pump.
type service struct {
	binlogpb.UnimplementedPumpServer
	*Pump
}

// WriteBinlog stores one binlog and answers when it is durable. An empty payload is TiDB's
// question whether the pump takes writes.
func (s service) WriteBinlog(ctx context.Context, req *binlogpb.WriteBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	began := s.opts.Now()
	err := s.write(ctx, req)
	s.metrics.write(err, s.opts.Now().Sub(began))
	if err != nil {
		return nil, err
	}
	return &binlogpb.WriteBinlogResp{}, nil
}

func (p *Pump) write(ctx context.Context, req *binlogpb.WriteBinlogReq) error {
	if req.ClusterID != p.clusterID {
		return p.wrongCluster(req.ClusterID)
	}
	if len(req.Payload) == 0 {
		err := p.gate.enter(p.nodeID)
		if err == nil {
			p.gate.leave()
			return nil
		}
		return status.Error(codes.Unavailable, err.Error())
	}
	rec, err := storage.ParseRecord(req.Payload)
	if err != nil {
		p.metrics.errors.WithLabelValues("invalid").Inc()
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if rec.Type == storage.Prewrite {
		if err := p.gate.enter(p.nodeID); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		defer p.gate.leave()
	}
	if err := p.store.Append(ctx, rec); err != nil {
		return p.writeFailed(rec, err)
	}
	p.metrics.size(rec, len(req.Payload))
	return nil
}

func (p *Pump) wrongCluster(id uint64) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf(
		"this pump belongs to cluster %d, not to %d: check the PD address of the sender and of pump %s", p.clusterID, id, p.nodeID))
}

// writeFailed words the error for TiDB, which shows it in its log. TiDB tries other pumps
// after all of them.
func (p *Pump) writeFailed(rec storage.Record, err error) error {
	code := codes.Internal
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	case errors.Is(err, storage.ErrNoSpace), errors.Is(err, storage.ErrClosed):
		code = codes.Unavailable
	}
	p.metrics.errors.WithLabelValues("append").Inc()
	return status.Error(code, fmt.Sprintf("pump %s: store the %s with start TS %s: %v", p.nodeID, rec.Type, rec.StartTS, err))
}

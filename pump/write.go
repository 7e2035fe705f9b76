package pump

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/pump/direct"
	"pumphouse/pump/storage"
)

// service is the gRPC service binlog.Pump.
type service struct {
	binlogpb.UnimplementedPumpServer
	*Pump
}

// WriteBinlog stores one binlog and answers when it is durable. An empty payload is TiDB's
// question whether the pump takes writes.
func (s service) WriteBinlog(ctx context.Context, req *binlogpb.WriteBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	calls := []direct.Call{{ClusterID: req.ClusterID, Payload: req.Payload}}
	s.write(calls)
	if code := status.Code(calls[0].Err); code == codes.OK || code == codes.Unavailable {
		vouch(ctx)
	}
	if calls[0].Err != nil {
		return nil, calls[0].Err
	}
	return &binlogpb.WriteBinlogResp{}, nil
}

// write stores the binlogs of several calls together.
func (p *Pump) write(calls []direct.Call) {
	began := p.opts.Now()
	w, _ := p.writes.Get().(*writes)
	if w == nil {
		w = new(writes)
	}
	w.recs, w.errs = slices.Grow(w.recs[:0], len(calls))[:len(calls)], slices.Grow(w.errs[:0], len(calls))[:len(calls)]
	for i := range calls {
		w.recs[i], w.errs[i] = p.record(&calls[i])
	}
	p.horizon.check(w.recs, w.errs, began)
	entered := p.admit(w.recs, w.errs)
	p.store.AppendAll(w.recs, w.errs)
	if entered {
		p.gate.leave()
	}
	if slices.Contains(w.errs, nil) { // traffic
		p.pullers.wake()
	}
	took := p.opts.Now().Sub(began)
	for i := range calls {
		calls[i].Err = p.outcome(&calls[i], w.recs[i], w.errs[i])
		p.metrics.write(calls[i].Err, took)
	}
	clear(w.recs) // they hold payloads
	clear(w.errs)
	p.writes.Put(w)
}

// writes is what [Pump.write] works with.
type writes struct {
	recs []storage.Record
	errs []error
}

// errAsked stands for a call that only asks whether the pump takes writes.
var errAsked = errors.New("nothing to store")

// record is what a call wants stored; an error if there is nothing to store.
func (p *Pump) record(c *direct.Call) (storage.Record, error) {
	if c.ClusterID != p.clusterID {
		return storage.Record{}, p.wrongCluster(c.ClusterID)
	}
	if len(c.Payload) == 0 {
		return storage.Record{}, errAsked
	}
	rec, err := storage.ParseRecord(c.Payload)
	if err != nil {
		p.metrics.errors.WithLabelValues("invalid").Inc()
		return rec, status.Error(codes.InvalidArgument, err.Error())
	}
	return rec, nil
}

// admit lets prewrites, and TiDB's questions whether they would be taken, through or refuses
// them. It reports whether the gate was entered: one entry does for all of them, until they are stored.
func (p *Pump) admit(recs []storage.Record, errs []error) (entered bool) {
	var tried bool
	var refused error
	for i := range recs {
		asked := errors.Is(errs[i], errAsked)
		if !asked && (errs[i] != nil || recs[i].Type != storage.Prewrite) {
			continue
		}
		if !tried {
			tried, refused = true, p.gate.enter(p.ID)
			entered = refused == nil
			if entered {
				refused = p.horizon.setback()
			}
		}
		switch {
		case refused != nil:
			errs[i] = status.Error(codes.Unavailable, refused.Error())
		case asked:
			if err := p.store.Admit(); err != nil {
				errs[i] = status.Error(codes.Unavailable, fmt.Sprintf("pump %s: %v", p.ID, err))
			}
		}
	}
	return entered
}

// outcome is what a call is answered with.
func (p *Pump) outcome(c *direct.Call, rec storage.Record, err error) error {
	switch _, worded := status.FromError(err); {
	case errors.Is(err, errAsked):
		return nil
	case err == nil:
		p.metrics.size(rec, len(c.Payload))
		return nil
	case worded:
		if future := (*futureError)(nil); errors.As(err, &future) {
			p.metrics.errors.WithLabelValues("future_ts").Inc()
		}
		return err
	}
	return p.writeFailed(rec, err)
}

func (p *Pump) wrongCluster(id uint64) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf(
		"this pump belongs to cluster %d, not to %d: check the PD address of the sender and of pump %s", p.clusterID, id, p.ID))
}

// writeFailed words the error for TiDB, which shows it in its log. TiDB tries other pumps
// after all of them.
func (p *Pump) writeFailed(rec storage.Record, err error) error {
	code, kind := codes.Internal, "append"
	switch {
	case errors.Is(err, storage.ErrNoSpace) || errors.Is(err, storage.ErrNoDescriptor) || errors.Is(err, storage.ErrClosed):
		code = codes.Unavailable
		if errors.Is(err, storage.ErrNoSpace) {
			p.noSpace.Store(p.opts.Now().UnixNano())
		}
	case isLoss(err):
		code, kind = codes.FailedPrecondition, "lost"
		if p.losses.add(rec, err) {
			p.metrics.lost.Inc()
		}
		if errors.Is(err, storage.ErrLate) {
			p.horizon.ask() // has PD's clock gone back? Then nothing more must be taken
		}
	}
	p.metrics.errors.WithLabelValues(kind).Inc()
	return status.Error(code, fmt.Sprintf("pump %s: store the %s with start TS %s: %v", p.ID, rec.Type, rec.StartTS, err))
}

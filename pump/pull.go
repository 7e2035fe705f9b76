package pump

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
	"pumphouse/pump/storage"
)

// PullBinlogs sends what is committed after the position until the drainer goes or the
// pump pauses; the stream then ends without an error. gRPC's flow control is the
// back-pressure: SendMsg waits while the drainer does not read.
func (s service) PullBinlogs(req *binlogpb.PullBinlogReq, stream binlogpb.Pump_PullBinlogsServer) error {
	began := s.opts.Now()
	err := s.pull(req, stream)
	s.metrics.pull(err, s.opts.Now().Sub(began))
	return err
}

func (p *Pump) pull(req *binlogpb.PullBinlogReq, stream binlogpb.Pump_PullBinlogsServer) error {
	if req.ClusterID != p.clusterID {
		return p.wrongCluster(req.ClusterID)
	}
	from := nodes.TSO(req.GetStartFrom().GetOffset())
	if err := p.checkPosition(from); err != nil {
		return err
	}
	log := p.Log.WithField("commit_ts", from)
	if who, ok := peer.FromContext(stream.Context()); ok {
		log = log.WithField("addr", who.Addr.String())
	}
	vouch(stream.Context())
	puller, err := p.store.Pull(from)
	if err != nil {
		return p.pullFailed(log, from, err)
	}
	defer puller.Close()
	defer p.pullers.enter(binlogpb.Sent(stream.Context(), binlogpb.WakesKey))()
	log.Info("a drainer pulls")
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(p.pulls, cancel)()
	err = send(ctx, puller, stream)
	switch {
	case p.pulls.Err() != nil: // pausing or offline: the stream ends as it should
		log.Info("the pull ends with the pump")
		return nil
	case stream.Context().Err() != nil:
		log.Info("the drainer has left")
		return status.FromContextError(stream.Context().Err()).Err()
	}
	return p.pullFailed(log, from, err)
}

// vouch keeps the connection of a call whose sender knows the cluster.
func vouch(ctx context.Context) {
	if who, ok := peer.FromContext(ctx); ok {
		port.Vouch(who.Addr)
	}
}

// maxAhead is how far a position may be ahead of all clocks a pump knows.
const maxAhead = 10 * time.Minute

// checkPosition refuses what cannot be the commit TS of anything: a drainer that came with
// it would wait for ever and nobody would know why.
func (p *Pump) checkPosition(from nodes.TSO) error {
	if from < 0 {
		return status.Error(codes.InvalidArgument, fmt.Sprintf("position %d is negative: it must be the last commit TS the drainer has", from))
	}
	now := max(p.store.MaxCommitTS(), nodes.MakeTSO(p.opts.Now(), 0))
	if from > now && from.Time().Sub(now.Time()) > maxAhead {
		return status.Error(codes.OutOfRange, fmt.Sprintf("position %s (%s) is in the future: pump %s is at %s (%s); is the drainer's checkpoint of another cluster?",
			from, from.Time().Format(time.RFC3339), p.ID, now, now.Time().Format(time.RFC3339)))
	}
	return nil
}

// send passes entries on until something goes wrong.
func send(ctx context.Context, puller *storage.Puller, stream binlogpb.Pump_PullBinlogsServer) error {
	out := outlet{stream: stream, packs: binlogpb.Sent(stream.Context(), binlogpb.PacksKey)}
	for {
		e, err := puller.Next(ctx)
		if err == nil {
			err = out.put(e)
		}
		if err != nil || !puller.Ready() {
			if err := out.flush(); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// outlet sends entries on a stream: each on its own, or several at a time.
type outlet struct {
	stream binlogpb.Pump_PullBinlogsServer
	packs  bool // the drainer takes them
	pack   binlogpb.Pack
	d      binlogpb.Delivery
}

// put sends an entry, now or with the next flush.
func (o *outlet) put(e storage.Entry) error {
	o.d = binlogpb.Delivery{StartTS: int64(e.StartTS), CommitTS: int64(e.CommitTS), Payload: e.Payload}
	if e.Fake() {
		o.d.Payload = binlogpb.FakeBinlog(int64(e.CommitTS))
	}
	defer func() { o.d.Payload = nil }() // it may be giant, and the next entry may come much later
	for o.packs {
		if ok, err := o.pack.Put(&o.d); ok || err != nil {
			return err
		}
		if o.pack.Empty() {
			break // it has no room even there
		}
		if err := o.flush(); err != nil {
			return err
		}
	}
	return o.stream.SendMsg(&o.d)
}

// flush sends what waits for more.
func (o *outlet) flush() error {
	if o.pack.Empty() {
		return nil
	}
	return o.stream.SendMsg(&o.pack)
}

func (p *Pump) pullFailed(log logrus.FieldLogger, from nodes.TSO, err error) error {
	var purged *storage.PurgedError
	var lost *storage.LostError
	switch {
	case errors.As(err, &purged), errors.As(err, &lost):
		log.WithError(err).Error("a drainer asks for binlogs that are gone")
		return status.Error(codes.OutOfRange, fmt.Sprintf("pump %s: %v", p.ID, err))
	case errors.Is(err, storage.ErrClosed):
		return nil
	}
	if _, ok := status.FromError(err); !ok {
		p.metrics.errors.WithLabelValues("pull").Inc()
		log.WithError(err).Error("a pull failed")
		return status.Error(codes.Internal, fmt.Sprintf("pump %s: pull after commit TS %s: %v", p.ID, from, err))
	}
	return err
}

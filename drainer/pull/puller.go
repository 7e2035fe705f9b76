package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/drainer/merge"
	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// record is what a puller must know of a pump's record.
type record struct {
	host   string
	state  nodes.State
	broken error // the record cannot be read
}

// puller pulls from one pump.
type puller struct {
	g   *Group
	id  string
	src *merge.Source

	wake chan struct{} // capacity 1: the pump is to be woken

	// Guarded by the group's mutex.
	rec     record
	changed chan struct{} // closed and replaced when rec changes
	cut     context.CancelFunc
	since   time.Time // when the pump became reached, or not reached
	why     error     // it is not reached, nil: it is
	fails   logs.Repeated
}

// setRecordLocked tells the puller what PD says of its pump.
func (p *puller) setRecordLocked(rec record) {
	same := rec.host == p.rec.host && rec.state == p.rec.state && (rec.broken == nil) == (p.rec.broken == nil)
	if same {
		return
	}
	if rec.host != p.rec.host && rec.broken == nil && p.cut != nil {
		p.cut() // the pump has moved; nobody answers at the old address, or somebody else
	}
	if rec.broken != nil {
		rec.host = p.rec.host // goes on if it was reached there
	}
	p.rec = rec
	close(p.changed)
	p.changed = make(chan struct{})
}

// target gives the record and what tells that it has changed.
func (p *puller) target() (record, <-chan struct{}) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	return p.rec, p.changed
}

// pull pulls until the pump has gone, ctx is done, or nothing can be pulled correctly any
// more, which is the error.
func (p *puller) pull(ctx context.Context) error {
	pause := p.g.opts.MinPause
	for {
		rec, changed := p.target()
		delivered, err := p.stream(ctx, rec)
		var position *PositionError
		var disorder *merge.DisorderError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &position), errors.As(err, &disorder):
			return err
		case p.g.leave(p):
			return nil
		}
		p.down(err)
		if delivered {
			pause = p.g.opts.MinPause
		}
		if sleep(ctx, changed, pause) {
			pause = p.g.opts.MinPause
		} else {
			pause = min(2*pause, p.g.opts.MaxPause)
		}
	}
}

// stream opens one stream and pushes what it brings until it ends, which is always an
// error.
func (p *puller) stream(ctx context.Context, rec record) (delivered bool, err error) {
	switch {
	case rec.host == "" && rec.broken != nil:
		return false, fmt.Errorf("its address is not known: %w (repair the record, or delete it if there is no such pump)", rec.broken)
	case rec.host == "":
		return false, errors.New("its record has no address")
	}
	conn, err := p.g.dial(rec.host)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !p.mayCut(rec.host, cancel) {
		return false, errors.New("it has moved to another address")
	}
	p.g.wg.Go(func() { p.keepAwake(ctx, conn) })
	from := p.src.Position()
	stream, err := binlogpb.NewPumpClient(conn).PullBinlogs(metadata.AppendToOutgoingContext(ctx, binlogpb.WakesKey, "1", binlogpb.PacksKey, "1"), &binlogpb.PullBinlogReq{
		ClusterID: p.g.opts.ClusterID, StartFrom: &binlogpb.Pos{Offset: int64(from)}}, p.g.callOptions()...)
	var pack binlogpb.Pack
	for err == nil {
		if err = stream.RecvMsg(&pack); err != nil {
			break
		}
		err = pack.Each(func(d binlogpb.Delivery) error {
			p.g.opts.Received(p.id, d)
			if !delivered {
				delivered = true
				p.up(rec.host)
			}
			return p.src.Push(ctx, d)
		})
		if err != nil {
			return delivered, fmt.Errorf("pull from pump %q (%s): %w", p.id, rec.host, err)
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		err = errStreamEnded
	case status.Code(err) == codes.OutOfRange:
		return delivered, &PositionError{Pump: p.id, Addr: rec.host, Asked: p.src.Position(), Err: err}
	}
	return delivered, err
}

// mayCut lets a change of the pump's address end a stream to host; false: it has changed
// already.
func (p *puller) mayCut(host string, cancel context.CancelFunc) bool {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.cut = cancel
	return p.rec.host == host
}

// up notes that the pump delivers.
func (p *puller) up(host string) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	now := time.Now()
	log := p.g.opts.Logger.WithField("pump", p.id).WithField("addr", host).WithField("commit_ts", p.src.Position())
	if n := p.fails.Over(); n > 0 {
		log.WithField("after", now.Sub(p.since).Round(time.Millisecond).String()).WithField("times", n).Info("the pump delivers again")
	} else {
		log.Info("the drainer pulls from the pump")
	}
	p.why, p.since = nil, now
}

// down notes that the pump does not deliver, and says it now and then until it does again.
func (p *puller) down(err error) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.why == nil {
		p.since = time.Now()
	}
	p.why = err
	if n := p.fails.Again(); n > 0 {
		p.g.opts.Logger.WithField("pump", p.id).WithField("addr", p.rec.host).WithField("state", p.rec.state).WithError(err).WithField("times", n).
			Warn("the pump does not deliver: the drainer retries until it does, and nothing newer than its position goes downstream before")
	}
}

// Bounds of a connection.
const (
	connectTimeout = 5 * time.Second
	pingAfter      = 10 * time.Second // without a sign of life
	pingTimeout    = 3 * time.Second
	streamWindow   = 2 << 20 // bytes that a pump may send ahead
	readBuffer     = 128 << 10
)

func (g *Group) dial(host string) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if g.opts.TLS != nil {
		creds = credentials.NewTLS(g.opts.TLS.Clone())
	}
	return grpc.NewClient("passthrough:///"+host,
		grpc.WithTransportCredentials(creds), grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectTimeout}),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(streamWindow), grpc.WithReadBufferSize(readBuffer),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}))
}

// maxMessage is the largest message in bytes that a protocol buffer can be, and a gRPC server
// sends: 2 GiB less one byte. A smaller bound would only stop replication at a binlog that a
// pump has accepted; pumps bound what they accept (max-message-size).
const maxMessage = math.MaxInt32

func (g *Group) callOptions() []grpc.CallOption {
	opts := []grpc.CallOption{grpc.ForceCodecV2(binlogpb.Codec{}), grpc.MaxCallRecvMsgSize(maxMessage)}
	if g.opts.Gzip {
		opts = append(opts, grpc.UseCompressor(gzip.Name))
	}
	return opts
}

// sleep waits; true: changed came first.
func sleep(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	select {
	case <-changed:
		return true
	case <-time.After(d):
	case <-ctx.Done():
	}
	return false
}

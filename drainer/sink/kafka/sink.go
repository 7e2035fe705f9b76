package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// Sink writes transactions to a topic.
type Sink struct {
	opts   Options
	mark   string // of the drainer's messages
	limits limits
	client *kgo.Client
	enc    *message.Encoder // Apply's
	canal  *canal           // Apply's; nil with another protocol
	last   nodes.TSO        // Apply's: commit TS of the last message
	found  string           // Apply's: the statement in the message that was the last one at the start; see left
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	closed sync.Once

	work chan struct{} // capacity 1: there is something to send

	mu       sync.Mutex
	queue    []*outgoing
	waiting  int // bytes of the messages in queue and on their way
	sending  []*outgoing
	since    time.Time // when sending began
	retried  error     // why the sink sends them again
	changed  sink.Cond // of waiting, sending or err
	existing nodes.TSO // the topic has everything up to there from before
	passed   nodes.TSO // Passed of the last batch
	applied  nodes.TSO
	closing  bool
	err      error // why the sink does not go on
}

var _ sink.Sink = (*Sink)(nil)

// outgoing is a message on its way.
type outgoing struct {
	commitTS  nodes.TSO
	partition int32
	value     []byte
	mark      string    // the value of the drainer's header; "": there is none
	part      bool      // of a transaction: the rest of it comes after
	group     int       // the messages before it of another group have to be acknowledged first
	table     string    // whose row it has, when it has one row
	large     *contents // nil: its value tells
}

// contents are what a large message has.
type contents struct {
	bytes, rows int
	tables      []string
}

// New connects to the brokers, makes the topic if it is not there, and finds out what is in it
// already. Errors name what is wrong and the cure; when ctx is done first it is its cause.
func New(ctx context.Context, opts Options) (*Sink, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	clientOpts, err := opts.client()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(clientOpts...)
	if err != nil {
		return nil, fmt.Errorf("kafka sink: %w", err)
	}
	s := &Sink{
		opts: opts, mark: opts.mark(), client: client, enc: message.NewEncoder(opts.TimeZone), passed: opts.From, applied: opts.From,
		work: make(chan struct{}, 1),
	}
	if opts.canal() {
		s.canal = newCanal(opts)
	}
	if err := s.begin(ctx); err != nil {
		client.Close()
		return nil, nodes.WithProblem(fmt.Errorf("kafka sink: %w", err), nodes.ProblemDownstreamDown, "")
	}
	s.applied = max(s.applied, s.existing)
	s.last = s.applied
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.wg.Go(s.sender)
	s.wg.Go(s.watch)
	return s, nil
}

// Apply implements sink.Sink. Transactions without changes are not sent.
func (s *Sink) Apply(ctx context.Context, b sink.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	err, passed := s.err, s.passed
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := b.Check(passed); err != nil {
		return err
	}
	for _, t := range b.Txns {
		if t.CommitTS <= s.existing || t.Empty() {
			continue
		}
		if err := s.applyTxn(ctx, t); err != nil {
			return err
		}
	}
	if s.canal != nil {
		if err := s.watermark(ctx, b.Passed, false); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed = b.Passed
	s.advanceLocked(0)
	return s.err
}

// applyTxn hands a transaction's messages to the sender.
func (s *Sink) applyTxn(ctx context.Context, t *sink.Txn) error {
	if s.canal != nil {
		return s.applyCanal(ctx, t)
	}
	list := s.left(t)
	for i, rec := range list {
		m, err := s.encode(rec)
		if err != nil {
			return s.fail(err)
		}
		m.part = i < len(list)-1
		if err := s.enqueue(ctx, m); err != nil {
			return err
		}
		s.last = rec.CommitTS
	}
	return nil
}

// left are the messages to be sent of a transaction. Those of its early statements may be in the
// topic from before a crash.
func (s *Sink) left(t *sink.Txn) []*sink.Txn {
	list := t.Records(s.last)
	for i, rec := range list {
		if rec.DDL != nil && s.found != "" && rec.DDL.Schema+" "+rec.Query == s.found {
			list = list[i+1:]
			break
		}
	}
	s.found = ""
	return list
}

func (s *Sink) encode(t *sink.Txn) (*outgoing, error) {
	if t.Large != nil {
		return s.encodeLarge(t)
	}
	value, err := s.enc.Encode(t)
	if err != nil {
		return nil, fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
	}
	m := &outgoing{commitTS: t.CommitTS, value: value, mark: s.mark}
	if limit := s.limits.message; limit > 0 && len(value) > limit {
		return nil, tooLarge(s.opts, m, limit)
	}
	return m, nil
}

// encodeLarge makes the message of a large transaction, unless that becomes too large.
func (s *Sink) encodeLarge(t *sink.Txn) (*outgoing, error) {
	prepared, err := s.enc.Large(t)
	if err != nil {
		return nil, fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
	}
	m := &outgoing{commitTS: t.CommitTS, mark: s.mark, large: &contents{bytes: prepared.Size, rows: t.Rows()}}
	for _, table := range t.Large.Tables {
		m.large.tables = append(m.large.tables, table.String())
	}
	limit := maxBatchBytes - recordOverhead - len(s.mark)
	if l := s.limits.message; l > 0 {
		limit = min(limit, l)
	}
	if prepared.Size > limit {
		return nil, tooLarge(s.opts, m, limit)
	}
	if m.value, err = prepared.Bytes(); err != nil {
		return nil, fmt.Errorf("the transaction with commit TS %s: %w", t.CommitTS, err)
	}
	return m, nil
}

// maxWaiting is how many bytes may wait to be acknowledged before Apply waits, too.
const maxWaiting = 64 << 20

// enqueue hands a message to the sender, when there is room for it. One that is larger than
// the room goes alone.
func (s *Sink) enqueue(ctx context.Context, m *outgoing) error {
	s.mu.Lock()
	for s.err == nil && s.waiting > 0 && s.waiting+len(m.value) > maxWaiting {
		if err := s.changed.Wait(ctx, &s.mu); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.queue = append(s.queue, m)
	s.waiting += len(m.value)
	sink.Wake(s.work)
	return nil
}

// advanceLocked moves applied: to ts, and to passed when nothing is on its way.
func (s *Sink) advanceLocked(ts nodes.TSO) {
	s.applied = max(s.applied, ts)
	if s.waiting == 0 {
		s.applied = max(s.applied, s.passed)
	}
}

// Applied implements sink.Sink.
func (s *Sink) Applied() nodes.TSO {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// Flush implements sink.Sink.
func (s *Sink) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.waiting > 0 {
		if err := s.changed.Wait(ctx, &s.mu); err != nil {
			return err
		}
	}
	return s.err
}

// closeTimeout is how long Close waits for the brokers' answer about what is on its way. If it is
// not known, a restart may send that twice.
const closeTimeout = time.Second

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		s.mu.Lock()
		s.closing = true
		for s.err == nil && len(s.sending) > 0 && s.changed.Wait(ctx, &s.mu) == nil {
		}
		s.err = fmt.Errorf("kafka sink: %w", sink.ErrClosed)
		s.changed.Broadcast()
		s.mu.Unlock()
		s.stop()
		s.client.Close()
	})
	s.wg.Wait()
	return nil
}

// fail makes err what the sink says from now on.
func (s *Sink) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		code := nodes.ProblemDownstreamDown
		if errors.Is(err, ErrTakenOver) {
			code = nodes.ProblemTakeover
		}
		s.err = nodes.WithProblem(fmt.Errorf("kafka sink: %w", err), code, "")
		s.changed.Broadcast()
		if !errors.Is(err, sink.ErrClosed) {
			s.opts.Logger.WithError(s.err).Error("the kafka sink has failed")
		}
	}
	return s.err
}

package drainer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pumphouse/drainer/merge"
	"pumphouse/drainer/pull"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
)

// flow is the way from the pumps to the sink: pull, merge, decode, apply. There is one from
// the start on, and a new one each time when going offline was cancelled.
type flow struct {
	d      *Drainer
	merger *merge.Merger
	group  *pull.Group

	taking     context.Context // done: nothing more is pulled and merged
	stopTaking context.CancelFunc
	applying   context.Context // done: what was taken is given up as well
	cut        context.CancelFunc

	decoded chan decodedBatch
	failed  chan error // the first failure
	wg      sync.WaitGroup
	done    chan struct{} // closed when all of it has ended
	begun   sync.Once
}

// decodedBatch is what the decoder hands to the sink.
type decodedBatch struct {
	sink.Batch
	bytes  int64 // to be released when the sink has taken it
	counts counts
}

// queued is how many batches may be decoded ahead of the sink.
const queued = 4

// currentFlow is the flow that runs now.
type currentFlow struct {
	mu   sync.Mutex
	flow *flow
}

func (c *currentFlow) get() *flow {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flow
}

func (c *currentFlow) set(next *flow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flow = next
}

// startFlow makes a flow from where the last one ended. It does nothing before run.
func (d *Drainer) startFlow() error {
	from := nodes.TSO(d.passed.Load())
	tlsConfig, err := d.opts.Security.Client()
	if err != nil {
		return err
	}
	f := &flow{d: d, decoded: make(chan decodedBatch, queued), failed: make(chan error, 1), done: make(chan struct{})}
	f.merger = merge.New(merge.Options{From: from, BufferBytes: d.opts.BufferBytes, Waits: func() { f.group.Wake() }, Now: d.opts.Now})
	f.group, err = pull.New(pull.Options{Registry: d.opts.Registry, Cache: d.cache, Merger: f.merger, ClusterID: d.clusterID,
		From: from, TLS: tlsConfig, Gzip: d.opts.Gzip, Received: d.received, Logger: d.Log})
	if err != nil {
		return err
	}
	f.taking, f.stopTaking = context.WithCancel(context.Background())
	f.applying, f.cut = context.WithCancel(context.Background())
	d.current.set(f)
	return nil
}

// run starts the flow's goroutines.
func (f *flow) run() {
	f.begun.Do(func() {
		f.start("pull", f.pull)
		f.start("decode", f.decode)
		f.start("apply", f.apply)
		go func() { f.wg.Wait(); close(f.done) }()
	})
}

// skip is for a flow that is not run: nobody waits for its end.
func (f *flow) skip() { f.begun.Do(func() { close(f.done) }) }

// stop ends the flow: nothing more is taken, and what was taken is handed to the sink until
// ctx is done. It returns when the goroutines have gone.
func (f *flow) stop(ctx context.Context) {
	f.stopTaking()
	defer context.AfterFunc(ctx, f.cut)()
	<-f.done
}

// start runs a part of the flow. Its error is the flow's failure; errors that only say that
// the flow was stopped are not for it to give.
func (f *flow) start(kind string, part func() error) {
	f.wg.Go(func() {
		if err := part(); err != nil {
			f.d.metrics.failed(kind)
			select {
			case f.failed <- err:
			default:
			}
		}
	})
}

// pull brings the pumps' binlogs to the merge.
func (f *flow) pull() error {
	err := f.group.Run(f.taking)
	var position *pull.PositionError
	if errors.As(err, &position) {
		return nodes.WithProblem(fmt.Errorf("%w; what is missing there cannot be replicated any more: dump the upstream again and begin "+
			"with -initial-commit-ts, or take the checkpoint of another drainer of this cluster", err), nodes.ProblemPurged, "")
	}
	return err
}

// decode takes from the merge and makes transactions of it, until the flow is stopped or
// something cannot be decoded; then what came before goes downstream, and nothing after it.
func (f *flow) decode() error {
	defer close(f.decoded)
	for {
		b, err := f.merger.Next(f.taking)
		switch {
		case f.taking.Err() != nil:
			return nil
		case err != nil:
			f.d.metrics.disorder.Inc()
			return nodes.WithProblem(err, nodes.ProblemDataDamaged, "")
		}
		if err := f.decodeBatch(b); err != nil {
			if f.taking.Err() != nil {
				return nil // it was waiting for a DDL job
			}
			return undecoded(err)
		}
	}
}

// undecoded says which problem it is that a transaction cannot be decoded.
func undecoded(err error) error {
	for _, missing := range []error{schema.ErrNoJob, schema.ErrBadJob, schema.ErrNoMeta, schema.ErrNoTable} {
		if errors.Is(err, missing) {
			return nodes.WithProblem(err, nodes.ProblemHistoryUnreadable, "")
		}
	}
	return nodes.WithProblem(err, nodes.ProblemStatementRefused, "")
}

// decodeBatch decodes a batch and hands it over. What stands before a DDL does not wait for
// it: its job may come into the history much later.
func (f *flow) decodeBatch(b merge.Batch) error {
	var p decodedBatch
	for i := range b.Items {
		txns, err := f.d.decoder.decode(f.taking, f.d.history, &b.Items[i], func() { f.enqueue(&p) })
		if err != nil {
			f.enqueue(&p)
			return err
		}
		p.add(txns, nodes.TSO(b.Items[i].CommitTS))
	}
	p.Passed, p.bytes = b.Passed, b.Bytes
	f.enqueue(&p)
	return nil
}

// add adds what was made of the transaction with a commit TS.
func (p *decodedBatch) add(txns []*sink.Txn, commitTS nodes.TSO) {
	p.Passed = commitTS
	p.counts.seen++
	p.Txns = append(p.Txns, txns...)
	for _, t := range txns {
		p.counts.add(t)
	}
}

// enqueue puts what is decoded into the queue and empties p.
func (f *flow) enqueue(p *decodedBatch) {
	if p.Passed == 0 { // nothing since the last time
		return
	}
	select {
	case f.decoded <- *p:
		f.d.passed.Store(int64(p.Passed))
	case <-f.applying.Done():
	}
	*p = decodedBatch{}
}

// apply hands transactions to the sink.
func (f *flow) apply() error {
	for p := range f.decoded {
		began := f.d.opts.Now()
		if err := f.d.sink.Apply(f.applying, p.Batch); err != nil {
			asked := f.applying.Err() != nil
			f.stopTaking()
			f.cut()
			if asked {
				return nil
			}
			return nodes.WithProblem(fmt.Errorf("apply to %s: %w", f.d.opts.Downstream, err), nodes.ProblemDownstreamDown, "")
		}
		f.merger.Release(p.bytes)
		f.d.giveBackAfter(p.Txns)
		if len(p.Txns) > 0 {
			f.d.metrics.applied(f.d.opts.Now().Sub(began))
		}
		f.d.metrics.taken(&p)
		if p.counts.seen > 0 {
			f.d.lastTxn.set(f.d.opts.Now())
		}
	}
	return nil
}

package merge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

// world is a model of PD, TiDB and the pumps: it draws timestamps and gives transactions
// to pumps as they do.
type world struct {
	tso atomic.Int64
	end atomic.Int64 // what the last pump passes last; 0 until it is decided

	mu      sync.Mutex
	commits []copyID // every transaction there is
}

// pump is a pump in the model: it acknowledges prewrites before their commit TSs are
// drawn, and delivers in order what is complete.
type pump struct {
	w    *world
	src  *Source
	rng  *rand.Rand
	twin *pump // gets a second copy now and then

	mu      sync.Mutex
	pending []copyID // committed, not yet delivered
	closed  bool
}

// commit writes a transaction to the pump, and perhaps to its twin. The TS is drawn while
// both are locked: neither tells a later time before it has the transaction.
func (p *pump) commit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	both := p.twin != nil && p.rng.IntN(8) == 0
	if both {
		p.twin.mu.Lock()
		defer p.twin.mu.Unlock()
		both = !p.twin.closed
	}
	id := copyID{start: p.w.tso.Add(1)}
	id.commit = p.w.tso.Add(1)
	p.pending = append(p.pending, id)
	if both {
		p.twin.pending = append(p.twin.pending, id)
	}
	p.w.mu.Lock()
	p.w.commits = append(p.w.commits, id)
	p.w.mu.Unlock()
}

// deliver pushes what is pending, and then mostly the time.
func (p *pump) deliver(ctx context.Context) error {
	p.mu.Lock()
	ready := p.pending
	p.pending = nil
	clock := int64(0)
	if p.rng.IntN(3) > 0 {
		clock = p.w.tso.Add(1)
	}
	p.mu.Unlock()
	slices.SortFunc(ready, func(a, b copyID) int { return int(a.commit - b.commit) })
	for _, id := range ready {
		d := binlogpb.Delivery{StartTS: id.start, CommitTS: id.commit, Payload: make([]byte, p.rng.IntN(200))}
		if err := p.src.Push(ctx, d); err != nil {
			return err
		}
	}
	if clock > 0 {
		return p.src.Push(ctx, fake(clock))
	}
	return nil
}

// live is the life of a pump; then it goes offline with everything delivered.
func (p *pump) live(ctx context.Context, steps int) error {
	for range steps {
		for range p.rng.IntN(6) {
			p.commit()
		}
		if err := p.deliver(ctx); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.closed = true // the twin gives it nothing any more
	p.mu.Unlock()
	if err := p.deliver(ctx); err != nil {
		return err
	}
	p.src.End()
	return nil
}

// Any schedule of pumps that write, tell the time, join and leave gives every transaction
// once, in order, and Passed never promises too much.
func TestRandomSchedules(t *testing.T) {
	fresh := form.Seed(t)
	for n := range uint64(40) {
		for _, seed := range []uint64{n, fresh + 1000 + n} { // some are always the same
			t.Run(fmt.Sprint(seed), func(t *testing.T) { randomSchedule(t, seed) })
		}
	}
}

func randomSchedule(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{}
	m := New(Options{BufferBytes: int64(500 + rng.IntN(8000)), BatchItems: 1 + rng.IntN(20), BatchBytes: int64(1 + rng.IntN(2000))})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)

	var wg sync.WaitGroup
	fail := func(err error) { cancel(err) }
	join := func(id int, twin *pump) *pump {
		// As Notify does it: the pump takes part before it acknowledges anything.
		src, err := m.Add(fmt.Sprintf("p%d", id), 0)
		if err != nil {
			fail(err)
		}
		return &pump{w: w, src: src, rng: rand.New(rand.NewPCG(seed, uint64(id))), twin: twin}
	}
	var first []*pump
	for i := range 1 + rng.IntN(4) {
		var twin *pump
		if i > 0 {
			twin = first[i-1]
		}
		first = append(first, join(i, twin))
	}
	start := func(p *pump, steps int) {
		wg.Go(func() {
			if err := p.live(ctx, steps); err != nil {
				fail(err)
			}
		})
	}
	steps, late := 20+rng.IntN(60), rng.IntN(4)
	for _, p := range first {
		start(p, steps)
	}
	wg.Go(func() {
		for i := range late {
			for range i * 50 {
				w.tso.Add(1)
			}
			start(join(100+i, nil), 1+i*10)
		}
	})
	// One pump stays and tells the time meanwhile.
	keeper := join(1000, nil)
	others, finished := make(chan struct{}), make(chan struct{})
	go func() {
		wg.Wait()
		close(others)
	}()
	go func() {
		defer close(finished)
		if err := keeper.keep(ctx, others); err != nil {
			fail(err)
		}
	}()
	check(t, ctx, m, w, finished)
}

// keep tells the time until the others have gone, and then delivers a last transaction.
func (p *pump) keep(ctx context.Context, others <-chan struct{}) error {
	for ctx.Err() == nil {
		select {
		case <-others:
			p.commit()
			if err := p.deliver(ctx); err != nil {
				return err
			}
			last := p.w.tso.Add(1)
			p.w.end.Store(last) // before anybody can have passed it
			return p.src.Push(ctx, fake(last))
		default:
			if err := p.src.Push(ctx, fake(p.w.tso.Add(1))); err != nil {
				return err
			}
			runtime.Gosched()
		}
	}
	return context.Cause(ctx)
}

// check takes everything and compares it with what there is.
func check(t *testing.T, ctx context.Context, m *Merger, w *world, finished chan struct{}) {
	var got []copyID
	var held []int64
	passed := nodes.TSO(0)
	for w.end.Load() == 0 || int64(passed) < w.end.Load() {
		b, err := m.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.Passed <= passed && len(b.Items) == 0 {
			t.Fatalf("a batch without news: passed %d after %d", b.Passed, passed)
		}
		for _, it := range b.Items {
			if nodes.TSO(it.CommitTS) <= passed || nodes.TSO(it.CommitTS) > b.Passed {
				t.Fatalf("commit TS %d in a batch from %d to %d", it.CommitTS, passed, b.Passed)
			}
			got = append(got, copyID{it.StartTS, it.CommitTS})
		}
		passed = b.Passed
		if held = append(held, b.Bytes); len(held) > 2 {
			m.Release(held[0])
			held = held[1:]
		}
		for len(held) > 0 && m.taken.full() {
			m.Release(held[0])
			held = held[1:]
		}
	}
	<-finished
	want := slices.Clone(w.commits)
	slices.SortFunc(want, func(a, b copyID) int { return int(a.commit - b.commit) })
	if !slices.Equal(got, want) {
		t.Fatalf("%d transactions came out, %d there are", len(got), len(want))
	}
	for _, n := range held {
		m.Release(n)
	}
	if st := m.Stats(); st.QueuedBytes != 0 || st.TakenBytes != 0 || st.Disorders != 0 {
		t.Errorf("in the end: %+v", st)
	}
}

// Next asked while the context is done ends at once, with the cause.
func TestNextObeysContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	if _, err := New(Options{}).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Pumps join and leave all the time while another one writes: what a pump writes after Add
// has returned always comes out in its place.
func TestJoinWhileMerging(t *testing.T) {
	m := New(Options{BufferBytes: 16 << 10})
	var tso atomic.Int64
	writer, err := m.Add("writer", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var written atomic.Int64
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				if err := writer.Push(ctx, fake(tso.Add(1))); err != nil {
					t.Error(err)
				}
				return
			default:
			}
			written.Add(1)
			if err := writer.Push(ctx, binlogpb.Delivery{StartTS: -1, CommitTS: tso.Add(1)}); err != nil {
				return // the test is over
			}
		}
	})
	const joins = 300
	wg.Go(func() {
		defer close(done)
		for range joins {
			for m.Stats().Pumps > 1 && ctx.Err() == nil { // until it is out, so that it joins anew
				runtime.Gosched()
			}
			s, err := m.Add("joiner", 0)
			if err != nil {
				t.Error(err)
				return
			}
			ts := tso.Add(1)
			written.Add(1)
			err = s.Push(ctx, binlogpb.Delivery{StartTS: -1, CommitTS: ts})
			if s.End(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for got, last := int64(0), int64(0); ; {
		b, err := m.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range b.Items {
			if it.CommitTS <= last {
				t.Fatalf("%d after %d", it.CommitTS, last)
			}
			last = it.CommitTS
		}
		m.Release(b.Bytes)
		got += int64(len(b.Items))
		select {
		case <-done:
			if got == written.Load() {
				return
			}
		default:
		}
	}
}

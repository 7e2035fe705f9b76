package relay

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
)

var errPower = errors.New("the power is gone")

// taken is a downstream that remembers what it was given.
type taken struct {
	mu   sync.Mutex
	list []nodes.TSO
}

func (d *taken) Apply(_ context.Context, b sink.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range b.Txns {
		d.list = append(d.list, t.CommitTS)
	}
	return nil
}

func (d *taken) Applied() nodes.TSO {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return 0
	}
	return d.list[len(d.list)-1]
}

func (d *taken) Flush(context.Context) error { return nil }
func (d *taken) Close() error                { return nil }

// TestPowerCut: the power fails at any change of the disk, and takes what is not synced, names included. The
// log has what was handed to the downstream, and brings it there again.
func TestPowerCut(t *testing.T) {
	cut := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		fsys := faultfs.New()
		fail := 1 + rnd.Int64N(60)
		var n atomic.Int64
		fsys.Inject(func(faultfs.Op) faultfs.Fault {
			if n.Add(1) >= fail {
				return faultfs.Fault{Err: errPower}
			}
			return faultfs.Fault{}
		})
		opts := Options{Dir: "data/relay", FS: fsys, MaxFileBytes: 500}
		before := new(taken)
		s, err := New(t.Context(), before, opts)
		for ts := nodes.TSO(10); err == nil && ts <= 200; ts += 10 {
			if err = s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{sinktest.Insert(ts)}, Passed: ts}); err == nil && rnd.IntN(3) > 0 {
				err = s.Flush(t.Context())
			}
		}
		if s != nil {
			_ = s.Close()
		}
		if err != nil && !errors.Is(err, errPower) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err != nil {
			cut++
		}
		given := before.Applied()
		if rnd.IntN(3) == 0 {
			rnd = nil
		}
		again := new(taken)
		opts.FS = fsys.Crash(rnd)
		s, err = New(t.Context(), again, opts)
		if err != nil {
			t.Fatalf("seed %d: after the cut: %v", seed, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if at := again.Applied(); at < given {
			t.Fatalf("seed %d: the downstream was given everything up to %s, the log has it up to %s", seed, given, at)
		}
		for i, ts := range again.list {
			if ts != nodes.TSO(10*(i+1)) {
				t.Fatalf("seed %d: the log brings %v", seed, again.list)
			}
		}
	}
	if cut < 100 {
		t.Errorf("the power was cut %d times", cut)
	}
}

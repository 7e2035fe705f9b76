package pump

import (
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/nodes"
	"pumphouse/pump/direct"
)

// When the gate has changed, every prewrite that was let in is stored, and none comes after it. Commits are
// stored whatever the state: their prewrites were taken.
func TestTheGateWaitsForWhatItLetIn(t *testing.T) {
	r := newRig(t)
	p := r.open(r.options("pump1"))
	write := func(payload []byte) error {
		calls := []direct.Call{{ClusterID: p.clusterID, Payload: payload}}
		p.write(calls)
		return calls[0].Err
	}
	// Timestamps that PD has given are not asked for one by one: the writers are to be in the store all the time.
	var next atomic.Int64
	next.Store(int64(r.tso()))
	for range 20 {
		var wg sync.WaitGroup
		begun := make(chan struct{}, 16)
		for range 16 {
			wg.Go(func() {
				for first := true; ; first = false {
					err := write(prewrite(nodes.TSO(next.Add(-1)), []byte("v")))
					if first {
						begun <- struct{}{}
					}
					if status.Code(err) == codes.Unavailable {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 16 {
			<-begun
		}
		p.gate.set(nodes.Pausing)
		stored := p.store.Stats().Records
		wg.Wait()
		if now := p.store.Stats().Records; now != stored {
			t.Fatalf("%d prewrites were stored after the gate had changed", now-stored)
		}
		p.gate.set(nodes.Online)
	}
	start := r.tso()
	if err := write(prewrite(start, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	for _, s := range []nodes.State{nodes.Pausing, nodes.Closing} {
		p.gate.set(s)
		if err := write(commit(start, r.tso())); err != nil {
			t.Errorf("a commit while the pump is %s: %v", s, err)
		}
		p.gate.set(nodes.Online)
		start = r.tso()
		if err := write(prewrite(start, []byte("v"))); err != nil {
			t.Fatal(err)
		}
	}
}

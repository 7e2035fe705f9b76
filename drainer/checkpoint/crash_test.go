package checkpoint

import (
	"errors"
	"math/rand/v2"
	"testing"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
)

// TestPowerCut: after a power cut at any change of the disk there is the savepoint that was saved last, or
// the one that was being saved.
func TestPowerCut(t *testing.T) {
	errPower := errors.New("the power is gone")
	cut := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		fsys := faultfs.New()
		n, fail := 0, 1+rnd.IntN(30)
		fsys.Inject(func(faultfs.Op) faultfs.Fault {
			if n++; n >= fail {
				return faultfs.Fault{Err: errPower, Short: rnd.IntN(20)}
			}
			return faultfs.Fault{}
		})
		f := InDir("data/drainer")
		f.FS = fsys
		saved, trying := nodes.TSO(0), nodes.TSO(0)
		for ts := nodes.TSO(100); ts <= 500; ts += 100 {
			trying = ts
			if err := f.Save(t.Context(), Position{CommitTS: ts, ClusterID: 7, Reached: []int64{int64(ts), 2}, Exact: true}); err != nil {
				if !errors.Is(err, errPower) {
					t.Fatal(err)
				}
				cut++
				break
			}
			saved = ts
		}
		if seed%3 == 0 {
			rnd = nil
		}
		f.FS = fsys.Crash(rnd)
		p, err := f.Load(t.Context())
		if errors.Is(err, ErrNone) && saved == 0 {
			continue
		}
		if err != nil || p.CommitTS != saved && p.CommitTS != trying || p.ClusterID != 7 || p.Reached[0] != int64(p.CommitTS) {
			t.Fatalf("seed %d: saved was %s, there is %+v, %v", seed, saved, p, err)
		}
	}
	if cut < 100 {
		t.Errorf("the power was cut %d times", cut)
	}
}

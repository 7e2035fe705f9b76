package file

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
)

var errPower = errors.New("the power is gone")

// cutPower has the change with a number, and all after it, fail.
func cutPower(disk *faultfs.FS, at int64, short int) {
	var n atomic.Int64
	disk.Inject(func(faultfs.Op) faultfs.Fault {
		if n.Add(1) >= at {
			return faultfs.Fault{Err: errPower, Short: short}
		}
		return faultfs.Fault{}
	})
}

// deliver hands transactions to a sink, some at a time, until one fails.
func deliver(s *Sink, rnd *rand.Rand, list []nodes.TSO) error {
	for len(list) > 0 {
		n := min(len(list), 1+rnd.IntN(3))
		b := sink.Batch{Passed: list[n-1]}
		for _, ts := range list[:n] {
			b.Txns = append(b.Txns, sinktest.Insert(ts))
		}
		list = list[n:]
		if err := s.Apply(context.Background(), b); err != nil {
			return err
		}
		if rnd.IntN(2) == 0 {
			if err := s.Flush(context.Background()); err != nil {
				return err
			}
		}
	}
	return s.Flush(context.Background())
}

// TestPowerCut: the power fails at any change of the disk, and takes what is not synced, names included. What
// the sink said is applied is there, and from its position on everything comes once more and once.
func TestPowerCut(t *testing.T) {
	var all []nodes.TSO
	for ts := nodes.TSO(10); ts <= 300; ts += 10 {
		all = append(all, ts)
	}
	cut := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		fsys := faultfs.New()
		opts := Options{Dir: "data/files", FS: fsys, MaxFileBytes: 400, SyncInterval: time.Hour, Gzip: seed%3 == 0}
		from := nodes.TSO(0)
		for life := 0; ; life++ {
			if life < 3 {
				cutPower(fsys, 1+rnd.Int64N(60), rnd.IntN(200))
			}
			opts.FS, opts.From = fsys, from
			s, err := New(opts)
			if err == nil {
				err = deliver(s, rnd, all[from/10:])
				from = s.Applied()
				err = errors.Join(err, s.Close())
			}
			if err == nil && from == all[len(all)-1] {
				break
			}
			if !errors.Is(err, errPower) {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			cut++
			if rnd.IntN(4) == 0 {
				fsys = fsys.Crash(nil)
			} else {
				fsys = fsys.Crash(rnd)
			}
		}
		var got []nodes.TSO
		paths, err := binlogfile.FilesOn(fsys, opts.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if err := binlogfile.EachOn(fsys, path, func(r binlogfile.Record) error { got = append(got, r.CommitTS()); return nil }); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if !slices.Equal(got, all) {
			t.Fatalf("seed %d: in the files are %v", seed, got)
		}
		if after := fsys.Crash(nil); seed%10 == 0 { // and a last cut takes nothing
			if paths, err := binlogfile.FilesOn(after, opts.Dir); err != nil || len(paths) == 0 {
				t.Fatalf("seed %d: %v, %v", seed, paths, err)
			}
		}
	}
	if cut < 400 {
		t.Errorf("the power was cut %d times", cut)
	}
}

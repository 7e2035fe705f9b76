package embedpd

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"pumphouse/nodes"
)

// boundDisk is a bound store that can fail. It is the real contract: what saveBound returned
// nil for is there afterwards.
type boundDisk struct {
	bound int64
	saves int
	err   error
}

func (d *boundDisk) loadBound(context.Context) (int64, error) { return d.bound, nil }

func (d *boundDisk) saveBound(_ context.Context, bound int64) error {
	if d.err != nil {
		return d.err
	}
	d.bound, d.saves = bound, d.saves+1
	return nil
}

// hand is a clock set by hand.
type hand struct {
	mu sync.Mutex
	ms int64
}

func (h *hand) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.UnixMilli(h.ms)
}

func (h *hand) set(ms int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ms = ms
}

func mustOracle(t *testing.T, d *boundDisk, now func() time.Time) *oracle {
	t.Helper()
	o, err := newOracle(context.Background(), d, now)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

type stamp struct{ physical, logical int64 }

func take(t *testing.T, o *oracle, count uint32) stamp {
	t.Helper()
	physical, logical, err := o.allocate(context.Background(), count)
	if err != nil {
		t.Fatal(err)
	}
	return stamp{physical, logical}
}

func TestTimestampsFollowTheClockAndNeverGoBack(t *testing.T) {
	const start = 1_700_000_000_000
	clock := &hand{ms: start}
	o := mustOracle(t, &boundDisk{}, clock.now)

	steps := []struct {
		name  string
		clock int64
		count uint32
		want  stamp
	}{
		{"the logical part is the last of count", start, 5, stamp{start, 5}},
		{"the same millisecond goes on", start, 1, stamp{start, 6}},
		{"a new millisecond begins at one", start + 7, 1, stamp{start + 7, 1}},
		{"a clock set back changes nothing", start - 3_600_000, 2, stamp{start + 7, 3}},
		{"the last one that fits", start, nodes.MaxLogical - 3, stamp{start + 7, nodes.MaxLogical}},
		{"a full millisecond rolls over", start, 1, stamp{start + 8, 1}},
		{"what does not fit rolls over whole", start, nodes.MaxLogical, stamp{start + 9, nodes.MaxLogical}},
		{"the clock catches up", start + 60_000, 1, stamp{start + 60_000, 1}},
	}
	for _, step := range steps {
		clock.set(step.clock)
		if got := take(t, o, step.count); got != step.want {
			t.Errorf("%s: got %v, want %v", step.name, got, step.want)
		}
	}
}

func TestBoundIsOnDiskBeforeATimestampGoesOut(t *testing.T) {
	clock := &hand{ms: 1_700_000_000_000}
	d := &boundDisk{}
	o := mustOracle(t, d, clock.now)
	for range 10_000 {
		clock.set(clock.now().UnixMilli() + 1)
		if got := take(t, o, 1000); got.physical >= d.bound {
			t.Fatalf("timestamp of %d went out while the bound on disk is %d", got.physical, d.bound)
		}
	}
	// 10 s of timestamps are four windows of 3 s: the disk is spared.
	if d.saves != 4 {
		t.Errorf("the bound was saved %d times, want 4", d.saves)
	}
}

func TestRestartGoesOnAboveTheBound(t *testing.T) {
	for _, c := range []struct {
		name  string
		shift int64 // of the clock at the restart, ms
	}{{"at once", 0}, {"an hour later", 3_600_000}, {"with the clock an hour back", -3_600_000}} {
		t.Run(c.name, func(t *testing.T) {
			clock := &hand{ms: 1_700_000_000_000}
			d := &boundDisk{}
			before := mustOracle(t, d, clock.now)
			last := take(t, before, nodes.MaxLogical)
			clock.set(clock.now().UnixMilli() + c.shift)
			after := take(t, mustOracle(t, d, clock.now), 1)
			if after.physical <= last.physical {
				t.Errorf("after the restart %v, before it %v", after, last)
			}
		})
	}
}

func TestNoTimestampWhenTheBoundCannotBeSaved(t *testing.T) {
	clock := &hand{ms: 1_700_000_000_000}
	full := errors.New("disk full")
	d := &boundDisk{err: full}
	o := mustOracle(t, d, clock.now)
	if _, _, err := o.allocate(context.Background(), 1); !errors.Is(err, full) {
		t.Fatalf("got %v, want the disk's error", err)
	}
	d.err = nil
	take(t, o, 1) // and it recovers
}

func TestCountsThatCannotBeGiven(t *testing.T) {
	o := mustOracle(t, &boundDisk{}, time.Now)
	for _, count := range []uint32{0, nodes.MaxLogical + 1, 1<<32 - 1} {
		if _, _, err := o.allocate(context.Background(), count); !errors.Is(err, errCount) {
			t.Errorf("%d timestamps: got %v, want errCount", count, err)
		}
	}
}

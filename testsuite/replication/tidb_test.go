package replication

import (
	"context"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// TestToTiDB is the workload with a TiDB downstream, whose drainer is killed again and again.
func TestToTiDB(t *testing.T) {
	r := newRun(t, Options{ToTiDB: true})
	r.b.Free = true
	stop := r.watch()
	lasts := seconds(t, 20)
	if form.Long() {
		lasts = seconds(t, 120)
	}
	kills := 0
	r.work(lasts, func(ctx context.Context) error {
		f := NewFaults(r.c, r.seed)
		for ctx.Err() == nil {
			f.wait(ctx, 6*time.Second)
			if ctx.Err() != nil {
				return nil
			}
			r.c.Drainer.Kill()
			kills++
			if err := r.c.Drainer.TryStart(); err != nil {
				return err
			}
		}
		return nil
	})
	if !t.Failed() {
		r.equal()
	}
	stop()
	t.Logf("the drainer was killed %d times", kills)
	if kills == 0 {
		t.Error("the drainer was never killed")
	}
}

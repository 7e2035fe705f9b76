package console

import (
	"context"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestWatchCompactedAway cuts consoles off from PD, lets PD forget what their watches
// have not seen, and lets them back.
func TestWatchCompactedAway(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		wire := newRelay(t, pd.Endpoint(0))
		underLoad(t, pd, []string{wire.url()}, func(l *load) {
			most := 5 * rounds(6, 40)
			for i := 0; i < rounds(6, 40) || !compacted(l.consoles, 2); i++ {
				if i == most {
					t.Fatalf("after %d rounds not every console's watch has found its place compacted away", i)
				}
				time.Sleep(200 * time.Millisecond)
				wire.hold()
				// The writer of the load goes straight to PD and is ahead of the held watches soon.
				passed := l.newest() + 5
				rig.Eventually(t, 20*time.Second, "records are written behind the watches' back", func() (bool, string) {
					return l.newest() >= passed, ""
				})
				compact(t, l)
				if i%3 == 2 {
					// Silence first: the watch is not broken, it just says nothing. Then the view is
					// given up, and no watch is left to be compacted away.
					l.outage(func() { failing(t, l) })
				}
				wire.cut()
				wire.release()
				awaitServing(t, l.consoles)
			}
		})
	})
}

// newest is the newest number that PD has taken.
func (l *load) newest() int64 { return l.floor(time.Now()) }

// compact makes PD forget all but the newest version of everything, as far as the test's
// own watch has seen it.
func compact(t *testing.T, l *load) {
	t.Helper()
	l.history.complete(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l.history.mu.Lock()
	at := l.history.seen
	l.history.mu.Unlock()
	if _, err := l.cli.Compact(ctx, at, clientv3.WithCompactPhysical()); err != nil && !strings.Contains(err.Error(), "has been compacted") {
		t.Fatalf("compact at %d: %v", at, err)
	}
}

// compacted reports whether each console's watch was compacted away n times or more, which
// is only met when the watch comes back before a probe has found out that PD is silent.
func compacted(consoles []*rig.Console, n int) bool {
	for _, c := range consoles {
		if strings.Count(c.Output(), "has been compacted") < n {
			return false
		}
	}
	return true
}

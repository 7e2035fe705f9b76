package pd

import (
	"context"
	"math/rand/v2"
	"time"

	"pumphouse/nodes"
)

// The pauses between attempts: soon at first, because a new leader is elected within a
// second, and never so long that an operator waits for us after PD is back.
const (
	firstPause = 20 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

type pauses struct{ next time.Duration }

func newPauses() *pauses { return &pauses{next: firstPause} }

// sleep pauses, each time twice as long up to maxPause, and a random half of it so that
// many clients do not come back together. False: ctx ended.
func (b *pauses) sleep(ctx context.Context) bool {
	pause := b.next/2 + rand.N(b.next/2)
	b.next = min(2*b.next, maxPause)
	return nodes.Sleep(ctx, pause)
}

package tikvconn

import (
	"context"
	"fmt"
	"time"

	"pumphouse/nodes"
)

// CollectedError says that what was there at a TS cannot be kept any more: TiKV's garbage collection may have removed it.
type CollectedError struct{ TS, SafePoint nodes.TSO }

func (e *CollectedError) Error() string {
	return fmt.Sprintf("TiKV's garbage collection has passed %s (%s) already: it is at %s", e.TS, e.TS.Time().UTC().Format(time.RFC3339), e.SafePoint)
}

// KeepAt has PD keep what is there at a TS, and what comes after it, for ttl: the service safe point service is
// registered. The error is a [*CollectedError] when it is too late, and [errors.ErrUnsupported] when PD has no
// service safe points. The end of it is HoldGC with a ttl of 0.
func (c *PD) KeepAt(ctx context.Context, service string, ts nodes.TSO, ttl time.Duration) error {
	first, err := c.HoldGC(ctx, service, uint64(ts), ttl)
	if err == nil && nodes.TSO(first) > ts {
		err = &CollectedError{ts, nodes.TSO(first)}
	}
	if err != nil {
		return fmt.Errorf("hold back TiKV's garbage collection at %s: %w", ts, err)
	}
	return nil
}

package nodes

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// firstLease is for how long PD keeps the record of a pump in its first start when it hears nothing of it any more.
const firstLease = 30 * time.Second

// loan is the lease under which the record of a pump stands before it has been online for the first time. Drainers must know of the pump
// then, and wait for it; one that is killed meanwhile holds nothing, and PD removes its record. The first write of
// another state than paused takes the record out of the lease.
type loan struct {
	first bool // there was no record, or one under such a lease
	lease clientv3.LeaseID
	end   context.CancelFunc // of keeping it alive
}

func (l *loan) stop() {
	if l.end != nil {
		l.end()
	}
}

// borrow gets the lease for the claim of a record, if there is to be one. Caller has the turn.
func (a *Agent) borrow(ctx context.Context, initial State) error {
	if a.opts.Kind != Pump || initial != Paused || !a.loan.first {
		a.loan.stop() // somebody has made a record in between
		a.loan.lease = clientv3.NoLease
		return nil
	}
	if a.loan.lease != clientv3.NoLease {
		return nil
	}
	r := a.opts.Registry
	err := r.do(ctx, fmt.Sprintf("get a lease for the record of %s %s", a.opts.Kind, a.opts.NodeID), false, func(ctx context.Context, _ bool) error {
		granted, err := r.client.Grant(ctx, int64(firstLease/time.Second))
		if err == nil {
			a.loan.lease = granted.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	var kept context.Context
	kept, a.loan.end = context.WithCancel(context.Background())
	answers, err := r.client.KeepAlive(kept, a.loan.lease)
	if err != nil {
		a.loan.end()
		return fmt.Errorf("keep the lease for the record of %s %s: %w", a.opts.Kind, a.opts.NodeID, err)
	}
	go func() {
		for range answers { // they end with the context, the lease or the client
		}
	}()
	return nil
}

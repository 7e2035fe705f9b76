package pump

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// notifyDrainers tells every drainer whose record is online that this pump is there, so
// that TiDB never writes to a pump that a drainer does not know. All are asked at once;
// each has NotifyTimeout.
func (p *Pump) notifyDrainers(ctx context.Context) error {
	snap, err := p.opts.Registry.List(ctx)
	if err != nil {
		return err
	}
	creds := insecure.NewCredentials()
	tlsConfig, err := p.opts.Security.Client()
	if err != nil {
		return err
	}
	if tlsConfig != nil {
		creds = credentials.NewTLS(tlsConfig)
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	p.sayBroken(snap)
	for _, e := range snap.Drainers {
		p.metrics.knows(e.Record.NodeID)
		if e.Record.State != nodes.Online {
			continue
		}
		wg.Go(func() {
			if err := notify(ctx, e.Record, creds, p.opts.NotifyTimeout); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nodes.WithProblem(errors.Join(errs...), nodes.ProblemDrainerUnreachable, "")
}

// sayBroken says which records in PD cannot be read: what should be done for such a drainer is
// not done.
func (p *Pump) sayBroken(snap *nodes.Snapshot) {
	for _, b := range snap.Broken {
		p.Log.WithError(&b).Error("a record in PD cannot be read; if it is a drainer's, it is neither notified nor waited for")
	}
}

// notify tries one drainer until it has answered or its time is over.
func notify(ctx context.Context, drainer nodes.Record, creds credentials.TransportCredentials, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+drainer.Host, grpc.WithTransportCredentials(creds))
	if err == nil {
		defer conn.Close()
		// WaitForReady: a drainer that is just starting gets all of its time.
		_, err = binlogpb.NewCisternClient(conn).Notify(ctx, &binlogpb.NotifyReq{}, grpc.WaitForReady(true))
	}
	if err != nil {
		return fmt.Errorf("drainer %s at %s is online in PD but could not be notified within %s: %w; "+
			"if it is dead, set its record to paused (binlogctl -cmd update-drainer -node-id %s -state paused, "+
			"or CHANGE DRAINER TO NODE_STATE = 'paused' FOR NODE_ID '%s') and start this pump again",
			drainer.NodeID, drainer.Host, timeout, err, drainer.NodeID, drainer.NodeID)
	}
	return nil
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/datadir"
	"pumphouse/nodes/pd"
	"pumphouse/nodes/tikvconn"
)

// held is a downstream to which its drainer does not write.
type held struct {
	at    nodes.TSO // the checkpoint: what is downstream is what was upstream at that time
	place mysql.Place
	db    *sql.DB

	store checkpoint.Store
	trace mysql.Trace
}

// newHeld reads the checkpoint, and makes sure that the downstream has just what it says.
func newHeld(ctx context.Context, cfg *config, down *downstream.MySQL, cluster uint64) (_ *held, err error) {
	h := &held{place: down.Place(cluster)}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.db, err = down.Server().Pool(nil); err != nil {
		return nil, err
	}
	if h.store, err = down.ReadCheckpoint(ctx, cluster, cfg.DataDir); err != nil {
		return nil, err
	}
	if h.at, err = h.read(ctx); err != nil {
		return nil, err
	}
	if h.trace, err = h.place.Trace(ctx, h.db, h.at); err != nil {
		return nil, err
	}
	if h.trace.Ahead > 0 {
		return nil, fmt.Errorf("the downstream has transactions that are newer than the checkpoint %s, because its drainer was killed: "+
			"start the drainer, and pause it (binlogctl -cmd pause-drainer) before the comparison", h.at)
	}
	return h, nil
}

// read reads the checkpoint.
func (h *held) read(ctx context.Context) (nodes.TSO, error) {
	p, err := h.store.Load(ctx)
	switch {
	case errors.Is(err, checkpoint.ErrNone):
		return 0, fmt.Errorf("%w: -compare needs the -config and -data-dir of a drainer that has run", err)
	case err != nil:
		return 0, err
	case p.ClusterID != 0 && p.ClusterID != h.place.ClusterID:
		return 0, &checkpoint.ClusterError{Store: h.store.String(), Saved: p.ClusterID, Want: h.place.ClusterID}
	}
	return p.CommitTS, nil
}

// check gives an error when a drainer has begun to write since.
func (h *held) check(ctx context.Context) error {
	at, err := h.read(ctx)
	if err != nil {
		return err
	}
	trace, err := h.place.Trace(ctx, h.db, h.at)
	if err != nil {
		return err
	}
	if at != h.at || trace != h.trace {
		return fmt.Errorf("a drainer has written to the downstream during the comparison (the checkpoint was %s and is %s): pause it, and compare again", h.at, at)
	}
	return nil
}

func (h *held) close() {
	if h.db != nil {
		h.db.Close()
	}
	if c, ok := h.store.(io.Closer); ok {
		c.Close()
	}
}

// pdTimeout is how long PD may be away when a comparison begins.
const pdTimeout = 30 * time.Second

// askCluster gives PD's cluster ID and addresses, and makes sure that the record of the drainer does not say that
// it runs, on whatever machine.
func (c *config) askCluster(ctx context.Context, log logrus.FieldLogger) (cluster uint64, endpoints []string, err error) {
	tlsConfig, err := c.Security.Client()
	if err != nil {
		return 0, nil, err
	}
	etcd, err := nodes.NewClient([]string{c.PDURLs}, tlsConfig, dialTimeout)
	if err != nil {
		return 0, nil, err
	}
	defer etcd.Close()
	clock, err := pd.New(pd.Options{Endpoints: etcd.Endpoints(), TLS: tlsConfig, Logger: log})
	if err != nil {
		return 0, nil, err
	}
	defer clock.Close()
	ctx, cancel := context.WithTimeout(ctx, pdTimeout)
	defer cancel()
	if cluster, err = clock.ClusterID(ctx); err != nil {
		return 0, nil, err
	}
	now, err := clock.TSO(ctx)
	if err != nil {
		return 0, nil, err
	}
	id := datadir.KnownNodeID(c.DataDir, c.NodeID, "")
	if id == "" { // there is nobody to look for
		return cluster, etcd.Endpoints(), nil
	}
	e, err := nodes.NewRegistry(etcd, dialTimeout).Get(ctx, nodes.Drainer, id)
	if err != nil && !errors.Is(err, nodes.ErrNotFound) {
		return 0, nil, err
	}
	if st := e.Record.State; err == nil && st != nodes.Paused && st != nodes.Offline && e.Record.Reporting(now.Time(), nodes.DefaultHeartbeat) {
		return 0, nil, fmt.Errorf("drainer %q is %s: pause it first (binlogctl -cmd pause-drainer -node-id %s)", id, st, id)
	}
	return cluster, etcd.Endpoints(), nil
}

const (
	gcLife  = 10 * time.Minute // of the safe point
	gcRenew = time.Minute
)

// holdGC keeps TiKV from removing what was there at a TS, until release is called.
func holdGC(ctx context.Context, endpoints []string, sec certfile.Security, at nodes.TSO, log logrus.FieldLogger) (release func(), err error) {
	// The client lives as long as this context, so that it can take the safe point back after an interrupt.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	dialing := time.AfterFunc(pdTimeout, end)
	interrupted := context.AfterFunc(ctx, end)
	c, err := tikvconn.DialPD(life, endpoints, sec, dialTimeout)
	if err != nil {
		end()
		return nil, err
	}
	dialing.Stop()
	interrupted()
	service := fmt.Sprintf("pumphouse-compare-%d", os.Getpid())
	if err := c.KeepAt(ctx, service, at, gcLife); err != nil {
		c.Close()
		end()
		if errors.Is(err, errors.ErrUnsupported) {
			log.WithError(err).Warn("garbage collection is not held back: the comparison has to end within tidb_gc_life_time")
			return func() {}, nil
		}
		var late *tikvconn.CollectedError
		if errors.As(err, &late) {
			return nil, fmt.Errorf("%w: start the drainer, pause it, and compare within tidb_gc_life_time", err)
		}
		return nil, err
	}
	renewing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for nodes.Sleep(renewing, gcRenew) {
			if err := c.KeepAt(renewing, service, at, gcLife); err != nil && renewing.Err() == nil {
				log.WithError(err).Warn("garbage collection is not held back any longer; retrying")
			}
		}
	}()
	return func() {
		stop()
		<-done
		ending, cancel := context.WithTimeout(life, dialTimeout)
		defer cancel()
		if _, err := c.HoldGC(ending, service, uint64(at), 0); err != nil {
			log.WithError(err).Warn("PD keeps the safe point of the comparison for 10 minutes")
		}
		c.Close()
		end()
	}, nil
}

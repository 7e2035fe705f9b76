package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"pumphouse/binlogpb"
)

// ofWaiting prints what it costs that ever more committed transactions wait for one prewrite without an outcome.
func (b *growthBench) ofWaiting(ctx context.Context, s *site) error {
	wait := &growth{head: "transactions that wait for an unresolved one", of: "waiting",
		text: fmt.Sprintf("Transactions of %d B by 128 writers, with sync-log: %d with nothing unresolved, then a prewrite, then those that wait for it. None of them is\n"+
			"delivered meanwhile. Then kill -9 and a start.", growthSize, growthMore),
		columns: []grown{{"txn/s without", 0, ""}, {"txn/s", 0, "txn/s"}, {"CPU pump µs a txn without", 1, ""}, {"CPU pump µs a txn", 1, "CPU a txn"},
			{"RSS before MB", 0, ""}, {"RSS MB", 0, "RSS"}, {"peak MB", 0, "peak"}, {"start after kill -9 ms", 0, "start after kill -9"}, {"RSS then MB", 0, "RSS then"}}}
	deliver := &growth{head: "the outcome of the unresolved one", of: "waiting", text: "The commit of that prewrite is sent; until a puller has its first binlog, and all.",
		columns: []grown{{"first ms", 0, "first"}, {"all s", 2, "all"}, {"binlogs/s", 0, "binlogs/s"}, {"CPU pump µs a binlog", 2, "CPU a binlog"}, {"peak MB", 0, "peak"}}}
	defer deliver.print()
	defer wait.print()
	for _, n := range b.waiting {
		name := fmt.Sprintf("waiting-%d", n)
		err := b.waitingOf(ctx, s, name, n, wait, deliver)
		if err := errors.Join(err, os.RemoveAll(filepath.Join(s.dir, name))); err != nil {
			return fmt.Errorf("%d transactions: %w", n, err)
		}
	}
	return nil
}

func (b *growthBench) waitingOf(ctx context.Context, s *site, name string, n int, wait, deliver *growth) error {
	pump, err := b.pump(s, name, anyPort)
	if err != nil {
		return err
	}
	defer func() { pump.stop() }()
	addr := lastField(pump.line)
	cluster, err := clusterID(ctx, s.pdURL)
	if err != nil {
		return err
	}
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r, err := startReader(ctx, conn, cluster, 0)
	if err != nil {
		return err
	}
	defer r.stop()
	write := func(count int) (perSecond, cpu float64, err error) {
		m, began := newMeter(pump), time.Now()
		err = fill(ctx, s.pdURL, addr, growthSize, count)
		took := time.Since(began).Seconds()
		return float64(count) / took, m.stop(float64(count)).serverCPU, err
	}
	without, cpuWithout, err := write(growthMore)
	if err != nil {
		return err
	}
	if err := r.reached(growthMore); err != nil {
		return err
	}
	w, err := newWriter(conn, newLoadClock().next, cluster, growthSize)
	if err != nil {
		return err
	}
	orphan, err := w.begin(ctx)
	if err != nil {
		return err
	}
	rssBefore, _, err := pump.memory()
	if err != nil {
		return err
	}
	with, cpuWith, err := write(n)
	if err != nil {
		return err
	}
	rss, peak, err := pump.memory()
	if err != nil {
		return err
	}
	if got := r.got.Load(); got != growthMore {
		return fmt.Errorf("%d binlogs were delivered while one before them was unresolved", got-growthMore)
	}
	last := r.last.Load()
	r.stop()

	pump.kill()
	if pump, err = b.pump(s, name, addr); err != nil {
		return err
	}
	rssThen, _, err := pump.memory()
	if err != nil {
		return err
	}
	if r, err = startReader(ctx, conn, cluster, last); err != nil {
		return err
	}
	m, began := newMeter(pump), time.Now()
	if _, err := w.end(ctx, orphan); err != nil {
		return err
	}
	if err := r.reached(1); err != nil {
		return err
	}
	first := time.Since(began)
	if err := r.reached(int64(n) + 1); err != nil {
		return err
	}
	took := time.Since(began)
	cost := m.stop(float64(n + 1))
	_, peakThen, err := pump.memory()
	if err != nil {
		return err
	}
	wait.line(n, without, with, cpuWithout, cpuWith, rssBefore, rss, peak, ms(pump.start), rssThen)
	deliver.line(n, ms(first), took.Seconds(), float64(n+1)/took.Seconds(), cost.serverCPU, peakThen)
	return nil
}

// reader counts the binlogs of a pull.
type reader struct {
	got, last atomic.Int64 // how many; the commit TS of the last
	ended     chan error
	stop      func()
}

func startReader(ctx context.Context, conn *grpc.ClientConn, cluster uint64, after int64) (*reader, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := openPullAfter(ctx, conn, cluster, after)
	if err != nil {
		cancel()
		return nil, err
	}
	r := &reader{ended: make(chan error, 1), stop: cancel}
	go func() {
		var d binlogpb.Delivery
		for {
			if err := stream.RecvMsg(&d); err != nil {
				r.ended <- err
				return
			}
			if !d.Fake() {
				r.last.Store(d.CommitTS)
				r.got.Add(1)
			}
		}
	}()
	return r, nil
}

// reached waits until so many have come.
func (r *reader) reached(count int64) error {
	for r.got.Load() < count {
		select {
		case err := <-r.ended:
			return fmt.Errorf("the pull ended after %d binlogs, want %d: %w", r.got.Load(), count, err)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

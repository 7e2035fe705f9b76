package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes/pd"
)

// clock prints how long a committed transaction waits until a reader that merges two
// pumps, one of them idle, may apply it; and what idle pumps cost.
func (b *pumpBench) clock(ctx context.Context) error {
	fmt.Print("### Pump: the clock\n\nTwo pumps, one of them idle, and a reader that merges both: from the acknowledgement of a commit until both\n" +
		"streams have passed its commit TS.\n\n")
	fmt.Println("| transactions/s | transactions | p50 ms | p99 ms | most ms | CPU idle pump % |")
	fmt.Println("|---:|---:|---:|---:|---:|---:|")
	busy, err := b.startPump("busy", anyPort, true)
	if err != nil {
		return err
	}
	defer busy.stop()
	idle, err := b.startPump("idle", anyPort, true)
	if err != nil {
		return err
	}
	defer idle.stop()
	cpu := func() float64 { // of the idle pump, in percent of a core
		before, began := idle.cpu(), time.Now()
		time.Sleep(b.d)
		return 100 * float64(idle.cpu()-before) / float64(time.Since(began))
	}
	alone := cpu()
	m, err := b.merge(ctx, busy, idle)
	if err != nil {
		return err
	}
	defer m.stop()
	pulled := cpu()
	for _, every := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond} {
		before, began := idle.cpu(), time.Now()
		lags, err := b.lags(ctx, m, busy, every)
		if err != nil {
			return err
		}
		used := 100 * float64(idle.cpu()-before) / float64(time.Since(began))
		slices.Sort(lags)
		n := len(lags)
		fmt.Printf("| %.0f | %d | %.1f | %.1f | %.1f | %.1f |\n", 1/every.Seconds(), n, ms(lags[n/2]), ms(lags[n*99/100]), ms(lags[n-1]), used)
	}
	fmt.Printf("\nA pump without any traffic uses %.1f %% of a core, and %.1f %% while a drainer pulls.\n\n", alone, pulled)
	return nil
}

// merger reads two pumps and tells up to which commit TS both have been heard.
type merger struct {
	mu     sync.Mutex
	heard  [2]int64
	news   chan struct{} // closed when heard changes
	failed error

	stop func() // ends the streams and waits for their readers
}

func (b *pumpBench) merge(ctx context.Context, pumps ...*process) (*merger, error) {
	m := &merger{news: make(chan struct{})}
	cluster, err := clusterID(ctx, b.pdURL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	m.stop = func() { cancel(); wg.Wait() }
	for i, p := range pumps {
		conn, err := dial(lastField(p.line))
		if err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		stream, err := openPull(ctx, conn, cluster)
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			defer conn.Close()
			for {
				var d binlogpb.Delivery
				err := stream.RecvMsg(&d)
				m.hear(i, d.CommitTS, err)
				if err != nil {
					return
				}
			}
		})
	}
	return m, nil
}

func (m *merger) hear(i int, ts int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.failed = err
	} else {
		m.heard[i] = ts
	}
	close(m.news)
	m.news = make(chan struct{})
}

// reached waits until both pumps have told of ts.
func (m *merger) reached(ts int64) error {
	for {
		m.mu.Lock()
		at, news, err := min(m.heard[0], m.heard[1]), m.news, m.failed
		m.mu.Unlock()
		if at >= ts || err != nil {
			return err
		}
		<-news
	}
}

// lags writes a transaction with the timestamps of PD every so often and measures how
// long each then waits.
func (b *pumpBench) lags(ctx context.Context, m *merger, busy *process, every time.Duration) ([]time.Duration, error) {
	clock, err := pd.New(pd.Options{Endpoints: []string{b.pdURL}})
	if err != nil {
		return nil, err
	}
	defer clock.Close()
	cluster, err := clock.ClusterID(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := dial(lastField(busy.line))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var (
		mu   sync.Mutex
		lags []time.Duration
		fail error
		wg   sync.WaitGroup
	)
	once := func() error {
		w, err := newWriter(conn, func() (int64, error) { ts, err := clock.TSO(ctx); return int64(ts), err }, cluster, 256)
		if err != nil {
			return err
		}
		commitTS, err := w.txn(ctx)
		if err != nil {
			return err
		}
		acked := time.Now()
		if err := m.reached(commitTS); err != nil {
			return err
		}
		lag := time.Since(acked)
		mu.Lock()
		lags = append(lags, lag)
		mu.Unlock()
		return nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < max(2*b.d, 20*every); {
		<-tick.C
		wg.Go(func() {
			if err := once(); err != nil {
				mu.Lock()
				fail = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return lags, fail
}

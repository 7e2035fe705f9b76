package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/testsuite/mariadbtest"
)

const lagTable = 300

// maxLag is the goal for 99 of 100 transactions.
const maxLag = 300 * time.Millisecond

// lag prints how long it takes from a commit at a pump until it can be seen in MariaDB.
func (b *drainerBench) lag(ctx context.Context, s *site) error {
	return withMariaDB(func(db *mariadbtest.Server) error { return b.lagInto(ctx, s, db) })
}

func (b *drainerBench) lagInto(ctx context.Context, s *site, db *mariadbtest.Server) error {
	busy, err := s.startPump("busy")
	if err != nil {
		return err
	}
	if _, err := s.startPump("idle"); err != nil {
		return err
	}
	return s.caughtUp(ctx, db, busy, func(u *upstream, pool *sql.DB, d *process) error { return b.lagOf(ctx, u, pool, d) })
}

// lagOf prints the lag at each rate.
func (b *drainerBench) lagOf(ctx context.Context, u *upstream, pool *sql.DB, d *process) error {
	fmt.Print("### Drainer: lag\n\nTwo pumps, one of them idle; bin/drainer; MariaDB. From the acknowledgement of the commit by the pump until a SELECT\n" +
		"sees the row, asked every millisecond.\n\n| transactions/s | transactions | p50 ms | p99 ms | most ms | CPU drainer % |\n|---:|---:|---:|---:|---:|---:|\n")
	first := 1
	var slow []error
	for _, every := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond} {
		if !b.lines.MatchString(fmt.Sprintf("%.0f/s", 1/every.Seconds())) {
			continue
		}
		cpu, began := d.cpu(), time.Now()
		lags, err := b.lags(ctx, u, pool, first, every)
		if err != nil {
			return err
		}
		used := 100 * float64(d.cpu()-cpu) / float64(time.Since(began))
		n := len(lags)
		first += n
		slices.Sort(lags)
		if p99 := lags[n*99/100]; p99 > maxLag {
			slow = append(slow, fmt.Errorf("at %.0f transactions a second the lag's p99 is %s, want at most %s", 1/every.Seconds(), p99, maxLag))
		}
		fmt.Printf("| %.0f | %d | %.1f | %.1f | %.1f | %.1f |\n", 1/every.Seconds(), n, ms(lags[n/2]), ms(lags[n*99/100]), ms(lags[n-1]), used)
	}
	fmt.Println()
	return errors.Join(slow...)
}

// caughtUp runs measure with a drainer that has brought everything of a pump into MariaDB, where [lagTable] is.
func (s *site) caughtUp(ctx context.Context, db *mariadbtest.Server, pump *process, measure func(u *upstream, pool *sql.DB, d *process) error) error {
	u, err := newUpstreamDatabase(ctx, s, pump)
	if err != nil {
		return err
	}
	defer u.close()
	last, err := u.createTable(ctx, lagTable)
	if err != nil {
		return err
	}
	pool, err := openPool(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	d, err := s.startDrainer(u, fmt.Sprintf("host = %q\nport = %d\nuser = \"root\"\n", db.Host, db.Port))
	if err != nil {
		return err
	}
	defer d.stop()
	if err := reaches(ctx, d, last); err != nil {
		return err
	}
	return measure(u, pool, d)
}

// lags writes a row every so often, with IDs from first on, and measures how long each takes.
func (b *drainerBench) lags(ctx context.Context, u *upstream, pool *sql.DB, first int, every time.Duration) ([]time.Duration, error) {
	var (
		mu    sync.Mutex
		acked []time.Time // by ID, from first on; zero: not yet
		fail  error
		wg    sync.WaitGroup
		over  = make(chan struct{})
	)
	seen := make(chan error, 1)
	var lags []time.Duration
	go func() {
		var err error
		lags, err = watch(ctx, pool, first, over, func(i int) (time.Time, int) {
			mu.Lock()
			defer mu.Unlock()
			if i >= len(acked) {
				return time.Time{}, len(acked)
			}
			return acked[i], len(acked)
		})
		seen <- err
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < max(2*b.d, 20*every); {
		<-tick.C
		mu.Lock()
		i := len(acked)
		acked = append(acked, time.Time{})
		mu.Unlock()
		wg.Go(func() {
			_, err := u.transact(ctx, 0, &binlogpb.Binlog{PrewriteValue: u.inserts(lagTable, row{id: first + i, k: i})})
			mu.Lock()
			defer mu.Unlock()
			acked[i], fail = time.Now(), errors.Join(fail, err)
		})
	}
	wg.Wait()
	close(over)
	return lags, errors.Join(<-seen, fail)
}

// watch looks for rows until over is closed and all are there, and gives how long after acked
// each was seen. A row may be seen before its acknowledgement: that is no lag.
func watch(ctx context.Context, pool *sql.DB, first int, over <-chan struct{}, acked func(i int) (at time.Time, n int)) ([]time.Duration, error) {
	const timeout = 30 * time.Second
	seen := map[int]time.Time{}
	next := 0 // all rows before have been seen
	for progress := time.Now(); time.Since(progress) < timeout; {
		rows, err := pool.QueryContext(ctx, "SELECT id FROM bench."+tableName(lagTable)+" WHERE id>=?", first+next)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				return nil, err
			}
			if _, ok := seen[id-first]; !ok {
				seen[id-first], progress = now, now
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		for !seen[next].IsZero() {
			next++
		}
		select {
		case <-over:
			if _, n := acked(0); next == n {
				lags := make([]time.Duration, n)
				for i := range lags {
					at, _ := acked(i)
					lags[i] = max(0, seen[i].Sub(at))
				}
				return lags, nil
			}
		case <-time.After(time.Millisecond):
		}
	}
	return nil, fmt.Errorf("row %d did not come within %s", first+next, timeout)
}

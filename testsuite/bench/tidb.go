package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// tidbBench is what TiDB's clients feel of a pump: two TiDBs on one storage, of which one writes binlogs.
type tidbBench struct {
	program, dir, pd, addr string
	pump                   *process // nil while there is none
	without, ours          *tidbtest.TiDB
	rounds                 int
	d                      time.Duration
}

// commits is what a load of autocommit INSERTs came to. What the servers computed, and for how long they waited for
// a processor, is in microseconds a commit.
type commits struct {
	perSecond        float64
	p50, p99         time.Duration
	tidbCPU, tidbRun float64
	pumpCPU, pumpRun float64
}

// benchTiDB prints how fast a real TiDB commits without a pump, with one, and with one that does not sync.
func benchTiDB(ctx context.Context, program string, rounds int, d time.Duration) error {
	return withHelpers(func(t testing.TB) (err error) {
		b := &tidbBench{program: program, dir: t.TempDir(), addr: form.Addr(t), rounds: rounds, d: d}
		b.pd = pdtest.StartReal(t, 1).Endpoint(0)
		defer func() {
			if b.pump != nil {
				b.pump.stop()
			}
		}()
		if err := b.restart(true); err != nil { // a TiDB with binlog does not start without one
			return err
		}
		tidbtest.StartUnistore(t, b.pd)
		b.without = tidbtest.StartTiDB(t, tidbtest.Options{PD: b.pd, Store: tidbtest.TiKV})
		b.ours = tidbtest.StartTiDB(t, tidbtest.Options{PD: b.pd, Store: tidbtest.TiKV, Binlog: true})
		return b.run(ctx)
	})
}

// restart runs the pump anew, with its log as it was.
func (b *tidbBench) restart(sync bool) error {
	if b.pump != nil {
		if err := b.pump.stop(); err != nil {
			return err
		}
		b.pump = nil
	}
	pump, err := (&pumpBench{pump: b.program, dir: b.dir, pdURL: b.pd}).startPump("pump", b.addr, sync)
	b.pump = pump
	return err
}

func (b *tidbBench) run(ctx context.Context) error {
	p50, p99, err := fdatasyncs(b.dir, b.d)
	if err != nil {
		return err
	}
	fmt.Printf("### TiDB: autocommit INSERTs\n\n"+
		"One row of 100 B a statement, by go-sql-driver, into a real tidb-server with unistore, which keep all in memory, and a real PD, on the\n"+
		"same cores as pump and load. The median of %d rounds in turns. Wait is how long the threads of the server that were ready to run had no\n"+
		"processor; it and CPU are in µs a commit. One fdatasync of 512 B takes %.2f ms (p50), %.2f ms (p99) here; a transaction is two writes to the pump,\n"+
		"the prewrite's beside TiDB's own prewrite, the commit's after its commit, which the client does not wait for.\n\n"+
		"| clients | pump | commits/s | of none | p50 ms | more than none | p99 ms | CPU TiDB | wait TiDB | CPU pump | wait pump |\n"+
		"|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n", b.rounds, ms(p50), ms(p99))
	kinds := []struct {
		name   string
		tidb   *tidbtest.TiDB
		synced bool
	}{{"none", b.without, true}, {"ours", b.ours, true}, {"sync-log = false", b.ours, false}}
	clients := []int{1, 16}
	got := map[[2]int][]commits{}
	for range b.rounds {
		for k, kind := range kinds {
			if err := b.restart(kind.synced); err != nil {
				return err
			}
			for c, n := range clients {
				l, err := b.load(ctx, kind.tidb, k > 0, n)
				if err != nil {
					return fmt.Errorf("%s, %d clients: %w", kind.name, n, err)
				}
				got[[2]int{c, k}] = append(got[[2]int{c, k}], l)
			}
		}
	}
	for c, n := range clients {
		none := medianCommits(got[[2]int{c, 0}])
		for k, kind := range kinds {
			m := medianCommits(got[[2]int{c, k}])
			fmt.Printf("| %d | %s | %.0f | %.2f | %.2f | %.2f | %.2f | %.0f | %.0f | %.0f | %.0f |\n", n, kind.name, m.perSecond, m.perSecond/none.perSecond,
				ms(m.p50), ms(m.p50-none.p50), ms(m.p99), m.tidbCPU, m.tidbRun, m.pumpCPU, m.pumpRun)
		}
	}
	fmt.Println()
	return nil
}

// medianCommits takes each figure's median.
func medianCommits(list []commits) commits {
	of := func(figure func(commits) float64) float64 {
		var values []float64
		for _, c := range list {
			values = append(values, figure(c))
		}
		return median(values)
	}
	return commits{
		perSecond: of(func(c commits) float64 { return c.perSecond }),
		p50:       time.Duration(of(func(c commits) float64 { return float64(c.p50) })),
		p99:       time.Duration(of(func(c commits) float64 { return float64(c.p99) })),
		tidbCPU:   of(func(c commits) float64 { return c.tidbCPU }),
		tidbRun:   of(func(c commits) float64 { return c.tidbRun }),
		pumpCPU:   of(func(c commits) float64 { return c.pumpCPU }),
		pumpRun:   of(func(c commits) float64 { return c.pumpRun }),
	}
}

// load inserts rows on so many connections for b.d.
func (b *tidbBench) load(ctx context.Context, tidb *tidbtest.TiDB, pump bool, clients int) (got commits, err error) {
	db, err := sql.Open("mysql", tidb.DSN("interpolateParams=true"))
	if err != nil {
		return got, err
	}
	defer db.Close()
	db.SetMaxIdleConns(clients)
	for _, q := range []string{"CREATE DATABASE IF NOT EXISTS bench", "DROP TABLE IF EXISTS bench.t", "CREATE TABLE bench.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v CHAR(100))"} {
		if err := insists(ctx, db, q); err != nil {
			return got, err
		}
	}
	server, err := running(tidb.PID())
	if err != nil {
		return got, err
	}
	var (
		mu   sync.Mutex
		took []time.Duration
		text = string(bytes.Repeat([]byte("v"), 100))
		from [4]time.Duration
		now  = func() [4]time.Duration {
			return [4]time.Duration{server.cpu(), server.waited(), b.pump.cpu(), b.pump.waited()}
		}
	)
	got.perSecond, err = rate(clients, b.d, func() { from = now() }, func(int) (func() error, func(), error) {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		var mine []time.Duration
		op := func() error {
			began := time.Now()
			_, err := conn.ExecContext(ctx, "INSERT INTO bench.t (v) VALUES (?)", text)
			mine = append(mine, time.Since(began))
			return err
		}
		return op, func() {
			conn.Close()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine[len(mine)/6:]...)
		}, nil
	})
	if err != nil {
		return got, err
	}
	ended, each := now(), got.perSecond*b.d.Seconds()
	micros := func(i int) float64 { return float64((ended[i] - from[i]).Microseconds()) / each }
	got.tidbCPU, got.tidbRun = micros(0), micros(1)
	if pump {
		got.pumpCPU, got.pumpRun = micros(2), micros(3)
	}
	slices.Sort(took)
	got.p50, got.p99 = took[len(took)/2], took[len(took)*99/100]
	return got, nil
}

// insists repeats a statement until TiDB has found the pump that was started again.
func insists(ctx context.Context, db *sql.DB, q string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := db.ExecContext(ctx, q)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// fdatasyncs measures for d how long a write of 512 B and its fdatasync take.
func fdatasyncs(dir string, d time.Duration) (p50, p99 time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "fdatasync"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var took []time.Duration
	for began := time.Now(); time.Since(began) < d; {
		at := time.Now()
		if _, err := f.Write(make([]byte, 512)); err != nil {
			return 0, 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}

// waited is for how long threads of the process that could have run had no processor.
func (p *process) waited() (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if fields := bytes.Fields(text); err == nil && len(fields) > 1 {
			ns, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

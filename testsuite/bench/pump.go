package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"pumphouse/binlogpb"
)

// pumpBench measures bin/pump. PD, the pump and the server that stores nothing run in
// processes of their own; all load comes over one gRPC connection from this one.
type pumpBench struct {
	pumphouse, pump string         // the programs
	d               time.Duration  // how long each figure is measured
	binlogs         int            // stored before pulls and restarts
	cells           *regexp.Regexp // which rows of the table of writes
	pdURL           string         // empty: run starts one

	self, dir string // set by run
}

// run measures all parts, or one of them.
func (b *pumpBench) run(part string) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "pumphouse-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	// The loader shall cost little. Two Go programs that both have a thread for every core mostly
	// wake and preempt each other's threads; half of the cores are as much as the loader needs.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)))
	ballast := make([]byte, 32<<20)
	defer runtime.KeepAlive(ballast)
	if b.pdURL == "" {
		pd, err := start("ready:", b.pumphouse, "pd", "-addr", "127.0.0.1:0", "-data-dir", filepath.Join(b.dir, "pd"))
		if err != nil {
			return err
		}
		defer pd.stop()
		b.pdURL = lastField(pd.line)
		defer func() { b.pdURL = "" }()
	}
	for _, p := range []struct {
		name    string
		measure func(context.Context) error
	}{{"writes", b.writes}, {"pulls", b.pulls}, {"peers", b.peers}, {"clock", b.clock}} {
		if part != "" && part != p.name {
			continue
		}
		if err := p.measure(context.Background()); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// startPump runs a pump on a directory of that name, on any free port or an address.
func (b *pumpBench) startPump(name, addr string, sync bool) (*process, error) {
	config := filepath.Join(b.dir, name+".toml")
	text := fmt.Sprintf("[storage]\nsync-log = %t\nstop-write-at-available-space = \"1 GiB\"\n", sync)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return start("ready:", b.pump, "-addr", addr, "-pd-urls", b.pdURL, "-node-id", name, "-L", "error",
		"-data-dir", filepath.Join(b.dir, name), "-config", config)
}

// writes prints how fast transactions are stored.
func (b *pumpBench) writes(ctx context.Context) error {
	fmt.Print("### Pump: transactions (prewrite, then commit) over one gRPC connection\n\n" +
		"(a) is the pump's own front end that stores nothing; (g) is the gRPC library's server, with a pump's codec and options,\n" +
		"that stores nothing; (b) appends the same records to a file, those of all writers at once, with one fdatasync (sync) or\n" +
		"none. CPU is the server process's and the loader's, microseconds a transaction.\n\n")
	fmt.Println("| sync-log | message | writers | txn/s | (a) txn/s | of (a) | (g) txn/s | of (g) | (b) txn/s | p50 ms | p99 ms | (a) p50 ms | (g) p50 ms | CPU pump | CPU (a) | CPU (g) | CPU loader | RSS MB |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, sync := range []bool{true, false} {
		for _, size := range []int{256, 4096} {
			if err := b.writesOf(ctx, sync, size); err != nil {
				return err
			}
		}
	}
	fmt.Println()
	return nil
}

func (b *pumpBench) writesOf(ctx context.Context, sync bool, size int) error {
	name := fmt.Sprintf("write-%t-%d", sync, size)
	defer os.RemoveAll(filepath.Join(b.dir, name))
	pump, err := b.startPump(name, anyPort, sync)
	if err != nil {
		return err
	}
	defer pump.stop()
	null, err := start("ready:", b.self, "null", fmt.Sprint(size), "direct")
	if err != nil {
		return err
	}
	defer null.stop()
	plain, err := start("ready:", b.self, "null", fmt.Sprint(size), "grpc")
	if err != nil {
		return err
	}
	defer plain.stop()
	for _, writers := range []int{1, 16, 128} {
		if !b.cells.MatchString(fmt.Sprintf("%s/%d/%d", onOff(sync), size, writers)) {
			continue
		}
		limit, err := b.load(ctx, null, writers, size)
		if err != nil {
			return err
		}
		library, err := b.load(ctx, plain, writers, size)
		if err != nil {
			return err
		}
		got, err := b.load(ctx, pump, writers, size)
		if err != nil {
			return err
		}
		raw, err := rawRate(b.dir, writers, size, sync, b.d)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %d | %.0f | %.0f | %.2f | %.0f | %.2f | %.0f | %.3f | %.3f | %.3f | %.3f | %.1f | %.1f | %.1f | %.1f | %.0f |\n",
			onOff(sync), sizeName(size), writers, got.perSecond, limit.perSecond, got.perSecond/limit.perSecond,
			library.perSecond, got.perSecond/library.perSecond, raw, ms(got.p50), ms(got.p99), ms(limit.p50), ms(library.p50),
			got.serverCPU, limit.serverCPU, library.serverCPU, got.loaderCPU, float64(got.rss)/1e6)
	}
	return nil
}

// pulls prints how fast binlogs are delivered, and how fast a pump starts that holds them.
func (b *pumpBench) pulls(ctx context.Context) error {
	var starts string
	fmt.Print("### Pump: pulls from TS 0 over one gRPC connection\n\n" +
		"As a drainer of Pumphouse does, which takes several in a message, and as upstream's does. The other server sends one\n" +
		"prepared message of the same size, with one binlog, over and over.\n\n")
	fmt.Println("| message | binlogs | binlogs/s | MB/s | prepared/s | of it | CPU pump µs | CPU prepared µs | CPU loader µs | RSS MB |")
	fmt.Println("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, size := range []int{256, 4096} {
		count := b.binlogs
		if size == 4096 {
			count /= 8
		}
		text, err := b.pullsOf(ctx, size, count)
		if err != nil {
			return err
		}
		starts += text
	}
	fmt.Printf("\n### Pump: start to ready\n\n| binlogs stored | of | after a pause ms | after kill -9 ms |\n|---:|---:|---:|---:|\n%s\n", starts)
	return nil
}

func (b *pumpBench) pullsOf(ctx context.Context, size, count int) (starts string, err error) {
	name := fmt.Sprintf("pull-%d", size)
	defer os.RemoveAll(filepath.Join(b.dir, name))
	pump, err := b.startPump(name, anyPort, false)
	if err != nil {
		return "", err
	}
	defer func() { pump.stop() }()
	null, err := start("ready:", b.self, "null", fmt.Sprint(size), "grpc")
	if err != nil {
		return "", err
	}
	defer null.stop()
	if err := fill(ctx, b.pdURL, lastField(pump.line), size, count); err != nil {
		return "", err
	}
	limit, err := b.pull(ctx, null, count)
	if err != nil {
		return "", err
	}
	for _, kind := range []struct {
		name string
		keys []string
	}{{"", []string{binlogpb.PacksKey, "1"}}, {", one a message", nil}} {
		got, err := b.pull(ctx, pump, count, kind.keys...)
		if err != nil {
			return "", err
		}
		fmt.Printf("| %s%s | %d | %.0f | %.0f | %.0f | %.2f | %.2f | %.2f | %.2f | %.0f |\n", sizeName(size), kind.name, count, got.perSecond,
			got.perSecond*float64(size)/1e6, limit.perSecond, got.perSecond/limit.perSecond, got.serverCPU, limit.serverCPU, got.loaderCPU, float64(got.rss)/1e6)
	}

	pump.kill()
	addr := lastField(pump.line) // after kill -9 only the same address may have the node ID at once
	killed, err := b.startPump(name, addr, false)
	if err != nil {
		return "", err
	}
	if err := killed.stop(); err != nil {
		return "", err
	}
	if pump, err = b.startPump(name, addr, false); err != nil {
		return "", err
	}
	return fmt.Sprintf("| %d | %s | %.0f | %.0f |\n", count, sizeName(size), ms(pump.start), ms(killed.start)), nil
}

const anyPort = "127.0.0.1:0"

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func sizeName(n int) string {
	if n >= 1024 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d B", n)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

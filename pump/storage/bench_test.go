package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// BenchmarkTxn measures transactions (prewrite, then commit) a second.
func BenchmarkTxn(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, size := range []int{256, 4096} {
			for _, writers := range []int{1, 16, 128} {
				b.Run(fmt.Sprintf("sync=%t/%dB/writers=%d", sync, size, writers), func(b *testing.B) {
					s := mustOpen(b, Options{Dir: b.TempDir(), SyncLog: sync})
					defer s.Close()
					var clock atomic.Int64
					value := payload(b, 1, size)
					b.ReportAllocs()
					b.ResetTimer()
					inParallel(writers, b.N, func() {
						start := nodes.TSO(clock.Add(1))
						appendAll(b, s, Record{Type: Prewrite, StartTS: start, Payload: value})
						appendAll(b, s, Record{Type: Commit, StartTS: start, CommitTS: nodes.TSO(clock.Add(1))})
					})
					b.StopTimer()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "txn/s")
					st := s.Stats()
					b.ReportMetric(float64(st.Records)/float64(st.Batches), "records/batch")
				})
			}
		}
	}
}

// BenchmarkRaw is what the disk can do at best: the bytes of a transaction's two
// records, appended and synced one by one.
func BenchmarkRaw(b *testing.B) {
	for _, size := range []int{256, 4096} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			f, err := disk.Create(disk.OS{}, filepath.Join(b.TempDir(), "raw"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if err := f.Preallocate(64 << 20); err != nil {
				b.Fatal(err)
			}
			at := int64(0)
			for b.Loop() {
				for _, n := range []int64{footprint(size), footprint(0)} {
					if _, err := f.WriteAt(make([]byte, n), at%(60<<20)); err != nil {
						b.Fatal(err)
					}
					if err := f.Sync(); err != nil {
						b.Fatal(err)
					}
					at += n
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "txn/s")
		})
	}
}

// BenchmarkPull measures how fast binlogs are read from the beginning.
func BenchmarkPull(b *testing.B) {
	for size, count := range map[int]int{256: 400_000, 4096: 100_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := mustOpen(b, Options{Dir: b.TempDir()})
			defer s.Close()
			fill(b, s, count, size)
			b.ResetTimer()
			bytes := int64(0)
			for done := 0; done < b.N; {
				p, err := s.Pull(0)
				if err != nil {
					b.Fatal(err)
				}
				for range min(count, b.N-done) {
					e, err := p.Next(context.Background())
					if err != nil {
						b.Fatal(err)
					}
					bytes += int64(len(e.Payload))
					done++
				}
				p.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binlogs/s")
			b.ReportMetric(float64(bytes)/b.Elapsed().Seconds()/1e6, "MB/s")
		})
	}
}

func fill(tb testing.TB, s *Store, count, size int) {
	var clock atomic.Int64
	value := payload(tb, 1, size)
	inParallel(64, count, func() {
		start := nodes.TSO(clock.Add(1))
		appendAll(tb, s, Record{Type: Prewrite, StartTS: start, Payload: value})
		appendAll(tb, s, Record{Type: Commit, StartTS: start, CommitTS: nodes.TSO(clock.Add(1))})
	})
}

// inParallel calls do n times from that many goroutines.
func inParallel(goroutines, n int, do func()) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	wg.Wait()
}

// BenchmarkOpen measures a restart. BENCH_OPEN says with how many million binlogs.
func BenchmarkOpen(b *testing.B) {
	millions := 1
	if v := os.Getenv("BENCH_OPEN"); v != "" {
		fmt.Sscan(v, &millions)
	}
	dir := b.TempDir()
	s := mustOpen(b, Options{Dir: dir})
	fill(b, s, millions*1_000_000, 16)
	// As after kill -9: no checkpoint at the end.
	s.stop()
	s.done.Wait()
	if got, want := s.LastCommitTS(), nodes.TSO(2*millions*1_000_000); got != want {
		b.Fatalf("the last commit TS is %s, want %s", got, want)
	}
	for b.Loop() {
		again := mustOpen(b, Options{Dir: dir})
		b.StopTimer()
		again.stop() // not Close, which would write a checkpoint
		again.done.Wait()
		if err := again.abandon(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.HeapInuse)/1e6, "heap-MB")
}

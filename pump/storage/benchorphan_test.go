package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/nodes"
)

// BenchmarkOrphan measures what one unresolved prewrite costs while BENCH_ORPHAN million
// transactions (default 1) are written after it, and how fast they are delivered when it is
// resolved and writers go on. With 0 million nothing holds them back.
func BenchmarkOrphan(b *testing.B) {
	millions := 1
	if v := os.Getenv("BENCH_ORPHAN"); v != "" {
		fmt.Sscan(v, &millions)
	}
	for _, waits := range []bool{false, true} {
		b.Run(fmt.Sprintf("waiting=%t/millions=%d", waits, millions), func(b *testing.B) {
			for range b.N {
				benchOrphan(b, millions*1_000_000, waits)
			}
		})
	}
}

func benchOrphan(b *testing.B, count int, waits bool) {
	s := mustOpen(b, Options{Dir: b.TempDir(), SyncLog: true})
	defer s.Close()
	const orphan = 1
	if waits {
		appendAll(b, s, Record{Type: Prewrite, StartTS: orphan, Payload: payload(b, orphan, 16)})
	}
	clock := new(atomic.Int64)
	clock.Store(1)
	began := time.Now()
	times := writeGroups(b, s, clock, count)
	b.ReportMetric(float64(count)/time.Since(began).Seconds(), "txn/s")
	report(b, times, "")
	b.ReportMetric(float64(memory(b, "VmRSS"))/1e6, "rss-MB")
	b.ReportMetric(float64(memory(b, "VmHWM"))/1e6, "rss-max-MB")
	began = time.Now()
	s.checkpointing.Lock()
	err := s.checkpoint()
	s.checkpointing.Unlock()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "checkpoint-ms")
	st, err := os.Stat(filepath.Join(s.opts.Dir, checkpointName))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Size())/1e3, "checkpoint-kB")
	if !waits {
		return
	}
	if got := s.Stats().Waiting; got != count {
		b.Fatalf("%d transactions wait, want %d", got, count)
	}
	last := nodes.TSO(clock.Load())
	began = time.Now()
	appendAll(b, s, Record{Type: Rollback, StartTS: orphan})
	var pulled sync.WaitGroup
	pulled.Go(func() {
		p, err := s.Pull(0)
		if err != nil {
			b.Error(err)
			return
		}
		defer p.Close()
		for got := 0; got < count; {
			e, err := p.Next(context.Background())
			if err != nil {
				b.Error(err)
				return
			}
			if !e.Fake() {
				got++
			}
		}
		b.ReportMetric(time.Since(began).Seconds(), "pulled-s")
	})
	times = nil
	for s.MaxCommitTS() < last {
		times = append(times, writeGroups(b, s, clock, 16*64)...)
	}
	b.ReportMetric(time.Since(began).Seconds(), "sorted-s")
	report(b, times, "sorting-")
	pulled.Wait()
}

// writeGroups writes transactions from 16 writers in groups of 64, and returns how long each
// group took.
func writeGroups(b *testing.B, s *Store, clock *atomic.Int64, count int) (times []time.Duration) {
	value := payload(b, 1, 16)
	var mu sync.Mutex
	inParallel(16, count/64, func() {
		begins, ends := make([]Record, 64), make([]Record, 64)
		for i := range begins {
			begins[i] = Record{Type: Prewrite, StartTS: nodes.TSO(clock.Add(1)), Payload: value}
		}
		took := make([]time.Duration, 0, 2)
		for _, recs := range [][]Record{begins, ends} {
			for i := range recs {
				if recs[i].Type == 0 {
					recs[i] = Record{Type: Commit, StartTS: begins[i].StartTS, CommitTS: nodes.TSO(clock.Add(1))}
				}
			}
			began := time.Now()
			errs := make([]error, len(recs))
			s.AppendAll(recs, errs)
			took = append(took, time.Since(began))
			for _, err := range errs {
				if err != nil {
					b.Error(err)
				}
			}
		}
		mu.Lock()
		times = append(times, took...)
		mu.Unlock()
	})
	return times
}

func report(b *testing.B, times []time.Duration, what string) {
	slices.Sort(times)
	if len(times) == 0 {
		return
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(times[len(times)/2]), what+"p50-ms")
	b.ReportMetric(ms(times[len(times)*99/100]), what+"p99-ms")
	b.ReportMetric(ms(times[len(times)-1]), what+"worst-ms")
}

// memory is a line of /proc/self/status in bytes.
func memory(b *testing.B, key string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key+":" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb << 10
		}
	}
	b.Fatalf("/proc/self/status has no %s", key)
	return 0
}

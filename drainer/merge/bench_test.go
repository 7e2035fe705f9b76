package merge

import (
	"fmt"
	"sync"
	"testing"

	"pumphouse/binlogpb"
)

// BenchmarkMerge: binlogs a second through Push, Next and Release, from sources that are
// each pushed to by a goroutine, transaction by transaction.
func BenchmarkMerge(b *testing.B) {
	for _, c := range []struct {
		name string
		run  int64 // how many transactions in a row are of one pump
	}{{"alternating", 1}, {"bursts", 50}} {
		for _, sources := range []int{1, 5, 20} {
			b.Run(fmt.Sprintf("%s/sources=%d", c.name, sources), func(b *testing.B) { benchMerge(b, sources, c.run) })
		}
	}
}

func benchMerge(b *testing.B, sources int, run int64) {
	m := New(Options{})
	payload := make([]byte, 200)
	ctx := b.Context()
	var in []*Source
	for i := range sources {
		s, err := m.Add(fmt.Sprint(i), 0)
		if err != nil {
			b.Fatal(err)
		}
		in = append(in, s)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, s := range in {
		wg.Go(func() {
			for n := range int64(b.N) {
				if n/run%int64(sources) != int64(i) {
					continue
				}
				if err := s.Push(ctx, binlogpb.Delivery{StartTS: 1, CommitTS: n + 2, Payload: payload}); err != nil {
					b.Error(err)
					return
				}
			}
			if err := s.Push(ctx, fake(int64(b.N)+10)); err != nil {
				b.Error(err)
			}
		})
	}
	for got := 0; got < b.N; {
		batch, err := m.Next(ctx)
		if err != nil {
			b.Fatal(err)
		}
		got += len(batch.Items)
		m.Release(batch.Bytes)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binlogs/s")
}

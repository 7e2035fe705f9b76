package file

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// BenchmarkApply: MB of file a second, fsync included, by the number of rows a transaction has.
func BenchmarkApply(b *testing.B) {
	for _, rows := range []int{1, 50} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			s, err := New(Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			changes := make([]*txn.Change, rows)
			for i := range changes {
				changes[i] = sinktest.Insert(470642465486929921).Changes[0]
			}
			size := int64(len(binlogfile.NewEncoder().Append(nil, &sink.Txn{CommitTS: 470642465486929921, Changes: changes})))
			const batch = 256
			b.SetBytes(size * batch)
			b.ReportAllocs()
			b.ResetTimer()
			for n := range nodes.TSO(b.N) {
				next := sink.Batch{Passed: 470642465486929920 + (n+1)*batch}
				for i := range nodes.TSO(batch) {
					next.Txns = append(next.Txns, &sink.Txn{CommitTS: 470642465486929921 + n*batch + i, Changes: changes})
				}
				if err := s.Apply(b.Context(), next); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkRawWrite: what the disk takes from plain writes of 1 MiB with an fsync at the end.
func BenchmarkRawWrite(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	b.SetBytes(int64(len(block)))
	for range b.N {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

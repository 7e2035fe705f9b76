package txn_test

import (
	"testing"
	"time"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/tidbtest/golden"
)

// BenchmarkRows decodes the large transactions of the golden data; the figure that counts is rows/s.
func BenchmarkRows(b *testing.B) {
	data, err := golden.Load(2023)
	if err != nil {
		b.Fatal(err)
	}
	h, err := schema.Open(b.Context(), jobDir(b, data), schema.Position{CommitTS: 1 << 62, Exact: true}, schema.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tables := h.Tables()
	find := func(id int64) (*schema.Table, error) {
		t, _ := tables.Table(id)
		return t, nil
	}
	var large [][]byte
	for _, payload := range committed(b, data) {
		if len(payload) > 20000 {
			large = append(large, payload)
		}
	}
	rows := 0
	for b.Loop() {
		for _, payload := range large {
			bl, err := txn.Parse(payload)
			if err != nil {
				b.Fatal(err)
			}
			if err := bl.Each(find, time.UTC, func(*txn.Change) error { rows++; return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

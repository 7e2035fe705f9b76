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
	large, find, rows := largeBinlogs(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, bl := range large {
			if err := bl.Each(find, time.UTC, func(*txn.Change) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkUnknown looks the same rows over for columns that the definitions do not have.
func BenchmarkUnknown(b *testing.B) {
	large, find, rows := largeBinlogs(b)
	for b.Loop() {
		for _, bl := range large {
			if err := bl.Tables(find, func(_ *schema.Table, unknown func() []int64) error { unknown(); return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// largeBinlogs are the large transactions of the golden data.
func largeBinlogs(b *testing.B) (large []*txn.Binlog, find txn.Finder, rows int) {
	b.Helper()
	data, err := golden.Load(2023)
	if err != nil {
		b.Fatal(err)
	}
	h, err := schema.Open(b.Context(), data.History(b), schema.Position{CommitTS: 1 << 62, Exact: true}, schema.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tables := h.Tables()
	find = func(id int64) (*schema.Table, error) {
		t, _ := tables.Table(id)
		return t, nil
	}
	for _, payload := range data.Committed(b) {
		if len(payload) < 20000 {
			continue
		}
		bl, err := txn.Parse(payload)
		if err != nil {
			b.Fatal(err)
		}
		if err := bl.Each(find, time.UTC, func(*txn.Change) error { rows++; return nil }); err != nil {
			b.Fatal(err)
		}
		large = append(large, bl)
	}
	return large, find, rows
}

// BenchmarkSmall parses and decodes the other transactions, of one row mostly.
func BenchmarkSmall(b *testing.B) {
	data, err := golden.Load(2023)
	if err != nil {
		b.Fatal(err)
	}
	_, find, _ := largeBinlogs(b)
	var small [][]byte
	for _, payload := range data.Committed(b) {
		bl, err := txn.Parse(payload)
		if err == nil && !bl.DDL() && len(payload) < 1000 && bl.Each(find, time.UTC, func(*txn.Change) error { return nil }) == nil {
			small = append(small, payload)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, payload := range small {
			bl, err := txn.Parse(payload)
			if err != nil {
				b.Fatal(err)
			}
			if err := bl.Each(find, time.UTC, func(*txn.Change) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(small)*b.N)/b.Elapsed().Seconds(), "binlogs/s")
	b.ReportMetric(float64(len(small)), "binlogs/op")
}

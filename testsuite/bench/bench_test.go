package main

import (
	"math"
	"slices"
	"testing"
)

// TestFiguresOf: every number of a table is found under what names it.
func TestFiguresOf(t *testing.T) {
	got := figuresOf("### One\n\ntext | with bars\n\n| records | connections | a/s | ratio |\n|---:|---:|---:|---:|\n| 10 | 16 | 73232 | 0.41 |\n\n" +
		"10 records: 4 MB.\n\n| 1000 | 1 | 2138 | 0.06 |\n\n### Two\n\n| transactions | 0s | 1ms |\n|---|---:|---:|\n| inserts | 5 (1.00) | 4 (0.80) |\n")
	want := []figure{
		{"One", "10, 16", "a/s", 73232}, {"One", "10, 16", "ratio", 0.41}, {"One", "1000, 1", "a/s", 2138}, {"One", "1000, 1", "ratio", 0.06},
		{"Two", "inserts", "0s", 5}, {"Two", "inserts", "0s ratio", 1}, {"Two", "inserts", "1ms", 4}, {"Two", "inserts", "1ms ratio", 0.8},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant\n%v", got, want)
	}
}

// TestChance: the p of tables of Mann and Whitney's test.
func TestChance(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 2.0 / 20},
		{[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2.0 / 70},
		{[]float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 2.0 / 70},
		{[]float64{1, 2, 3, 5}, []float64{4, 6, 7, 8}, 4.0 / 70},
		{[]float64{1, 4}, []float64{2, 3}, 1},
		{[]float64{1}, []float64{1}, 1},
	} {
		if got := chance(c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v and %v: %.4f, want %.4f", c.a, c.b, got, c.want)
		}
	}
}

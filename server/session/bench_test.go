package session

import (
	"context"
	"fmt"
	"testing"

	"pumphouse/nodes"
)

// many is a cluster of n pumps that all report.
func many(n int) map[nodes.Kind][]nodes.Record {
	var pumps []nodes.Record
	for i := range n {
		pumps = append(pumps, nodes.Record{
			NodeID: fmt.Sprintf("pump%04d", i), Host: fmt.Sprintf("10.0.%d.%d:8250", i/250, i%250),
			State: nodes.Online, MaxCommitTS: ago(0), UpdateTS: ago(0),
		})
	}
	return map[nodes.Kind][]nodes.Record{nodes.Pump: pumps}
}

func benchmarkQuery(b *testing.B, records int, sql string) {
	takePD(b, many(records))
	s := newSession(b, testOptions(), admin)
	emit := func(*Outcome, bool) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Query(context.Background(), sql, emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkShowPumpStatus(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkQuery(b, n, "SHOW PUMP STATUS") })
	}
}

func BenchmarkSelect1(b *testing.B) { benchmarkQuery(b, 1, "SELECT 1") }

func BenchmarkShowVariables(b *testing.B) { benchmarkQuery(b, 1, "SHOW VARIABLES LIKE 'wait_timeout'") }

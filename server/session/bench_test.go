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

func BenchmarkSelectPumps(b *testing.B) {
	for _, n := range []int{10, 10000} {
		for name, sql := range map[string]string{
			"all":   "SELECT * FROM binlog.pumps",
			"where": "SELECT node_id, state, lag_seconds FROM binlog.pumps WHERE state = 'online' AND max_commit_ts > 1",
			"one":   "SELECT * FROM binlog.pumps WHERE node_id = 'pump0003'",
			"group": "SELECT state, COUNT(*), MAX(lag_seconds) FROM binlog.pumps GROUP BY state ORDER BY 2 DESC",
		} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) { benchmarkQuery(b, n, sql) })
		}
	}
}

func BenchmarkInformationSchema(b *testing.B) {
	benchmarkQuery(b, 10, "SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'binlog' AND TABLE_NAME = 'pumps'")
}

package drainer

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/nodes"
)

// TestDivergencesAreBounded: however many tables differ, /status and the metric have a bounded
// number of them, and every statement counts.
func TestDivergencesAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := newMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	firsts := 0
	const tables = 3 * maxDiverged
	for round := range 2 {
		for i := range tables {
			one := nodes.Divergence{CommitTS: nodes.TSO(1 + i + round*tables)}
			if m.diverged.add(nodes.TableDivergences{Table: fmt.Sprintf("d.t%03d", i), Count: 1, First: one, Last: one}) {
				firsts++
			}
		}
	}
	list, labels := m.diverged.list(), 0
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "binlog_drainer_divergences_total" {
			labels = len(f.GetMetric())
		}
	}
	if firsts != maxDiverged+1 || len(list) != maxDiverged+1 || labels != maxDiverged+1 {
		t.Fatalf("%d are logged, %d in /status, %d in the metric", firsts, len(list), labels)
	}
	first, rest := list[0], list[maxDiverged]
	if first.Table != "d.t000" || first.Count != 2 || first.First.CommitTS != 1 || first.Last.CommitTS != 1+tables {
		t.Errorf("the first: %+v", first)
	}
	if rest.Table != otherTables || rest.Count != 2*(tables-maxDiverged) || rest.Last.CommitTS != 2*tables {
		t.Errorf("the rest: %+v", rest)
	}
}

package drainer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
)

// TestTakenForStatus: /status counts the rows and names the newest DDL that the sink has taken,
// cut to a length and still UTF-8.
func TestTakenForStatus(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	take := func(txns ...*sink.Txn) {
		var p decodedBatch
		for _, x := range txns {
			p.counts.add(x)
		}
		m.taken(&p)
	}
	take(&sink.Txn{CommitTS: 1, Changes: []*txn.Change{{}, {}}})
	if m.rows.Load() != 2 || m.lastDDL.Load() != nil {
		t.Errorf("%d rows, DDL %+v", m.rows.Load(), m.lastDDL.Load())
	}
	take(&sink.Txn{CommitTS: 2, DDL: new(schema.DDL), Query: "DROP TABLE a"},
		&sink.Txn{CommitTS: 3, DDL: new(schema.DDL), Query: "ALTER TABLE t COMMENT '" + strings.Repeat("ä", 500) + "'"})
	take(&sink.Txn{CommitTS: 4, Changes: []*txn.Change{{}}})
	last := m.lastDDL.Load()
	if m.rows.Load() != 3 || last == nil || last.CommitTS != 3 || len(last.Query) > maxDDLShown || !utf8.ValidString(last.Query) {
		t.Errorf("%d rows, DDL %+v", m.rows.Load(), last)
	}
}

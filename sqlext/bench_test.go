package sqlext

import (
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
)

// Ours cost less than the smallest statement of TiDB's parser, and an ordinary
// statement costs what it costs there ("plain").
func BenchmarkParse(b *testing.B) {
	list := "select a, b, c from t where a in (1" + strings.Repeat(", 1", 1000) + ")"
	for name, text := range map[string]string{
		"show":   "SHOW PUMP STATUS",
		"like":   "SHOW PUMP STATUS LIKE 'p%'",
		"where":  "SHOW PUMP STATUS WHERE State = 'Online'",
		"change": "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'",
		"select": "SELECT @@version_comment LIMIT 1",
		"list":   list,
	} {
		b.Run(name, func(b *testing.B) {
			p := New()
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.Parse(text, "", ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("list plain", func(b *testing.B) {
		p := parser.New()
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := p.Parse(list, "", ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}

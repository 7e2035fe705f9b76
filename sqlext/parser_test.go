package sqlext

import (
	"testing"
)

func TestX(t *testing.T) {
	for _, q := range []string{"show pump status", "SHOW DRAINER STATUS LIKE 'p%';", "change pump to node_state ='paused' for node_id 'pump1';", "change pump to node_state ='paused' for node_id ?; select 1, ?; show drainer status where a = ?", "show pump statusx", "show pump status x", "change pump 'x'", "show `pump` status", "select 1 from; show pump status", "show pump replayer", "show pump", "change", "explain change pump to"} {
		st, w, err := New().Parse(q, "", "")
		t.Logf("%s: %v %v", q, w, err)
		for _, s := range st {
			t.Logf("   %q %v %v %v %d", s.Text, s.Node, s.Show, s.Change, s.Params)
		}
	}
}

func BenchmarkShow(b *testing.B) {
	p := New()
	b.ReportAllocs()
	for b.Loop() {
		p.Parse("SHOW PUMP STATUS", "", "")
	}
}
func BenchmarkChange(b *testing.B) {
	p := New()
	b.ReportAllocs()
	for b.Loop() {
		p.Parse("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'", "", "")
	}
}
func BenchmarkShowLike(b *testing.B) {
	p := New()
	b.ReportAllocs()
	for b.Loop() {
		p.Parse("SHOW PUMP STATUS LIKE 'p%'", "", "")
	}
}
func BenchmarkSelect1(b *testing.B) {
	p := New()
	b.ReportAllocs()
	for b.Loop() {
		p.Parse("SELECT 1", "", "")
	}
}

package tikvmock

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/pump/tikv"
)

// TestDecideAgainstTiKV: an operator decides only what TiKV cannot know; what it knows, or can
// still find out, stands in the way of every other outcome.
func TestDecideAgainstTiKV(t *testing.T) {
	committed := func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary); c.commit(start, commit, primary) }
	rolledBack := func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary); c.rollback(start, primary) }
	collected := func(c *cluster) { c.safe = start }
	for _, c := range []struct {
		name   string
		do     func(*cluster)
		commit uint64 // 0: rollback
		want   string // in the refusal; "": it is decided
	}{
		{"trace collected, rollback", collected, 0, ""},
		{"trace collected, commit", collected, commit, ""},
		{"no trace yet", func(*cluster) {}, 0, "about to commit"},
		{"locked", func(c *cluster) { c.prewrite(start, kvrpcpb.Op_Put, primary) }, 0, "holds a lock"},
		{"committed, rollback", committed, 0, "committed"},
		{"committed, another commit TS", committed, commit + 1, "committed"},
		{"committed, the same", committed, commit, ""},
		{"rolled back, commit", rolledBack, commit, "rolled back"},
		{"rolled back, the same", rolledBack, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newCluster(t, 1)
			c.do(cl)
			s, err := storage.Open(storage.Options{Dir: t.TempDir(), SyncLog: true, Resolver: cl.resolver(nil), ResolveAfter: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{StartTs: new(int64(start)), PrewriteKey: primary, PrewriteValue: []byte("v")})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Append(t.Context(), storage.Record{Type: storage.Prewrite, StartTS: start, Payload: payload}); err != nil {
				t.Fatal(err)
			}
			d, err := s.Decide(t.Context(), start, nodes.TSO(c.commit))
			_, left := s.ListUnresolved(1, 0)
			switch {
			case c.want == "" && (err != nil || left != 0):
				t.Errorf("%v, %d unresolved, want that it is decided", err, left)
			case c.want == "" && cl.safe == start && !strings.Contains(d.TiKV, tikv.ErrCollected.Error()):
				t.Errorf("TiKV said %q", d.TiKV)
			case c.want != "" && (!errors.Is(err, storage.ErrContradiction) || !strings.Contains(err.Error(), c.want) || left != 1):
				t.Errorf("%v, %d unresolved, want a refusal that says %q", err, left, c.want)
			}
		})
	}
}

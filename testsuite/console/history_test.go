package console

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/testsuite/rig"
)

// version is one version of one record, as PD gave it to a watch.
type version struct {
	key      string // below nodesPrefix: pumps/pump1
	revision int64
	number   int64  // of the version of this key: 1 is the one that created it
	raw      string // "" = deleted
	before   string // the version it replaced
}

// field reads one field of a record.
func field[T any](t testing.TB, raw, name string) (v T) {
	t.Helper()
	var fields map[string]json.RawMessage
	err := json.Unmarshal([]byte(raw), &fields)
	if err == nil {
		err = json.Unmarshal(fields[name], &v)
	}
	if err != nil {
		t.Fatalf("%s of the record %s: %v", name, raw, err)
	}
	return v
}

func stateOf(t testing.TB, raw string) string { return field[string](t, raw, "state") }

// history collects every version of every record from now on. It is the test's own watch,
// so it shows what really happened in PD, in PD's order.
type history struct {
	cli *clientv3.Client

	mu       sync.Mutex
	versions []version
	seen     int64 // newest revision among them
	err      error
}

// follow starts a history; it goes on through outages of PD and ends with the test.
func follow(t testing.TB, cli *clientv3.Client) *history {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := cli.Get(ctx, rig.NodesPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		t.Fatalf("begin to follow PD: %v", err)
	}
	h := &history{cli: cli, seen: resp.Header.Revision}
	life, end := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		h.run(life)
	}()
	t.Cleanup(func() { end(); <-gone })
	return h
}

func (h *history) run(ctx context.Context) {
	for ctx.Err() == nil && h.failed() == nil {
		h.mu.Lock()
		from := h.seen + 1
		h.mu.Unlock()
		one, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
		for resp := range h.cli.Watch(one, rig.NodesPrefix, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithRev(from)) {
			if resp.CompactRevision != 0 {
				h.mu.Lock()
				h.err = fmt.Errorf("the test's own watch missed what was compacted up to %d", resp.CompactRevision)
				h.mu.Unlock()
			}
			h.take(resp.Events)
		}
		cancel()
		select { // no leader just now: try again
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h *history) take(events []*clientv3.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ev := range events {
		v := version{
			key: strings.TrimPrefix(string(ev.Kv.Key), rig.NodesPrefix), revision: ev.Kv.ModRevision,
			number: ev.Kv.Version, raw: string(ev.Kv.Value),
		}
		if ev.PrevKv != nil {
			v.before = string(ev.PrevKv.Value)
		}
		h.versions = append(h.versions, v)
		h.seen = max(h.seen, v.revision)
	}
}

func (h *history) failed() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// complete waits until everything that PD holds now is in the history and gives the
// versions by key, each in the order of revisions.
func (h *history) complete(t testing.TB) map[string][]version {
	t.Helper()
	newest := newestRevision(t, h.cli)
	rig.Eventually(t, 30*time.Second, "the test's watch catches up", func() (bool, string) {
		if err := h.failed(); err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.seen >= newest, fmt.Sprintf("at revision %d of %d", h.seen, newest)
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	byKey := map[string][]version{}
	for _, v := range h.versions {
		byKey[v.key] = append(byKey[v.key], v)
	}
	return byKey
}

// newestRevision is that of the record written last.
func newestRevision(t testing.TB, cli *clientv3.Client) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := cli.Get(ctx, rig.NodesPrefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend), clientv3.WithLimit(1))
	if err != nil {
		t.Fatalf("read the newest revision: %v", err)
	}
	if len(resp.Kvs) == 0 {
		return 0
	}
	return resp.Kvs[0].ModRevision
}

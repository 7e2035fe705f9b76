package drainer

import (
	"context"
	"errors"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/drainer/checkpoint"
	"pumphouse/nodes"
	"pumphouse/nodes/standby"
	"pumphouse/testsuite/pdtest"
)

// TestSharedCheckpoint: PD takes a checkpoint of who has the place, and none of who has lost it and does not know.
func TestSharedCheckpoint(t *testing.T) {
	v := pdtest.NewView(t)
	prefix := standby.Of(nodes.Drainer, "drainer1")
	next := func(host string) *sharedStore {
		c := standby.New(standby.Options{Registry: v.Registry, Kind: nodes.Drainer, NodeID: "drainer1", Host: host, Fresh: true})
		t.Cleanup(c.Close)
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		return &sharedStore{registry: v.Registry, turn: c, key: prefix + "checkpoint", file: checkpoint.InDir(t.TempDir())}
	}
	save := func(s *sharedStore, ts nodes.TSO) error {
		return s.Save(context.Background(), checkpoint.Position{CommitTS: ts, ClusterID: v.ClusterID})
	}
	first := next("10.0.0.1:8249")
	if err := save(first, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Etcd.Delete(t.Context(), prefix+"queue/", clientv3.WithPrefix()); err != nil { // as if its lease were over
		t.Fatal(err)
	}
	second := next("10.0.0.2:8249")
	if err := save(second, 30); err != nil {
		t.Fatal(err)
	}
	var lost *standby.LostError
	if err := save(first, 20); !errors.As(err, &lost) {
		t.Errorf("the first saves: %v", err)
	}
	for name, s := range map[string]*sharedStore{"the first": first, "the second": second} {
		if p, err := s.Load(t.Context()); err != nil || p.CommitTS != 30 {
			t.Errorf("%s reads %s from PD, %v; want 30", name, p.CommitTS, err)
		}
	}
	if p, err := first.file.Load(t.Context()); err != nil || p.CommitTS != 10 {
		t.Errorf("the first has %s in its file, %v; want 10", p.CommitTS, err)
	}
}

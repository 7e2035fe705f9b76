package drainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/drainer/checkpoint"
	"pumphouse/nodes"
	"pumphouse/nodes/standby"
)

// sharedStore keeps the checkpoint in PD, where the next active drainer finds it on whatever machine, and in this
// machine's file as before, for a life without a standby. Only who has the place can save.
type sharedStore struct {
	registry *nodes.Registry
	turn     *standby.Candidate
	key      string
	file     checkpoint.Store
}

func (d *Drainer) sharedStore() checkpoint.Store {
	return &sharedStore{registry: d.opts.Registry, turn: d.turn.Candidate, key: standby.Of(nodes.Drainer, d.ID) + "checkpoint", file: checkpoint.InDir(d.opts.DataDir)}
}

// sharedPosition is the value in PD.
type sharedPosition struct {
	CommitTS  *nodes.TSO `json:"commitTS"` // 0 is where a drainer may begin
	ClusterID uint64     `json:"clusterID"`
	Reached   []int64    `json:"ddl-reached,omitempty"`
	Exact     bool       `json:"exact"`
}

// String implements checkpoint.Store.
func (s *sharedStore) String() string { return s.key + " in PD" }

// Load implements checkpoint.Store. What PD has counts, or the file if PD has nothing: this drainer had no standby before.
func (s *sharedStore) Load(ctx context.Context) (checkpoint.Position, error) {
	resp, err := s.registry.Read(ctx, "read the checkpoint", s.key)
	if err != nil {
		return checkpoint.Position{}, err
	}
	if len(resp.Kvs) == 0 {
		return s.file.Load(ctx)
	}
	var p sharedPosition
	if err := json.Unmarshal(resp.Kvs[0].Value, &p); err != nil || p.CommitTS == nil || *p.CommitTS < 0 {
		return checkpoint.Position{}, fmt.Errorf("%s: %w: %q; delete the key to go on from %s of this machine", s, checkpoint.ErrCorrupt, resp.Kvs[0].Value, s.file)
	}
	return checkpoint.Position{CommitTS: *p.CommitTS, ClusterID: p.ClusterID, Reached: p.Reached, Exact: p.Exact}, nil
}

// Save implements checkpoint.Store.
func (s *sharedStore) Save(ctx context.Context, p checkpoint.Position) error {
	raw, err := json.Marshal(sharedPosition{CommitTS: &p.CommitTS, ClusterID: p.ClusterID, Reached: p.Reached, Exact: p.Exact})
	if err != nil {
		return err
	}
	resp, err := s.registry.Txn(ctx, "save the checkpoint", []clientv3.Cmp{s.turn.Guard()}, clientv3.OpPut(s.key, string(raw)))
	if err != nil {
		return err
	}
	if !resp.Succeeded {
		return &standby.LostError{Kind: nodes.Drainer, Why: errors.New("PD does not take its checkpoint, since another process has its place")}
	}
	return s.file.Save(ctx, p)
}

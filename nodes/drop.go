package nodes

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Along gives operations that PD carries out in the transaction that changes a record, so
// that both happen or neither does: a note of who changed it. old is the record as it
// stands before the change. It is called once for every attempt. The operations may not
// touch the keys of records.
type Along func(old Entry) []clientv3.Op

// alongside collects what several give.
func alongside(old Entry, along []Along) (ops []clientv3.Op) {
	for _, f := range along {
		ops = append(ops, f(old)...)
	}
	return ops
}

// Drop removes the record of a node that is offline, at whatever revision it stands, and
// gives it as it was with the revision of the removal. A record that changes at the same
// time is looked at again: nothing is removed that was not offline when it was removed.
// Of several that drop a node at once one succeeds,
// unless PD's answer to another was lost. Errors: [ErrNotFound],
// [ErrNotOffline] (a [*NotOfflineError]), a [*Broken], a [*PDError].
func (r *Registry) Drop(ctx context.Context, kind Kind, nodeID string, along ...Along) (Record, int64, error) {
	e, err := r.Get(ctx, kind, nodeID)
	if err != nil {
		return Record{}, 0, err
	}
	for {
		if e.Record.State != Offline {
			return e.Record, 0, &NotOfflineError{Kind: kind, NodeID: nodeID, State: e.Record.State}
		}
		revision, err := r.remove(ctx, e, alongside(e, along))
		if err == nil {
			return e.Record, revision, nil
		}
		if e, err = r.foundInstead(kind, nodeID, err); err != nil {
			return Record{}, 0, err
		}
	}
}

// remove is compare-and-delete. After an attempt without an answer it tries again:
// finding nothing then means that the first one did it.
func (r *Registry) remove(ctx context.Context, e Entry, along []clientv3.Op) (revision int64, err error) {
	kind, nodeID := e.Kind, e.Record.NodeID
	key := kind.Key(nodeID)
	err = r.do(ctx, fmt.Sprintf("remove the record of %s %s", kind, nodeID), true, func(ctx context.Context, again bool) error {
		resp, err := r.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", e.ModRevision)).
			Then(append([]clientv3.Op{clientv3.OpDelete(key)}, along...)...).
			Else(clientv3.OpGet(key)).
			Commit()
		if err != nil {
			return err
		}
		revision = resp.Header.Revision
		if resp.Succeeded {
			return nil
		}
		kvs := resp.Responses[0].GetResponseRange().Kvs
		if again && len(kvs) == 0 {
			return nil
		}
		return conflict(kind, nodeID, e.ModRevision, kvs)
	})
	return revision, err
}

// NotOfflineError says that a record was not removed. It is [ErrNotOffline].
type NotOfflineError struct {
	Kind   Kind
	NodeID string
	State  State // that the record shows
}

// Error says how to get there.
func (e *NotOfflineError) Error() string {
	return fmt.Sprintf("%s %s is %s: %v; make it offline first: OFFLINE %[5]s '%[2]s' or binlogctl -cmd offline-%[1]s -node-id %[2]s; "+
		"if its process is dead: CHANGE %[5]s TO NODE_STATE = 'offline' FOR NODE_ID '%[2]s' or binlogctl -cmd update-%[1]s -node-id %[2]s -state offline",
		e.Kind, e.NodeID, e.State, ErrNotOffline, e.Kind.Keyword())
}

// Is makes the error match [ErrNotOffline].
func (e *NotOfflineError) Is(target error) bool { return target == ErrNotOffline }

// Drop removes an offline node's record; see [Registry.Drop].
func (c *Cluster) Drop(ctx context.Context, kind Kind, nodeID string, along ...Along) (Record, int64, error) {
	old, revision, err := c.reg.Drop(ctx, kind, nodeID, along...)
	if err == nil {
		c.noteWrite(revision)
	}
	return old, revision, err
}

// Get reads one record from PD itself; see [Registry.Get].
func (c *Cluster) Get(ctx context.Context, kind Kind, nodeID string) (Entry, error) {
	return c.reg.Get(ctx, kind, nodeID)
}

// WaitState waits until a node's record shows a state; see [WaitState].
func (c *Cluster) WaitState(ctx context.Context, kind Kind, nodeID string, want State) (Entry, error) {
	e, err := WaitState(ctx, c.reg, kind, nodeID, want)
	if err == nil {
		c.noteWrite(e.ModRevision) // who was told that it is there sees it
	}
	return e, err
}

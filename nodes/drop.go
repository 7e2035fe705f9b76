package nodes

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Drop removes the record of a node that is offline, and its last exit, at whatever revision it stands, and
// gives it as it was with the revision of the removal. A record that changes at the same
// time is looked at again: nothing is removed that was not offline when it was removed.
// Of several that drop a node at once one succeeds, whatever answers are lost. Errors:
// [ErrNotFound], [ErrNotOffline] (a [*NotOfflineError]), a [*Broken], a [*NotDoneError], a [*PDError].
func (r *Registry) Drop(ctx context.Context, kind Kind, nodeID string, note Note) (Record, int64, error) {
	e, err := r.Find(ctx, kind, nodeID)
	if err != nil {
		return Record{}, 0, err
	}
	op := newOperation(fmt.Sprintf("remove the record of %s %s", kind, nodeID), note)
	for {
		if e.Record.State != Offline {
			return e.Record, 0, &NotOfflineError{Kind: kind, NodeID: nodeID, State: e.Record.State}
		}
		revision, err := r.commit(ctx, op, e, clientv3.OpDelete(kind.Key(nodeID)), clientv3.OpDelete(ExitKey(kind, nodeID)))
		if err == nil {
			return e.Record, revision, nil
		}
		if e, err = r.foundInstead(kind, nodeID, err); err != nil {
			return Record{}, 0, err
		}
	}
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
func (c *Cluster) Drop(ctx context.Context, kind Kind, nodeID string, note Note) (Record, int64, error) {
	old, revision, err := c.reg.Drop(ctx, kind, nodeID, note)
	if err == nil {
		c.noteWrite(revision)
	}
	return old, revision, err
}

// Find reads one record from PD itself; see [Registry.Find].
func (c *Cluster) Find(ctx context.Context, kind Kind, nodeID string) (Entry, error) {
	return c.reg.Find(ctx, kind, nodeID)
}

// WaitState waits until a node's record shows a state; see [WaitState].
func (c *Cluster) WaitState(ctx context.Context, kind Kind, nodeID string, want State) (Entry, error) {
	e, err := WaitState(ctx, c.reg, kind, nodeID, want)
	if err == nil {
		c.noteWrite(e.ModRevision) // who was told that it is there sees it
	}
	return e, err
}

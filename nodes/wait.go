package nodes

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Sleep lets d pass; false: ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// WaitError says that a node did not get to a state in time.
type WaitError struct {
	Kind   Kind
	NodeID string
	Want   State
	Last   Entry // what its record said last; the zero Entry if it was never read
	Waited time.Duration
	Err    error // why the waiting ended
}

func (e *WaitError) Error() string {
	if e.Last.ModRevision == 0 {
		return fmt.Sprintf("wait for %s %s to be %s: its record could not be read in %s: %v",
			e.Kind, e.NodeID, e.Want, e.Waited.Round(time.Millisecond), e.Err)
	}
	rec := e.Last.Record
	return fmt.Sprintf("%s %s is still %s after %s, not %s (its record was last written at %s, maxCommitTS %s): %v",
		e.Kind, e.NodeID, rec.State, e.Waited.Round(time.Millisecond), e.Want,
		rec.UpdateTS.Time().Format(time.RFC3339), rec.MaxCommitTS, e.Err)
}

// Unwrap gives the reason why the waiting ended.
func (e *WaitError) Unwrap() error { return e.Err }

// WaitState waits until a node's record shows a state and gives that record. It looks
// through failures of PD until ctx ends. Errors: [ErrNotFound] when there is no record
// or it is deleted meanwhile, a [*Broken], a [*WaitError] when ctx ended.
func WaitState(ctx context.Context, reg *Registry, kind Kind, nodeID string, want State) (Entry, error) {
	began := time.Now()
	var last Entry
	var trouble error
	for {
		e, err := reg.Get(ctx, kind, nodeID)
		if err == nil {
			last = e
			e, err = reg.watchState(ctx, e, want, &last)
		}
		var broken *Broken
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, ErrNotFound) || errors.As(err, &broken):
			return Entry{}, err
		case ctx.Err() == nil:
			trouble = err
		}
		if !Sleep(ctx, retryPause) {
			if trouble == nil || last.ModRevision != 0 {
				trouble = context.Cause(ctx)
			}
			return Entry{}, &WaitError{Kind: kind, NodeID: nodeID, Want: want, Last: last, Waited: time.Since(began), Err: trouble}
		}
	}
}

// lookAgain is how long a watch is trusted before the record is read again: after PD's
// history was reset it would wait for a revision that does not come.
const lookAgain = 3 * time.Second

// watchState follows one record from where it was read until it shows a state, for no
// longer than lookAgain.
func (r *Registry) watchState(ctx context.Context, e Entry, want State, last *Entry) (Entry, error) {
	if e.Record.State == want {
		return e, nil
	}
	kind, nodeID := e.Kind, e.Record.NodeID
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), lookAgain)
	defer cancel()
	for resp := range r.client.Watch(ctx, kind.Key(nodeID), clientv3.WithRev(e.ModRevision+1)) {
		if err := resp.Err(); err != nil {
			return Entry{}, err
		}
		for _, ev := range resp.Events {
			if ev.Type == clientv3.EventTypeDelete {
				return Entry{}, r.notFound(kind, nodeID)
			}
			next, err := decodeEntry(kind, ev.Kv)
			if err != nil {
				return Entry{}, err
			}
			*last = next
			if next.Record.State == want {
				return next, nil
			}
		}
	}
	return Entry{}, errors.New("the watch ended")
}

package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// DefaultTimeout bounds a call to PD where nothing else is said.
const DefaultTimeout = 5 * time.Second

// retryPause is the pause between two attempts at a call that failed for now.
const retryPause = 50 * time.Millisecond

// Registry reads and writes node records in PD. Every write is a compare-and-set on
// the key's mod revision. Every call is repeated while the failure may pass (PD
// restarts, its leader moves) and ends with a [*PDError] when the time-out has passed.
// A Registry may be used by many goroutines and needs no closing; its client does.
type Registry struct {
	client    *clientv3.Client
	timeout   time.Duration
	endpoints []string
}

// NewRegistry makes a registry over a client, preferably one made by [NewClient].
// timeout bounds each call; 0 means [DefaultTimeout].
func NewRegistry(client *clientv3.Client, timeout time.Duration) *Registry {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Registry{client: client, timeout: timeout, endpoints: displayEndpoints(client.Endpoints())}
}

// Endpoints are PD's addresses without scheme, for messages.
func (r *Registry) Endpoints() []string { return r.endpoints }

// Timeout is what bounds each call.
func (r *Registry) Timeout() time.Duration { return r.timeout }

// Get reads one record. Errors: [ErrNotFound] (a [*NotFoundError]), a [*Broken], a [*PDError].
func (r *Registry) Get(ctx context.Context, kind Kind, nodeID string) (Entry, error) {
	var resp *clientv3.GetResponse
	err := r.do(ctx, fmt.Sprintf("read the record of %s %s", kind, nodeID), false, func(ctx context.Context, _ bool) (err error) {
		resp, err = r.client.Get(ctx, kind.Key(nodeID))
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	if len(resp.Kvs) == 0 || nodeID == "" {
		return Entry{}, r.notFound(kind, nodeID)
	}
	return decodeEntry(kind, resp.Kvs[0])
}

// LastRecord is what a service's record says of its last life, before it claims the record anew: the zero Record where
// there is none, or one that cannot be read. Errors: a [*PDError].
func (r *Registry) LastRecord(ctx context.Context, kind Kind, nodeID string) (Record, error) {
	found, err := r.Get(ctx, kind, nodeID)
	var broken *Broken
	if errors.Is(err, ErrNotFound) || errors.As(err, &broken) {
		return Record{}, nil
	}
	return found.Record, err
}

// Find is Get for a node that somebody has named: if there is no record, the error also says
// whether the other kind has such a node, and which nodes of this kind there are.
func (r *Registry) Find(ctx context.Context, kind Kind, nodeID string) (Entry, error) {
	e, err := r.Get(ctx, kind, nodeID)
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		return e, err
	}
	if snap, failed := r.List(ctx); failed == nil {
		_, missing.Other = snap.Find(kind.other(), nodeID)
		for _, known := range snap.Of(kind) {
			missing.Known = append(missing.Known, known.Record.NodeID)
		}
		missing.Asked = true
	}
	return e, err
}

// List reads every record, of both kinds at one revision; or those of the kinds that are named.
func (r *Registry) List(ctx context.Context, kinds ...Kind) (*Snapshot, error) {
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	var resp *clientv3.TxnResponse
	err := r.do(ctx, "read the node records", false, func(ctx context.Context, _ bool) (err error) {
		resp, err = r.client.Txn(ctx).Then(rangeOps(kinds)...).Commit()
		return err
	})
	if err != nil {
		return nil, err
	}
	kvs := map[Kind][]*mvccpb.KeyValue{}
	for i, k := range kinds {
		kvs[k] = resp.Responses[i].GetResponseRange().Kvs
	}
	return newSnapshot(resp.Header.Revision, resp.Header.ClusterId, kvs), nil
}

// rangeOps reads the prefixes of kinds, in their order.
func rangeOps(kinds []Kind, opts ...clientv3.OpOption) []clientv3.Op {
	opts = append([]clientv3.OpOption{clientv3.WithPrefix()}, opts...)
	var ops []clientv3.Op
	for _, k := range kinds {
		ops = append(ops, clientv3.OpGet(k.Prefix(), opts...))
	}
	return ops
}

// Put writes a record if it stands at modRevision (0: if there is none), and gives the
// revision of the write. Otherwise the error is a [*ConflictError] and nothing is
// written. Its UpdateTS is the identity of the write: a node uses each once, so that no other
// write has the same bytes and whoever changes the state afterwards keeps it.
func (r *Registry) Put(ctx context.Context, kind Kind, rec Record, modRevision int64) (int64, error) {
	return r.put(ctx, kind, rec, modRevision, clientv3.NoLease)
}

// put is Put under a lease: PD removes the record when that is over. A write without one takes it out again.
func (r *Registry) put(ctx context.Context, kind Kind, rec Record, modRevision int64, lease clientv3.LeaseID) (int64, error) {
	if err := ValidateNodeID(rec.NodeID); err != nil {
		return 0, err
	}
	if !rec.State.Valid() {
		return 0, fmt.Errorf("write the record of %s %s: %w", kind, rec.NodeID, &UnknownStateError{State: string(rec.State)})
	}
	raw, err := EncodeRecord(rec)
	if err != nil {
		return 0, err
	}
	return r.swap(ctx, kind, rec.NodeID, raw, modRevision, lease)
}

// swap is compare-and-set of a record's bytes. After an attempt without an answer it
// tries again: the compare keeps a second write from happening, and finding its own
// bytes there means that the first one did.
func (r *Registry) swap(ctx context.Context, kind Kind, nodeID string, raw []byte, modRevision int64, lease clientv3.LeaseID) (revision int64, err error) {
	key := kind.Key(nodeID)
	op := fmt.Sprintf("write the record of %s %s", kind, nodeID)
	err = r.do(ctx, op, true, func(ctx context.Context, again bool) error {
		resp, err := r.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", modRevision)).
			Then(clientv3.OpPut(key, string(raw), clientv3.WithLease(lease))).
			Else(clientv3.OpGet(key)).
			Commit()
		if err != nil {
			return err
		}
		if resp.Succeeded {
			revision = resp.Header.Revision
			return nil
		}
		kvs := resp.Responses[0].GetResponseRange().Kvs
		if again && len(kvs) == 1 && bytes.Equal(kvs[0].Value, raw) {
			revision = kvs[0].ModRevision
			return nil
		}
		return conflict(kind, nodeID, modRevision, kvs)
	})
	return revision, err
}

// conflict describes what a failed compare found.
func conflict(kind Kind, nodeID string, expected int64, kvs []*mvccpb.KeyValue) *ConflictError {
	c := &ConflictError{Kind: kind, NodeID: nodeID, Expected: expected}
	if len(kvs) == 0 {
		return c
	}
	e, err := decodeEntry(kind, kvs[0])
	if !errors.As(err, &c.Broken) {
		c.Found = &e
	}
	return c
}

// SetState writes one node's state and leaves every other byte of its record as it
// stands. When others write the record at the same time it reads again and repeats,
// until ctx ends. It gives the record as it was just before and the revision of the
// write. Writing the state that is there already is a write like any other.
//
// It happens once or not at all: see [Registry.commit] for what a lost answer leads to.
// Errors: [ErrNotFound], a [*Broken], an [*UnknownStateError] (the node is looked up before the
// state is checked), a [*NotDoneError], a [*PDError].
func (r *Registry) SetState(ctx context.Context, kind Kind, nodeID string, state State, note Note) (Record, int64, error) {
	e, err := r.Find(ctx, kind, nodeID)
	if err != nil {
		return Record{}, 0, err
	}
	if !state.Valid() {
		return Record{}, 0, &UnknownStateError{State: string(state)}
	}
	op := newOperation(fmt.Sprintf("set %s %s to %s", kind, nodeID, state), note)
	for {
		raw, err := replaceState(e.Raw, state)
		if err != nil {
			return Record{}, 0, fmt.Errorf("%s: %w", op.what, err)
		}
		revision, err := r.commit(ctx, op, e, clientv3.OpPut(kind.Key(nodeID), string(raw)))
		if err == nil {
			return e.Record, revision, nil
		}
		if e, err = r.foundInstead(kind, nodeID, err); err != nil {
			return Record{}, 0, err
		}
	}
}

// foundInstead gives the record that a failed compare found, to try again with. Any other
// failure of the write is the error, as is a record that is gone or broken.
func (r *Registry) foundInstead(kind Kind, nodeID string, err error) (Entry, error) {
	var c *ConflictError
	switch {
	case !errors.As(err, &c):
		return Entry{}, err
	case c.Broken != nil:
		return Entry{}, c.Broken
	case c.Found == nil:
		return Entry{}, r.notFound(kind, nodeID)
	}
	return *c.Found, nil
}

func (r *Registry) notFound(kind Kind, nodeID string) error {
	return &NotFoundError{Kind: kind, NodeID: nodeID, Endpoints: r.endpoints}
}

// do runs call until it succeeds, fails for good, or the time-out has passed. Where
// there are several endpoints each attempt gets a share of the time only, because the
// next one goes to another endpoint. call learns whether an attempt came before it.
func (r *Registry) do(ctx context.Context, op string, write bool, call func(ctx context.Context, again bool) error) error {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	share := r.timeout
	if end, ok := bounded.Deadline(); ok && len(r.endpoints) > 1 {
		share = time.Until(end) / 3
	}
	var cause error
	for again := false; ; again = true {
		err := r.attempt(bounded, share, again, call)
		var c *ConflictError
		var notDone *NotDoneError
		switch {
		case err == nil || errors.As(err, &c):
			return err
		case errors.Is(ctx.Err(), context.Canceled):
			return cancelled(ctx, op, write)
		case errors.As(err, &notDone) || errors.Is(err, errTrimmed):
			return err
		case !r.transient(err):
			return &PDError{Op: op, Endpoints: r.endpoints, Unknown: write && again, Err: err}
		}
		// A refused connection tells more than the time-out it led to.
		if cause == nil || !errors.Is(err, context.DeadlineExceeded) {
			cause = err
		}
		if !Sleep(bounded, retryPause) {
			if errors.Is(ctx.Err(), context.Canceled) {
				return cancelled(ctx, op, write)
			}
			return &PDError{Op: op, Endpoints: r.endpoints, After: time.Since(began), Unknown: write, Err: cause}
		}
	}
}

// cancelled is the error of a call that its caller gave up: PD is not to blame.
func cancelled(ctx context.Context, op string, write bool) error {
	if write {
		return fmt.Errorf("%s: %w; it may have been written all the same", op, context.Cause(ctx))
	}
	return fmt.Errorf("%s: %w", op, context.Cause(ctx))
}

func (r *Registry) attempt(ctx context.Context, share time.Duration, again bool, call func(context.Context, bool) error) error {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return call(ctx, again)
}

// transient reports whether trying again can help: no connection, no leader, no answer, a
// server on its way down. A client that was closed stays closed.
func (r *Registry) transient(err error) bool {
	if r.client.Ctx().Err() != nil {
		return false
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, rpctypes.ErrTooManyRequests) {
		return true
	}
	code := status.Code(err)
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		code = e.Code()
	}
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.Internal, codes.Unknown:
		return true
	}
	return false
}

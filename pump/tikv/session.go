package tikv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/tikv/client-go/v2/util/codec"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// errTooLarge: the answer did not fit into maxAnswer.
var errTooLarge = errors.New("the answer is too large")

// session is a connection to a cluster.
type session struct {
	pd   placement
	tikv stores
}

func (s *session) close() {
	s.tikv.close()
	s.pd.close()
}

// hasTiKV reports whether PD knows a store that is a TiKV, be it up or not.
func (s *session) hasTiKV(ctx context.Context) (bool, error) {
	all, err := s.pd.stores(ctx)
	if err != nil {
		return false, fmt.Errorf("ask PD for the stores: %w", err)
	}
	for _, store := range all {
		if isTiKV(store) {
			return true, nil
		}
	}
	return false, nil
}

// isTiKV tells a store with rows from one that is gone or another engine's: TiFlash labels
// itself engine=tiflash or tiflash_compute, TiKV has no such label.
func isTiKV(store *metapb.Store) bool {
	if store.GetState() == metapb.StoreState_Tombstone {
		return false
	}
	for _, l := range store.GetLabels() {
		if l.GetKey() == "engine" && l.GetValue() != "tikv" {
			return false
		}
	}
	return true
}

// Pauses between two attempts to ask the right store.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// ask asks until a store answers or ctx ends.
func (s *session) ask(ctx context.Context, startTS uint64, key []byte) (storage.Verdict, nodes.TSO, error) {
	v, commitTS, err := s.askStores(ctx, startTS, key)
	if err != nil || v != storage.Unknown {
		return v, commitTS, err
	}
	// Asked afterwards: GC up to an older safe point cannot have removed more.
	safe, err := s.pd.safePoint(ctx)
	if err != nil {
		return storage.Unknown, 0, fmt.Errorf("ask PD for the GC safe point: %w", err)
	}
	if safe >= startTS {
		return storage.Unknown, 0, fmt.Errorf("%w: GC has removed old versions up to %d", ErrCollected, safe)
	}
	return storage.Unknown, 0, nil
}

// askStores puts the question that changes nothing.
func (s *session) askStores(ctx context.Context, startTS uint64, key []byte) (storage.Verdict, nodes.TSO, error) {
	return untilAnswered(ctx, func() (storage.Verdict, nodes.TSO, error) { return s.askOnce(ctx, startTS, key) })
}

// settle asks as a reader of TiDB does that meets a lock of the transaction. TiKV then rolls back a
// lock that has expired at now; with missing it also refuses what it has no trace of from then on.
func (s *session) settle(ctx context.Context, q storage.Question, now uint64, missing bool) (storage.Verdict, nodes.TSO, error) {
	return untilAnswered(ctx, func() (storage.Verdict, nodes.TSO, error) {
		addr, at, err := s.locate(ctx, q.Key)
		if err != nil {
			return storage.Unknown, 0, err
		}
		return s.askStatus(ctx, addr, &kvrpcpb.CheckTxnStatusRequest{
			Context: at, PrimaryKey: q.Key, LockTs: uint64(q.StartTS), CurrentTs: now, RollbackIfNotExist: missing,
		})
	})
}

// untilAnswered tries again after every failure that may pass: a region that has moved,
// was split or has no leader, a store or PD that does not answer.
func untilAnswered(ctx context.Context, ask func() (storage.Verdict, nodes.TSO, error)) (storage.Verdict, nodes.TSO, error) {
	var last error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		v, commitTS, err := ask()
		var passing *passingError
		if !errors.As(err, &passing) {
			return v, commitTS, err
		}
		if last == nil || status.Code(err) != codes.DeadlineExceeded && ctx.Err() == nil {
			last = err // what fails because the time is over tells less than what failed before
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return storage.Unknown, 0, fmt.Errorf("%w: %w", ctx.Err(), last)
		}
	}
}

// passingError may be gone at the next attempt.
type passingError struct{ err error }

func (e *passingError) Error() string { return e.err.Error() }
func (e *passingError) Unwrap() error { return e.err }

func passing(what string, err error) error { return &passingError{fmt.Errorf("%s: %w", what, err)} }

// askOnce asks the store that PD says leads the key's region.
func (s *session) askOnce(ctx context.Context, startTS uint64, key []byte) (storage.Verdict, nodes.TSO, error) {
	addr, at, err := s.locate(ctx, key)
	if err != nil {
		return storage.Unknown, 0, err
	}
	resp, err := s.tikv.mvccGetByKey(ctx, addr, &kvrpcpb.MvccGetByKeyRequest{Context: at, Key: key})
	if errors.Is(err, errTooLarge) {
		// Without a current TS the request changes nothing; see the package comment.
		return s.askStatus(ctx, addr, &kvrpcpb.CheckTxnStatusRequest{Context: at, PrimaryKey: key, LockTs: startTS})
	}
	if err := failure(addr, err, resp.GetRegionError()); err != nil {
		return storage.Unknown, 0, err
	}
	if resp.GetError() != "" || resp.GetInfo() == nil {
		return storage.Unknown, 0, fmt.Errorf("TiKV at %s could not read the primary key: %q", addr, resp.GetError())
	}
	return outcomeOf(resp.GetInfo(), startTS)
}

// askStatus is for keys with very many versions, and for settling.
func (s *session) askStatus(ctx context.Context, addr string, req *kvrpcpb.CheckTxnStatusRequest) (storage.Verdict, nodes.TSO, error) {
	req.VerifyIsPrimary = true // another key cannot decide
	resp, err := s.tikv.checkTxnStatus(ctx, addr, req)
	if err := failure(addr, err, resp.GetRegionError()); err != nil {
		return storage.Unknown, 0, err
	}
	return outcomeOfStatus(resp, req)
}

// failure is what kept a request from reaching the region.
func failure(addr string, err error, region *errorpb.Error) error {
	if err != nil {
		return passing("ask TiKV at "+addr, err)
	}
	if region != nil {
		return passing("ask TiKV at "+addr, errors.New(region.String()))
	}
	return nil
}

// locate asks PD for the store that leads the region of a key and how to address it.
func (s *session) locate(ctx context.Context, key []byte) (addr string, at *kvrpcpb.Context, err error) {
	// TiKV and PD know keys in their memory-comparable form.
	region, err := s.pd.region(ctx, codec.EncodeBytes(nil, key))
	switch {
	case err != nil:
		return "", nil, passing("ask PD for the region of the primary key", err)
	case region == nil || region.Meta == nil:
		return "", nil, passing("ask PD for the region of the primary key", errors.New("it knows none"))
	case region.Leader.GetStoreId() == 0:
		return "", nil, passing("ask PD for the region of the primary key", fmt.Errorf("region %d has no leader", region.Meta.GetId()))
	}
	store, err := s.pd.store(ctx, region.Leader.GetStoreId())
	if err != nil {
		return "", nil, passing("ask PD for a store", err)
	}
	if store.GetAddress() == "" {
		return "", nil, passing("ask PD for a store", fmt.Errorf("store %d has no address", region.Leader.GetStoreId()))
	}
	return store.GetAddress(), &kvrpcpb.Context{
		RegionId: region.Meta.GetId(), RegionEpoch: region.Meta.GetRegionEpoch(), Peer: region.Leader,
	}, nil
}

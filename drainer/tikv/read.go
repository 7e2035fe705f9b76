package tikv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/oracle"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"

	"pumphouse/drainer/schema"
	"pumphouse/internal/logs"
)

const (
	// batch is how many jobs are asked for at once. A job is some KiB; one on a table with
	// thousands of partitions is some MiB.
	batch = 32
	// keyBatch is how many of their keys.
	keyBatch = 4096
	// attempt bounds how long client-go goes on by itself; what fails then is said and tried again.
	attempt = 3 * time.Second
	// request bounds one request to a store.
	request = 10 * time.Second

	firstPause, maxPause = 50 * time.Millisecond, time.Second
)

// untilAnswered tries until it works, ctx ends, or the error is not one of reaching PD or TiKV.
func (s *Source) untilAnswered(ctx context.Context, what string, try func() error) error {
	defer s.trouble.Store(nil)
	var failures logs.Repeated
	var last error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		kv := s.store()
		err := try()
		if err == nil || errors.Is(err, schema.ErrNoMeta) {
			if n := failures.Over(); n > 0 {
				s.log.WithField("times", n).Infof("could %s in the end", what)
			}
			return err
		}
		err = s.through(err)
		if ctx.Err() == nil || last == nil {
			last = err // what fails because the time is over tells less than what failed before
		}
		trouble := fmt.Errorf("cannot %s: %w", what, err)
		s.trouble.Store(&trouble)
		if ctx.Err() == nil {
			if n := failures.Again(); n > 0 {
				s.log.WithError(err).WithField("times", n).Warnf("cannot %s yet; retrying", what)
			}
		}
		if ctx.Err() == nil {
			s.renew(kv)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if s.life.Err() != nil {
				return fmt.Errorf("%s: %w", what, ErrClosed)
			}
			return fmt.Errorf("%s: %w; at last: %w", what, ctx.Err(), last)
		}
	}
}

// through adds to an error of reading which PD named the stores. The text of client-go's is empty where PD has no region or store yet.
func (s *Source) through(err error) error {
	urls := strings.Join(s.urls, ",")
	if err.Error() == "" {
		return fmt.Errorf("PD at %s names no TiKV store that answers%w", urls, err)
	}
	return fmt.Errorf("through PD at %s: %w", urls, err)
}

func (s *Source) backoff(ctx context.Context) *tikv.Backoffer {
	return tikv.NewBackofferWithVars(ctx, int(attempt.Milliseconds()), nil)
}

// now is a time stamp of PD's: what is committed before is seen at it.
func (s *Source) now(ctx context.Context) (uint64, error) {
	return s.store().GetTimestampWithRetry(s.backoff(ctx), oracle.GlobalTxnScope)
}

// get is the value of a key, nil when there is none.
func (s *Source) get(ctx context.Context, ts uint64, key []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	value, err := s.store().GetSnapshot(ts).Get(ctx, key)
	if tikverr.IsErrNotFound(err) {
		return nil, nil
	}
	return value, err
}

// history calls each with the values of the history after an ID, all as of one time stamp. (An
// entry is written once, so GC that overtakes it removes nothing of them.)
func (s *Source) history(ctx context.Context, id int64, keysOnly bool, each func(id int64, value []byte) error) error {
	const what = "read TiDB's DDL history"
	var ts uint64
	err := s.untilAnswered(ctx, what, func() (err error) {
		ts, err = s.now(ctx)
		return err
	})
	if err != nil {
		return err
	}
	r := keyRange{append(jobKey(id), 0), after(hashPrefix(historyHash)), keysOnly}
	return s.pairs(ctx, what, ts, r, func(key, value []byte) error {
		id, err := jobOfKey(key)
		if err != nil {
			return err
		}
		return each(id, value)
	})
}

// keyRange are the keys in [from, end). With keysOnly their values are not read: they are not empty, and say nothing.
type keyRange struct {
	from, end []byte
	keysOnly  bool
}

// pairs calls each with the pairs of a range as of a time stamp, a few of which are held at once.
func (s *Source) pairs(ctx context.Context, what string, ts uint64, r keyRange, each func(key, value []byte) error) error {
	for r.from != nil {
		var pairs []*kvrpcpb.KvPair
		err := s.untilAnswered(ctx, what, func() (err error) {
			pairs, r.from, err = s.scan(ctx, ts, r)
			return err
		})
		if err != nil {
			return err
		}
		for _, p := range pairs {
			if len(p.Value) == 0 {
				continue // was locked by a transaction that was rolled back or began later
			}
			if err := each(p.Key, p.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan reads the next few pairs of a range, and where to go on: nil at the end. On an error
// that is where it began.
func (s *Source) scan(ctx context.Context, ts uint64, r keyRange) ([]*kvrpcpb.KvPair, []byte, error) {
	kv, from, end, limit := s.store(), r.from, r.end, batch
	if r.keysOnly {
		limit = keyBatch
	}
	for bo := s.backoff(ctx); ; {
		region, err := kv.GetRegionCache().LocateKey(bo, from)
		if err != nil {
			return nil, from, err
		}
		to, last := end, true
		if len(region.EndKey) > 0 && bytes.Compare(region.EndKey, end) < 0 {
			to, last = region.EndKey, false
		}
		req := tikvrpc.NewRequest(tikvrpc.CmdScan,
			&kvrpcpb.ScanRequest{StartKey: from, EndKey: to, Limit: uint32(limit), Version: ts, KeyOnly: r.keysOnly},
			kvrpcpb.Context{NotFillCache: true})
		resp, err := kv.SendReq(bo, req, region.Region, request)
		if err != nil {
			return nil, from, err
		}
		if moved, err := resp.GetRegionError(); err != nil {
			return nil, from, err
		} else if moved != nil {
			if err := bo.Backoff(tikv.BoRegionMiss(), errors.New(moved.String())); err != nil {
				return nil, from, err
			}
			continue
		}
		answer, ok := resp.Resp.(*kvrpcpb.ScanResponse)
		if !ok {
			return nil, from, fmt.Errorf("TiKV answered a scan with %T", resp.Resp)
		}
		if e := answer.GetError(); e != nil {
			if err := s.unlock(ctx, ts, &kvrpcpb.KvPair{Error: e}); err != nil {
				return nil, from, err
			}
			continue
		}
		for _, p := range answer.Pairs {
			if p.Error == nil {
				if r.keysOnly {
					p.Value = p.Key
				}
				continue
			}
			if err := s.unlock(ctx, ts, p); err != nil {
				return nil, from, err
			}
		}
		switch {
		case len(answer.Pairs) == limit:
			return answer.Pairs, append(bytes.Clone(answer.Pairs[limit-1].Key), 0), nil
		case last:
			return answer.Pairs, nil, nil
		}
		return answer.Pairs, to, nil
	}
}

// unlock reads a pair that a scan found locked, for which client-go finds out how the lock's
// transaction ended, or waits for it. The value is empty when there is none at that time stamp.
func (s *Source) unlock(ctx context.Context, ts uint64, p *kvrpcpb.KvPair) error {
	lock := p.Error.GetLocked()
	if lock == nil {
		return fmt.Errorf("TiKV could not read a key: %s", p.Error)
	}
	value, err := s.get(ctx, ts, lock.Key)
	if err != nil {
		return fmt.Errorf("the key is locked by the transaction %d: %w", lock.LockVersion, err)
	}
	p.Key, p.Value, p.Error = lock.Key, value, nil
	return nil
}

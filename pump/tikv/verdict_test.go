package tikv

import (
	"testing"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// TestJudge: what a real TiKV may hold and the one in process does not.
func TestJudge(t *testing.T) {
	const start = 100
	put := func(start, commit uint64) *kvrpcpb.MvccWrite {
		return &kvrpcpb.MvccWrite{Type: kvrpcpb.Op_Put, StartTs: start, CommitTs: commit}
	}
	overlapped := &kvrpcpb.MvccWrite{Type: kvrpcpb.Op_Put, StartTs: 90, CommitTs: start, HasOverlappedRollback: true}
	for _, c := range []struct {
		name   string
		lock   *kvrpcpb.MvccLock
		writes []*kvrpcpb.MvccWrite
		want   storage.Verdict
		ts     nodes.TSO
	}{
		{"overlapped rollback", nil, []*kvrpcpb.MvccWrite{put(150, 160), overlapped}, storage.RolledBack, 0},
		{"another's commit at our start TS", nil, []*kvrpcpb.MvccWrite{put(90, start)}, storage.Unknown, 0},
		{"our commit with another's overlapped rollback", nil,
			[]*kvrpcpb.MvccWrite{{Type: kvrpcpb.Op_Put, StartTs: start, CommitTs: 120, HasOverlappedRollback: true}}, storage.Committed, 120},
		{"a commit outweighs a mark", nil, []*kvrpcpb.MvccWrite{overlapped, put(start, 130)}, storage.Committed, 130},
		{"pessimistic lock", &kvrpcpb.MvccLock{Type: kvrpcpb.Op_PessimisticLock, StartTs: start, ForUpdateTs: 110}, nil, storage.Locked, 0},
		{"async commit, all prewritten", &kvrpcpb.MvccLock{StartTs: start, UseAsyncCommit: true, Secondaries: [][]byte{[]byte("k")}}, nil, storage.Locked, 0},
		{"rollback kept in another's lock", &kvrpcpb.MvccLock{StartTs: 150, RollbackTs: []uint64{99, start}}, nil, storage.RolledBack, 0},
		{"another's lock", &kvrpcpb.MvccLock{StartTs: 150, RollbackTs: []uint64{99}}, nil, storage.Unknown, 0},
		{"a rollback and the lock of a later try to prewrite", &kvrpcpb.MvccLock{StartTs: 150},
			[]*kvrpcpb.MvccWrite{{Type: kvrpcpb.Op_Rollback, StartTs: start, CommitTs: start}}, storage.RolledBack, 0},
	} {
		v, ts, err := outcomeOf(&kvrpcpb.MvccInfo{Lock: c.lock, Writes: c.writes}, start)
		if v != c.want || ts != c.ts || err != nil {
			t.Errorf("%s: %d, %s, %v, want %d, %s", c.name, v, ts, err, c.want, c.ts)
		}
	}
	for _, commit := range []uint64{0, start, start - 1, 1 << 63} {
		if v, _, err := outcomeOf(&kvrpcpb.MvccInfo{Writes: []*kvrpcpb.MvccWrite{put(start, commit)}}, start); v != storage.Unknown || err == nil {
			t.Errorf("commit TS %d: %d, %v", commit, v, err)
		}
	}
}

// TestJudgeStatus: what TiKV did counts only if the request allows it.
func TestJudgeStatus(t *testing.T) {
	var (
		read   = kvrpcpb.CheckTxnStatusRequest{LockTs: 100}
		expire = kvrpcpb.CheckTxnStatusRequest{LockTs: 100, CurrentTs: 200}
		settle = kvrpcpb.CheckTxnStatusRequest{LockTs: 100, CurrentTs: 200, RollbackIfNotExist: true}
		did    = func(a kvrpcpb.Action) *kvrpcpb.CheckTxnStatusResponse {
			return &kvrpcpb.CheckTxnStatusResponse{Action: a}
		}
	)
	for _, c := range []struct {
		name string
		resp *kvrpcpb.CheckTxnStatusResponse
		req  *kvrpcpb.CheckTxnStatusRequest
		want storage.Verdict
		err  bool
	}{
		{"async commit lock without TTL", &kvrpcpb.CheckTxnStatusResponse{LockInfo: &kvrpcpb.LockInfo{UseAsyncCommit: true}}, &settle, storage.Locked, false},
		{"a lock whose min commit TS is large already", &kvrpcpb.CheckTxnStatusResponse{Action: kvrpcpb.Action_MinCommitTSPushed, LockTtl: 3000}, &settle, storage.Locked, false},
		{"rolled back before", did(kvrpcpb.Action_NoAction), &read, storage.RolledBack, false},
		{"not found", &kvrpcpb.CheckTxnStatusResponse{Error: &kvrpcpb.KeyError{TxnNotFound: &kvrpcpb.TxnNotFound{}}}, &expire, storage.Unknown, false},
		{"not the primary key", &kvrpcpb.CheckTxnStatusResponse{Error: &kvrpcpb.KeyError{PrimaryMismatch: &kvrpcpb.PrimaryMismatch{}}}, &settle, storage.Unknown, true},
		{"another error", &kvrpcpb.CheckTxnStatusResponse{Error: &kvrpcpb.KeyError{Abort: "no"}}, &read, storage.Unknown, true},
		{"rolled back unasked", did(kvrpcpb.Action_LockNotExistRollback), &read, storage.Unknown, true},
		{"rolled back unasked, for want of a lock", did(kvrpcpb.Action_LockNotExistRollback), &expire, storage.Unknown, true},
		{"rolled back because there was nothing", did(kvrpcpb.Action_LockNotExistRollback), &settle, storage.RolledBack, false},
		{"expired unasked", did(kvrpcpb.Action_TTLExpireRollback), &read, storage.Unknown, true},
		{"expired", did(kvrpcpb.Action_TTLExpireRollback), &expire, storage.RolledBack, false},
		{"expired, leaving no record", did(kvrpcpb.Action_TTLExpirePessimisticRollback), &settle, storage.Unknown, true},
		{"nothing there and nothing done", did(kvrpcpb.Action_LockNotExistDoNothing), &settle, storage.Unknown, true},
		{"commit TS before start", &kvrpcpb.CheckTxnStatusResponse{CommitVersion: 99}, &settle, storage.Unknown, true},
		{"committed", &kvrpcpb.CheckTxnStatusResponse{CommitVersion: 101}, &settle, storage.Committed, false},
	} {
		if v, _, err := outcomeOfStatus(c.resp, c.req); v != c.want || (err != nil) != c.err {
			t.Errorf("%s: %d, %v", c.name, v, err)
		}
	}
}

package tikv

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

// outcomeOf reads out of what TiKV knows about a transaction's primary key how it ended; the
// package comment says how.
func outcomeOf(info *kvrpcpb.MvccInfo, startTS uint64) (storage.Verdict, nodes.TSO, error) {
	rolledBack := false
	for _, w := range info.GetWrites() {
		switch {
		case w.GetStartTs() == startTS && w.GetType() == kvrpcpb.Op_Rollback:
			rolledBack = true
		case w.GetStartTs() == startTS:
			// A put, a delete, a lock; whatever else may be written one day is written
			// by a commit too. It outweighs all else.
			return committed(startTS, w.GetCommitTs())
		case w.GetCommitTs() == startTS && w.GetHasOverlappedRollback():
			rolledBack = true
		}
	}
	lock := info.GetLock()
	switch {
	case rolledBack:
		return storage.RolledBack, 0, nil
	case lock != nil && lock.GetStartTs() == startTS:
		return storage.Locked, 0, nil
	case lock != nil && slices.Contains(lock.GetRollbackTs(), startTS):
		return storage.RolledBack, 0, nil
	}
	return storage.Unknown, 0, nil
}

// outcomeOfStatus does the same with the answer to CheckTxnStatus. What was done must be what the
// request allows: anything else is an error.
func outcomeOfStatus(resp *kvrpcpb.CheckTxnStatusResponse, req *kvrpcpb.CheckTxnStatusRequest) (storage.Verdict, nodes.TSO, error) {
	if e := resp.GetError(); e != nil {
		if e.GetTxnNotFound() != nil {
			return storage.Unknown, 0, nil
		}
		return storage.Unknown, 0, fmt.Errorf("check the transaction's status: %s", e)
	}
	action := resp.GetAction()
	switch {
	case resp.GetCommitVersion() > 0:
		return committed(req.LockTs, resp.GetCommitVersion())
	case resp.GetLockTtl() > 0 || resp.GetLockInfo() != nil:
		return storage.Locked, 0, nil
	case action == kvrpcpb.Action_NoAction, // it was before
		action == kvrpcpb.Action_TTLExpireRollback && req.CurrentTs > 0,
		action == kvrpcpb.Action_LockNotExistRollback && req.RollbackIfNotExist:
		return storage.RolledBack, 0, nil
	}
	return storage.Unknown, 0, fmt.Errorf("check the transaction's status: TiKV answers %s to a question that does not ask for it", action)
}

func committed(startTS, commitTS uint64) (storage.Verdict, nodes.TSO, error) {
	if ts := nodes.TSO(commitTS); ts > 0 && commitTS > startTS {
		return storage.Committed, ts, nil
	}
	return storage.Unknown, 0, errors.New("TiKV has a commit record with a commit TS that is not after the start TS")
}

package main

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/pingcap/kvproto/pkg/coprocessor"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/tidb/store/mockstore/unistore/tikv"
)

// consistent is the engine with scans that see a transaction whole or not at all. The engine takes the snapshot of
// a scan first and then looks for locks: of a transaction that is committed in between it finds neither the locks nor
// what was written. On a busy machine one scan in ten thousand did. It serves no BatchCommands: tidb-server is to be
// configured with max-batch-size = 0.
type consistent struct{ *tikv.Server }

// Coprocessor scans again if a lock that was there before the scan is gone after it. What was prewritten before the
// scan's timestamp was given is then locked all the time, which the engine finds, or committed before it begins.
func (s consistent) Coprocessor(ctx context.Context, req *coprocessor.Request) (*coprocessor.Response, error) {
	for {
		before, err := s.locks(ctx, req)
		if err != nil {
			return nil, err
		}
		resp, err := s.Server.Coprocessor(ctx, req)
		if err != nil || len(before) == 0 || resp.Locked != nil {
			return resp, err
		}
		after, err := s.locks(ctx, req)
		if err != nil {
			return nil, err
		}
		gone := func(l *kvrpcpb.LockInfo) bool {
			return !slices.ContainsFunc(after, func(a *kvrpcpb.LockInfo) bool { return a.LockVersion == l.LockVersion && bytes.Equal(a.Key, l.Key) })
		}
		if !slices.ContainsFunc(before, gone) {
			return resp, nil
		}
	}
}

// locks are those of older transactions in the ranges of a scan, those of SELECT … FOR UPDATE included, which no scan waits for.
func (s consistent) locks(ctx context.Context, req *coprocessor.Request) ([]*kvrpcpb.LockInfo, error) {
	all, err := s.KvScanLock(ctx, &kvrpcpb.ScanLockRequest{Context: req.Context, MaxVersion: req.StartTs, Limit: math.MaxInt32})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Locks, func(l *kvrpcpb.LockInfo) bool {
		return !slices.ContainsFunc(req.Ranges, func(r *coprocessor.KeyRange) bool {
			return bytes.Compare(r.Start, l.Key) <= 0 && (len(r.End) == 0 || bytes.Compare(l.Key, r.End) < 0)
		})
	}), nil
}

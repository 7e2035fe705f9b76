package embedpd

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// The keys of our own, away from what anybody else lists or watches.
const (
	clusterIDKey = "/pumphouse/embedpd/cluster-id"
	boundKey     = "/pumphouse/embedpd/tso-bound"
)

// store reads and writes our own keys, straight in the etcd server of this process.
type store struct{ etcd *etcdserver.EtcdServer }

func (s store) loadBound(ctx context.Context) (int64, error) {
	raw, err := s.get(ctx, boundKey)
	if err != nil || raw == "" {
		return 0, err
	}
	bound, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || bound <= 0 {
		return 0, fmt.Errorf("the key %s holds %q, which is not a time in milliseconds; timestamps cannot go on from there", boundKey, raw)
	}
	return bound, nil
}

func (s store) saveBound(ctx context.Context, bound int64) error {
	_, err := s.etcd.Put(ctx, &etcdserverpb.PutRequest{
		Key: []byte(boundKey), Value: strconv.AppendInt(nil, bound, 10),
	})
	return err
}

// clusterID reads the cluster's ID and draws it at the first start.
func (s store) clusterID(ctx context.Context, now time.Time) (uint64, error) {
	raw, err := s.get(ctx, clusterIDKey)
	if err != nil {
		return 0, err
	}
	if raw != "" {
		id, err := strconv.ParseUint(raw, 10, 64)
		if err != nil || id == 0 {
			return 0, fmt.Errorf("the key %s holds %q, which is not a cluster ID", clusterIDKey, raw)
		}
		return id, nil
	}
	id := newClusterID(now)
	_, err = s.etcd.Put(ctx, &etcdserverpb.PutRequest{
		Key: []byte(clusterIDKey), Value: strconv.AppendUint(nil, id, 10),
	})
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", clusterIDKey, err)
	}
	return id, nil
}

// newClusterID draws an ID as PD does: seconds in the high half, chance in the low. It
// fits a signed 64-bit integer, which some tools take it for.
func newClusterID(now time.Time) uint64 {
	var low [4]byte
	_, _ = rand.Read(low[:]) // never fails (crypto/rand)
	return uint64(now.Unix()&0x7fffffff)<<32 | uint64(binary.LittleEndian.Uint32(low[:])) | 1
}

// get reads one key; "" if it is not there.
func (s store) get(ctx context.Context, key string) (string, error) {
	resp, err := s.etcd.Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(key)})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	if len(resp.Kvs) == 0 {
		return "", nil
	}
	return string(resp.Kvs[0].Value), nil
}

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// shop plays TiDB: it writes transactions to the pumps that are online, one after the
// other, the way TiDB does: prewrite, then commit or rollback at the same pump.
type shop struct {
	d       *demoCluster
	cluster uint64
	cache   *nodes.Cache
	conns   map[string]*grpc.ClientConn // by address
	turn    int
	order   int64 // ID of the last order
}

// write runs the shop until ctx ends.
func (d *demoCluster) write(ctx context.Context) {
	cluster, err := d.pd.ClusterID(ctx)
	if err != nil {
		return // the demo is ending
	}
	s := &shop{d: d, cluster: cluster, cache: nodes.OpenCache(d.registry, nodes.CacheOptions{}), conns: make(map[string]*grpc.ClientConn),
		order: time.Now().UnixMicro()} // no order of an earlier demo on the same downstream has such a number
	defer s.close()
	for _, job := range shopJobs() {
		for ctx.Err() == nil && !s.define(ctx, job) {
			nodes.Sleep(ctx, time.Second)
		}
	}
	for ctx.Err() == nil {
		ok := s.transact(ctx, s.next(), rand.IntN(10) > 0) // one of ten is rolled back
		if !ok {
			nodes.Sleep(ctx, time.Second) // no pump takes writes, which stops a TiDB as well
			continue
		}
		nodes.Sleep(ctx, time.Duration(50+rand.IntN(150))*time.Millisecond)
	}
}

func (s *shop) close() {
	s.cache.Close()
	for _, c := range s.conns {
		c.Close()
	}
}

// transact writes one transaction; false when no pump took it.
func (s *shop) transact(ctx context.Context, b *binlogpb.Binlog, commit bool) bool {
	pump, ok := s.pump(ctx)
	if !ok {
		return false
	}
	start, err := s.d.pd.TSO(ctx)
	if err != nil {
		return false
	}
	b.Tp, b.StartTs = binlogpb.BinlogType_Prewrite.Enum(), ptr(int64(start))
	if s.send(ctx, pump, b) != nil {
		return false
	}
	nodes.Sleep(ctx, time.Duration(rand.IntN(10))*time.Millisecond) // prewriting in TiKV takes a while
	end := &binlogpb.Binlog{Tp: binlogpb.BinlogType_Rollback.Enum(), StartTs: b.StartTs}
	if commit {
		ts, err := s.d.pd.TSO(context.WithoutCancel(ctx))
		if err != nil {
			return false
		}
		end.Tp, end.CommitTs = binlogpb.BinlogType_Commit.Enum(), ptr(int64(ts))
	}
	// What was prewritten is ended even when the demo ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return s.send(ctx, pump, end) == nil
}

// pump picks the next one whose record is online.
func (s *shop) pump(ctx context.Context) (*grpc.ClientConn, bool) {
	snap, err := s.cache.View(ctx, 0)
	if err != nil {
		return nil, false
	}
	var online []string
	for _, e := range snap.Pumps {
		if e.Record.State == nodes.Online {
			online = append(online, e.Record.Host)
		}
	}
	if len(online) == 0 {
		return nil, false
	}
	s.turn++
	addr := online[s.turn%len(online)]
	if s.conns[addr] == nil {
		c, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, false
		}
		s.conns[addr] = c
	}
	return s.conns[addr], true
}

func (s *shop) send(ctx context.Context, pump *grpc.ClientConn, b *binlogpb.Binlog) error {
	payload, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		return err
	}
	_, err = binlogpb.NewPumpClient(pump).WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: s.cluster, Payload: payload})
	return err
}

// next is an order, and what happened to it.
func (s *shop) next() *binlogpb.Binlog {
	s.order++
	customer := fmt.Sprintf("customer %d", rand.IntN(100))
	order := append(appendInt(nil, s.order), row(2, customer, 3, int64(100+rand.IntN(9900)))...)
	event := append(appendInt(nil, s.order), row(2, "ordered")...)
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{
		SchemaVersion: ptr(int64(len(shopJobs()))),
		Mutations:     []*binlogpb.TableMutation{insert(ordersTable, order), insert(eventsTable, event)},
	})
	if err != nil {
		panic(err) // only a mistake in this file can do that
	}
	return &binlogpb.Binlog{PrewriteKey: fmt.Appendf(nil, "t%d_r%d", ordersTable, s.order), PrewriteValue: value}
}

func insert(table int64, row []byte) *binlogpb.TableMutation {
	return &binlogpb.TableMutation{TableId: &table, InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}
}

// row is TiDB's old row encoding: pairs of column ID and value.
func row(pairs ...any) []byte {
	var b []byte
	for _, v := range pairs {
		switch v := v.(type) {
		case int:
			b = appendInt(b, int64(v))
		case int64:
			b = appendInt(b, v)
		case string:
			b = append(binary.AppendVarint(append(b, 2), int64(len(v))), v...)
		}
	}
	return b
}

// appendInt is an integer as TiDB encodes it in values: flag 8 and a varint.
func appendInt(b []byte, v int64) []byte { return binary.AppendVarint(append(b, 8), v) }

func ptr[T any](v T) *T { return &v }

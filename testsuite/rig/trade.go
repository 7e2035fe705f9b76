package rig

import (
	"encoding/binary"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Trade is a shop whose pumps are processes, and what its drainers have to bring downstream.
type Trade struct {
	*Shop
	Pumps *Pumps
	mu    sync.Mutex
	// want is every transaction so far; sold counts the rows.
	Want []Written
	Sold int64
}

// NewTrade starts pumps, the first of which takes the DDL of a table.
func (c *Pumps) NewTrade(ids ...string) *Trade {
	c.T.Helper()
	var started []*PumpNode
	for _, id := range ids {
		started = append(started, c.Start(id))
	}
	return c.NewTradeOf(started...)
}

// NewTradeOf is newTrade with pumps that run.
func (c *Pumps) NewTradeOf(started ...*PumpNode) *Trade {
	c.T.Helper()
	tr := &Trade{Pumps: c, Shop: &Shop{TB: c.T, Registry: c.Registry, PD: c.PD, ClusterID: c.ClusterID, Jobs: c.T.TempDir(), Conns: map[string]*grpc.ClientConn{}}}
	for _, p := range started {
		tr.Open(p)
	}
	first := started[0].ID
	tr.Want = []Written{
		{tr.CreateDatabase(first), "create database test;"},
		{tr.CreateTable(first, FirstTable), "use `test`; create table t100 (id bigint primary key, v varchar(100));"},
	}
	return tr
}

// Open connects to a pump that has been started.
func (tr *Trade) Open(p *PumpNode) *PumpNode {
	tr.Helper()
	conn, err := grpc.NewClient(p.Addr, grpc.WithTransportCredentials(tr.Pumps.credentials()))
	if err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { conn.Close() })
	tr.Shop.Mu.Lock()
	defer tr.Shop.Mu.Unlock()
	tr.Conns[p.ID] = conn
	return p
}

// Sell writes a row to a pump.
func (tr *Trade) Sell(pump string) nodes.TSO {
	tr.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.Sold++
	ts := tr.Insert(pump, FirstTable, tr.Sold, "x")
	tr.Want = append(tr.Want, Written{ts, fmt.Sprintf("t100 %d x", tr.Sold)})
	return ts
}

// SellOn writes rows to the pumps in turn until the function is called, which gives the last.
func (tr *Trade) SellOn(pumps ...string) (stop func() nodes.TSO) {
	quit, last := make(chan struct{}), make(chan nodes.TSO, 1)
	go func() {
		var ts nodes.TSO
		for i := 0; ; i++ {
			ts = tr.Sell(pumps[i%len(pumps)])
			select {
			case <-quit:
				last <- ts
				return
			default:
			}
		}
	}()
	return func() nodes.TSO { close(quit); return <-last }
}

// Drainer prepares one that begins at the beginning.
func (tr *Trade) Drainer(id string, args ...string) *DrainerNode {
	n := tr.Pumps.NewDrainer(id)
	n.Args = append(append(n.Args, "-schema-dir", tr.Jobs, "-initial-commit-ts", "0"), args...)
	return n
}

// Orphan writes the prewrite of a row to a pump, as a TiDB does that dies then, and gives its
// start TS. Nothing but an operator can tell its outcome: the rig has no TiKV.
func (tr *Trade) Orphan(pump string, id int64) nodes.TSO {
	tr.Helper()
	row := encodedInt(encodedInt(nil, id), 2)
	row = append(binary.AppendVarint(append(row, 2), 1), 'o')
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: proto.Int64(tr.job), Mutations: []*binlogpb.TableMutation{
		{TableId: proto.Int64(FirstTable), InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}}})
	if err != nil {
		tr.Fatal(err)
	}
	start := tr.TSO()
	key := []byte("t\x80\x00\x00\x00\x00\x00\x00\x64_r\x80\x00\x00\x00\x00\x00\x00" + string([]byte{byte(id)}))
	if err := tr.Send(pump, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(start)), PrewriteKey: key, PrewriteValue: value}); err != nil {
		tr.Fatal(err)
	}
	return start
}

func (tr *Trade) Commits() (all []nodes.TSO) {
	for _, w := range tr.Want {
		all = append(all, w.TS)
	}
	return all
}

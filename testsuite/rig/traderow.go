package rig

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// PumpRecord puts a pump's record into PD.
func (c *Pumps) PumpRecord(id, host string, state nodes.State) {
	c.T.Helper()
	raw, err := nodes.EncodeRecord(nodes.Record{NodeID: id, Host: host, State: state, UpdateTS: 1})
	if err != nil {
		c.T.Fatal(err)
	}
	Put(c.T, c.Etcd, nodes.Pump.Key(id), string(raw))
}

// Entry is a delivery of any payload.
func Entry(start, commit nodes.TSO, payload []byte) *binlogpb.PullBinlogResp {
	return &binlogpb.PullBinlogResp{Entity: &binlogpb.Entity{Payload: payload, Pos: &binlogpb.Pos{Offset: int64(commit)},
		Meta: &binlogpb.Meta{StartTs: int64(start), CommitTs: int64(commit)}}}
}

// nextRow is the value of a prewrite that inserts the next row, committed at that time.
func (tr *Trade) nextRow(commit nodes.TSO) []byte {
	tr.Helper()
	tr.Sold++
	version, table := tr.job, int64(FirstTable)
	row := encodedInt(encodedInt(nil, tr.Sold), 2)
	row = append(binary.AppendVarint(append(row, 2), 1), 'x')
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{
		{TableId: &table, InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}}})
	if err != nil {
		tr.Fatal(err)
	}
	tr.Want = append(tr.Want, Written{commit, fmt.Sprintf("t100 %d x", tr.Sold)})
	return value
}

// Row is the delivery of a transaction that inserts the next row.
func (tr *Trade) Row() *binlogpb.PullBinlogResp {
	tr.Helper()
	start, commit := tr.TSO(), tr.TSO()
	payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(start)),
		CommitTs: proto.Int64(int64(commit)), PrewriteKey: []byte("k"), PrewriteValue: tr.nextRow(commit)})
	if err != nil {
		tr.Fatal(err)
	}
	return Entry(start, commit, payload)
}

// Write writes the next row with time stamps of the test's.
func (tr *Trade) Write(pump string, start, commit nodes.TSO) {
	tr.Helper()
	b := &binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(start)), PrewriteKey: []byte("k"), PrewriteValue: tr.nextRow(commit)}
	if err := tr.Send(pump, b); err != nil {
		tr.Fatal(err)
	}
	if err := tr.Send(pump, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: b.StartTs, CommitTs: proto.Int64(int64(commit))}); err != nil {
		tr.Fatal(err)
	}
}

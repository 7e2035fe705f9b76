package rig

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// Client is a gRPC client of one pump.
type Client struct {
	t testing.TB
	c *Pumps
	binlogpb.PumpClient
}

func (n *PumpNode) Client(opts ...grpc.DialOption) *Client {
	n.c.T.Helper()
	return n.c.Dial(n.Addr, opts...)
}

// credentials are those of the tests' gRPC clients.
func (c *Pumps) credentials() credentials.TransportCredentials {
	if c.TLS != nil {
		return credentials.NewTLS(c.TLS)
	}
	return insecure.NewCredentials()
}

func (c *Pumps) Dial(target string, opts ...grpc.DialOption) *Client {
	c.T.Helper()
	creds := c.credentials()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30))}, opts...)
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() { conn.Close() })
	return &Client{t: c.T, c: c, PumpClient: binlogpb.NewPumpClient(conn)}
}

// Payload makes a binlog.
func Payload(t testing.TB, tp binlogpb.BinlogType, start, commit nodes.TSO, value []byte) []byte {
	t.Helper()
	st, ct := int64(start), int64(commit)
	b := &binlogpb.Binlog{Tp: &tp, StartTs: &st, CommitTs: &ct, PrewriteKey: []byte("key")}
	if tp == binlogpb.BinlogType_Prewrite {
		b.PrewriteValue = value
	}
	raw, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Raw sends any payload.
func (c *Client) Raw(b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	_, err := c.WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: c.c.ClusterID, Payload: b})
	return err
}

// Prewrite stores one and gives its start TS.
func (c *Client) Prewrite(value []byte) (nodes.TSO, error) {
	c.t.Helper()
	start := c.c.TSO()
	return start, c.Raw(Payload(c.t, binlogpb.BinlogType_Prewrite, start, 0, value))
}

func (c *Client) Commit(start nodes.TSO) (nodes.TSO, error) {
	c.t.Helper()
	ts := c.c.TSO()
	return ts, c.Raw(Payload(c.t, binlogpb.BinlogType_Commit, start, ts, nil))
}

// Transaction writes a whole one and gives its commit TS.
func (c *Client) Transaction(value []byte) nodes.TSO {
	c.t.Helper()
	start, err := c.Prewrite(value)
	if err != nil {
		c.t.Fatalf("prewrite: %v", err)
	}
	ts, err := c.Commit(start)
	if err != nil {
		c.t.Fatalf("commit: %v", err)
	}
	return ts
}

// Pull begins to pull after a position.
func (c *Client) Pull(from nodes.TSO, opts ...grpc.CallOption) *Stream {
	c.t.Helper()
	s, err := c.PullBinlogs(c.t.Context(), &binlogpb.PullBinlogReq{ClusterID: c.c.ClusterID, StartFrom: &binlogpb.Pos{Offset: int64(from)}}, opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	return &Stream{c.t, s}
}

type Stream struct {
	t testing.TB
	binlogpb.Pump_PullBinlogsClient
}

// Until receives up to the transaction with that commit TS and gives the commit TSs of
// all transactions on the way; fake binlogs must only tell the time.
func (s *Stream) Until(last nodes.TSO) []nodes.TSO {
	s.t.Helper()
	all, err := s.TryUntil(last)
	if err != nil {
		s.t.Fatalf("pull: %v", err)
	}
	return all
}

// TryUntil is Until for a pull that may be cut.
func (s *Stream) TryUntil(last nodes.TSO) (all []nodes.TSO, err error) {
	s.t.Helper()
	var newest int64
	for {
		r, err := s.Recv()
		if err != nil {
			return all, err
		}
		m := r.Entity.Meta
		if m.GetCommitTs() <= newest {
			s.t.Fatalf("commit TS %d after %d", m.GetCommitTs(), newest)
		}
		newest = m.GetCommitTs()
		if m.GetStartTs() != m.GetCommitTs() {
			all = append(all, nodes.TSO(newest))
		}
		if newest == int64(last) {
			return all, nil
		}
		if newest > int64(last) {
			s.t.Fatalf("commit TS %d was passed over: %v", last, all)
		}
	}
}

// End receives until the stream ends and gives why.
func (s *Stream) End() error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// Binlog stores the prewrite binlog of a transaction, and nothing else about it.
func (c *Client) Binlog(start nodes.TSO, key []byte) {
	c.t.Helper()
	st, ct := int64(start), int64(0)
	tp := binlogpb.BinlogType_Prewrite
	raw, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: &tp, StartTs: &st, CommitTs: &ct, PrewriteKey: key, PrewriteValue: []byte("orphan")})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.Raw(raw); err != nil {
		c.t.Fatalf("prewrite: %v", err)
	}
}

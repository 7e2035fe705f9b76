package tidbtest

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
)

func decode(t *testing.T, payload []byte) *binlogpb.Binlog {
	t.Helper()
	b := new(binlogpb.Binlog)
	if err := proto.Unmarshal(payload, b); err != nil {
		t.Fatalf("decode a binlog: %v", err)
	}
	return b
}

func prewriteValue(t *testing.T, b *binlogpb.Binlog) *binlogpb.PrewriteValue {
	t.Helper()
	v := new(binlogpb.PrewriteValue)
	if err := proto.Unmarshal(b.GetPrewriteValue(), v); err != nil {
		t.Fatalf("decode a prewrite value: %v", err)
	}
	return v
}

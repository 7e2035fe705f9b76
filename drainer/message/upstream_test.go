package message

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/sink"
	"pumphouse/testsuite/upstream"
)

// theirs are the messages of upstream's drainer.
func theirs(t *testing.T) (raw [][]byte, list []*pbkafka.Binlog) {
	t.Helper()
	for _, value := range upstream.Messages(t) {
		b := new(pbkafka.Binlog)
		if err := proto.Unmarshal(value, b); err != nil {
			t.Fatal(err)
		}
		raw, list = append(raw, value), append(list, b)
	}
	if len(list) != 32 {
		t.Errorf("%d messages", len(list))
	}
	return raw, list
}

// Our messages hold what upstream's drainer sent of the same binlogs, value by value, and the time zone
// beside it.
func TestUpstreamsMessages(t *testing.T) {
	_, want := theirs(t)
	txns := slices.DeleteFunc(upstream.Data(t).Transactions(t), func(x *sink.Txn) bool { return x.DDL != nil && x.DDL.Skip != "" })
	if len(txns) != len(want) {
		t.Fatalf("%d transactions, theirs are %d", len(txns), len(want))
	}
	e := NewEncoder(time.UTC)
	for i, x := range txns {
		value, err := e.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		got := new(pbkafka.Binlog)
		if err := proto.Unmarshal(value, got); err != nil {
			t.Fatal(err)
		}
		got.TimeZone = nil
		if !proto.Equal(got, want[i]) {
			t.Errorf("message %d:\n%v\ntheirs:\n%v", i, got, want[i])
		}
	}
}

// The decoder reads upstream's messages, as they are in the relay logs of its drainers: what it makes of
// them is encoded to the same values again.
func TestDecodeUpstreams(t *testing.T) {
	raw, want := theirs(t)
	d, e := NewDecoder(), NewEncoder(time.UTC)
	for i, value := range raw {
		x, err := d.Decode(value)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		again, err := e.Encode(x)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		got := new(pbkafka.Binlog)
		if err := proto.Unmarshal(again, got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got.GetDdlData(), want[i].GetDdlData()) || got.GetCommitTs() != want[i].GetCommitTs() {
			t.Errorf("message %d: %v, theirs: %v", i, got, want[i])
		}
		tables := want[i].GetDmlData().GetTables()
		if len(got.GetDmlData().GetTables()) != len(tables) {
			t.Fatalf("message %d: %v, theirs: %v", i, got, want[i])
		}
		for j, tab := range got.GetDmlData().GetTables() {
			if !slices.EqualFunc(tab.GetMutations(), tables[j].GetMutations(), func(a, b *pbkafka.TableMutation) bool { return proto.Equal(a, b) }) ||
				!slices.EqualFunc(tab.GetUniqueKeys(), tables[j].GetUniqueKeys(), func(a, b *pbkafka.Key) bool { return proto.Equal(a, b) }) {
				t.Errorf("message %d:\n%v\ntheirs:\n%v", i, tab, tables[j])
			}
		}
	}
}

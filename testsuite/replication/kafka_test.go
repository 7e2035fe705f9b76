package replication

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/nodes"
)

const topic = "replay"

// broker is a Kafka broker that keeps what it has when it is stopped.
type broker struct {
	dir  string
	port int
	now  *kfake.Cluster
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{dir: t.TempDir()}
	// Ports of outgoing connections are above these: it is free when the broker comes back.
	for err := errors.New("not tried"); err != nil; err = b.start() {
		b.port = 12000 + rand.IntN(20000)
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

func (b *broker) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

func (b *broker) start() (err error) {
	b.now, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(b.port), kfake.DataDir(b.dir))
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	return nil
}

func (b *broker) stop() {
	if b.now != nil {
		b.now.Close()
		b.now = nil
	}
}

// read gives the messages as a consumer takes them: one that is not after the one before is
// dropped, and has to be the same as when it came first.
func (b *broker) read(t *testing.T) (all []recorded) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr()), kgo.FetchMaxBytes(1<<30), kgo.BrokerMaxReadBytes(1<<30),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), standstill)
	defer cancel()
	end := b.now.PartitionInfo(topic, 0).HighWatermark
	type place struct {
		ts nodes.TSO
		tp pbkafka.BinlogType
	}
	seen := map[place]string{}
	var last nodes.TSO
	again := 0
	for at := int64(0); at < end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read the topic at %d of %d: %v", at, end, err)
		}
		for _, rec := range fetches.Records() {
			at = rec.Offset + 1
			var m pbkafka.Binlog
			if err := proto.Unmarshal(rec.Value, &m); err != nil {
				t.Fatal(err)
			}
			ts := nodes.TSO(m.GetCommitTs())
			// A statement that goes before its binlog can have the commit TS of the transaction before.
			key := place{ts, m.GetType()}
			if before, ok := seen[key]; ok {
				again++
				if before != string(rec.Value) {
					t.Errorf("the message of %d is not the same the second time", ts)
				}
			} else if ts < last {
				t.Fatalf("%d comes first after %d", ts, last)
			}
			if _, ok := seen[key]; !ok {
				last = ts
				all = append(all, messageOf(&m))
			}
			seen[key] = string(rec.Value)
		}
	}
	t.Logf("%d messages, %d of them for the second time", end, again)
	return all
}

func messageOf(m *pbkafka.Binlog) recorded {
	x := recorded{ts: nodes.TSO(m.GetCommitTs())}
	if m.GetType() == pbkafka.BinlogType_DDL {
		x.use, x.ddl = m.GetDdlData().GetSchemaName(), string(m.GetDdlData().GetDdlQuery())
	}
	for _, tab := range m.GetDmlData().GetTables() {
		for _, mut := range tab.GetMutations() {
			c := changed{schema: tab.GetSchemaName(), table: tab.GetTableName()}
			row := cellsOf(tab.GetColumnInfo(), mut.GetRow())
			switch mut.GetType() {
			case pbkafka.MutationType_Insert:
				c.new = row
			case pbkafka.MutationType_Delete:
				c.old = row
			case pbkafka.MutationType_Update:
				c.old, c.new = cellsOf(tab.GetColumnInfo(), mut.GetChangeRow()), row
			}
			x.rows = append(x.rows, c)
		}
	}
	return x
}

func cellsOf(columns []*pbkafka.ColumnInfo, row *pbkafka.Row) (cells []cell) {
	for i, c := range row.GetColumns() {
		v := cell{column: columns[i].GetName()}
		switch {
		case c.GetIsNull():
		case c.Int64Value != nil:
			v.value = c.GetInt64Value()
		case c.Uint64Value != nil:
			v.value = c.GetUint64Value()
		case c.DoubleValue != nil:
			v.value = c.GetDoubleValue()
		case c.StringValue != nil:
			v.value = []byte(c.GetStringValue())
		default:
			v.value = c.GetBytesValue()
		}
		cells = append(cells, v)
	}
	return cells
}

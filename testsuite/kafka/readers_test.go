package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/sink"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/upstream"
)

// TestReaders: what upstream's drainer sent of the recorded statements is what franz-go and Kafka's own client
// read from a topic of ours, with each compression, message by message.
func TestReaders(t *testing.T) {
	for name, old := range map[string]bool{"newest": false, "old": true} {
		t.Run(name, func(t *testing.T) {
			if old {
				form.LongOnly(t, "one release is enough in the short form")
			}
			c := kafkabroker.Start(t, kafkabroker.Options{Old: old})
			theirs := upstream.Messages(t)
			codecs := []string{"none", "gzip", "snappy", "lz4", "zstd"}
			for _, codec := range codecs {
				writeGolden(t, c, codec)
				got := read(t, c, codec)
				if len(got) != len(theirs) {
					t.Fatalf("%s: %d messages, theirs are %d", codec, len(got), len(theirs))
				}
				for i, r := range got {
					if want := zoned(t, theirs[i]); !proto.Equal(decoded(t, r.Value), want) {
						t.Errorf("%s, message %d:\n%v\ntheirs:\n%v", codec, i, decoded(t, r.Value), want)
					}
				}
			}
			var columns strings.Builder
			n := 0
			for _, m := range javaReads(t, c, map[string]string{"bootstrap.servers": strings.Join(c.Addrs(), ",")}, codecs...) {
				want := zoned(t, theirs[n%len(theirs)])
				if m.topic != codecs[n/len(theirs)] || int64(m.commitTS) != want.GetCommitTs() || m.mark != "7/drainer1" || !proto.Equal(decoded(t, m.value), want) {
					t.Errorf("Java reads %+v:\n%v\ntheirs:\n%v", m, decoded(t, m.value), want)
				}
				columns.WriteString(m.columns)
				n++
			}
			if n != len(codecs)*len(theirs) {
				t.Errorf("Java reads %d messages, there are %d", n, len(codecs)*len(theirs))
			}
			for _, want := range goldenColumns(t, theirs) {
				if !strings.Contains(columns.String(), want) {
					t.Errorf("Java finds no %s", want)
				}
			}
		})
	}
}

// writeGolden writes the recorded transactions to a topic that is named after the compression.
func writeGolden(t *testing.T, c *kafkabroker.Cluster, codec string) {
	t.Helper()
	s := newStream(t, c, codec)
	s.opts.Compression = codec
	s.open()
	txns := slices.DeleteFunc(upstream.Data(t).Transactions(t), func(x *sink.Txn) bool { return x.DDL != nil && x.DDL.Skip != "" })
	if err := s.sink.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	s.flush()
}

func decoded(t *testing.T, value []byte) *pbkafka.Binlog {
	t.Helper()
	b := new(pbkafka.Binlog)
	if err := proto.Unmarshal(value, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// zoned is upstream's message with the time zone that ours have besides.
func zoned(t *testing.T, value []byte) *pbkafka.Binlog {
	t.Helper()
	b := decoded(t, value)
	b.TimeZone = proto.String("UTC")
	return b
}

// goldenColumns are the column definitions in upstream's messages, as Java prints them.
func goldenColumns(t *testing.T, theirs [][]byte) (list []string) {
	t.Helper()
	for _, value := range theirs {
		for _, table := range decoded(t, value).GetDmlData().GetTables() {
			for _, c := range table.GetColumnInfo() {
				list = append(list, fmt.Sprintf("%s.%s:%s(%d,%d);", table.GetTableName(), c.GetName(), c.GetMysqlType(), c.GetFlen(), c.GetDecimal()))
			}
		}
	}
	if len(list) == 0 {
		t.Error("upstream's messages have no columns")
	}
	return list
}

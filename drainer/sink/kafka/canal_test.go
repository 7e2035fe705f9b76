package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

// canalMessage is what tests look at of a message.
type canalMessage struct {
	partition int32
	Database  string
	Table     string
	IsDDL     bool
	Type      string
	SQL       string
	Data      []map[string]*string
	TiDB      struct {
		CommitTS      int64
		WatermarkTS   int64
		OnlyHandleKey bool
	} `json:"_tidb"`
}

// String is the message in short: its type, and what it is about.
func (m canalMessage) String() string {
	switch {
	case m.Type == "TIDB_WATERMARK":
		return fmt.Sprintf("watermark %d", m.TiDB.WatermarkTS)
	case m.IsDDL:
		return m.SQL
	}
	return fmt.Sprintf("%s %s", m.Type, *m.Data[0]["id"])
}

// canalMessages are all acknowledged messages of the topic, by partition.
func canalMessages(t testing.TB, c *kfake.Cluster) map[int32][]canalMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ends, at := make(map[int32]int64), make(map[int32]kgo.Offset)
	for _, info := range c.PartitionInfos(topic) {
		if info.HighWatermark > 0 {
			ends[info.Partition], at[info.Partition] = info.HighWatermark, kgo.NewOffset().AtStart()
		}
	}
	list := make(map[int32][]canalMessage)
	if len(at) == 0 {
		return list
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.FetchMaxWait(20*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	missing := func() bool {
		for p, end := range ends {
			if int64(len(list[p])) < end {
				return true
			}
		}
		return false
	}
	for missing() {
		for _, r := range client.PollFetches(ctx).Records() {
			m := canalMessage{partition: r.Partition}
			if err := json.Unmarshal(r.Value, &m); err != nil {
				t.Fatalf("%s: %v", r.Value, err)
			}
			if int64(len(list[r.Partition])) < ends[r.Partition] {
				list[r.Partition] = append(list[r.Partition], m)
			}
		}
		if ctx.Err() != nil {
			t.Fatal("the topic cannot be read")
		}
	}
	return list
}

// short are the messages of a partition in short.
func short(list []canalMessage) (texts []string) {
	for _, m := range list {
		texts = append(texts, m.String())
	}
	return texts
}

// canalOptions are those of a sink whose every Passed is a watermark.
func canalOptions(c *kfake.Cluster, partition string, partitions int32) Options {
	o := options(c)
	o.Protocol, o.Partition, o.Partitions, o.Extension, o.WatermarkEvery = ProtocolCanalJSON, partition, partitions, true, 1
	return o
}

// canalDownstream is the contract's.
type canalDownstream struct {
	opts    Options
	cluster *kfake.Cluster
}

func (d *canalDownstream) Open(t testing.TB, from nodes.TSO) sink.Sink {
	d.opts.From = from
	return open(t, d.opts)
}

func (d *canalDownstream) IDs(t testing.TB) (ids []int64) {
	t.Helper()
	for _, list := range canalMessages(t, d.cluster) {
		for _, m := range list {
			if m.Type == "INSERT" {
				id, err := strconv.ParseInt(*m.Data[0]["id"], 10, 64)
				if err != nil {
					t.Error(err)
				}
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func TestCanalContract(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"by table":                func(*Options) {},
		"by key":                  func(o *Options) { o.Partition, o.Partitions = ByIndexValue, 5 },
		"by key, without _tidb":   func(o *Options) { o.Partition, o.Partitions, o.Extension = ByIndexValue, 3, false },
		"one message at a time":   func(o *Options) { o.Partition, o.MaxMessages = ByIndexValue, 1 },
		"watermarks are rare":     func(o *Options) { o.Partition, o.WatermarkEvery = ByIndexValue, time.Hour },
		"compressed, one of them": func(o *Options) { o.Partitions, o.Compression = 1, "zstd" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, func(t *testing.T) sinktest.Downstream {
				c := brokers(t)
				d := &canalDownstream{canalOptions(c, ByTable, 3), c}
				set(&d.opts)
				return d
			})
		})
	}
}

// several is a transaction that inserts rows with these keys.
func several(ts nodes.TSO, ids ...int) *sink.Txn {
	x := &sink.Txn{StartTS: ts - 1, CommitTS: ts}
	for _, id := range ids {
		x.Changes = append(x.Changes, sinktest.Insert(nodes.TSO(id)).Changes...)
	}
	return x
}

// update is a transaction that gives a row another key.
func update(ts nodes.TSO, from, to int) *sink.Txn {
	old, new := sinktest.Insert(nodes.TSO(from)).Changes[0], sinktest.Insert(nodes.TSO(to)).Changes[0]
	return &sink.Txn{CommitTS: ts, Changes: []*txn.Change{{Table: old.Table, Op: txn.Update, Old: old.New, New: new.New}}}
}

// ddl is a transaction of a statement.
func ddl(ts nodes.TSO, query string) *sink.Txn {
	return &sink.Txn{CommitTS: ts, Query: query, DDL: &schema.DDL{Schema: "sinktest", Table: "t", Job: &schema.Job{Type: schema.ActionTruncateTable}}}
}

func applyAll(t testing.TB, s sink.Sink, list ...*sink.Txn) {
	t.Helper()
	if err := s.Apply(t.Context(), sink.Batch{Txns: list, Passed: list[len(list)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
}

// TestCanalOrder: rows are in the partition of their key in the order of the transactions, a statement is in partition 0, and
// watermarks are in all of them.
func TestCanalOrder(t *testing.T) {
	c := brokers(t)
	s := open(t, canalOptions(c, ByIndexValue, 2))
	applyAll(t, s, several(10, 1, 2, 3, 4), update(20, 1, 2000), ddl(30, "TRUNCATE t"), several(40, 1, 2))
	got := canalMessages(t, c)
	place := make(map[string]int32)
	var rows, marks [2][]string
	for p, list := range got {
		for _, m := range list {
			if m.Type == "TIDB_WATERMARK" || m.IsDDL {
				marks[p] = append(marks[p], m.String())
				continue
			}
			rows[p] = append(rows[p], m.String())
			id := *m.Data[0]["id"]
			if at, ok := place[id]; ok && at != p {
				t.Errorf("row %s is in two partitions", id)
			}
			place[id] = p
		}
	}
	if len(rows[0]) == 0 || len(rows[1]) == 0 {
		t.Fatalf("all rows are in one partition: %v", got)
	}
	if want := []string{"watermark 29", "TRUNCATE t", "watermark 30", "watermark 40"}; !slices.Equal(marks[0], want) {
		t.Errorf("partition 0: %v", marks[0])
	}
	if want := []string{"watermark 29", "watermark 30", "watermark 40"}; !slices.Equal(marks[1], want) {
		t.Errorf("partition 1: %v", marks[1])
	}
	one := rows[place["1"]]
	one = slices.DeleteFunc(one, func(text string) bool { return !strings.HasSuffix(text, " 1") })
	if want := []string{"INSERT 1", "DELETE 1", "INSERT 1"}; !slices.Equal(one, want) {
		t.Errorf("row 1: %v", one)
	}
	if !slices.Contains(rows[place["2000"]], "INSERT 2000") {
		t.Errorf("the row with its new key: %v", rows)
	}
	// A consumer that goes by watermarks has the rows before the statement before it, and those after it after it.
	for p, list := range got {
		mark := int64(0)
		for _, m := range list {
			if m.Type == "TIDB_WATERMARK" {
				mark = m.TiDB.WatermarkTS
			} else if m.TiDB.CommitTS <= mark {
				t.Errorf("partition %d: %s of %d is after watermark %d", p, m, m.TiDB.CommitTS, mark)
			}
		}
	}
}

// partitionOf is where several(…) puts a row.
func partitionOf(t testing.TB, list map[int32][]canalMessage, id string) int32 {
	t.Helper()
	for p, messages := range list {
		for _, m := range messages {
			if m.Data != nil && *m.Data[0]["id"] == id {
				return p
			}
		}
	}
	t.Fatalf("row %s is nowhere", id)
	return 0
}

// TestCanalWatermark: a watermark is in no partition as long as a row before it is not acknowledged in another.
func TestCanalWatermark(t *testing.T) {
	c := brokers(t)
	s := open(t, canalOptions(c, ByIndexValue, 2))
	applyAll(t, s, several(10, 1, 2, 3, 4))
	away := 1 - partitionOf(t, canalMessages(t, c), "1")
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{away}, Err: kerr.NotEnoughReplicas, Count: -1})
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{several(20, 1, 2, 3, 4)}, Passed: 25}); err != nil {
		t.Fatal(err)
	}
	if err := fault.Wait(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	got := canalMessages(t, c)
	if last := got[1-away][len(got[1-away])-1]; last.TiDB.CommitTS != 20 || s.Applied() != 10 {
		t.Errorf("while partition %d takes nothing the other has %v, and applied is %s", away, got[1-away], s.Applied())
	}
	fault.Remove()
	flush(t, s)
	for p, list := range canalMessages(t, c) {
		if last := list[len(list)-1]; last.String() != "watermark 25" || s.Applied() != 25 {
			t.Errorf("partition %d ends with %s, applied is %s", p, last, s.Applied())
		}
	}
}

// TestCanalHalfWritten: a transaction of which one partition has its part and another has not is not applied. After a restart
// only what is missing is sent, and the same when it was a statement's turn.
func TestCanalHalfWritten(t *testing.T) {
	for name, missing := range map[string]int32{"in the first partition": 0, "in the second": 1} {
		t.Run(name, func(t *testing.T) {
			c := brokers(t)
			opts := canalOptions(c, ByIndexValue, 2)
			s := open(t, opts)
			applyAll(t, s, several(10, 1, 2, 3, 4))
			before := canalMessages(t, c)
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{missing}, Err: kerr.NotEnoughReplicas, Count: -1})
			rest := []*sink.Txn{several(20, 1, 2, 3, 4, 1, 2, 3, 4), ddl(30, "TRUNCATE t"), several(40, 1, 2, 3, 4)}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			applied := make(chan error, 1)
			go func() { applied <- errors.Join(s.Apply(ctx, sink.Batch{Txns: rest, Passed: 45}), s.Flush(ctx)) }()
			rows := func(list []canalMessage, ts int64) (n int) {
				for _, m := range list {
					if m.TiDB.CommitTS == ts && m.Type == "INSERT" {
						n++
					}
				}
				return n
			}
			for whole := 2 * rows(before[1-missing], 10); rows(canalMessages(t, c)[1-missing], 20) < whole; {
				if !nodes.Sleep(ctx, 10*time.Millisecond) {
					t.Fatal("the other partition does not get its part")
				}
			}
			stop()
			if err := <-applied; !errors.Is(err, context.Canceled) || s.Applied() != 10 {
				t.Fatalf("applied %s, %v", s.Applied(), err)
			}
			s.Close()
			half := canalMessages(t, c)
			if len(half[missing]) != len(before[missing]) || len(half[1-missing]) <= len(before[1-missing]) {
				t.Fatalf("not half of the transaction is there: %v", half)
			}
			fault.Remove()
			opts.From = 10
			s = open(t, opts)
			applyAll(t, s, rest...)
			seen := make(map[string]int)
			for _, list := range canalMessages(t, c) {
				for _, m := range list {
					seen[fmt.Sprint(m.TiDB.CommitTS, m.String())]++
				}
			}
			for _, id := range []string{"1", "2", "3", "4"} {
				if n := [3]int{seen["10INSERT "+id], seen["20INSERT "+id], seen["40INSERT "+id]}; n != [3]int{1, 2, 1} {
					t.Errorf("row %s is there so often: %v", id, n)
				}
			}
			if seen["30TRUNCATE t"] != 1 {
				t.Errorf("%v", seen)
			}
		})
	}
}

// TestCanalCutTransaction: of a transaction a partition has a part only. All of it is sent again, so that it is there whole; and the
// mark does not say otherwise.
func TestCanalCutTransaction(t *testing.T) {
	c := brokers(t)
	opts := canalOptions(c, ByTable, 1)
	opts.MaxMessages = 2
	s := open(t, opts)
	applyAll(t, s, several(10, 1))
	sends := 0
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1, When: func(kmsg.Request) bool {
		sends++ // it is asked twice about each
		return sends > 2
	}})
	txn := several(20, 1, 2, 3, 4, 5)
	if err := errors.Join(s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{txn}, Passed: 20}), s.Flush(t.Context())); err == nil || s.Applied() != 10 {
		t.Fatalf("applied %s, %v", s.Applied(), err)
	}
	s.Close()
	part := short(canalMessages(t, c)[0])
	if !slices.Equal(part, []string{"INSERT 1", "watermark 10", "INSERT 1", "INSERT 2"}) {
		t.Fatalf("%v", part)
	}
	fault.Remove()
	opts.From = 10
	s = open(t, opts)
	applyAll(t, s, txn)
	if got, want := short(canalMessages(t, c)[0])[len(part):], []string{"INSERT 1", "INSERT 2", "INSERT 3", "INSERT 4", "INSERT 5", "watermark 20"}; !slices.Equal(got, want) {
		t.Errorf("after the restart: %v", got)
	}
}

// TestCanalOtherLayout: after another way to spread rows, everything after the checkpoint is sent again: the partitions do not have what
// their last messages say.
func TestCanalOtherLayout(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, c *kfake.Cluster, o *Options){
		"the dispatcher": func(_ *testing.T, _ *kfake.Cluster, o *Options) { o.Partition = ByIndexValue },
		"more partitions": func(t *testing.T, c *kfake.Cluster, _ *Options) {
			req := kmsg.NewPtrCreatePartitionsRequest()
			more := kmsg.NewCreatePartitionsRequestTopic()
			more.Topic, more.Count = topic, 3
			req.Topics = append(req.Topics, more)
			client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if resp, err := req.RequestWith(t.Context(), client); err != nil || resp.Topics[0].ErrorCode != 0 {
				t.Fatal(resp, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := brokers(t)
			opts := canalOptions(c, ByTable, 2)
			s := open(t, opts)
			applyAll(t, s, several(10, 1), several(20, 2))
			s.Close()
			opts.From = 10
			change(t, c, &opts)
			s = open(t, opts)
			if s.Applied() != 10 {
				t.Errorf("applied: %s", s.Applied())
			}
			applyAll(t, s, several(20, 2))
			n := 0
			for _, list := range canalMessages(t, c) {
				for _, m := range list {
					if m.String() == "INSERT 2" {
						n++
					}
				}
			}
			if n != 2 {
				t.Errorf("the row is there %d times, want 2", n)
			}
		})
	}
}

// TestProtocolIsOneTopics: a topic that has messages of the drainer in the other protocol is refused.
func TestProtocolIsOneTopics(t *testing.T) {
	c := brokers(t)
	binlog, canal := options(c), canalOptions(c, ByTable, 1)
	s := open(t, binlog)
	applyAll(t, s, several(10, 1))
	s.Close()
	if _, err := New(t.Context(), canal); !errors.Is(err, errProtocol) || !strings.Contains(err.Error(), "are binlog, and protocol in [syncer.to] is canal-json") || !strings.Contains(err.Error(), "topic-name") {
		t.Errorf("%v", err)
	}
	binlog.Topic, canal.Topic = "other", "other"
	s = open(t, canal)
	applyAll(t, s, several(10, 1))
	s.Close()
	if _, err := New(t.Context(), binlog); !errors.Is(err, errProtocol) || !strings.Contains(err.Error(), "are canal-json, and protocol in [syncer.to] is binlog") {
		t.Errorf("%v", err)
	}
}

// TestCanalTooLarge: a row that is too large stops the sink with the row's table and both ways out, or is sent with its key alone.
func TestCanalTooLarge(t *testing.T) {
	c := brokers(t)
	if err := c.CreateTopic(topic, 2, map[string]string{"max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	opts := canalOptions(c, ByIndexValue, 2)
	s := open(t, opts)
	// More rows than one message has room for are no problem.
	many := several(10)
	for id := range 200 {
		many.Changes = append(many.Changes, several(10, id).Changes...)
	}
	applyAll(t, s, many)
	big := large(20, 6000)
	err := errors.Join(s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{big}, Passed: 20}), s.Flush(t.Context()))
	e, ok := errors.AsType[*TooLargeError](err)
	if !ok || !e.PerRow || e.CommitTS != 20 || e.Limit != 5000 {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{"a row of `sinktest`.`t` in the transaction with commit TS 20", `topic "` + topic + `"`, "max.message.bytes", `large-message-handle-option = "handle-key-only"`, "ignore-txn-commit-ts = [20]"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	s.Close()
	opts.From, opts.LargeMessages, opts.Compression = 10, LargeKeyOnly, "zstd"
	s = open(t, opts)
	applyAll(t, s, big)
	for _, list := range canalMessages(t, c) {
		for _, m := range list {
			if m.TiDB.CommitTS == 20 && (!m.TiDB.OnlyHandleKey || len(m.Data[0]) != 1 || *m.Data[0]["id"] != "20") {
				t.Errorf("%+v", m)
			}
		}
	}
	if s.Applied() != 20 {
		t.Errorf("applied: %s", s.Applied())
	}
	huge := large(30, 100)
	*huge.Changes[0] = txn.Change{Table: wideKey(), Op: txn.Insert, New: large(30, 6000).Changes[0].New[1:2]}
	if err := s.Apply(t.Context(), sink.Batch{Txns: []*sink.Txn{huge}, Passed: 30}); err == nil || !strings.Contains(err.Error(), "the key of a row of `sinktest`.`wide`") || strings.Contains(err.Error(), "handle-key-only") {
		t.Errorf("a key that is too large: %v", err)
	}
}

// wideKey is a table whose key is a text.
func wideKey() *schema.Table {
	return &schema.Table{ID: 101, Schema: "sinktest", Name: "wide", Columns: []schema.Column{sinktest.Column("name", mysql.TypeVarchar, mysql.NotNullFlag)},
		Keys: []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}}}
}

// TestProtocolIsChecked: what does not go together is an error that names the key.
func TestProtocolIsChecked(t *testing.T) {
	for want, o := range map[string]Options{
		`protocol "avro": use binlog or canal-json`:              {Protocol: "avro"},
		"partition is for protocol canal-json":                   {Partition: ByTable},
		"enable-tidb-extension is for protocol canal-json":       {Protocol: ProtocolBinlog, Extension: true},
		"large-message-handle-option is for protocol canal-json": {LargeMessages: LargeNone},
		`partition "ts": use table or index-value`:               {Protocol: ProtocolCanalJSON, Partition: "ts"},
		`large-message-handle-option "claim-check": use none or`: {Protocol: ProtocolCanalJSON, LargeMessages: "claim-check"},
		"handle-key-only needs enable-tidb-extension = true":     {Protocol: ProtocolCanalJSON, LargeMessages: LargeKeyOnly},
	} {
		if err := o.CheckProtocol(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestCanalPartitionFails: when brokers refuse some of what one partition was sent, in a way that passes, the others have theirs once.
func TestCanalPartitionFails(t *testing.T) {
	c := brokers(t)
	s := open(t, canalOptions(c, ByIndexValue, 2))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{0}, Err: kerr.UnknownServerError, Count: 2})
	list := make([]int, 100)
	for i := range list {
		list[i] = i
	}
	applyAll(t, s, several(10, list...))
	got := canalMessages(t, c)
	if n := len(got[0]) + len(got[1]); n != 102 || s.Applied() != 10 {
		t.Errorf("%d messages, want 100 and a watermark in each partition; applied %s", n, s.Applied())
	}
}

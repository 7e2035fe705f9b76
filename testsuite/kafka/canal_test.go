package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
)

// book is a source of transactions on some tables, and what is in the tables after them.
type book struct {
	rnd    *rand.Rand
	tables []*schema.Table
	rows   map[string]map[string]string // table, key: version of the row
	next   nodes.TSO
	all    []*sink.Txn
}

func newBook(t testing.TB) *book {
	seed := form.Seed(t)
	b := &book{rnd: rand.New(rand.NewPCG(seed, 1)), rows: make(map[string]map[string]string), next: 1 << 30}
	for i, key := range []byte{mysql.TypeLonglong, mysql.TypeVarchar, mysql.TypeLonglong} {
		table := &schema.Table{ID: int64(i + 1), Schema: "book", Name: fmt.Sprintf("t%d", i), Columns: []schema.Column{
			sinktest.Column("k", key, mysql.NotNullFlag|mysql.PriKeyFlag), sinktest.Column("v", mysql.TypeLonglong, 0)}}
		table.Keys = []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}}
		b.tables = append(b.tables, table)
		b.rows[table.Name] = make(map[string]string)
	}
	return b
}

// txn makes the next transaction: mostly changes of rows, none of which is changed twice, or a TRUNCATE.
func (b *book) txn() *sink.Txn {
	b.next += nodes.TSO(1 + b.rnd.IntN(3))
	x := &sink.Txn{StartTS: b.next - 1, CommitTS: b.next}
	b.all = append(b.all, x)
	if b.rnd.IntN(100) == 0 {
		table := b.tables[b.rnd.IntN(len(b.tables))]
		x.Query = "TRUNCATE TABLE `" + table.Name + "`"
		x.DDL = &schema.DDL{Schema: table.Schema, Table: table.Name, Job: &schema.Job{Type: schema.ActionTruncateTable}}
		clear(b.rows[table.Name])
		return x
	}
	touched := make(map[string]bool)
	for range 1 + b.rnd.IntN(8) {
		table := b.tables[b.rnd.IntN(len(b.tables))]
		rows := b.rows[table.Name]
		key, other := b.key(), b.key()
		if touched[table.Name+key] || touched[table.Name+other] {
			continue
		}
		touched[table.Name+key] = true
		version := x.CommitTS.String()
		old, found := rows[key]
		c := &txn.Change{Table: table}
		switch action := b.rnd.IntN(4); {
		case !found:
			c.Op, c.New = txn.Insert, b.row(table, key, version)
			rows[key] = version
		case action == 0:
			c.Op, c.Old = txn.Delete, b.row(table, key, old)
			delete(rows, key)
		case action == 1 && rows[other] == "" && other != key: // it moves to another key
			touched[table.Name+other] = true
			c.Op, c.Old, c.New = txn.Update, b.row(table, key, old), b.row(table, other, version)
			delete(rows, key)
			rows[other] = version
		default:
			c.Op, c.Old, c.New = txn.Update, b.row(table, key, old), b.row(table, key, version)
			rows[key] = version
		}
		x.Changes = append(x.Changes, c)
	}
	return x
}

func (b *book) key() string { return strconv.Itoa(b.rnd.IntN(60)) }

func (b *book) row(t *schema.Table, key, version string) txn.Row {
	return txn.Row{sinktest.Value(t.Columns[0], key), sinktest.Value(t.Columns[1], version)}
}

// after are the transactions after a commit TS.
func (b *book) after(ts nodes.TSO) []*sink.Txn {
	i, _ := slices.BinarySearchFunc(b.all, ts+1, func(x *sink.Txn, ts nodes.TSO) int { return int(x.CommitTS - ts) })
	return b.all[i:]
}

// canalJSON: what a consumer makes of the messages in several partitions is what the source has, each row's changes are in one partition and
// in their order, though brokers fail and the drainer is started again with an older checkpoint.
func canalJSON(t *testing.T, c *kafkabroker.Cluster, topic, partition string, replicas int16, fault func(topic string)) {
	b := newBook(t)
	s := newStream(t, c, topic)
	s.opts.Protocol, s.opts.Partition, s.opts.Extension = kafka.ProtocolCanalJSON, partition, true
	s.opts.Partitions, s.opts.Replicas, s.opts.WatermarkEvery = 5, replicas, 20*time.Millisecond
	s.open()
	apply := func(list []*sink.Txn) {
		t.Helper()
		for part := range slices.Chunk(list, 20) {
			if err := s.sink.Apply(t.Context(), sink.Batch{Txns: part, Passed: part[len(part)-1].CommitTS}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(count int) {
		t.Helper()
		first := len(b.all)
		for range count {
			b.txn()
		}
		apply(b.all[first:])
	}
	for range rounds(1) {
		write(300)
		fault(topic)
		write(300)
		eventually(t, "the sink goes on", func() (bool, string) {
			at := s.sink.Applied()
			return at > b.all[len(b.all)-300].CommitTS, at.String()
		})
		s.sink.Close() // with messages on their way
		s.opts.From = max(0, s.sink.Applied()-nodes.TSO(b.rnd.IntN(300)))
		if err := s.openFrom(); err != nil {
			t.Fatal(err)
		}
		apply(b.after(s.opts.From))
	}
	write(100)
	s.flush()
	if last := b.all[len(b.all)-1].CommitTS; s.sink.Applied() != last {
		t.Errorf("applied is %s, want %s", s.sink.Applied(), last)
	}
	got := consume(t, readAll(t, c, topic, 5), partition == kafka.ByIndexValue)
	for name, want := range b.rows {
		if !maps.Equal(got[name], want) {
			t.Errorf("table %s has %d rows %v, want %d %v", name, len(got[name]), got[name], len(want), want)
		}
	}
}

// canalMessage is what a consumer looks at.
type canalMessage struct {
	Table   string
	PKNames []string
	IsDDL   bool
	Type    string
	SQL     string
	Data    []map[string]string
	TiDB    struct {
		CommitTS    nodes.TSO
		WatermarkTS nodes.TSO
	} `json:"_tidb"`
}

// readAll is everything in a topic, by partition. All of them have to have something.
func readAll(t testing.TB, c *kafkabroker.Cluster, topic string, partitions int) [][]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	ends, err := c.Admin().ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil || len(ends[topic]) != partitions {
		t.Fatalf("topic %s has %d partitions, want %d: %v", topic, len(ends[topic]), partitions, err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.AdminAddrs()...), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lists := make([][]*kgo.Record, partitions)
	missing := func() bool {
		for p, list := range lists {
			end, _ := ends.Lookup(topic, int32(p))
			if int64(len(list)) < end.Offset {
				return true
			}
		}
		return false
	}
	for missing() {
		for _, r := range client.PollFetches(ctx).Records() {
			lists[r.Partition] = append(lists[r.Partition], r)
		}
		if ctx.Err() != nil {
			t.Fatalf("topic %s could not be read", topic)
		}
	}
	return lists
}

// consume makes tables of messages as docs/kafka.md says: in each partition what has a lower commit TS than one before is
// dropped; statements are carried out when all partitions are past what is before them. It checks the order of each key, that
// watermarks hold, and that all partitions have rows if they are spread by key.
func consume(t testing.TB, lists [][]*kgo.Record, spread bool) map[string]map[string]string {
	t.Helper()
	partitions := make([][]canalMessage, len(lists))
	var statements []canalMessage
	place := make(map[string]int)
	repeated := 0
	for p, list := range lists {
		var highest, watermark nodes.TSO
		rows := 0
		for _, r := range list {
			var m canalMessage
			if err := json.Unmarshal(r.Value, &m); err != nil {
				t.Fatalf("%s: %v", r.Value, err)
			}
			switch ts := m.TiDB.CommitTS; {
			case m.Type == "TIDB_WATERMARK":
				watermark = max(watermark, m.TiDB.WatermarkTS)
				continue
			case ts <= watermark || ts < highest:
				repeated++
				continue
			case m.IsDDL:
				if p != 0 {
					t.Errorf("%s is in partition %d", r.Value, p)
				}
				if len(statements) > 0 && ts <= statements[len(statements)-1].TiDB.CommitTS {
					repeated++
					continue
				}
				statements = append(statements, m)
			default:
				rows++
				partitions[p] = append(partitions[p], m)
				key := m.Table
				if spread {
					key += " " + m.Data[0][m.PKNames[0]]
				}
				if at, ok := place[key]; ok && at != p {
					t.Errorf("%s is in the partitions %d and %d", key, at, p)
				}
				place[key] = p
			}
			highest = max(highest, m.TiDB.CommitTS)
		}
		if last := lists[p]; len(last) == 0 || watermark == 0 || spread && rows == 0 {
			t.Errorf("partition %d has %d messages, %d of rows, and the watermark %s", p, len(last), rows, watermark)
		}
	}
	t.Logf("%d statements; %d messages were there before", len(statements), repeated)
	tables := make(map[string]map[string]string)
	upTo := func(ts nodes.TSO) {
		for p := range partitions {
			for len(partitions[p]) > 0 && partitions[p][0].TiDB.CommitTS < ts {
				m := partitions[p][0]
				partitions[p] = partitions[p][1:]
				if tables[m.Table] == nil {
					tables[m.Table] = make(map[string]string)
				}
				if key := m.Data[0]["k"]; m.Type == "DELETE" {
					delete(tables[m.Table], key)
				} else {
					tables[m.Table][key] = m.Data[0]["v"]
				}
			}
		}
	}
	for _, st := range statements {
		upTo(st.TiDB.CommitTS)
		clear(tables[st.Table])
	}
	upTo(math.MaxInt64)
	return tables
}

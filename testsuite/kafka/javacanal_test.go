package kafka

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/kafka"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/kafkabroker"
	"pumphouse/testsuite/programs"
	"pumphouse/testsuite/upstream"
)

// TestCanalReader: of what a real TiDB wrote, Kafka's own client with Canal's own class of messages reads from a topic of ours, row by row
// and value by value, what upstream's drainer sent in its protocol; and the tables that it makes of it are the source's.
func TestCanalReader(t *testing.T) {
	c := kafkabroker.Start(t, kafkabroker.Options{})
	const topic = "canal"
	s := newStream(t, c, topic)
	s.opts.Protocol, s.opts.Extension = kafka.ProtocolCanalJSON, true
	s.open()
	txns := slices.DeleteFunc(upstream.Data(t).Transactions(t), func(x *sink.Txn) bool { return x.DDL != nil && x.DDL.Skip != "" })
	if err := s.sink.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	s.flush()

	var want []flatMessage
	for _, m := range upstream.Messages(t) {
		want = append(want, flatOf(t, decoded(t, m))...)
	}
	got, tables := canalReads(t, c, topic)
	if len(got) != len(want) {
		t.Errorf("Canal's class reads %d messages, upstream's drainer sent %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i].Type != want[i].Type && want[i].Type != "" || !reflect.DeepEqual(got[i].rest(), want[i].rest()) {
			t.Fatalf("message %d is\n%s\nupstream's drainer sent\n%s", i, got[i], want[i])
		}
	}
	source := tablesOf(t, want)
	for _, table := range slices.Sorted(maps.Keys(source)) {
		if !reflect.DeepEqual(tables[table], source[table]) {
			t.Errorf("table %s of the reader is %v, the source's %v", table, tables[table], source[table])
		}
	}
	if len(tables) != len(source) || len(source["g.ty"]) != 2 || len(source["g.nopk"]) != 2 {
		t.Errorf("the reader has the tables %v, the source %v", tables, source)
	}
}

// flatRow are the values of a row by column; nil: NULL.
type flatRow map[string]*string

func (r flatRow) String() string {
	b, _ := json.Marshal(r)
	return string(b)
}

// flatMessage is what is compared of a message.
type flatMessage struct {
	Database, Table, Type, SQL string
	PKNames                    []string
	IsDDL                      bool
	ES                         int64
	Data, Old                  []flatRow
}

func (m flatMessage) String() string {
	return fmt.Sprintf("%s of %s.%s %q at %d, key %v\n%v\nwas %v", m.Type, m.Database, m.Table, m.SQL, m.ES, m.PKNames, m.Data, m.Old)
}

// rest is a message but for its type.
func (m flatMessage) rest() flatMessage {
	m.Type = ""
	return m
}

// flatOf is what Canal's messages have to say of one that upstream's drainer sent. Of a statement they name a type that the latter has not.
func flatOf(t *testing.T, b *pbkafka.Binlog) (list []flatMessage) {
	t.Helper()
	at := nodes.TSO(b.GetCommitTs()).Physical()
	if d := b.GetDdlData(); b.GetType() == pbkafka.BinlogType_DDL {
		return []flatMessage{{Database: d.GetSchemaName(), Table: d.GetTableName(), SQL: string(d.GetDdlQuery()), IsDDL: true, ES: at}}
	}
	for _, table := range b.GetDmlData().GetTables() {
		var key []string
		for _, c := range table.GetColumnInfo() {
			if c.GetIsPrimaryKey() {
				key = append(key, c.GetName())
			}
		}
		add := func(kind string, row, old *pbkafka.Row) {
			m := flatMessage{Database: table.GetSchemaName(), Table: table.GetTableName(), Type: kind, PKNames: key, ES: at, Data: []flatRow{flatRowOf(t, table, row)}}
			if old != nil {
				m.Old = []flatRow{flatRowOf(t, table, old)}
			}
			list = append(list, m)
		}
		for _, mutation := range table.GetMutations() {
			switch mutation.GetType() {
			case pbkafka.MutationType_Insert:
				add("INSERT", mutation.GetRow(), nil)
			case pbkafka.MutationType_Delete:
				add("DELETE", mutation.GetRow(), nil)
			default:
				row, old := flatRowOf(t, table, mutation.GetRow()), flatRowOf(t, table, mutation.GetChangeRow())
				if slices.ContainsFunc(key, func(k string) bool { return *row[k] != *old[k] }) {
					add("DELETE", mutation.GetChangeRow(), nil)
					add("INSERT", mutation.GetRow(), nil)
				} else {
					add("UPDATE", mutation.GetRow(), mutation.GetChangeRow())
				}
			}
		}
	}
	return list
}

// flatRowOf is a row as Canal's messages have it. gen and gens are generated columns of the recorded table; they leave gen out, which is virtual.
func flatRowOf(t *testing.T, table *pbkafka.Table, row *pbkafka.Row) flatRow {
	t.Helper()
	r := make(flatRow)
	for i, c := range row.GetColumns() {
		info := table.GetColumnInfo()[i]
		var text string
		switch {
		case info.GetName() == "gen":
			continue
		case info.GetName() == "gens": // three times i; upstream's drainer sends NULL where a row is changed
			if r["i"] == nil {
				r["gens"] = nil
				continue
			}
			n, err := strconv.ParseInt(*r["i"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			text = strconv.FormatInt(3*n, 10)
		case c.GetIsNull():
			r[info.GetName()] = nil
			continue
		case c.Int64Value != nil:
			text = strconv.FormatInt(c.GetInt64Value(), 10)
		case c.Uint64Value != nil:
			text = strconv.FormatUint(c.GetUint64Value(), 10)
		case c.DoubleValue != nil:
			text = strconv.FormatFloat(c.GetDoubleValue(), 'f', -1, 64)
		case c.StringValue != nil:
			text = c.GetStringValue()
		case info.GetMysqlType() == "json":
			text = string(c.GetBytesValue())
		case info.GetMysqlType() == "bit":
			var n uint64
			for _, b := range c.GetBytesValue() {
				n = n<<8 | uint64(b)
			}
			text = strconv.FormatUint(n, 10)
		default: // a character of ISO 8859-1 for each byte
			var chars []rune
			for _, b := range c.GetBytesValue() {
				chars = append(chars, rune(b))
			}
			text = string(chars)
		}
		r[info.GetName()] = &text
	}
	return r
}

// tablesOf are the tables after all messages, each with its rows sorted.
func tablesOf(t *testing.T, list []flatMessage) map[string][]string {
	t.Helper()
	rows := make(map[string][]string)
	take := func(table string, row flatRow) {
		i := slices.Index(rows[table], row.String())
		if i < 0 {
			t.Fatalf("table %s has no row %s", table, row)
		}
		rows[table] = slices.Delete(rows[table], i, i+1)
	}
	for _, m := range list {
		table, statement := m.Database+"."+m.Table, strings.ToLower(m.SQL)
		switch {
		case strings.HasPrefix(statement, "truncate table"), strings.HasPrefix(statement, "drop table"):
			delete(rows, table)
		case strings.HasPrefix(statement, "rename table"): // the only one
			rows["g.ck2"] = rows["g.ck"]
			delete(rows, "g.ck")
		case m.Type == "INSERT":
			rows[table] = append(rows[table], m.Data[0].String())
		case m.Type == "DELETE":
			take(table, m.Data[0])
		case m.Type == "UPDATE":
			take(table, m.Old[0])
			rows[table] = append(rows[table], m.Data[0].String())
		}
	}
	for _, list := range rows {
		slices.Sort(list)
	}
	return rows
}

// canalReads gives what testdata/ReadCanal.java prints: messages but watermarks, and tables with their rows sorted.
func canalReads(t *testing.T, c *kafkabroker.Cluster, topic string) (messages []flatMessage, tables map[string][]string) {
	t.Helper()
	dir := t.TempDir()
	jars := filepath.Join(form.Clients(t, programs.Root, "kafka"), "lib")
	run(t, exec.Command("javac", "-nowarn", "--release", "17", "-cp", jars+"/*", "-d", dir, filepath.Join("testdata", "ReadCanal.java")))
	file := clientProperties(t, dir, map[string]string{"bootstrap.servers": strings.Join(c.Addrs(), ",")})
	tables = make(map[string][]string)
	for line := range strings.Lines(run(t, c.Java(dir, "ReadCanal", file, topic))) {
		what, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if what != "message" {
			var row flatRow
			if err := json.Unmarshal([]byte(text), &row); err != nil {
				t.Fatalf("ReadCanal printed %q: %v", line, err)
			}
			tables[what] = append(tables[what], row.String())
			continue
		}
		var m flatMessage
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("ReadCanal printed %q: %v", line, err)
		}
		if m.Type != "TIDB_WATERMARK" {
			messages = append(messages, m)
		}
	}
	for _, rows := range tables {
		slices.Sort(rows)
	}
	return messages, tables
}

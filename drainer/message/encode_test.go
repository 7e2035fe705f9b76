package message

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
)

var update = flag.Bool("update", false, "write the golden files anew")

// typed is a column, a value of it and what a message has for that.
type typed struct {
	col  schema.Column
	text string
	want *pbkafka.Column
	tp   string // mysql_type
}

func everyType() []typed {
	number := func(name string, tp byte, flags uint) schema.Column { return sinktest.Column(name, tp, flags) }
	enum := sinktest.Column("e", mysql.TypeEnum, 0)
	enum.Type.SetElems([]string{"a", "b"})
	set := sinktest.Column("s", mysql.TypeSet, 0)
	set.Type.SetElems([]string{"x", "y", "z"})
	bit := sinktest.Column("bits", mysql.TypeBit, mysql.UnsignedFlag)
	bit.Type.SetFlen(12)
	stored := sinktest.Column("stored", mysql.TypeLonglong, 0)
	stored.Generated, stored.Stored = true, true
	i := func(n int64) *pbkafka.Column { return &pbkafka.Column{Int64Value: &n} }
	u := func(n uint64) *pbkafka.Column { return &pbkafka.Column{Uint64Value: &n} }
	f := func(n float64) *pbkafka.Column { return &pbkafka.Column{DoubleValue: &n} }
	s := func(v string) *pbkafka.Column { return &pbkafka.Column{StringValue: &v} }
	b := func(v string) *pbkafka.Column { return &pbkafka.Column{BytesValue: []byte(v)} }
	return []typed{
		{number("id", mysql.TypeLong, mysql.NotNullFlag|mysql.PriKeyFlag), "-5", i(-5), "int"},
		{number("tiny", mysql.TypeTiny, 0), "-128", i(-128), "tinyint"},
		{number("small", mysql.TypeShort, mysql.UnsignedFlag), "65535", u(65535), "smallint"},
		{number("medium", mysql.TypeInt24, 0), "-8388608", i(-8388608), "mediumint"},
		{number("big", mysql.TypeLonglong, 0), "-9223372036854775808", i(-1 << 63), "bigint"},
		{number("ubig", mysql.TypeLonglong, mysql.UnsignedFlag), "18446744073709551615", u(1<<64 - 1), "bigint"},
		{number("f", mysql.TypeFloat, 0), "-1.5", f(-1.5), "float"},
		{number("d", mysql.TypeDouble, 0), "1e300", f(1e300), "double"},
		{number("dec", mysql.TypeNewDecimal, 0), "-12.50", s("-12.50"), "decimal"},
		{number("y", mysql.TypeYear, mysql.UnsignedFlag), "1999", s("1999"), "year"},
		{number("date", mysql.TypeDate, 0), "2026-11-22", s("2026-11-22"), "date"},
		{number("dt", mysql.TypeDatetime, 0), "2026-11-22 18:30:00", s("2026-11-22 18:30:00"), "datetime"},
		{number("ts", mysql.TypeTimestamp, 0), "2026-11-22 18:30:00", s("2026-11-22 18:30:00"), "timestamp"},
		{number("t", mysql.TypeDuration, 0), "-838:59:59", s("-838:59:59"), "time"},
		{number("char", mysql.TypeString, 0), "ä\n'", s("ä\n'"), "char"},
		{number("varchar", mysql.TypeVarchar, 0), "", s(""), "varchar"},
		{number("text", mysql.TypeBlob, 0), "long", s("long"), "text"},
		{number("longtext", mysql.TypeLongBlob, 0), "longer", s("longer"), "longtext"},
		{number("binary", mysql.TypeString, mysql.BinaryFlag), "\x00\x01", b("\x00\x01"), "binary"},
		{number("varbinary", mysql.TypeVarchar, mysql.BinaryFlag), "\xff", b("\xff"), "varbinary"},
		{number("blob", mysql.TypeBlob, mysql.BinaryFlag), "\x00\xff", b("\x00\xff"), "blob"},
		{number("j", mysql.TypeJSON, 0), `{"a": [1, null]}`, b(`{"a": [1, null]}`), "json"},
		{enum, "b", u(2), "enum"},
		{set, "x,z", u(5), "set"},
		{bit, "\x0f\xff", b("\x0f\xff"), "bit"},
		{stored, "7", i(7), "bigint"},
	}
}

// everyTable is a table of all types, and of columns that rows need not have.
func everyTable() (*schema.Table, txn.Row) {
	t := &schema.Table{Schema: "a`b", Name: "Every Type"}
	var row txn.Row
	for _, c := range everyType() {
		t.Columns = append(t.Columns, c.col)
		row = append(row, sinktest.Value(c.col, c.text))
	}
	t.Columns = append(t.Columns, sinktest.Column("nil", mysql.TypeLonglong, 0))
	row = append(row, sinktest.Null())
	missing := sinktest.Column("missing", mysql.TypeVarchar, mysql.NotNullFlag)
	missing.OriginDefault = "as ever"
	t.Columns = append(t.Columns, missing)
	row = append(row, txn.Value{})
	virtual := sinktest.Column("virtual", mysql.TypeLonglong, 0)
	virtual.Generated = true
	hidden := sinktest.Column("hidden", mysql.TypeLonglong, 0)
	hidden.Public = false
	t.Columns = append(t.Columns, virtual, hidden)
	row = append(row, txn.Value{}, sinktest.Value(hidden, "7"))
	t.Keys = []schema.Key{
		{Name: "PRIMARY", Primary: true, Columns: []int{0}},
		{Name: "two", Columns: []int{1, 15}, Prefix: true},
		{Name: "on virtual", Columns: []int{1, len(row) - 2}, Virtual: true},
	}
	return t, row
}

func decode(t *testing.T, x *sink.Txn) *pbkafka.Binlog {
	t.Helper()
	value, err := NewEncoder(time.UTC).Encode(x)
	if err != nil {
		t.Fatal(err)
	}
	b := new(pbkafka.Binlog)
	if err := proto.Unmarshal(value, b); err != nil {
		t.Fatal(err)
	}
	if len(b.ProtoReflect().GetUnknown()) > 0 {
		t.Error("the message has fields that nobody knows")
	}
	return b
}

func TestEveryType(t *testing.T) {
	tab, row := everyTable()
	b := decode(t, &sink.Txn{CommitTS: 5, Changes: []*txn.Change{{Table: tab, Op: txn.Insert, New: row}}})
	got := b.GetDmlData().GetTables()[0]
	columns := got.GetMutations()[0].GetRow().GetColumns()
	want := everyType()
	if len(columns) != len(want)+3 || len(got.GetColumnInfo()) != len(columns) {
		t.Fatalf("%d column_info, %d values; want %d", len(got.GetColumnInfo()), len(columns), len(want)+3)
	}
	for i, c := range want {
		info := got.GetColumnInfo()[i]
		if info.GetName() != c.col.Name || info.GetMysqlType() != c.tp || info.GetIsPrimaryKey() != (i == 0) {
			t.Errorf("column_info of %s: %v, want %s", c.col.Name, info, c.tp)
		}
		if !proto.Equal(columns[i], c.want) {
			t.Errorf("%s: %v, want %v", c.col.Name, columns[i], c.want)
		}
	}
	if c := columns[len(want)]; !c.GetIsNull() || c.Int64Value != nil {
		t.Errorf("NULL: %v", c)
	}
	if c := columns[len(want)+1]; c.GetStringValue() != "as ever" {
		t.Errorf("a value that is not in the binlog: %v, want the default", c)
	}
	if c := columns[len(want)+2]; !c.GetIsNull() {
		t.Errorf("a virtual column: %v, want NULL", c)
	}
	keys := got.GetUniqueKeys()
	if len(keys) != 3 || keys[0].GetName() != "PRIMARY" || strings.Join(keys[1].GetColumnNames(), ",") != "tiny,varchar" {
		t.Errorf("keys: %v", keys)
	}
}

// Tables come in the order their rows were changed, and changes in theirs.
func TestOrderOfChanges(t *testing.T) {
	one, two := sinktest.Insert(100).Changes[0], sinktest.Insert(200).Changes[0]
	other := *one.Table
	other.Name = "other"
	changes := []*txn.Change{
		one,
		{Table: one.Table, Op: txn.Update, Old: one.New, New: two.New},
		{Table: &other, Op: txn.Delete, Old: two.New},
		{Table: one.Table, Op: txn.Delete, Old: two.New},
	}
	var got []string
	for _, tab := range decode(t, &sink.Txn{CommitTS: 5, Changes: changes}).GetDmlData().GetTables() {
		for _, m := range tab.GetMutations() {
			line := tab.GetTableName() + " " + m.GetType().String()
			for _, row := range []*pbkafka.Row{m.GetRow(), m.GetChangeRow()} {
				if row != nil {
					line += " " + row.GetColumns()[1].GetStringValue()
				}
			}
			got = append(got, line)
		}
	}
	want := "t Insert name 100|t Update name 200 name 100|other Delete name 200|t Delete name 200"
	if strings.Join(got, "|") != want {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "|"), want)
	}
}

func TestTimeZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		form.Missing(t, "no zone data (Debian's package tzdata): %v", err)
	}
	local := time.FixedZone("Local", 5400)
	at := nodes.MakeTSO(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), 0)
	for want, zone := range map[string]*time.Location{"UTC": time.UTC, "Europe/Berlin": berlin, "+01:30": local, "+02:00": time.FixedZone("/srv/zone", 7200)} {
		x := sinktest.Insert(at)
		value, err := NewEncoder(zone).Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		b := new(pbkafka.Binlog)
		if err := proto.Unmarshal(value, b); err != nil {
			t.Fatal(err)
		}
		if b.GetTimeZone() != want {
			t.Errorf("time_zone %q, want %q", b.GetTimeZone(), want)
		}
	}
}

// sample are transactions with everything a message can have.
func sample() []*sink.Txn {
	base := nodes.MakeTSO(time.Date(2026, 11, 22, 18, 30, 0, 0, time.UTC), 1)
	tab, row := everyTable()
	other := sinktest.Insert(base).Changes[0]
	return []*sink.Txn{
		{StartTS: base - 9, CommitTS: base, Query: "create table `Every Type` (id int)",
			DDL: &schema.DDL{Job: &schema.Job{Type: schema.ActionCreateTable}, Schema: "a`b", Table: "Every Type"}},
		{StartTS: base, CommitTS: base + 1, Changes: []*txn.Change{
			{Table: tab, Op: txn.Insert, New: row},
			{Table: tab, Op: txn.Update, Old: row, New: row},
			{Table: tab, Op: txn.Delete, Old: row},
			other,
		}},
	}
}

// The bytes of messages never change. The files have each with its length before it.
func TestGolden(t *testing.T) {
	for name, prepare := range map[string]func(*Encoder){
		"messages": func(*Encoder) {},
		"complete": (*Encoder).Complete,
	} {
		t.Run(name, func(t *testing.T) {
			e := NewEncoder(time.UTC)
			prepare(e)
			testGolden(t, e, filepath.Join("testdata", "golden", name))
		})
	}
}

func testGolden(t *testing.T, e *Encoder, golden string) {
	var got []byte
	for _, x := range rich() {
		value, err := e.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		got = protowire.AppendBytes(got, value)
	}
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(golden), 0o755), os.WriteFile(golden, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the bytes of messages have changed: see %s", golden)
	}
	// The same bytes as the generated code makes of them: fields in order, nothing left over.
	for rest := want; len(rest) > 0; {
		value, n := protowire.ConsumeBytes(rest)
		if n < 0 {
			t.Fatal("the golden file is damaged")
		}
		rest = rest[n:]
		b := new(pbkafka.Binlog)
		if err := proto.Unmarshal(value, b); err != nil {
			t.Fatal(err)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, value) {
			t.Errorf("the generated code makes other bytes of %v", b)
		}
	}
}

// A default of nonsense is an error that names the column.
func TestBadDefault(t *testing.T) {
	c := sinktest.Column("n", mysql.TypeLonglong, 0)
	c.Default = "many"
	tab := &schema.Table{Schema: "s", Name: "t", Columns: []schema.Column{c}}
	x := &sink.Txn{CommitTS: 5, Changes: []*txn.Change{{Table: tab, Op: txn.Insert, New: txn.Row{{}}}}}
	if _, err := NewEncoder(time.UTC).Encode(x); err == nil || !strings.Contains(err.Error(), "`s`.`t`") || !strings.Contains(err.Error(), "`n`") {
		t.Errorf("%v", err)
	}
}

func BenchmarkEncode(b *testing.B) {
	tab, row := everyTable()
	wide := &sink.Txn{CommitTS: 5}
	for range 100 {
		wide.Changes = append(wide.Changes, &txn.Change{Table: tab, Op: txn.Update, Old: row, New: row})
	}
	for name, x := range map[string]*sink.Txn{"one row": sinktest.Insert(5), "100 wide updates": wide} {
		b.Run(name, func(b *testing.B) {
			e := NewEncoder(time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				value, err := e.Encode(x)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(value)))
			}
			b.ReportMetric(float64(b.N*len(x.Changes))/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

package binlogfile

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everyType is a table with every kind of value, and a row of it.
func everyType() (*schema.Table, txn.Row, txn.Row) {
	enum := sinktest.Column("e", mysql.TypeEnum, 0)
	enum.Type.SetElems([]string{"a", "b"})
	set := sinktest.Column("s", mysql.TypeSet, 0)
	set.Type.SetElems([]string{"x", "y", "z"})
	bit := sinktest.Column("bits", mysql.TypeBit, mysql.UnsignedFlag)
	bit.Type.SetFlen(12)
	generated := sinktest.Column("generated", mysql.TypeLonglong, 0)
	generated.Generated, generated.Stored = true, true
	hidden := sinktest.Column("hidden", mysql.TypeLonglong, 0)
	hidden.Public = false
	t := &schema.Table{Schema: "a`b", Name: "Every Type"}
	var old, new txn.Row
	for _, c := range []struct {
		col      schema.Column
		old, new string
	}{
		{sinktest.Column("id", mysql.TypeLong, mysql.PriKeyFlag), "-5", "2147483647"},
		{sinktest.Column("u", mysql.TypeLonglong, mysql.UnsignedFlag), "18446744073709551615", "0"},
		{sinktest.Column("f", mysql.TypeFloat, 0), "-1.5", "0"},
		{sinktest.Column("d", mysql.TypeDouble, 0), "1e300", "-0.25"},
		{sinktest.Column("dec", mysql.TypeNewDecimal, 0), "-12.50", "99999999999999999999.999"},
		{sinktest.Column("text", mysql.TypeVarchar, 0), "ä\n'\"", ""},
		{sinktest.Column("bin", mysql.TypeBlob, mysql.BinaryFlag), "\x00\xff", "plain"},
		{sinktest.Column("y", mysql.TypeYear, 0), "1999", "0"},
		{sinktest.Column("date", mysql.TypeDate, 0), "2026-11-22", "0000-00-00"},
		{sinktest.Column("t", mysql.TypeDuration, 0), "-838:59:59", "00:00:00.123456"},
		{sinktest.Column("j", mysql.TypeJSON, 0), `{"a": [1, 2.5, null]}`, `""`},
		{enum, "b", "a"},
		{set, "x,z", ""},
		{bit, "\x0f\xff", "\x00\x01"},
		{generated, "7", "8"},
		{hidden, "7", "8"},
	} {
		t.Columns = append(t.Columns, c.col)
		old = append(old, sinktest.Value(c.col, c.old))
		new = append(new, sinktest.Value(c.col, c.new))
	}
	t.Columns = append(t.Columns, sinktest.Column("nil", mysql.TypeLonglong, 0), sinktest.Column("missing", mysql.TypeLonglong, 0))
	return t, append(old, sinktest.Null(), txn.Value{}), append(new, sinktest.Null(), txn.Value{})
}

// sample are transactions with everything the format has.
func sample() []*sink.Txn {
	const day = nodes.TSO(86400000 << 18)
	base := nodes.MakeTSO(time.Date(2026, 11, 22, 18, 30, 0, 0, time.UTC), 1)
	tab, old, new := everyType()
	return []*sink.Txn{
		{StartTS: base - 9, CommitTS: base, Query: "CREATE DATABASE `a``b`",
			DDL: &schema.DDL{Job: &schema.Job{Type: schema.ActionCreateSchema}, Schema: "a`b"}},
		{StartTS: base, CommitTS: base + 1, Query: "create table `Every Type` (id int)",
			DDL: &schema.DDL{Job: &schema.Job{Type: schema.ActionCreateTable}, Schema: "a`b", Table: "Every Type"}},
		{StartTS: base + 1, CommitTS: base + 2, Changes: []*txn.Change{
			{Table: tab, Op: txn.Insert, New: new},
			{Table: tab, Op: txn.Update, Old: old, New: new},
			{Table: tab, Op: txn.Delete, Old: old},
		}},
		sinktest.Insert(base + day),
	}
}

// The bytes of the format never change.
func TestGolden(t *testing.T) {
	e := NewEncoder()
	var got []byte
	for _, x := range sample() {
		got = e.Append(got, x)
	}
	golden := filepath.Join("testdata", "golden", "binlog-0000000000000000-20261122183000")
	var text bytes.Buffer
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
		t.Error("the bytes of the format have changed: see testdata/golden")
	}
	if err := Print(&text, golden); err != nil {
		t.Error(err)
	}
	if *update {
		if err := os.WriteFile(golden+".txt", text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err = os.ReadFile(golden + ".txt"); err != nil || text.String() != string(want) {
		t.Errorf("%v; printed:\n%s", err, text.String())
	}
}

// Our encoder writes the messages as the generated code does.
func TestRecordsAreCanonical(t *testing.T) {
	e := NewEncoder()
	for _, x := range sample() {
		r := NewReader("x", bytes.NewReader(e.Append(nil, x)))
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		b, err := rec.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if nodes.TSO(b.GetCommitTs()) != x.CommitTS || rec.CommitTS() != x.CommitTS {
			t.Errorf("commit TS %d, %d; want %d", b.GetCommitTs(), rec.CommitTS(), x.CommitTS)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(b)
		if err != nil || !bytes.Equal(again, rec.Payload) {
			t.Errorf("the generated code writes it otherwise: %v\n%x\n%x", err, again, rec.Payload)
		}
		if len(b.ProtoReflect().GetUnknown()) > 0 {
			t.Error("it has unknown fields")
		}
	}
}

// Bits that an early version of ours wrote as bytes read as the number that files have now.
func TestPrintTakesBothFormsOfBit(t *testing.T) {
	for _, v := range [][]byte{{flagUvarint, 0xd5, 0xaa, 0x05}, {flagBytes, 6, 1, 0x55, 0x55}} {
		c := &pbfile.Column{Tp: []byte{mysql.TypeBit}}
		if text, err := valueText(c, v); err != nil || text != "87381" {
			t.Errorf("%x: %s, %v", v, text, err)
		}
	}
}

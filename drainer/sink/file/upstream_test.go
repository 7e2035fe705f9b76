package file

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/sink"
	"pumphouse/testsuite/upstream"
)

// Our file holds what upstream's drainer wrote of the same binlogs, value by value.
func TestUpstreamsFile(t *testing.T) {
	path := upstream.BinlogFile(t)
	var want []*pbfile.Binlog
	if err := eachIn(path, func(b *pbfile.Binlog) { want = append(want, b) }); err != nil {
		t.Fatal(err)
	}
	txns := slices.DeleteFunc(upstream.Data(t).Transactions(t), func(x *sink.Txn) bool { return x.DDL != nil && x.DDL.Skip != "" })
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	if err := s.Apply(t.Context(), sink.Batch{Txns: txns, Passed: txns[len(txns)-1].CommitTS}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	paths, err := binlogfile.Files(dir)
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	var got []*pbfile.Binlog
	if err := eachIn(paths[0], func(b *pbfile.Binlog) { got = append(got, b) }); err != nil {
		t.Fatal(err)
	}
	if len(want) != 32 || len(got) != len(want) {
		t.Errorf("%d records, theirs has %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if ours, theirs := describe(t, got[i]), describe(t, want[i]); ours != theirs {
			t.Errorf("record %d:\n%s\ntheirs:\n%s", i, ours, theirs)
		}
	}
	var text strings.Builder
	if err := binlogfile.Print(&text, path); err != nil || !strings.Contains(text.String(), "b17=87381, b64=18446744073709551615") {
		t.Errorf("printed, %v:\n%s", err, text.String())
	}
}

// describe is all that is in a record.
func describe(t *testing.T, b *pbfile.Binlog) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "%v %d %s %x\n", b.GetTp(), b.GetCommitTs(), b.GetDdlQuery(), b.ProtoReflect().GetUnknown())
	for _, e := range b.GetDmlData().GetEvents() {
		fmt.Fprintf(&text, "%v %s.%s %x\n", e.GetTp(), e.GetSchemaName(), e.GetTableName(), e.ProtoReflect().GetUnknown())
		for _, raw := range e.GetRow() {
			c := new(pbfile.Column)
			if err := proto.Unmarshal(raw, c); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&text, prototext.MarshalOptions{EmitUnknown: true}.Format(c))
		}
	}
	return text.String()
}

package binlogpb

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// golden reads what testsuite/tipboracle wrote: the bytes tipb makes of the
// message of that name.
func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "tipb", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func samplePrewrite() *Binlog {
	value, err := EncodePrewriteValue(sampleValue())
	if err != nil {
		panic(err)
	}
	return &Binlog{
		StartTs:       proto.Int64(470642465486929921),
		PrewriteKey:   []byte("t\x80\x00\x00\x00\x00\x00\x00\x2f_r\x80\x00\x00\x00\x00\x00\x00\x01"),
		PrewriteValue: value,
	}
}

func sampleValue() *PrewriteValue {
	return &PrewriteValue{SchemaVersion: proto.Int64(29), Mutations: []*TableMutation{{
		TableId:      proto.Int64(47),
		InsertedRows: [][]byte{[]byte("row one"), []byte("row two")},
		UpdatedRows:  [][]byte{[]byte("old and new")},
		DeletedIds:   []int64{1, -1},
		DeletedPks:   [][]byte{[]byte("pk")},
		DeletedRows:  [][]byte{[]byte("gone")},
		Sequence: []MutationType{
			MutationType_Insert, MutationType_Update, MutationType_DeleteRow, MutationType_Insert,
		},
	}, {TableId: proto.Int64(48)}}}
}

// TestBinlogBytes: what we marshal is what tipb marshals, byte for byte.
func TestBinlogBytes(t *testing.T) {
	binlogs := map[string]*Binlog{
		"binlog-empty":    {},
		"binlog-prewrite": samplePrewrite(),
		"binlog-commit": {
			Tp: BinlogType_Commit.Enum(), StartTs: proto.Int64(470642465486929921), CommitTs: proto.Int64(470642465486929999),
		},
		"binlog-rollback": {Tp: BinlogType_Rollback.Enum(), StartTs: proto.Int64(470642465486929921)},
		"binlog-ddl": {
			StartTs: proto.Int64(7), PrewriteKey: []byte("m"), DdlQuery: []byte("create table t (id int)"),
			DdlJobId: proto.Int64(55), DdlSchemaState: proto.Int32(-5),
		},
	}
	for name, b := range binlogs {
		got, err := EncodeBinlog(b)
		same(t, name, got, err)
	}
	got, err := EncodePrewriteValue(sampleValue())
	same(t, "prewrite-value", got, err)
	got, err = EncodePrewriteValue(&PrewriteValue{Mutations: []*TableMutation{{}}})
	same(t, "prewrite-value-empty", got, err)
	same(t, "binlog-fake", FakeBinlog(470642465971634178), nil)
}

// TestMessageBytes: what the codec puts on the wire is what tipb puts there.
func TestMessageBytes(t *testing.T) {
	messages := map[string]any{
		"write-req":        &WriteBinlogReq{ClusterID: 1<<63 + 5, Payload: golden(t, "binlog-prewrite")},
		"write-req-probe":  &WriteBinlogReq{ClusterID: 9},
		"write-resp":       &WriteBinlogResp{Errmsg: "no"},
		"write-resp-empty": &WriteBinlogResp{},
		"pull-req":         &PullBinlogReq{ClusterID: 9, StartFrom: &Pos{Offset: 470642465486929921}},
		"pull-req-zero":    &PullBinlogReq{ClusterID: 9, StartFrom: &Pos{}},
		"pull-resp":        &Delivery{StartTS: 470642465486929921, CommitTS: 470642465486929999, Payload: golden(t, "binlog-prewrite")},
		"pull-resp-fake":   &Delivery{StartTS: 470642465971634178, CommitTS: 470642465971634178, Payload: golden(t, "binlog-fake")},
		"notify-req":       &NotifyReq{},
	}
	data, err := Codec{}.Marshal(&Delivery{StartTS: 470642465971634178, CommitTS: 470642465971634178})
	same(t, "pull-resp-fake", data.Materialize(), err)
	for name, m := range messages {
		data, err := Codec{}.Marshal(m)
		same(t, name, data.Materialize(), err)
	}
}

func same(t *testing.T, name string, got []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if want := golden(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%x\ntipb makes\n%x", name, got, want)
	}
}

// TestCodecReads: the codec reads what tipb wrote, whole or in pieces, and what it
// hands out does not share memory with gRPC's buffers.
func TestCodecReads(t *testing.T) {
	for _, pieces := range []int{1, 3} {
		req := new(WriteBinlogReq)
		unmarshal(t, "write-req", pieces, req)
		if req.ClusterID != 1<<63+5 || !bytes.Equal(req.Payload, golden(t, "binlog-prewrite")) {
			t.Errorf("write request in %d pieces: got %v", pieces, req)
		}
		for name, want := range map[string]Delivery{
			"pull-resp":      {StartTS: 470642465486929921, CommitTS: 470642465486929999, Payload: golden(t, "binlog-committed")},
			"pull-resp-bare": {StartTS: 470642465486929921, CommitTS: 470642465486929999, Payload: golden(t, "binlog-committed")},
			"pull-resp-fake": {StartTS: 470642465971634178, CommitTS: 470642465971634178, Payload: golden(t, "binlog-fake")},
		} {
			var got Delivery
			unmarshal(t, name, pieces, &got)
			if got.StartTS != want.StartTS || got.CommitTS != want.CommitTS || !bytes.Equal(got.Payload, want.Payload) {
				t.Errorf("%s in %d pieces: got %+v, want %+v", name, pieces, got, want)
			}
			if got.Fake() != (name == "pull-resp-fake") {
				t.Errorf("%s: Fake() = %t", name, got.Fake())
			}
		}
		resp := new(PullBinlogResp)
		unmarshal(t, "pull-resp", pieces, resp)
		if resp.GetEntity().GetMeta().GetCommitTs() != 470642465486929999 {
			t.Errorf("generated pull response in %d pieces: got %v", pieces, resp)
		}
	}
}

// unmarshal decodes a golden message that arrives in that many buffers, and then
// overwrites the buffers as gRPC does when it uses them again.
func unmarshal(t *testing.T, name string, pieces int, into any) {
	t.Helper()
	b := bytes.Clone(golden(t, name))
	var data mem.BufferSlice
	step := len(b)/pieces + 1
	for at := 0; at < len(b); at += step {
		data = append(data, mem.SliceBuffer(b[at:min(at+step, len(b))]))
	}
	if err := (Codec{}).Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	clear(b)
}

func TestCodecRefusesGarbage(t *testing.T) {
	for _, into := range []any{new(WriteBinlogReq), new(Delivery), new(PullBinlogResp)} {
		if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer("\x0a\xff")}, into); err == nil {
			t.Errorf("%T: garbage was accepted", into)
		}
	}
	if err := (Codec{}).Unmarshal(nil, "text"); err == nil {
		t.Error("a string was accepted as a message")
	}
	if _, err := (Codec{}).Marshal("text"); err == nil {
		t.Error("a string was marshalled as a message")
	}
	if _, err := (Codec{}).Marshal(&Delivery{StartTS: 1, CommitTS: 2}); err == nil {
		t.Error("a transaction without a payload was marshalled")
	}
	if _, err := (Codec{}).Marshal(&Delivery{Payload: []byte("\x0a\xff")}); err == nil {
		t.Error("a delivery of garbage was marshalled")
	}
}

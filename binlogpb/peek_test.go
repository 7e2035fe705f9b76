package binlogpb

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

func TestPeek(t *testing.T) {
	h, err := Peek(golden(t, "binlog-prewrite"))
	if err != nil {
		t.Fatal(err)
	}
	if h.Type != BinlogType_Prewrite || h.StartTS != 470642465486929921 || h.CommitTS != 0 ||
		!bytes.Equal(h.Key, samplePrewrite().PrewriteKey) || h.DDLJobID != 0 {
		t.Errorf("got %+v", h)
	}
	if _, err := Peek([]byte("garbage")); !errors.Is(err, ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
}

func TestPeekDoesNotAllocate(t *testing.T) {
	b := golden(t, "binlog-prewrite")
	if n := testing.AllocsPerRun(100, func() { _, _ = Peek(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// appendCommitted appends a stored prewrite to dst with its commit TS filled in: the entity a drainer gets.
func appendCommitted(dst, prewrite []byte, commitTS int64) ([]byte, error) {
	i, j, err := locateCommitTS(prewrite)
	if err != nil {
		return dst, err
	}
	return appendSpliced(dst, prewrite, commitTS, i, j), nil
}

// FuzzPeek holds Peek and what fills in the commit TS to the generated code: they accept the
// same bytes and find the same values.
func FuzzPeek(f *testing.F) {
	for _, name := range []string{"binlog-empty", "binlog-prewrite", "binlog-commit", "binlog-ddl", "binlog-fake", "pull-resp"} {
		f.Add(golden(f, name), int64(5))
	}
	f.Add([]byte{0x18, 1, 0x18, 2}, int64(7))
	f.Fuzz(func(t *testing.T, b []byte, commitTS int64) {
		var want Binlog
		wantErr := proto.Unmarshal(b, &want)
		h, err := Peek(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%x: Peek says %v, the generated code %v", b, err, wantErr)
		}
		out, outErr := appendCommitted([]byte("head"), b, commitTS)
		if (outErr == nil) != (wantErr == nil) {
			t.Fatalf("%x: appendCommitted says %v, the generated code %v", b, outErr, wantErr)
		}
		if err != nil {
			return
		}
		if h.Type != want.GetTp() || h.StartTS != want.GetStartTs() || h.CommitTS != want.GetCommitTs() ||
			!bytes.Equal(h.Key, want.PrewriteKey) || h.DDLJobID != want.GetDdlJobId() {
			t.Fatalf("%x: Peek found %+v, the generated code %v", b, h, &want)
		}
		want.CommitTs = &commitTS
		var got Binlog
		if err := proto.Unmarshal(out[len("head"):], &got); err != nil {
			t.Fatalf("%x: with a commit TS it cannot be read: %v", b, err)
		}
		if !proto.Equal(&got, &want) {
			t.Fatalf("%x: with a commit TS it says %v, want %v", b, &got, &want)
		}
	})
}

// FuzzDelivery holds the hand-written readers to the generated code.
func FuzzDelivery(f *testing.F) {
	for _, name := range []string{"pull-resp", "pull-resp-bare", "pull-resp-fake", "write-req"} {
		f.Add(golden(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want PullBinlogResp
		wantErr := proto.Unmarshal(b, &want)
		var got Delivery
		err := Codec{}.Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got)
		// A Delivery does not look into fields it has no use for, so it accepts more.
		if wantErr == nil && err != nil && want.GetEntity().GetMeta().GetCommitTs() != 0 {
			t.Fatalf("%x: %v, but the generated code reads %v", b, err, &want)
		}
		if wantErr != nil {
			err = wantErr
		}
		if err == nil && !bytes.Equal(got.Payload, want.GetEntity().GetPayload()) {
			t.Fatalf("%x: payload %x, the generated code finds %x", b, got.Payload, want.GetEntity().GetPayload())
		}
		if m := want.GetEntity().GetMeta(); err == nil && m.GetCommitTs() != 0 &&
			(got.CommitTS != m.GetCommitTs() || got.StartTS != m.GetStartTs()) {
			t.Fatalf("%x: got %+v, the generated code finds %v", b, got, m)
		}

		var wantReq, gotReq WriteBinlogReq
		wantErr = proto.Unmarshal(b, &wantReq)
		err = Codec{}.Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &gotReq)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%x: write request: %v, the generated code says %v", b, err, wantErr)
		}
		if err == nil && (gotReq.ClusterID != wantReq.ClusterID || !bytes.Equal(gotReq.Payload, wantReq.Payload)) {
			t.Fatalf("%x: write request %v, the generated code finds %v", b, &gotReq, &wantReq)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	prewrite := samplePrewrite()
	prewrite.PrewriteValue = bytes.Repeat([]byte("x"), 256)
	payload, err := EncodeBinlog(prewrite)
	if err != nil {
		b.Fatal(err)
	}
	delivery := &Delivery{StartTS: 470642465486929921, CommitTS: 470642465486929999, Payload: payload}
	wire, err := Codec{}.Marshal(delivery)
	if err != nil {
		b.Fatal(err)
	}
	flat := wire.Materialize()
	generated := new(PullBinlogResp)
	if err := proto.Unmarshal(flat, generated); err != nil {
		b.Fatal(err)
	}
	marshal := func(m any) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				data, err := Codec{}.Marshal(m)
				if err != nil {
					b.Fatal(err)
				}
				data.Free()
			}
		}
	}
	b.Run("marshal/Delivery", marshal(delivery))
	b.Run("marshal/PullBinlogResp", marshal(generated))
	b.Run("unmarshal/Delivery", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d Delivery
			if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(flat)}, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("peek", func(b *testing.B) {
		for b.Loop() {
			if _, err := Peek(payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

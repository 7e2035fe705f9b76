package binlogpb

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// sendPack is what is sent of a pack.
func sendPack(t *testing.T, p *Pack) []byte {
	t.Helper()
	data, err := Codec{}.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Free()
	if !p.Empty() {
		t.Fatal("a pack that was sent is not empty")
	}
	return bytes.Clone(data.Materialize())
}

// unpack is what a drainer finds in a message.
func unpack(message []byte) (got []Delivery, err error) {
	var p Pack
	if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, &p); err != nil {
		return nil, err
	}
	err = p.Each(func(d Delivery) error { got = append(got, d); return nil })
	return got, err
}

// TestPack: packs hold what messages of one binlog each would say, in the same bytes and no more than fits.
func TestPack(t *testing.T) {
	var all []Delivery
	for i := range 400 {
		b := samplePrewrite()
		b.PrewriteValue = bytes.Repeat([]byte{byte(i)}, []int{0, 1, 300, 9000}[i%4])
		payload, err := EncodeBinlog(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Delivery{StartTS: b.GetStartTs(), CommitTS: b.GetStartTs() + int64(i) + 1, Payload: payload})
	}
	all = append(all, Delivery{StartTS: 1 << 60, CommitTS: 1 << 60})
	var want, got []byte
	var out []Delivery
	messages := 0
	send := func(p *Pack) {
		m := sendPack(t, p)
		if len(m) > packSize {
			t.Errorf("a message has %d bytes", len(m))
		}
		in, err := unpack(m)
		if err != nil {
			t.Fatal(err)
		}
		got, out, messages = append(got, m...), append(out, in...), messages+1
	}
	var p Pack
	for _, d := range all {
		alone, err := Codec{}.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, alone.Materialize()...)
		ok, err := p.Put(&d)
		if err == nil && !ok {
			send(&p)
			ok, err = p.Put(&d)
		}
		if !ok || err != nil {
			t.Fatalf("%d bytes: %t, %v", len(d.Payload), ok, err)
		}
	}
	send(&p)
	if !bytes.Equal(got, want) || messages > len(want)/packSize*3/2 {
		t.Errorf("%d messages of %d bytes in all, alone they have %d", messages, len(got), len(want))
	}
	if !slices.EqualFunc(all, out, func(a, b Delivery) bool {
		return a.StartTS == b.StartTS && a.CommitTS == b.CommitTS && len(b.Payload) > 0
	}) {
		t.Errorf("%d binlogs came, of %d", len(out), len(all))
	}
	var one PullBinlogResp
	if ok, err := p.Put(&all[2]); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := proto.Unmarshal(sendPack(t, &p), &one); err != nil || !bytes.Equal(one.GetEntity().GetPayload(), out[2].Payload) {
		t.Errorf("%v, %v", &one, err)
	}
}

// TestPackRefuses: what does not fit, what is no binlog, and messages without any.
func TestPackRefuses(t *testing.T) {
	b := samplePrewrite()
	b.PrewriteValue = make([]byte, packSize)
	payload, err := EncodeBinlog(b)
	if err != nil {
		t.Fatal(err)
	}
	var p Pack
	if ok, err := p.Put(&Delivery{StartTS: 1, CommitTS: 2, Payload: payload}); ok || err != nil || !p.Empty() {
		t.Errorf("more than fits: %t, %v", ok, err)
	}
	if ok, err := p.Put(&Delivery{StartTS: 1, CommitTS: 2, Payload: []byte("garbage")}); ok || !errors.Is(err, ErrMalformed) || !p.Empty() {
		t.Errorf("no binlog: %t, %v", ok, err)
	}
	for _, message := range []string{"", "\x12\x00", "\x0a\x05ab"} {
		if got, err := unpack([]byte(message)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, %v", message, got, err)
		}
	}
	stop := errors.New("stop")
	whole := golden(t, "pull-resp")
	seen := 0
	p = Pack{got: slices.Concat(whole, whole)}
	if err := p.Each(func(Delivery) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%d after an error: %v", seen, err)
	}
}

// FuzzPack: what is read out of any message is what a pack of it is read as again.
func FuzzPack(f *testing.F) {
	for _, name := range []string{"pull-resp", "pull-resp-bare", "pull-resp-fake", "write-req"} {
		f.Add(golden(f, name))
		f.Add(slices.Concat(golden(f, name), golden(f, "pull-resp")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, _ := unpack(b) // as far as it can be read
		for _, d := range in {
			var p Pack
			ok, err := p.Put(&d)
			if err != nil || !ok {
				continue // a payload that is no binlog, which nobody has looked into yet
			}
			out, err := unpack(sendPack(t, &p))
			if err != nil || len(out) != 1 || out[0].CommitTS != d.CommitTS || out[0].StartTS != d.StartTS {
				t.Fatalf("%x: %+v, then %+v, %v", b, d, out, err)
			}
		}
	})
}

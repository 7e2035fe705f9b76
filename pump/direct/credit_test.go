package direct_test

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/pump/direct"
)

// floods are frames that bring no binlog. Each is sent until the server has had enough of it.
var floods = []struct {
	name  string
	begin func(r *raw)
	next  func(r *raw, id uint32) error // id is that of a new stream
}{
	{"rapid reset", nil, func(r *raw, id uint32) error {
		r.begin(id)
		return r.fr.WriteRSTStream(id, http2.ErrCodeCancel)
	}},
	{"claims", nil, func(r *raw, id uint32) error {
		m := message("")
		m[1], m[2] = 0, 0x10
		r.begin(id)
		_ = r.fr.WriteData(id, false, m)
		return r.fr.WriteRSTStream(id, http2.ErrCodeCancel)
	}},
	{"continuations", func(r *raw) { _ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3}) },
		func(r *raw, _ uint32) error { return r.fr.WriteContinuation(3, false, nil) }},
	{"SETTINGS", nil, func(r *raw, id uint32) error {
		return r.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: id % 4096})
	}},
	{"pings", nil, func(r *raw, _ uint32) error { return r.fr.WritePing(false, [8]byte{}) }},
	{"empty DATA", func(r *raw) { r.begin(3) }, func(r *raw, _ uint32) error { return r.fr.WriteData(3, false, nil) }},
	{"padding", func(r *raw) { r.begin(3) }, func(r *raw, _ uint32) error {
		return r.fr.WriteDataPadded(3, false, nil, make([]byte, 255))
	}},
	{"priorities", nil, func(r *raw, id uint32) error { return r.fr.WritePriority(id, http2.PriorityParam{}) }},
	{"unknown frames", nil, func(r *raw, _ uint32) error { return r.fr.WriteRawFrame(0xbe, 0, 0, nil) }},
	{"header bombs", func(r *raw) {
		_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndHeaders: true,
			BlockFragment: r.headers(hpack.HeaderField{Name: "x", Value: string(bytes.Repeat([]byte("a"), 3500))})})
	}, func(r *raw, id uint32) error {
		_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id + 2, EndHeaders: true, BlockFragment: append(r.headers(), bytes.Repeat([]byte{0x80 | 62}, 16000)...)})
		return r.fr.WriteRSTStream(id+2, http2.ErrCodeCancel)
	}},
	{"calls without a message", nil, func(r *raw, id uint32) error {
		return r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.headers(), EndHeaders: true, EndStream: true})
	}},
	{"calls of no member", nil, func(r *raw, id uint32) error {
		r.begin(id)
		return r.fr.WriteData(id, true, message("stranger"))
	}},
}

// begin begins a call, if the server still listens.
func (r *raw) begin(id uint32) {
	_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.headers(), EndHeaders: true})
}

// flood sends until the connection ends, and gives how many rounds that were.
func (r *raw) flood(next func(r *raw, id uint32) error) int {
	var rounds atomic.Int64
	done := async(func() {
		for id := uint32(5); next(r, id) == nil; id += 2 {
			rounds.Add(1)
		}
	})
	for r.gone == nil {
		r.read()
	}
	<-done
	return int(rounds.Load())
}

// TestFloods are ended with ENHANCE_YOUR_CALM, soon if the peer has made no good call, while
// another connection writes.
func TestFloods(t *testing.T) {
	var vouched atomic.Int64
	p := newPump()
	p.hold = func(calls []direct.Call) {
		for i := range calls {
			if string(calls[i].Payload) == "stranger" {
				calls[i].ClusterID = 8
			}
		}
	}
	_, addr := start(t, p, func(o *direct.Options) {
		o.Vouch = func(net.Addr) { vouched.Add(1) }
		write := o.Write
		o.Write = func(calls []direct.Call) {
			write(calls)
			for i := range calls {
				if calls[i].ClusterID == 8 {
					calls[i].Err = status.Error(codes.InvalidArgument, "another cluster")
				}
			}
		}
	})
	for _, c := range floods {
		t.Run(c.name, func(t *testing.T) {
			writer := dialRaw(t, addr)
			for _, member := range []bool{false, true} {
				before := vouched.Load() // subtests run one by one
				r := dialRaw(t, addr)
				r.mute = true
				if member {
					r.call(1, "good")
					r.answered(1, "0")
				}
				if c.begin != nil {
					c.begin(r)
				}
				rounds := r.flood(c.next)
				if len(r.away) == 0 || r.away[len(r.away)-1].ErrCode != http2.ErrCodeEnhanceYourCalm {
					t.Errorf("member %v: after %d rounds GOAWAY %v, %v", member, rounds, r.away, r.gone)
				}
				if (vouched.Load() > before) != member {
					t.Errorf("member %v: vouched for %d times", member, vouched.Load()-before)
				}
			}
			writer.call(1, "good")
			writer.answered(1, "0")
		})
	}
}

// TestCreditComesBack has a writer that sends as many useless frames as clients do, and more of
// them than a connection has credit for, whether the pump takes its binlogs or cannot, as on a full disk.
func TestCreditComesBack(t *testing.T) {
	for want, outcome := range map[string]error{"0": nil, "14": status.Error(codes.Unavailable, "the disk is full")} {
		t.Run("status "+want, func(t *testing.T) {
			var vouched atomic.Int64
			_, addr := start(t, newPump(), func(o *direct.Options) {
				o.Vouch = func(net.Addr) { vouched.Add(1) }
				o.Write = func(calls []direct.Call) {
					for i := range calls {
						calls[i].Err = outcome
					}
				}
			})
			r := dialRaw(t, addr)
			r.mute = true
			r.call(1, "")
			r.answered(1, want)
			for id := uint32(3); id < 12_001; id += 2 {
				r.call(id, "")
				r.do(r.fr.WriteWindowUpdate(0, 5))
				r.do(r.fr.WritePing(false, [8]byte{'a'}))
				r.do(r.fr.WriteRSTStream(id, http2.ErrCodeCancel))
				if id%200 == 1 {
					r.ping('b')
					r.pongs = r.pongs[:0]
				}
			}
			r.ping('z')
			if n := vouched.Load(); n != 1 {
				t.Errorf("the peer is vouched for %d times, want once", n)
			}
		})
	}
}

// TestPullOfManySmallBinlogs has a drainer read far more small binlogs than it has credit for,
// one by one. A client of the gRPC library that sizes its windows itself, as upstream's drainer
// does, pings and updates its window after each.
func TestPullOfManySmallBinlogs(t *testing.T) {
	next := make(chan struct{}, 1)
	p := newPump()
	p.next = next
	_, addr := start(t, p)
	s, err := dial(t, addr).PullBinlogs(t.Context(), &binlogpb.PullBinlogReq{ClusterID: 7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		next <- struct{}{}
		if _, err := s.Recv(); err != nil {
			t.Fatalf("binlog %d: %v", i, err)
		}
	}
	close(next)
}

// TestStrangersAtTheGRPCServer floods a connection that is not served here.
func TestStrangersAtTheGRPCServer(t *testing.T) {
	_, addr := start(t, newPump(), func(o *direct.Options) { o.Member = func(net.Addr) bool { return false } })
	other := func(r *raw, id uint32) {
		_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true,
			BlockFragment: r.headers(hpack.HeaderField{Name: "grpc-encoding", Value: "gzip"})})
	}
	for name, next := range map[string]func(r *raw, id uint32) error{
		"rapid reset": func(r *raw, id uint32) error {
			other(r, id)
			return r.fr.WriteRSTStream(id, http2.ErrCodeCancel)
		},
		"SETTINGS": func(r *raw, _ uint32) error { return r.fr.WriteSettings() },
	} {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, addr)
			r.mute = true
			other(r, 3)
			r.flood(next)
			if len(r.away) == 0 || r.away[0].ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY %v, %v", r.away, r.gone)
			}
		})
	}
}

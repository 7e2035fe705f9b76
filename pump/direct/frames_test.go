package direct_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"pumphouse/pump/direct"
)

// TestWaysToWriteACall has each way on a connection's first call and on a later one.
func TestWaysToWriteACall(t *testing.T) {
	padding := make([]byte, 200)
	for _, c := range []struct {
		name string
		want string // status
		call func(r *raw, id uint32, payload string)
	}{
		{"headers in pieces of a byte", "0", func(r *raw, id uint32, payload string) {
			block := r.headers()
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:1]}))
			for _, b := range block[1:] {
				r.do(r.fr.WriteContinuation(id, false, []byte{b}))
			}
			r.do(r.fr.WriteContinuation(id, true, nil))
			r.do(r.fr.WriteData(id, true, message(payload)))
		}},
		{"nothing in HEADERS", "0", func(r *raw, id uint32, payload string) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id}))
			r.do(r.fr.WriteContinuation(id, true, r.headers()))
			r.do(r.fr.WriteData(id, true, message(payload)))
		}},
		{"padding and priority", "0", func(r *raw, id uint32, payload string) {
			r.do(r.fr.WritePriority(id, http2.PriorityParam{Weight: 3}))
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.headers(), EndHeaders: true, PadLength: 255,
				Priority: http2.PriorityParam{StreamDep: 0, Weight: 9}}))
			m := message(payload)
			r.do(r.fr.WriteDataPadded(id, false, m[:2], padding))
			r.do(r.fr.WriteDataPadded(id, true, m[2:], padding[:1]))
		}},
		{"a message in pieces of a byte", "0", func(r *raw, id uint32, payload string) {
			r.open(id)
			m := message(payload)
			for i := range m {
				r.do(r.fr.WriteData(id, i == len(m)-1, m[i:i+1]))
			}
		}},
		{"END_STREAM in a frame of its own", "0", func(r *raw, id uint32, payload string) {
			r.open(id)
			r.do(r.fr.WriteData(id, false, message(payload)))
			r.do(r.fr.WriteData(id, true, nil))
		}},
		{"trailers", "0", func(r *raw, id uint32, payload string) {
			r.open(id)
			r.do(r.fr.WriteData(id, false, message(payload)))
			r.buf.Reset()
			r.do(r.enc.WriteField(hpack.HeaderField{Name: "over", Value: "1"}))
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.buf.Bytes(), EndHeaders: true, EndStream: true}))
		}},
		{"frames that mean nothing", "0", func(r *raw, id uint32, payload string) {
			r.do(r.fr.WriteRawFrame(0x77, 0xff, id, []byte("what")))
			r.do(r.fr.WriteRawFrame(0x78, 0xff, 0, nil))
			r.call(id, payload)
		}},
		{"no message", "13", func(r *raw, id uint32, _ string) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.headers(), EndHeaders: true, EndStream: true}))
		}},
		{"no message, said at the beginning of the headers", "13", func(r *raw, id uint32, _ string) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true}))
			r.do(r.fr.WriteContinuation(id, true, r.headers()))
		}},
		{"an empty message's prefix in part", "13", func(r *raw, id uint32, _ string) {
			r.open(id)
			r.do(r.fr.WriteData(id, true, []byte{0, 0, 0}))
		}},
		{"a message in part", "13", func(r *raw, id uint32, payload string) {
			r.open(id)
			m := message(payload)
			r.do(r.fr.WriteData(id, true, m[:len(m)-1]))
		}},
		{"a message in part, of whole fields", "13", func(r *raw, id uint32, payload string) {
			r.open(id)
			m := message(payload)
			m[4]++ // another byte was to come
			r.do(r.fr.WriteData(id, true, m))
		}},
		{"two messages", "13", func(r *raw, id uint32, payload string) {
			r.open(id)
			r.do(r.fr.WriteData(id, true, append(message(payload), message(payload)...)))
		}},
		{"two messages of a call that has not ended", "13", func(r *raw, id uint32, payload string) { // what follows is not kept
			r.open(id)
			r.do(r.fr.WriteData(id, false, append(message(payload), message(payload)...)))
		}},
		{"a message that says it is compressed", "13", func(r *raw, id uint32, payload string) {
			r.open(id)
			m := message(payload)
			m[0] = 1
			r.do(r.fr.WriteData(id, true, m))
		}},
		{"a message that is none", "13", func(r *raw, id uint32, _ string) {
			r.open(id)
			r.do(r.fr.WriteData(id, true, []byte{0, 0, 0, 0, 1, 0xff}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPump()
			_, addr := start(t, p)
			r := dialRaw(t, addr)
			for id := uint32(1); id < 8; id += 2 {
				payload := fmt.Sprintf("payload %d", id)
				if strings.HasPrefix(c.name, "frames") && id == 1 {
					r.call(id, payload) // as a beginning they are the gRPC server's
				} else {
					c.call(r, id, payload)
				}
				if r.answered(id, c.want); id == 1 && c.name[:6] == "frames" {
					continue
				}
				n, others := p.stored(payload)
				if want := map[string]int{"0": 1}[c.want]; n != want || others != 0 {
					t.Errorf("stored %d times directly, %d times not", n, others)
				}
			}
			r.call(99, "more")
			r.answered(99, "0")
			if len(r.away) > 0 || r.acks != 1 {
				t.Errorf("GOAWAY %v, %d SETTINGS acknowledged", r.away, r.acks)
			}
		})
	}
}

// TestConnectionErrors has what RFC 9113 calls one.
func TestConnectionErrors(t *testing.T) {
	var zero [6]byte
	for _, c := range []struct {
		name  string
		want  http2.ErrCode
		wrong func(r *raw)
	}{
		{"a frame too large", http2.ErrCodeFrameSize, func(r *raw) { r.do(r.fr.WriteData(3, false, make([]byte, 16<<10+1))) }},
		{"a header block over the limit", http2.ErrCodeEnhanceYourCalm, func(r *raw) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 5}))
			for range 5 {
				if r.fr.WriteContinuation(5, false, make([]byte, 16<<10)) != nil {
					break // it is closed already
				}
			}
		}},
		{"headers that do not decode", http2.ErrCodeCompression, func(r *raw) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true}))
		}},
		{"headers on stream 0", http2.ErrCodeProtocol, func(r *raw) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{BlockFragment: r.headers(), EndHeaders: true}))
		}},
		{"a call of an even number", http2.ErrCodeProtocol, func(r *raw) { r.open(6) }},
		{"a call of an old number", http2.ErrCodeProtocol, func(r *raw) { r.open(1) }},
		{"a call in a call", http2.ErrCodeProtocol, func(r *raw) { r.open(3) }},
		{"a frame between headers", http2.ErrCodeProtocol, func(r *raw) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 5}))
			r.do(r.fr.WritePing(false, [8]byte{}))
		}},
		{"CONTINUATION of nothing", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteContinuation(3, true, r.headers())) }},
		{"CONTINUATION of another", http2.ErrCodeProtocol, func(r *raw) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 5}))
			r.do(r.fr.WriteContinuation(7, true, r.headers()))
		}},
		{"data on stream 0", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteData(0, false, []byte("x"))) }},
		{"data of a call that has not begun", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteData(5, false, []byte("x"))) }},
		{"padding larger than the frame", http2.ErrCodeProtocol, func(r *raw) {
			r.do(r.fr.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 3, []byte{4, 0, 0, 0}))
		}},
		{"priority too short", http2.ErrCodeFrameSize, func(r *raw) {
			r.do(r.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPriority|http2.FlagHeadersEndHeaders, 5, []byte{0, 0, 0, 0}))
		}},
		{"RST_STREAM on stream 0", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteRSTStream(0, 0)) }},
		{"RST_STREAM of a call that has not begun", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteRSTStream(5, 0)) }},
		{"RST_STREAM too long", http2.ErrCodeFrameSize, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FrameRSTStream, 0, 3, zero[:5])) }},
		{"SETTINGS of a stream", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FrameSettings, 0, 3, zero[:])) }},
		{"SETTINGS too short", http2.ErrCodeFrameSize, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FrameSettings, 0, 0, zero[:5])) }},
		{"SETTINGS acknowledged with settings", http2.ErrCodeFrameSize, func(r *raw) {
			r.do(r.fr.WriteRawFrame(http2.FrameSettings, http2.FlagSettingsAck, 0, zero[:]))
		}},
		{"a window too large", http2.ErrCodeFlowControl, func(r *raw) {
			r.do(r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}))
		}},
		{"a maximum of frames too small", http2.ErrCodeProtocol, func(r *raw) {
			r.do(r.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 99}))
		}},
		{"PING of a stream", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FramePing, 0, 3, make([]byte, 8))) }},
		{"PING too short", http2.ErrCodeFrameSize, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FramePing, 0, 0, zero[:])) }},
		{"WINDOW_UPDATE of nothing", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, zero[:4])) }},
		{"WINDOW_UPDATE too short", http2.ErrCodeFrameSize, func(r *raw) { r.do(r.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, zero[:3])) }},
		{"WINDOW_UPDATE over the limit", http2.ErrCodeFlowControl, func(r *raw) { r.do(r.fr.WriteWindowUpdate(0, 1<<31-1)) }},
		{"WINDOW_UPDATE of a call that has not begun", http2.ErrCodeProtocol, func(r *raw) { r.do(r.fr.WriteWindowUpdate(5, 1)) }},
		{"PUSH_PROMISE", http2.ErrCodeProtocol, func(r *raw) {
			r.do(r.fr.WritePushPromise(http2.PushPromiseParam{StreamID: 3, PromiseID: 8, BlockFragment: r.headers(), EndHeaders: true}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, addr := start(t, newPump())
			r := dialRaw(t, addr)
			r.call(1, "first")
			r.open(3)
			r.answered(1, "0")
			c.wrong(r)
			if r.broken(c.want); r.away[0].LastStreamID != 3 {
				t.Errorf("GOAWAY names stream %d, want 3", r.away[0].LastStreamID)
			}
		})
	}
	t.Run("no SETTINGS at the beginning", func(t *testing.T) {
		_, addr := start(t, newPump())
		r := dialBare(t, addr)
		r.call(1, "first")
		r.broken(http2.ErrCodeProtocol)
	})
}

func TestTooManyCallsAreRefused(t *testing.T) {
	p := newPump()
	_, addr := start(t, p, func(o *direct.Options) { o.MaxStreams = 3 })
	r := dialRaw(t, addr)
	for id := uint32(1); id <= 9; id += 2 {
		r.open(id)
	}
	r.do(r.fr.WriteData(9, true, message("of a refused call")))
	r.ping('a')
	if len(r.resets) != 2 || r.resets[7] != http2.ErrCodeRefusedStream || r.resets[9] != http2.ErrCodeRefusedStream {
		t.Errorf("reset: %v", r.resets)
	}
	for id := uint32(1); id <= 5; id += 2 {
		r.do(r.fr.WriteData(id, true, message("mine")))
		r.answered(id, "0")
	}
	r.call(11, "after")
	r.answered(11, "0")
	if n, _ := p.stored("of a refused call"); n != 0 {
		t.Error("a refused call is stored")
	}
}

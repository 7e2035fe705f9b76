package direct

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/status"
)

const (
	maxWindow = math.MaxInt32
	emptySize = prefix // bytes of an empty message, which is what success is answered with
	flushAt   = 32 << 10
	// maxGivenUp bounds what is remembered, and searched at each answer while a disk hangs.
	maxGivenUp = 1024
	textLimit  = 4 << 10 // bytes of a status message; a frame has room for them
)

// writer is the sending side of a connection. Any goroutine may use it.
type writer struct {
	nc net.Conn
	// unanswered are the calls that are being stored or wait for the peer's window.
	unanswered atomic.Int64
	// streamWindow is SETTINGS_INITIAL_WINDOW_SIZE of the peer; the reader's.
	streamWindow uint32

	mu      sync.Mutex
	buf     []byte
	window  int64    // bytes of messages that the peer takes on all streams
	waiting []uint32 // streams whose answer waits for it
	// givenUp are streams that the peer has reset while they are stored, as far as there was
	// room: whoever resets a stream does not mind an answer that crosses it.
	givenUp []uint32

	enc     *hpack.Encoder
	block   bytes.Buffer // what enc wrote last
	ok      [2][]byte    // the header blocks before and after the message of a success
	settled bool         // the encoder would write the same again
}

func (w *writer) init(nc net.Conn) {
	w.nc = nc
	w.streamWindow, w.window = defaultWindow, defaultWindow
	w.enc = hpack.NewEncoder(&w.block)
}

// canAnswer reports whether a stream's window has room for an answer.
func (w *writer) canAnswer() bool { return w.streamWindow >= emptySize }

// flush sends what has been written.
func (w *writer) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

func (w *writer) flushLocked() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.nc.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := w.nc.Write(w.buf)
	w.buf = w.buf[:0]
	if err != nil {
		w.nc.Close()                               // a frame may have been sent in part
		return fmt.Errorf("send answers: %v", err) //nolint:errorlint // its deadline is not that of a reader
	}
	return nil
}

func (w *writer) headLocked(length int, typ http2.FrameType, flags http2.Flags, stream uint32) {
	w.buf = append(w.buf, byte(length>>16), byte(length>>8), byte(length), byte(typ), byte(flags))
	w.buf = binary.BigEndian.AppendUint32(w.buf, stream)
}

func (w *writer) frame(typ http2.FrameType, flags http2.Flags, stream uint32, payload ...byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.headLocked(len(payload), typ, flags, stream)
	w.buf = append(w.buf, payload...)
}

func (w *writer) settings(maxStreams, window uint32) {
	var b []byte
	for _, s := range []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams}, {ID: http2.SettingInitialWindowSize, Val: window},
		{ID: http2.SettingMaxHeaderListSize, Val: MaxHeaderList}} {
		b = binary.BigEndian.AppendUint16(b, uint16(s.ID))
		b = binary.BigEndian.AppendUint32(b, s.Val)
	}
	w.frame(http2.FrameSettings, 0, 0, b...)
}

func (w *writer) settingsAck() { w.frame(http2.FrameSettings, http2.FlagSettingsAck, 0) }

func (w *writer) ping(data [8]byte) { w.frame(http2.FramePing, 0, 0, data[:]...) }

func (w *writer) pong(data []byte) { w.frame(http2.FramePing, http2.FlagPingAck, 0, data...) }

func (w *writer) windowUpdate(stream, n uint32) {
	w.frame(http2.FrameWindowUpdate, 0, stream, binary.BigEndian.AppendUint32(nil, n)...)
}

func (w *writer) reset(stream uint32, code http2.ErrCode) {
	w.frame(http2.FrameRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, uint32(code))...)
}

func (w *writer) goAway(last uint32, code http2.ErrCode) {
	b := binary.BigEndian.AppendUint32(nil, last)
	w.frame(http2.FrameGoAway, 0, 0, binary.BigEndian.AppendUint32(b, uint32(code))...)
}

// tableSize is what the peer's HPACK table may hold.
func (w *writer) tableSize(n uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.enc.SetMaxDynamicTableSizeLimit(n)
	w.settled = false
}

// answer sends the answers of a batch.
func (w *writer) answer(calls []Call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range calls {
		switch c := &calls[i]; {
		case c.stream == 0 || slices.Contains(w.givenUp, c.stream): // given up by the peer
		case c.Err != nil:
			w.refuseLocked(c.stream, status.Convert(c.Err))
		case w.window < emptySize:
			w.waiting = append(w.waiting, c.stream)
			continue
		default:
			w.succeedLocked(c.stream)
		}
		w.unanswered.Add(-1)
		if len(w.buf) >= flushAt {
			if err := w.flushLocked(); err != nil {
				return err
			}
		}
	}
	if w.unanswered.Load() == 0 {
		w.givenUp = w.givenUp[:0]
	}
	return w.flushLocked()
}

// giveUp has a stream that is stored or waits for the window not be answered.
func (w *writer) giveUp(stream uint32) {
	if w.unanswered.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.waiting, stream); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		w.unanswered.Add(-1)
	} else if len(w.givenUp) < maxGivenUp {
		w.givenUp = append(w.givenUp, stream)
	}
}

// grant adds to the connection's window.
func (w *writer) grant(n uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n == 0 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if w.window += int64(n); w.window > maxWindow {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	for len(w.waiting) > 0 && w.window >= emptySize {
		w.succeedLocked(w.waiting[0])
		w.waiting = w.waiting[1:]
		w.unanswered.Add(-1)
	}
	return nil
}

// succeedLocked answers with an empty message.
func (w *writer) succeedLocked(stream uint32) {
	if !w.settled {
		w.settled = true
		for i, f := range [2][]hpack.HeaderField{
			{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}},
			{{Name: "grpc-status", Value: "0"}},
		} {
			if b := w.encodeLocked(f...); !bytes.Equal(b, w.ok[i]) {
				w.ok[i], w.settled = bytes.Clone(b), false
			}
		}
	}
	w.window -= emptySize
	w.headLocked(len(w.ok[0]), http2.FrameHeaders, http2.FlagHeadersEndHeaders, stream)
	w.buf = append(w.buf, w.ok[0]...)
	w.headLocked(emptySize, http2.FrameData, 0, stream)
	w.buf = append(w.buf, 0, 0, 0, 0, 0)
	w.headLocked(len(w.ok[1]), http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream)
	w.buf = append(w.buf, w.ok[1]...)
}

// refuse answers with an error. reset tells a peer that is still sending to stop.
func (w *writer) refuse(stream uint32, st *status.Status, reset bool) {
	w.mu.Lock()
	w.refuseLocked(stream, st)
	w.mu.Unlock()
	if reset {
		w.reset(stream, http2.ErrCodeNo)
	}
}

func (w *writer) refuseLocked(stream uint32, st *status.Status) {
	// Sensitive: what is different each time shall not push the headers of success out of the
	// peer's table, which they are taken to be in.
	b := w.encodeLocked(hpack.HeaderField{Name: ":status", Value: "200"},
		hpack.HeaderField{Name: "content-type", Value: "application/grpc", Sensitive: true},
		hpack.HeaderField{Name: "grpc-status", Value: strconv.Itoa(int(st.Code())), Sensitive: true},
		hpack.HeaderField{Name: "grpc-message", Value: percent(st.Message()), Sensitive: true})
	w.headLocked(len(b), http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream)
	w.buf = append(w.buf, b...)
}

// encodeLocked makes a header block, valid until the next.
func (w *writer) encodeLocked(fields ...hpack.HeaderField) []byte {
	w.block.Reset()
	for _, f := range fields {
		_ = w.enc.WriteField(f) // a buffer takes everything
	}
	return w.block.Bytes()
}

// percent encodes a status message as gRPC over HTTP2 has it.
func percent(text string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text) && len(out) < textLimit; i++ {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			out = append(out, '%', hex[c>>4], hex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

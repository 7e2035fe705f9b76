package direct_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
)

// raw is a peer that writes frames as a test wants them and remembers what it gets.
type raw struct {
	t    *testing.T
	nc   net.Conn
	fr   *http2.Framer
	enc  *hpack.Encoder
	buf  bytes.Buffer
	mute bool // pings are not answered

	status  map[uint32]string // grpc-status of streams that have ended
	text    map[uint32]string
	data    map[uint32]string
	resets  map[uint32]http2.ErrCode
	away    []http2.GoAwayFrame
	pongs   []byte // the first byte of each
	acks    int
	window  int            // of a stream, as the server's SETTINGS say
	granted map[uint32]int // by WINDOW_UPDATE
	gone    error          // the connection has ended
}

// dialRaw connects and sends the preface with these SETTINGS.
func dialRaw(t *testing.T, addr string, settings ...http2.Setting) *raw {
	t.Helper()
	r := dialBare(t, addr)
	r.do(r.fr.WriteSettings(settings...))
	return r
}

// dialBare leaves the SETTINGS out.
func dialBare(t *testing.T, addr string) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return rawOn(t, nc)
}

// rawOn sends the preface on a connection.
func rawOn(t *testing.T, nc net.Conn) *raw {
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * testTimeout))
	r := &raw{t: t, nc: nc, fr: http2.NewFramer(nc, nc), status: make(map[uint32]string), text: make(map[uint32]string),
		data: make(map[uint32]string), resets: make(map[uint32]http2.ErrCode), granted: make(map[uint32]int)}
	r.fr.AllowIllegalWrites = true
	r.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.enc = hpack.NewEncoder(&r.buf)
	r.send(nc.Write([]byte(http2.ClientPreface)))
	return r
}

func (r *raw) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) send(_ int, err error) { r.t.Helper(); r.do(err) }

// headers is the header block of a WriteBinlog.
func (r *raw) headers(more ...hpack.HeaderField) []byte {
	r.buf.Reset()
	for _, f := range append([]hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: binlogpb.Pump_WriteBinlog_FullMethodName}, {Name: ":authority", Value: "pump"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}}, more...) {
		r.do(r.enc.WriteField(f))
	}
	return bytes.Clone(r.buf.Bytes())
}

// open begins a call.
func (r *raw) open(stream uint32) {
	r.t.Helper()
	r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.headers(), EndHeaders: true}))
}

// call makes a whole call.
func (r *raw) call(stream uint32, payload string) {
	r.t.Helper()
	r.open(stream)
	r.do(r.fr.WriteData(stream, true, message(payload)))
}

// message is a gRPC message with a payload.
func message(payload string) []byte {
	m, err := proto.Marshal(&binlogpb.WriteBinlogReq{ClusterID: 7, Payload: []byte(payload)})
	if err != nil {
		panic(err) // cannot be
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// until reads until something is so.
func (r *raw) until(what string, is func() bool) {
	r.t.Helper()
	for !is() {
		if r.gone != nil {
			r.t.Fatalf("%s: the connection ends with %v, GOAWAY %v", what, r.gone, r.away)
		}
		r.read()
	}
}

func (r *raw) read() {
	f, err := r.fr.ReadFrame()
	if err != nil {
		r.gone = err
		r.nc.Close()
		return
	}
	id := f.Header().StreamID
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		for _, h := range f.Fields {
			switch h.Name {
			case "grpc-status":
				r.status[id] = h.Value
			case "grpc-message":
				r.text[id] = h.Value
			}
		}
		if _, ended := r.status[id]; ended != f.StreamEnded() {
			r.t.Errorf("stream %d: headers %v end it: %v", id, f.Fields, f.StreamEnded())
		}
	case *http2.DataFrame:
		r.data[id] += string(f.Data())
	case *http2.RSTStreamFrame:
		r.resets[id] = f.ErrCode
	case *http2.GoAwayFrame:
		r.away = append(r.away, *f)
	case *http2.WindowUpdateFrame:
		r.granted[id] += int(f.Increment)
	case *http2.SettingsFrame:
		if f.IsAck() {
			r.acks++
		} else if !r.mute {
			if n, ok := f.Value(http2.SettingInitialWindowSize); ok {
				r.window = int(n)
			}
			r.do(r.fr.WriteSettingsAck())
		}
	case *http2.PingFrame:
		if f.IsAck() {
			r.pongs = append(r.pongs, f.Data[0])
		} else if !r.mute {
			r.do(r.fr.WritePing(true, f.Data))
		}
	}
}

// answered waits for the status of a call; success has its empty message.
func (r *raw) answered(stream uint32, want string) {
	r.t.Helper()
	r.until("answer", func() bool { _, ok := r.status[stream]; return ok })
	if r.status[stream] != want || want == "0" && r.data[stream] != "\x00\x00\x00\x00\x00" {
		r.t.Errorf("stream %d: status %s %q, data %q, want %s", stream, r.status[stream], r.text[stream], r.data[stream], want)
	}
}

// ping waits until everything sent before has been read.
func (r *raw) ping(id byte) {
	r.t.Helper()
	r.do(r.fr.WritePing(false, [8]byte{id}))
	r.until("pong", func() bool { return bytes.IndexByte(r.pongs, id) >= 0 })
}

// broken waits for the GOAWAY of a connection error and the end.
func (r *raw) broken(want http2.ErrCode) {
	r.t.Helper()
	r.until("GOAWAY", func() bool { return len(r.away) > 0 })
	if got := r.away[0].ErrCode; got != want {
		r.t.Errorf("GOAWAY %v, want %v", got, want)
	}
	r.mute = true
	_ = r.nc.(*net.TCPConn).CloseWrite()
	r.ended()
}

// ended waits for the end of the connection.
func (r *raw) ended() {
	for r.gone == nil {
		r.read()
	}
	if !errors.Is(r.gone, io.EOF) {
		r.t.Errorf("the connection ends with %v", r.gone)
	}
}

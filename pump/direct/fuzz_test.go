package direct

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"

	"pumphouse/binlogpb"
)

// FuzzConnection sends anything after the preface and the SETTINGS. The server must end when
// the peer closes, and whatever it sends must be good HTTP/2.
func FuzzConnection(f *testing.F) {
	seed := func(write func(fr *http2.Framer, block []byte)) {
		var headers, b bytes.Buffer
		enc := hpack.NewEncoder(&headers)
		for _, h := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: binlogpb.Pump_WriteBinlog_FullMethodName}, {Name: "content-type", Value: "application/grpc"}} {
			if err := enc.WriteField(h); err != nil {
				f.Fatal(err)
			}
		}
		write(http2.NewFramer(&b, nil), headers.Bytes())
		f.Add(b.Bytes())
	}
	message := []byte{0, 0, 0, 0, 5, 0x08, 7, 0x12, 1, 'x'}
	seed(func(fr *http2.Framer, block []byte) {
		for id := uint32(1); id < 9; id += 2 {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, PadLength: 3})
			_ = fr.WriteDataPadded(id, false, message[:id], []byte{0, 0})
			_ = fr.WriteData(id, true, message[id:])
			_ = fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: id - 1})
			_ = fr.WriteRSTStream(id-2, http2.ErrCodeCancel)
			_ = fr.WriteWindowUpdate(0, 70)
			_ = fr.WritePing(id == 3, lastPing)
		}
	})
	seed(func(fr *http2.Framer, block []byte) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:9], Priority: http2.PriorityParam{Weight: 1}})
		_ = fr.WriteContinuation(1, true, block[9:])
		_ = fr.WriteData(1, true, message)
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block, EndHeaders: true, EndStream: true})
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: block[:1], EndHeaders: true})
		_ = fr.WriteGoAway(0, 0, nil)
	})
	f.Fuzz(func(t *testing.T, sent []byte) {
		stored := 0
		s := New(grpc.NewServer(), Options{MaxMessage: 100, MaxStreams: 3, StreamWindow: 1 << 16, ConnWindow: 1 << 17,
			Write: func(calls []Call) {
				for i := range calls {
					stored += len(bytes.Clone(calls[i].Payload))
					if calls[i].ClusterID%2 == 0 {
						calls[i].Err = errors.New("no: ß")
					}
				}
			}})
		// The gRPC server takes nothing here.
		rest := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
		close(rest.closed)
		end, peer := net.Pipe()
		c := newConn(s, end, rest)
		s.conns[c] = struct{}{}
		s.all.Add(1)
		go c.run()

		answers := make(chan error, 1)
		go func() {
			fr := http2.NewFramer(nil, peer)
			fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			for {
				if _, err := fr.ReadFrame(); err != nil {
					answers <- err
					_, _ = io.Copy(io.Discard, peer)
					return
				}
			}
		}()
		fr := http2.NewFramer(peer, nil)
		_, _ = io.WriteString(peer, http2.ClientPreface) // the server may end whenever it wants
		_ = fr.WriteSettings()
		_, _ = peer.Write(sent)
		peer.Close()
		done := make(chan struct{})
		go func() {
			s.all.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("the connection goes on without its peer")
		}
		if err := <-answers; !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the peer gets what it cannot read: %v", err)
		}
		if len(s.conns) > 0 || stored > len(sent) {
			t.Errorf("%d connections are left, %d bytes stored of %d sent", len(s.conns), stored, len(sent))
		}
	})
}

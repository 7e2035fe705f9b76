package direct

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
)

// BenchmarkReadFrames reads the frames of a call of 256 bytes, here and with the Framer of
// golang.org/x/net; see doc.go for what came of it.
func BenchmarkReadFrames(b *testing.B) {
	var calls bytes.Buffer
	fr := http2.NewFramer(&calls, nil)
	const n = 1000
	for id := uint32(1); id < 2*n; id += 2 {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: make([]byte, 12), EndHeaders: true})
		_ = fr.WriteData(id, true, make([]byte, 270))
	}
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		end, peer := net.Pipe()
		defer peer.Close()
		c := newConn(&Server{}, end, nil)
		r := bytes.NewReader(calls.Bytes())
		for range b.N {
			if r.Len() == 0 && c.r.Buffered() == 0 {
				r.Reset(calls.Bytes())
			}
			if c.r.Buffered() == 0 {
				c.r.Reset(r)
			}
			for range 2 {
				h, payload, err := c.peekFrame()
				if err != nil || len(payload) != h.length {
					b.Fatal(err)
				}
				c.r.Discard(frameHead + h.length)
			}
		}
	})
	b.Run("Framer", func(b *testing.B) {
		b.ReportAllocs()
		r := bytes.NewReader(calls.Bytes())
		in := bufio.NewReaderSize(r, readBuffer)
		fr := http2.NewFramer(io.Discard, in)
		fr.SetReuseFrames()
		for range b.N {
			if r.Len() == 0 && in.Buffered() == 0 {
				r.Reset(calls.Bytes())
			}
			for range 2 {
				if _, err := fr.ReadFrame(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

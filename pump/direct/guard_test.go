package direct

import (
	"bytes"
	"net"
	"testing"

	"golang.org/x/net/http2"
)

// sent is a connection that remembers what is written.
type sent struct {
	net.Conn
	bytes.Buffer
}

func (s *sent) Write(b []byte) (int, error) { return s.Buffer.Write(b) }
func (s *sent) Read(b []byte) (int, error)  { return s.Buffer.Read(b) }

// TestWhatIsLeftOut writes the frames of a gRPC server in two pieces, cut anywhere: one acknowledgement of
// SETTINGS is left out, and nothing else.
func TestWhatIsLeftOut(t *testing.T) {
	var all, want bytes.Buffer
	frame := func(write func(*http2.Framer) error, to ...*bytes.Buffer) {
		for _, b := range to {
			if err := write(http2.NewFramer(b, nil)); err != nil {
				t.Fatal(err)
			}
		}
	}
	frame(func(fr *http2.Framer) error {
		return fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 14})
	}, &all, &want)
	frame((*http2.Framer).WriteSettingsAck, &all)
	frame(func(fr *http2.Framer) error { return fr.WriteData(1, false, []byte("a binlog")) }, &all, &want)
	frame((*http2.Framer).WriteSettingsAck, &all, &want)
	frame(func(fr *http2.Framer) error { return fr.WriteData(1, true, nil) }, &all, &want)
	for at := range all.Len() {
		var nc sent
		c := &replayed{Conn: &nc, acks: 1}
		for _, b := range [][]byte{all.Bytes()[:at], all.Bytes()[at:]} {
			if n, err := c.Write(b); n != len(b) || err != nil {
				t.Fatalf("cut at %d: %d of %d bytes, %v", at, n, len(b), err)
			}
		}
		if !bytes.Equal(nc.Bytes(), want.Bytes()) || c.credit.good.Load() != 2 {
			t.Errorf("cut at %d: sent % x, want % x; %d good frames", at, nc.Bytes(), want.Bytes(), c.credit.good.Load())
		}
	}
}

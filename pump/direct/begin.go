package direct

import (
	"fmt"
	"strings"
	"time"

	"pumphouse/binlogpb"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// begin reads up to the first call and decides whose connection it is: given means the gRPC
// server's, which is to get raw.
func (c *conn) begin() (given bool, err error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(helloTime)) // an error comes again when it is read
	preface, err := c.r.Peek(len(http2.ClientPreface))
	if err != nil {
		return false, err
	}
	if string(preface) != http2.ClientPreface {
		return false, fmt.Errorf("%q is no beginning of HTTP/2", preface)
	}
	c.keep(len(preface))
	_ = c.nc.SetReadDeadline(time.Time{})
	c.out.settings(c.srv.opts.MaxStreams, c.srv.opts.StreamWindow)
	for {
		if c.draining.Load() {
			return false, errEnding
		}
		h, payload, err := c.peekFrame()
		if err != nil {
			return false, err
		}
		call, err := c.beginWith(h, payload)
		if err != nil {
			return false, err
		}
		switch {
		case call != nil && call.ours() && c.out.canAnswer():
			c.raw = nil
			c.out.windowUpdate(0, c.srv.opts.ConnWindow-defaultWindow)
			for range c.settings {
				c.out.settingsAck()
			}
			return false, nil
		case call != nil || len(c.raw) > blockLimit:
			rest, _ := c.r.Peek(c.r.Buffered())
			c.raw = append(c.raw, rest...)
			return true, c.out.flush()
		}
	}
}

// beginWith acts on a frame of the time before it is decided who serves the connection; a
// call is the first one.
func (c *conn) beginWith(h frameHeader, payload []byte) (call *header, err error) {
	size := frameHead + h.length
	switch h.typ {
	case http2.FramePing:
		err = c.onPing(h, payload)
		c.r.Discard(size) // answered: nobody else is to see it
		return nil, err
	case http2.FrameSettings:
		if h.flags.Has(http2.FlagSettingsAck) {
			c.r.Discard(size) // of those sent here
			return nil, nil
		}
		c.settings++
		err = c.onSettings(payload)
	case http2.FrameWindowUpdate:
		err = c.onWindowUpdate(h, payload)
	case http2.FramePriority:
	case http2.FrameHeaders, http2.FrameContinuation:
		call, err = c.onHeaders(h, payload)
		if call != nil && call.ours() && c.out.canAnswer() {
			err = c.open(h, nil)
		}
	default:
		call = &header{} // the gRPC server says what is wrong with it
	}
	c.keep(size)
	return call, err
}

// keep takes bytes that the gRPC server must get, should it serve the connection.
func (c *conn) keep(n int) {
	b, _ := c.r.Peek(n)
	c.raw = append(c.raw, b...)
	c.r.Discard(n)
}

// header is what matters in the headers of a call.
type header struct {
	post, write, grpc, encoded bool
}

// ours tells whether it is a call that is served here.
func (h *header) ours() bool { return h.post && h.write && h.grpc && !h.encoded }

func (h *header) field(f hpack.HeaderField) {
	switch f.Name {
	case ":method":
		h.post = f.Value == "POST"
	case ":path":
		h.write = f.Value == binlogpb.Pump_WriteBinlog_FullMethodName
	case "content-type":
		rest, ok := strings.CutPrefix(f.Value, "application/grpc")
		h.grpc = ok && (rest == "" || rest == "+proto")
	case "grpc-encoding":
		h.encoded = f.Value != "identity"
	}
}

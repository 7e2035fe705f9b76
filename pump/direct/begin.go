package direct

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"pumphouse/binlogpb"
)

// begin reads up to the first call and decides whose connection it is: given means the gRPC
// server's, which is to get raw.
func (c *conn) begin() (given bool, err error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(helloTime)) // an error comes again when it is read
	if c.draining.Load() {
		return false, os.ErrDeadlineExceeded // which may have been overwritten just now
	}
	preface, err := c.r.Peek(len(http2.ClientPreface))
	if err != nil {
		return false, err
	}
	if string(preface) != http2.ClientPreface {
		return false, fmt.Errorf("invalid HTTP/2 preface %q", preface)
	}
	c.keep(len(preface))
	c.out.settings(c.srv.opts.MaxStreams, min(c.srv.opts.StreamWindow, firstWindow))
	for {
		var call *header
		// The end is said to a peer in all form (serve): it may send its first call just now.
		if !c.draining.Load() {
			if call, err = c.beginWith(); err != nil && !c.woken(err) {
				return false, err
			}
		}
		ours := call != nil && c.served(call)
		switch {
		case ours || c.draining.Load():
			if call != nil && !ours {
				c.fix() // the peer repeats it elsewhere
			}
			c.raw = nil
			c.out.windowUpdate(0, c.srv.opts.ConnWindow-defaultWindow)
			return false, nil
		case len(c.raw) > rawLimit:
			return false, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
		case call != nil:
			rest, _ := c.r.Peek(c.r.Buffered())
			c.raw = append(c.raw, rest...)
			return true, c.out.flush()
		}
	}
}

// rawLimit bounds what is kept until it is decided who serves a connection: the headers of a call
// and the SETTINGS before them are much less.
const rawLimit = 2 * blockLimit

// served reports whether a first call makes the connection one that is served here.
func (c *conn) served(call *header) bool { return (call.ours() || call.large()) && c.out.canAnswer() }

// beginWith acts on a frame of the time before it is decided who serves the connection; a
// call is the first one.
func (c *conn) beginWith() (call *header, err error) {
	h, payload, err := c.peekFrame()
	if err != nil {
		return nil, err
	}
	if err := c.credit.spend(h.cost(), false); err != nil {
		return nil, err
	}
	if c.settings == 0 && (h.typ != http2.FrameSettings || h.flags.Has(http2.FlagSettingsAck)) {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol) // they are a part of the preface
	}
	size := frameHead + h.length
	switch h.typ {
	case http2.FramePing:
		c.onPing(h, payload)
		c.r.Discard(size) // answered: nobody else is to see it
		return nil, nil
	case http2.FrameSettings:
		if h.flags.Has(http2.FlagSettingsAck) {
			c.r.Discard(size) // of those sent here
			return nil, nil
		}
		if c.settings++; c.settings == 1 {
			// What others set before is looked at next (see begin).
			_ = c.nc.SetReadDeadline(time.Time{})
		}
		err = c.onSettings(payload)
		c.out.settingsAck()
	case http2.FrameWindowUpdate:
		err = c.onWindowUpdate(h, payload)
	case http2.FramePriority:
	case http2.FrameHeaders, http2.FrameContinuation:
		call, err = c.onHeaders(h, payload)
		if call != nil && err == nil && c.served(call) {
			err = c.open(h, call, nil)
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
	size                       int // as SETTINGS_MAX_HEADER_LIST_SIZE counts it
}

// large reports whether it is larger than what the peer was told to send.
func (h *header) large() bool { return h.size > MaxHeaderList }

// ours reports whether it is a call that is served here.
func (h *header) ours() bool { return h.post && h.write && h.grpc && !h.encoded }

func (h *header) field(f hpack.HeaderField) {
	h.size += int(f.Size())
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

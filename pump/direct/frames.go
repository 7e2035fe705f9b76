package direct

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
)

const (
	// MaxHeaderList is SETTINGS_MAX_HEADER_LIST_SIZE: how many bytes the headers of a call may
	// have, metadata included. A call with more is reset with FRAME_SIZE_ERROR, as the gRPC
	// library does it.
	MaxHeaderList = 64 << 10
	blockLimit    = 64 << 10 // bytes of a call's headers when they are compressed
	defaultWindow = 65535    // of a connection and a stream
	prefix        = 5        // bytes before a gRPC message: compressed or not, length
	listUnit      = 4 << 10  // bytes of headers, uncompressed, that cost as much as a frame
)

// errEnded ends a connection that is through.
var errEnded = errors.New("the connection is finished")

type frameHeader struct {
	length int
	typ    http2.FrameType
	flags  http2.Flags
	stream uint32
}

func parseHead(b []byte) frameHeader {
	return frameHeader{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		typ:    http2.FrameType(b[3]), flags: http2.Flags(b[4]),
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31),
	}
}

// check looks at what RFC 9113 says of each type's stream and length.
func (h frameHeader) check() error {
	place, size := true, true
	switch h.typ {
	case http2.FrameData, http2.FrameHeaders, http2.FrameContinuation, http2.FramePriority:
		place = h.stream != 0
	case http2.FrameRSTStream:
		place, size = h.stream != 0, h.length == 4
	case http2.FrameSettings:
		place, size = h.stream == 0, h.length%6 == 0 && (h.length == 0 || !h.flags.Has(http2.FlagSettingsAck))
	case http2.FramePing:
		place, size = h.stream == 0, h.length == 8
	case http2.FrameGoAway:
		place = h.stream == 0
	case http2.FrameWindowUpdate:
		size = h.length == 4
	case http2.FramePushPromise:
		place = false // no client sends it
	}
	if !size || h.length > frameLimit {
		return http2.ConnectionError(http2.ErrCodeFrameSize)
	}
	if !place {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// peek waits for n bytes. Whatever is to be sent is sent before.
func (c *conn) peek(n int) ([]byte, error) {
	if c.r.Buffered() >= n {
		return c.r.Peek(n)
	}
	if err := c.out.flush(); err != nil {
		return nil, err
	}
	return c.r.Peek(n)
}

// peekFrame waits for a frame, which stays in the buffer.
func (c *conn) peekFrame() (frameHeader, []byte, error) {
	b, err := c.peek(frameHead)
	if err != nil {
		return frameHeader{}, nil, err
	}
	h := parseHead(b)
	if err := h.check(); err != nil {
		return h, nil, err
	}
	if c.block != nil && h.typ != http2.FrameContinuation {
		return h, nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	b, err = c.peek(frameHead + h.length)
	if err != nil {
		return h, nil, err
	}
	return h, b[frameHead:], nil
}

// frame reads one frame and acts on it.
func (c *conn) frame(b *batch) error {
	h, payload, err := c.peekFrame()
	if err != nil {
		return err
	}
	if err := c.credit.spend(h.cost(), c.member.Load()); err != nil {
		return err
	}
	switch h.typ {
	case http2.FrameData:
		err = c.onData(h, payload, b)
	case http2.FrameHeaders, http2.FrameContinuation:
		var call *header
		if call, err = c.onHeaders(h, payload); call != nil && err == nil {
			err = c.onCall(h, call, b)
		}
	case http2.FrameRSTStream:
		err = c.onReset(h, b)
	case http2.FrameSettings:
		if !h.flags.Has(http2.FlagSettingsAck) {
			err = c.onSettings(payload)
			c.out.settingsAck()
			if !c.out.canAnswer() {
				c.mixed()
			}
		}
	case http2.FramePing:
		c.onPing(h, payload)
	case http2.FrameWindowUpdate:
		err = c.onWindowUpdate(h, payload)
	} // PRIORITY, GOAWAY and unknown types change nothing
	c.r.Discard(frameHead + h.length)
	return err
}

// unpad takes a frame's padding away.
func unpad(h frameHeader, payload []byte) ([]byte, error) {
	if !h.flags.Has(http2.FlagDataPadded) {
		return payload, nil
	}
	if len(payload) == 0 || int(payload[0]) >= len(payload) {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return payload[1 : len(payload)-int(payload[0])], nil
}

// onHeaders decodes a header block, which may come in several frames. The call is nil until
// the last has come. Its END_STREAM is in blockOf.
func (c *conn) onHeaders(h frameHeader, payload []byte) (call *header, err error) {
	switch {
	case h.typ == http2.FrameContinuation && (c.block == nil || h.stream != c.blockOf.stream):
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	case h.typ == http2.FrameHeaders:
		if h.stream%2 == 0 {
			return nil, http2.ConnectionError(http2.ErrCodeProtocol)
		}
		if payload, err = unpad(h, payload); err != nil {
			return nil, err
		}
		if h.flags.Has(http2.FlagHeadersPriority) {
			if len(payload) < 5 {
				return nil, http2.ConnectionError(http2.ErrCodeFrameSize)
			}
			payload = payload[5:]
		}
		c.blockOf = h
	}
	if len(c.block)+len(payload) > blockLimit {
		return nil, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if !h.flags.Has(http2.FlagHeadersEndHeaders) {
		if c.block == nil {
			c.block = make([]byte, 0, frameLimit) // not nil, whatever comes
		}
		c.block = append(c.block, payload...)
		return nil, nil
	}
	if c.block != nil {
		payload, c.block = append(c.block, payload...), nil
	}
	c.head = header{}
	if _, err := c.dec.Write(payload); err != nil {
		return nil, http2.ConnectionError(http2.ErrCodeCompression)
	}
	if err := c.dec.Close(); err != nil {
		return nil, http2.ConnectionError(http2.ErrCodeCompression)
	}
	// A few bytes may stand for very many.
	return &c.head, c.credit.spend(c.head.size/listUnit, c.member.Load())
}

// onCall acts on a header block: of a new call, or of one whose message is complete.
func (c *conn) onCall(h frameHeader, call *header, b *batch) error {
	if s := c.streams[h.stream]; s != nil { // trailers
		if !c.blockOf.flags.Has(http2.FlagHeadersEndStream) {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		c.complete(s, s.message, b)
		return nil
	}
	switch {
	case h.stream <= c.lastID && call.post: // not trailers
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case h.stream <= c.lastID || c.goodbye == fixed:
		return nil // refused or reset before, or the peer will hear that it comes too late
	case !call.ours() && !call.large():
		c.mixed()
		return nil
	}
	return c.open(h, call, b)
}

// mixed is called when the peer wants what only the gRPC server can do.
func (c *conn) mixed() {
	c.srv.mixes(c.nc.RemoteAddr())
	c.fix()
}

// open begins a call.
func (c *conn) open(h frameHeader, call *header, b *batch) error {
	c.lastID = h.stream
	if call.large() {
		c.credit.bad.Add(1)
		c.out.reset(h.stream, http2.ErrCodeFrameSize)
		return nil
	}
	open := len(c.streams) + int(c.out.unanswered.Load())
	if b != nil {
		open += len(b.calls)
	}
	if open >= int(c.srv.opts.MaxStreams) {
		c.credit.bad.Add(1)
		c.out.reset(h.stream, http2.ErrCodeRefusedStream)
		return nil
	}
	if c.blockOf.flags.Has(http2.FlagHeadersEndStream) {
		c.refuse(h.stream, status.New(codes.Internal, "the call has no message"), false)
		return nil
	}
	s := new(stream)
	if n := len(c.spare); n > 0 {
		s, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	s.id = h.stream
	c.streams[h.stream] = s
	return nil
}

// onData adds to a message.
func (c *conn) onData(h frameHeader, payload []byte, b *batch) (err error) {
	c.consumed += uint32(h.length)
	if c.consumed >= c.srv.opts.ConnWindow/4 {
		c.out.windowUpdate(0, c.consumed)
		c.consumed = 0
	}
	s := c.streams[h.stream]
	if s == nil {
		return c.begun(h) // refused or reset
	}
	if payload, err = unpad(h, payload); err != nil {
		return err
	}
	if h.flags.Has(http2.FlagDataEndStream) {
		if len(s.message) == 0 {
			n := len(b.arena)
			b.arena = append(b.arena, payload...)
			c.complete(s, b.arena[n:], b)
			return nil
		}
		c.complete(s, s.add(payload), b)
		return nil
	}
	if p := s.part; p != nil {
		p.claim.got.Add(int64(len(payload)))
		if !p.open.Load() && len(s.message)+len(payload) > prefix+firstWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl) // it does not keep to its window
		}
	}
	if s.consumed += uint32(h.length); s.consumed >= c.srv.opts.StreamWindow/4 {
		c.out.windowUpdate(s.id, s.consumed)
		s.consumed = 0
	}
	if s.message = s.add(payload); len(s.message) < prefix {
		return nil
	}
	if st := c.check(s.message); st != nil {
		c.refuse(s.id, st, true)
		c.release(s)
	} else if s.part == nil {
		c.begins(s)
	}
	return nil
}

// begun refuses a frame of a stream that the peer has not begun.
func (c *conn) begun(h frameHeader) error {
	if h.stream%2 == 0 || h.stream > c.lastID && c.goodbye != fixed {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

func messageLength(b []byte) int { return int(binary.BigEndian.Uint32(b[1:])) }

// check looks at what has come of a message, its prefix at least.
func (c *conn) check(b []byte) *status.Status {
	switch n := messageLength(b); {
	case b[0] != 0:
		return status.New(codes.Internal, "the message is compressed, but grpc-encoding names no compressor")
	case n > c.srv.opts.MaxMessage:
		// TiDB looks for this text.
		return status.Newf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", n, c.srv.opts.MaxMessage)
	case len(b) > prefix+n:
		return status.New(codes.Internal, "more than one message came in a call that has one")
	}
	return nil
}

// complete takes a call whose message has come in full.
func (c *conn) complete(s *stream, message []byte, b *batch) {
	id := s.id
	held := s.part.whole()
	c.release(s)
	st := status.New(codes.Internal, fmt.Sprintf("the call ends after %d bytes of its message", len(message)))
	if len(message) >= prefix {
		if bad := c.check(message); bad != nil {
			st = bad
		} else if len(message) == prefix+messageLength(message) {
			cluster, payload, err := binlogpb.ParseWriteReq(message[prefix:])
			if err == nil {
				b.calls = append(b.calls, Call{ClusterID: cluster, Payload: payload, stream: id, claim: held})
				return
			}
			st = status.New(codes.Internal, err.Error())
		}
	}
	held.end()
	c.refuse(id, st, false)
}

// refuse answers a call that cannot be accepted; see [writer.refuse].
func (c *conn) refuse(stream uint32, st *status.Status, reset bool) {
	c.credit.bad.Add(1)
	c.out.refuse(stream, st, reset)
}

// release ends the reading of a stream.
func (c *conn) release(s *stream) {
	delete(c.streams, s.id)
	s.part.end()
	*s = stream{}
	if len(c.spare) < 128 {
		c.spare = append(c.spare, s)
	}
}

// onReset gives up a call. One that has come in full is stored, but not answered.
func (c *conn) onReset(h frameHeader, b *batch) error {
	if s := c.streams[h.stream]; s != nil {
		c.release(s)
		return nil
	}
	for i := range b.calls {
		if b.calls[i].stream == h.stream {
			b.calls[i].stream = 0
			return nil
		}
	}
	c.out.giveUp(h.stream)
	return c.begun(h)
}

func (c *conn) onSettings(payload []byte) error {
	for ; len(payload) > 0; payload = payload[6:] {
		s := http2.Setting{ID: http2.SettingID(binary.BigEndian.Uint16(payload)), Val: binary.BigEndian.Uint32(payload[2:])}
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingInitialWindowSize:
			c.out.streamWindow = s.Val
		case http2.SettingHeaderTableSize:
			c.out.tableSize(s.Val)
		}
	}
	return nil
}

// lastPing is what the ping of a graceful end carries.
var lastPing = [8]byte{'g', 'o', 'o', 'd', 'b', 'y', 'e'}

func (c *conn) onPing(h frameHeader, payload []byte) {
	switch {
	case !h.flags.Has(http2.FlagPingAck):
		c.out.pong(payload)
	case c.goodbye == announced && [8]byte(payload) == lastPing:
		c.sayGoodbye()
	}
}

func (c *conn) onWindowUpdate(h frameHeader, payload []byte) error {
	if h.stream != 0 {
		return c.begun(h) // a stream's answer fits into any window it can have
	}
	return c.out.grant(binary.BigEndian.Uint32(payload) &^ (1 << 31))
}

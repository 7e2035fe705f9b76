package wire

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"sync"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/klauspost/compress/zstd"

	"pumphouse/server/engine"
)

// The compressed protocol: after the login both sides put what they would send into frames of
//
//	0  3  bytes of the frame's content
//	3  1  number of the frame within the command
//	4  3  bytes of the content when it is decompressed; 0: it is not compressed
//	7     the content
//
// It is zlib or, for clients that offer only that, zstd. Contents are decompressed as they are
// read, with zlib's window of 32 KiB. Windows of zstd are what the client likes, up to the whole; so
// such a content is decompressed at once, and may have 1 MiB at most: what is larger needs zlib.

const (
	frameHeaderSize = 7
	minCompressed   = 50       // shorter contents are sent as they are, as MySQL does
	maxZstd         = 1 << 20  // of a client's zstd content, in bytes
	maxWindow       = 8 << 20  // that it may declare; one content is decompressed at a time
	zlibBytes       = 48 << 10 // that a decompressor takes as long as the connection lives
	zstdWindow      = 64 << 10 // of ours: a result is sent in pieces of this size
)

// compression reads and writes frames for one connection.
type compression struct {
	raw    *rawReader
	write  func([]byte) (int, error)
	shared *Shared
	zstd   bool

	seq   byte             // number of the next frame
	frame io.LimitedReader // what is left of the frame that is being read
	body  io.Reader        // its content decompressed
	left  int              // bytes of that still to come
	zlib  io.ReadCloser

	take func(bytes int64) error // asked for memory
	held int64                   // bytes that body takes, of zstd
}

// rawReader keeps the error of the socket, which a decompressor would rename.
type rawReader struct {
	read  func([]byte) (int, error)
	early []byte // comes first
	err   error
}

func (r *rawReader) Read(p []byte) (int, error) {
	if len(r.early) > 0 {
		n := copy(p, r.early)
		r.early = r.early[n:]
		return n, nil
	}
	n, err := r.read(p)
	if err != nil {
		r.err = err
	}
	return n, err
}

// StartCompression begins the compressed protocol if client and server agreed on it: with the
// first packet after the login.
func (c *Conn) StartCompression() {
	if c.caps&(mysql.CLIENT_COMPRESS|mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM) == 0 {
		return
	}
	early := append([]byte(nil), c.buf[c.rpos:c.rend]...) // frames of a client that did not wait
	c.rpos, c.rend = 0, 0
	c.compressed = &compression{
		raw: &rawReader{read: c.readRaw, early: early}, write: c.nc.Write, shared: c.shared,
		zstd: c.caps&mysql.CLIENT_COMPRESS == 0,
		take: func(bytes int64) error {
			if c.take == nil {
				return nil
			}
			return c.take(bytes)
		},
	}
}

// Read gives decompressed bytes.
func (c *compression) Read(p []byte) (int, error) {
	for c.left == 0 {
		if err := c.nextFrame(); err != nil {
			return 0, err
		}
	}
	n, err := c.body.Read(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 && c.held > 0 {
		_ = c.take(-c.held) // giving back does not fail
		c.body, c.held = nil, 0
	}
	if n > 0 || err == nil {
		return n, nil
	}
	return 0, c.failed(err)
}

// nextFrame reads a frame's header and makes its content ready.
func (c *compression) nextFrame() error {
	// A decompressor may leave its trailer unread.
	if _, err := io.Copy(io.Discard, &c.frame); err != nil {
		return err
	}
	var h [frameHeaderSize]byte
	if _, err := io.ReadFull(c.raw, h[:]); err != nil {
		return err
	}
	if h[3] != c.seq {
		return errOutOfOrder()
	}
	c.seq++
	size := int64(h[0]) | int64(h[1])<<8 | int64(h[2])<<16
	c.frame = io.LimitedReader{R: c.raw, N: size}
	if c.left = int(h[4]) | int(h[5])<<8 | int(h[6])<<16; c.left == 0 {
		c.left, c.body = int(size), &c.frame
		return nil
	}
	if err := c.decompress(); err != nil {
		return c.failed(err)
	}
	return nil
}

// decompress begins to decompress the frame.
func (c *compression) decompress() (err error) {
	switch {
	case c.zstd:
		return c.decompressZstd()
	case c.zlib == nil:
		if err = c.take(zlibBytes); err != nil {
			return err
		}
		c.zlib, err = zlib.NewReader(&c.frame)
	default:
		err = c.zlib.(zlib.Resetter).Reset(&c.frame, nil)
	}
	c.body = c.zlib
	return err
}

func (c *compression) decompressZstd() error {
	if c.left > maxZstd || c.frame.N > maxZstd {
		return errTooLarge()
	}
	held := c.frame.N + int64(c.left)
	if err := c.take(held); err != nil {
		return err
	}
	c.held = held
	packed, err := io.ReadAll(&c.frame)
	if err != nil {
		return err
	}
	content, err := c.shared.zstdDecoder().DecodeAll(packed, nil)
	if err != nil {
		return err
	}
	if len(content) != c.left {
		return errMalformed()
	}
	c.body = bytes.NewReader(content)
	return nil
}

// failed says why a content could not be read: the socket's error, or the content is not what
// its header says.
func (c *compression) failed(err error) error {
	var known *engine.Error
	switch {
	case c.raw.err != nil:
		return c.raw.err
	case errors.As(err, &known):
		return known
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return errTooLarge()
	}
	return errMalformed()
}

// Write sends packets in as many frames as they take.
func (c *compression) Write(b []byte) (sent int, err error) {
	for len(b) > 0 && err == nil {
		n := min(len(b), mysql.MaxPayloadLen)
		var size int
		size, err = c.writeFrame(b[:n])
		sent += size
		b = b[n:]
	}
	return sent, err
}

func (c *compression) writeFrame(content []byte) (int, error) {
	pooled := c.shared.frame()
	defer c.shared.frames.Put(pooled)
	pooled.Reset()
	pooled.Write(make([]byte, frameHeaderSize))
	plain := 0
	if len(content) >= minCompressed {
		c.compress(pooled, content)
		plain = len(content)
	}
	if plain == 0 || pooled.Len() >= len(content)+frameHeaderSize {
		pooled.Truncate(frameHeaderSize)
		pooled.Write(content)
		plain = 0
	}
	b := pooled.Bytes()
	size := len(b) - frameHeaderSize
	copy(b, []byte{byte(size), byte(size >> 8), byte(size >> 16), c.seq, byte(plain), byte(plain >> 8), byte(plain >> 16)})
	c.seq++
	return c.write(b)
}

// compress appends the compressed content. Neither algorithm fails on a buffer.
func (c *compression) compress(to *frameBuffer, content []byte) {
	if c.zstd {
		to.Write(c.shared.zstdEncoder().EncodeAll(content, to.AvailableBuffer()))
		return
	}
	if to.zlib == nil {
		to.zlib = zlib.NewWriter(&to.Buffer)
	} else {
		to.zlib.Reset(&to.Buffer)
	}
	_, _ = to.zlib.Write(content)
	_ = to.zlib.Close()
}

// frameBuffer is where a frame is made. Those of a server are shared, because the state of a
// compressor is large and is needed for a moment only.
type frameBuffer struct {
	bytes.Buffer
	zlib *zlib.Writer
}

// compressors are what the connections of a server share.
type compressors struct {
	frames sync.Pool // of *frameBuffer
	once   sync.Once // for zenc and zdec
	zenc   *zstd.Encoder
	zdec   *zstd.Decoder
}

func (s *compressors) frame() *frameBuffer {
	if b, ok := s.frames.Get().(*frameBuffer); ok && b.Cap() <= 2*keepWriteBuffer {
		return b
	}
	return new(frameBuffer)
}

func (s *compressors) zstdEncoder() *zstd.Encoder {
	s.once.Do(s.openZstd)
	return s.zenc
}

func (s *compressors) zstdDecoder() *zstd.Decoder {
	s.once.Do(s.openZstd)
	return s.zdec
}

// openZstd makes both; they run no goroutines and one serves all connections.
func (s *compressors) openZstd() {
	var encoder, decoder error
	s.zenc, encoder = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow))
	s.zdec, decoder = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow))
	if err := errors.Join(encoder, decoder); err != nil {
		panic(err) // the options are constants
	}
}

package wire

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/klauspost/compress/zstd"

	"pumphouse/server/engine"
)

// algorithms are the capabilities that choose one.
var algorithms = map[string]uint32{"zlib": mysql.CLIENT_COMPRESS, "zstd": mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM}

// frame is a frame as a client makes it; plain leaves the content as it is.
func frame(t testing.TB, algorithm string, seq byte, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	size := len(content)
	switch algorithm {
	case "zlib":
		w := zlib.NewWriter(&out)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		w.Close()
	case "zstd":
		w, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		w.Close()
	default:
		out.Write(content)
		size = 0
	}
	n := out.Len()
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq, byte(size), byte(size >> 8), byte(size >> 16)}, out.Bytes()...)
}

// unframe takes frames apart as a client does.
func unframe(t testing.TB, algorithm string, b []byte) (content []byte) {
	t.Helper()
	for seq := byte(0); len(b) > 0; seq++ {
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		size := int(b[4]) | int(b[5])<<8 | int(b[6])<<16
		if b[3] != seq {
			t.Fatalf("frame %d has number %d", seq, b[3])
		}
		part := b[frameHeaderSize : frameHeaderSize+n]
		b = b[frameHeaderSize+n:]
		var r io.Reader = bytes.NewReader(part)
		var err error
		switch {
		case size == 0:
		case algorithm == "zlib":
			r, err = zlib.NewReader(r)
		default:
			r, err = zstd.NewReader(r)
		}
		if err == nil {
			part, err = io.ReadAll(r)
		}
		if err != nil || size > 0 && len(part) != size {
			t.Fatalf("frame %d: %d bytes, its header says %d: %v", seq, len(part), size, err)
		}
		content = append(content, part...)
	}
	return content
}

// compressedConn is a connection after the login, to which a client sends in.
func compressedConn(algorithm string, in []byte, limit int) (*Conn, *feed) {
	c, f := connOn(in, limit)
	c.caps = algorithms[algorithm]
	c.StartCompression()
	return c, f
}

func TestCompressedPacketsOfAllSizesGoBothWays(t *testing.T) {
	for name := range algorithms {
		for _, n := range []int{0, 1, 49, 50, 4092, 4097, 100_000, mysql.MaxPayloadLen, mysql.MaxPayloadLen + 1} {
			payload := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
			content := packets(0, payload)
			incoming := name
			if n > maxZstd && name == "zstd" {
				incoming = "" // as it is
			}
			var stream []byte
			seq := byte(0)
			for part := content; len(part) > 0; seq++ {
				cut := min(len(part), mysql.MaxPayloadLen)
				stream = append(stream, frame(t, incoming, seq, part[:cut])...)
				part = part[cut:]
			}
			stream = append(stream, frame(t, "", 0, packets(0, []byte("next")))...)
			c, f := compressedConn(name, stream, 64<<20)
			got, err := c.ReadPacket()
			if err != nil || !bytes.Equal(got, payload) {
				t.Fatalf("%s, %d bytes: read %d, error %v", name, n, len(got), err)
			}
			c.StartCommand()
			if got, err := c.ReadPacket(); err != nil || string(got) != "next" {
				t.Fatalf("%s, after %d bytes: %q, error %v", name, n, got, err)
			}
			c.StartCommand()
			at := c.begin()
			c.out = append(c.out, payload...)
			c.end(at)
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			if got := unframe(t, name, f.out.Bytes()); !bytes.Equal(got, packets(0, payload)) {
				t.Errorf("%s: %d bytes are written wrongly", name, n)
			}
			if n > 1000 && f.out.Len() > n/10 {
				t.Errorf("%s: %d bytes that repeat themselves take %d", name, n, f.out.Len())
			}
		}
	}
}

// TestBadFramesEndTheConnection: whatever a frame claims, it is an error of the protocol, and no
// memory is taken for what does not come.
func TestBadFramesEndTheConnection(t *testing.T) {
	for name := range algorithms {
		good := frame(t, name, 0, packets(0, bytes.Repeat([]byte("x"), 200)))
		for what, change := range map[string]func([]byte) []byte{
			"wrong number":         func(b []byte) []byte { b[3] = 5; return b },
			"more than there is":   func(b []byte) []byte { b[5], b[6] = 0xff, 0xff; return b },
			"garbage":              func(b []byte) []byte { copy(b[7:], "garbage!"); return b },
			"damaged in the midst": func(b []byte) []byte { clear(b[len(b)-8:]); return b },
		} {
			c, _ := compressedConn(name, change(bytes.Clone(good)), 1<<20)
			_, err := c.ReadPacket()
			if err == nil { // a checksum may come after all that was asked for
				_, err = c.ReadPacket()
			}
			var e *engine.Error
			if !errors.As(err, &e) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		c, _ := compressedConn(name, good[:len(good)-3], 1<<20)
		if p, err := c.ReadPacket(); err == nil && name == "zstd" {
			t.Errorf("%s, cut short: read %d bytes", name, len(p))
		}
		bomb := frame(t, name, 0, append([]byte{0xff, 0xff, 0xff, 0}, make([]byte, 8<<20)...))
		c, _ = compressedConn(name, bomb, 1<<20)
		var e *engine.Error
		if _, err := c.ReadPacket(); !errors.As(err, &e) || e.Code != mysql.ER_NET_PACKET_TOO_LARGE {
			t.Errorf("%s, a packet above the limit: %v", name, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	for name := range algorithms {
		f.Add(name == "zstd", frame(f, name, 0, packets(0, []byte("\x03SELECT 1"))))
	}
	f.Add(false, []byte("\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0e"))
	f.Fuzz(func(t *testing.T, isZstd bool, in []byte) {
		name := "zlib"
		if isZstd {
			name = "zstd"
		}
		c, _ := compressedConn(name, in, 1<<16)
		for {
			if _, err := c.ReadPacket(); err != nil {
				return
			}
			c.StartCommand()
		}
	})
}

// TestDecompressedBytesAreTaken: what a frame is decompressed to is asked for first, and given back
// when it has been read.
func TestDecompressedBytesAreTaken(t *testing.T) {
	for name, caps := range algorithms {
		var held, most int64
		refuse := false
		content := bytes.Repeat([]byte("x"), maxZstd)
		first := frame(t, name, 0, content)
		in := bytes.NewReader(first)
		c := &compression{zstd: caps == mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM, shared: new(Shared),
			raw: &rawReader{read: in.Read},
			take: func(n int64) error {
				if refuse && n > 0 {
					return errTooLarge()
				}
				held += n
				most = max(most, held)
				return nil
			}}
		got := make([]byte, len(content))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s: %v", name, err)
		}
		want := map[string][2]int64{"zlib": {zlibBytes, zlibBytes}, "zstd": {0, int64(len(content) + len(first) - frameHeaderSize)}}[name]
		if held != want[0] || most != want[1] {
			t.Errorf("%s: %d bytes held, %d at most, want %v", name, held, most, want)
		}
		refuse = true
		in.Reset(frame(t, name, 1, content))
		if _, err := io.ReadFull(c, got); name == "zstd" && err == nil {
			t.Error("zstd: memory is taken that was refused")
		}
	}
}

package wire

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/engine"
)

// feed is a socket that gives these bytes, then ends, and takes what is written.
type feed struct {
	net.Conn
	in     *bytes.Reader
	out    bytes.Buffer
	writes int
}

func (f *feed) Read(p []byte) (int, error)       { return f.in.Read(p) }
func (f *feed) Write(p []byte) (int, error)      { f.writes++; return f.out.Write(p) }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

func connOn(in []byte, limit int) (*Conn, *feed) {
	f := &feed{in: bytes.NewReader(in)}
	return NewConn(f, limit, time.Second, new(Shared)), f
}

// packets cuts a payload as the protocol wants it.
func packets(seq byte, payload []byte) []byte {
	var out []byte
	for {
		n := min(len(payload), mysql.MaxPayloadLen)
		out = append(out, byte(n), byte(n>>8), byte(n>>16), seq)
		out = append(out, payload[:n]...)
		payload = payload[n:]
		seq++
		if n < mysql.MaxPayloadLen {
			return out
		}
	}
}

func TestPacketsOfAllSizesGoBothWays(t *testing.T) {
	for _, n := range []int{0, 1, 4091, 4092, 4093, 4096, 4097, 65536, 100_000, mysql.MaxPayloadLen - 1, mysql.MaxPayloadLen, mysql.MaxPayloadLen + 1, 2 * mysql.MaxPayloadLen} {
		payload := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
		stream := append(packets(0, payload), packets(byte(n/mysql.MaxPayloadLen)+1, []byte("next"))...)
		c, f := connOn(stream, 64<<20)
		got, err := c.ReadPacket()
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes: read %d, error %v", n, len(got), err)
		}
		if got, err := c.ReadPacket(); err != nil || string(got) != "next" {
			t.Fatalf("after %d bytes: %q, error %v", n, got, err)
		}
		c.StartCommand()
		at := c.begin()
		c.out = append(c.out, payload...)
		c.end(at)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.out.Bytes(), packets(0, payload)) {
			t.Errorf("%d bytes are written wrongly", n)
		}
	}
}

func TestLimitCountsContinuations(t *testing.T) {
	stream := packets(0, make([]byte, mysql.MaxPayloadLen+100))
	c, _ := connOn(stream, mysql.MaxPayloadLen+99)
	_, err := c.ReadPacket()
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != mysql.ER_NET_PACKET_TOO_LARGE {
		t.Errorf("got %v", err)
	}
}

func TestStreamsThatStop(t *testing.T) {
	whole := packets(0, bytes.Repeat([]byte("x"), 10_000))
	for cut, want := range map[int]error{0: io.EOF, 2: io.ErrUnexpectedEOF, 500: io.ErrUnexpectedEOF, 9_999: io.ErrUnexpectedEOF} {
		c, _ := connOn(whole[:cut], 1<<20)
		if _, err := c.ReadPacket(); !errors.Is(err, want) {
			t.Errorf("cut at %d: %v, want %v", cut, err, want)
		}
	}
}

func TestOneAnswerIsOneWrite(t *testing.T) {
	c, f := connOn(nil, 1<<20)
	cols, row := sampleRow()
	c.WriteColumns(cols, 2, 0)
	for range 100 {
		if err := c.WriteTextRow(cols, row); err != nil {
			t.Fatal(err)
		}
	}
	c.WriteEnd(2, 0)
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if f.writes != 1 {
		t.Errorf("%d writes", f.writes)
	}
	if err := c.Flush(); err != nil || f.writes != 1 {
		t.Errorf("an empty flush wrote; error %v", err)
	}
}

func TestAbandonDropsTheUnfinishedPacketOnly(t *testing.T) {
	c, f := connOn(nil, 1<<20)
	c.WriteText("whole")
	c.begin()
	c.out = append(c.out, "half"...)
	c.Abandon()
	c.WriteText("end")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := append(packets(0, []byte("whole")), packets(1, []byte("end"))...); !bytes.Equal(f.out.Bytes(), want) {
		t.Errorf("got %q", f.out.Bytes())
	}
}

func sampleRow() ([]engine.Column, []engine.Value) {
	cols := []engine.Column{
		{Name: "s", Type: mysql.MYSQL_TYPE_VAR_STRING, Charset: 45},
		{Name: "i", Type: mysql.MYSQL_TYPE_LONGLONG, Charset: 63},
		{Name: "f", Type: mysql.MYSQL_TYPE_DOUBLE, Charset: 63},
		{Name: "t", Type: mysql.MYSQL_TYPE_DATETIME, Charset: 63},
		{Name: "n", Type: mysql.MYSQL_TYPE_VAR_STRING, Charset: 45},
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return cols, []engine.Value{engine.String("pump1"), engine.Int(408553768673342237), engine.Float(2.5), engine.Datetime(at, 0), engine.Null()}
}

func TestRowsDoNotAllocate(t *testing.T) {
	cols, row := sampleRow()
	for name, write := range map[string]func(*Conn, []engine.Column, []engine.Value) error{
		"text": (*Conn).WriteTextRow, "binary": (*Conn).WriteBinaryRow,
	} {
		c, _ := connOn(nil, 1<<20)
		c.begin()
		c.out = make([]byte, 0, 1<<20)
		if n := testing.AllocsPerRun(100, func() {
			c.out = c.out[:0]
			_ = write(c, cols, row)
		}); n != 0 {
			t.Errorf("%s: %v allocations a row", name, n)
		}
	}
}

// FuzzReadPacket reads any stream of bytes: no panic, and never more than the limit.
func FuzzReadPacket(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 'x'})
	f.Add([]byte{0xff, 0xff, 0xff, 0, 'x'})
	f.Add(packets(0, make([]byte, 9000)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 10_000
		c, _ := connOn(stream, limit)
		c.SetQuota(1 << 20)
		for {
			p, err := c.ReadPacket()
			if err != nil {
				return
			}
			if len(p) > limit {
				t.Fatalf("%d bytes", len(p))
			}
		}
	})
}

// FuzzHandshake logs in with any bytes, in every form of authentication.
func FuzzHandshake(f *testing.F) {
	hash, err := HashPassword(CachingSha2, "x")
	if err != nil {
		f.Fatal(err)
	}
	sha2, err := ParseCredential(hash)
	if err != nil {
		f.Fatal(err)
	}
	key, err := NewRSAKey()
	if err != nil {
		f.Fatal(err)
	}
	response := append([]byte{0x8d, 0xa6, 0xff, 0x01, 0, 0, 0, 1, 45}, make([]byte, 23)...)
	response = append(response, "root\x00\x14aaaaaaaaaaaaaaaaaaaadb\x00caching_sha2_password\x00\x04\x01a\x01b"...)
	f.Add(packets(1, response), true)
	f.Add(append(packets(1, response), packets(3, []byte{2})...), true)
	f.Add(append(packets(1, response), packets(3, []byte("12345678901234567890"))...), false)
	f.Fuzz(func(t *testing.T, stream []byte, useSha2 bool) {
		c, _ := connOn(stream, 64<<10)
		l, err := c.Handshake(Greeting{Version: "8", ConnID: 1, Plugin: CachingSha2})
		if err != nil {
			return
		}
		cred := DummyCredential(NativePassword, [32]byte{})
		if useSha2 {
			cred = sha2
		}
		opts := AuthOptions{Key: func() (*rsa.PrivateKey, error) { return key, nil }}
		if v, err := c.Authenticate(l, cred, opts); err == nil && v.OK && !v.Password {
			t.Fatal("in without a password")
		}
		if again, err := c.ParseChangeUser(stream, l); err == nil {
			_, _ = c.Authenticate(again, cred, opts)
		}
	})
}

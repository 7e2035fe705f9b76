package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// rawClient sends bytes, well-formed or not, and looks at the bytes that come back.
type rawClient struct {
	t        *testing.T
	nc       net.Conn
	scramble []byte
	plugin   string
}

func dialRaw(t *testing.T, h *house) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return greeted(t, nc)
}

// greeted is a client on a connection, when the server has greeted it.
func greeted(t *testing.T, nc net.Conn) *rawClient {
	t.Helper()
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	c := &rawClient{t: t, nc: nc}
	greeting := c.read()
	i := bytes.IndexByte(greeting, 0) + 1 + 4 // protocol, version, connection ID
	c.scramble = append(c.scramble, greeting[i:i+8]...)
	rest := greeting[i+8+1+2+1+2+2+1+10:]
	c.scramble = append(c.scramble, rest[:12]...)
	c.plugin = string(bytes.TrimRight(rest[13:], "\x00"))
	return c
}

func (c *rawClient) send(seq byte, payload string) {
	c.t.Helper()
	n := len(payload)
	packet := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, payload...)
	if _, err := c.nc.Write(packet); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) read() []byte {
	c.t.Helper()
	p, err := c.tryRead()
	if err != nil {
		c.t.Fatalf("read a packet: %v", err)
	}
	return p
}

func (c *rawClient) tryRead() ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(c.nc, header[:]); err != nil {
		return nil, err
	}
	p := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	_, err := io.ReadFull(c.nc, p)
	return p, err
}

const rawCaps = gomysql.CLIENT_PROTOCOL_41 | gomysql.CLIENT_SECURE_CONNECTION | gomysql.CLIENT_PLUGIN_AUTH

// response is a handshake response with that reply.
func response(caps uint32, user, reply, plugin string) string {
	b := binary.LittleEndian.AppendUint32(nil, caps)
	b = append(b, 0, 0, 0, 1, 45)
	b = append(b, make([]byte, 23)...)
	b = append(append(b, user...), 0)
	b = append(append(b, byte(len(reply))), reply...)
	if caps&gomysql.CLIENT_PLUGIN_AUTH != 0 {
		b = append(append(b, plugin...), 0)
	}
	return string(b)
}

// login logs in without a password.
func (c *rawClient) login(user string) {
	c.t.Helper()
	c.send(1, response(rawCaps, user, "", c.plugin))
	if p := c.read(); p[0] != gomysql.OK_HEADER {
		c.t.Fatalf("login: %q", p)
	}
}

func (c *rawClient) expectClosed() {
	c.t.Helper()
	for {
		p, err := c.tryRead()
		if err == nil {
			c.t.Logf("before the end: %q", p)
			continue
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.t.Fatal("the server keeps the connection open")
		}
		return
	}
}

// expectError reads an ERR packet with that number.
func (c *rawClient) expectError(code uint16) []byte {
	c.t.Helper()
	p := c.read()
	if p[0] != gomysql.ERR_HEADER || binary.LittleEndian.Uint16(p[1:]) != code {
		c.t.Fatalf("got %q, want error %d", p, code)
	}
	return p
}

func (c *rawClient) expectOK() []byte {
	c.t.Helper()
	p := c.read()
	if p[0] != gomysql.OK_HEADER {
		c.t.Fatalf("got %q, want OK", p)
	}
	return p
}

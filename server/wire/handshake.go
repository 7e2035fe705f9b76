package wire

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// scrambleSize is the length of the random bytes a password is hashed with.
const scrambleSize = 20

// offered are the capabilities of this server; CLIENT_SSL is added when it can do TLS.
const offered = mysql.CLIENT_LONG_PASSWORD | mysql.CLIENT_FOUND_ROWS | mysql.CLIENT_LONG_FLAG |
	mysql.CLIENT_CONNECT_WITH_DB | mysql.CLIENT_IGNORE_SPACE | mysql.CLIENT_PROTOCOL_41 |
	mysql.CLIENT_INTERACTIVE | mysql.CLIENT_TRANSACTIONS | mysql.CLIENT_SECURE_CONNECTION |
	mysql.CLIENT_MULTI_STATEMENTS | mysql.CLIENT_MULTI_RESULTS | mysql.CLIENT_PS_MULTI_RESULTS |
	mysql.CLIENT_PLUGIN_AUTH | mysql.CLIENT_CONNECT_ATTRS |
	mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA | mysql.CLIENT_DEPRECATE_EOF |
	mysql.CLIENT_COMPRESS | mysql.CLIENT_ZSTD_COMPRESSION_ALGORITHM

// Greeting is what the server says first.
type Greeting struct {
	Version string
	ConnID  uint32
	Plugin  string      // authentication plugin the client should try first
	TLS     *tls.Config // nil: no TLS
}

// Login is what a client says to get in, at the start or with COM_CHANGE_USER.
type Login struct {
	User      string
	Database  string
	Collation uint16
	TLS       bool

	plugin   string // the plugin that made reply
	reply    []byte
	scramble []byte // what reply was made with; nil: not to be trusted, ask again
}

// Handshake greets the client, upgrades to TLS if the client asks for it, and reads
// who it is. Nothing is decided yet: [Conn.Authenticate] is next.
func (c *Conn) Handshake(g Greeting) (*Login, error) {
	scramble := newScramble()
	c.writeGreeting(g, scramble)
	if err := c.Flush(); err != nil {
		return nil, err
	}
	payload, err := c.ReadPacket()
	if err != nil {
		return nil, err
	}
	secure := false
	if g.TLS != nil && isSSLRequest(payload) {
		if err := c.startTLS(g.TLS); err != nil {
			return nil, err
		}
		secure = true
		if payload, err = c.ReadPacket(); err != nil {
			return nil, err
		}
	}
	login, caps, err := parseResponse(payload)
	if err != nil {
		return nil, err
	}
	c.caps = caps & offered
	login.TLS = secure
	login.scramble = scramble
	return login, nil
}

// newScramble gives 20 random bytes that are neither NUL, which would end them for some
// clients, nor above 127.
func newScramble() []byte {
	s := make([]byte, scrambleSize)
	_, _ = rand.Read(s) // never fails
	for i := range s {
		s[i] = s[i]%126 + 1
	}
	return s
}

// writeGreeting writes Protocol::HandshakeV10.
func (c *Conn) writeGreeting(g Greeting, scramble []byte) {
	caps := offered
	if g.TLS != nil {
		caps |= mysql.CLIENT_SSL
	}
	at := c.begin()
	c.out = append(c.out, mysql.ClassicProtocolVersion)
	c.out = append(append(c.out, g.Version...), 0)
	c.out = binary.LittleEndian.AppendUint32(c.out, g.ConnID)
	c.out = append(append(c.out, scramble[:8]...), 0)
	c.out = binary.LittleEndian.AppendUint16(c.out, uint16(caps&0xffff))
	c.out = append(c.out, byte(utf8mb4.id))
	c.out = binary.LittleEndian.AppendUint16(c.out, mysql.SERVER_STATUS_AUTOCOMMIT)
	c.out = binary.LittleEndian.AppendUint16(c.out, uint16(caps>>16))
	c.out = append(c.out, scrambleSize+1)
	c.out = append(c.out, make([]byte, 10)...)
	c.out = append(append(c.out, scramble[8:]...), 0)
	c.out = append(append(c.out, g.Plugin...), 0)
	c.end(at)
}

const sslRequestSize = 32

func isSSLRequest(payload []byte) bool {
	return len(payload) == sslRequestSize && binary.LittleEndian.Uint32(payload)&mysql.CLIENT_SSL != 0
}

// startTLS lets TLS take over the socket, bytes already read included: what a client
// (or someone between) sent in the clear after its request is never taken for protocol.
func (c *Conn) startTLS(config *tls.Config) error {
	early := append([]byte(nil), c.buf[c.rpos:c.rend]...)
	c.rpos, c.rend = 0, 0
	secured := tls.Server(&resumedConn{Conn: c.socket, early: early}, config)
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.nc = secured
	return nil
}

// TLS gives version and cipher suite as MySQL spells them ("TLSv1.3",
// "TLS_AES_128_GCM_SHA256"; suites of TLS 1.2 by their IANA names); "" without TLS.
func (c *Conn) TLS() (version, cipher string) {
	secured, ok := c.nc.(*tls.Conn)
	if !ok {
		return "", ""
	}
	state := secured.ConnectionState()
	return strings.Replace(tls.VersionName(state.Version), "TLS ", "TLSv", 1), tls.CipherSuiteName(state.CipherSuite)
}

// resumedConn gives bytes already read before it reads on.
type resumedConn struct {
	net.Conn
	early []byte
}

func (r *resumedConn) Read(p []byte) (int, error) {
	if len(r.early) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.early)
	if r.early = r.early[n:]; len(r.early) == 0 {
		r.early = nil
	}
	return n, nil
}

// parseResponse reads Protocol::HandshakeResponse41.
func parseResponse(payload []byte) (*Login, uint32, error) {
	c := newCursor(payload)
	low := c.u16()
	if c.ok && uint32(low)&mysql.CLIENT_PROTOCOL_41 == 0 {
		return nil, 0, errOldClient() // the protocol of MySQL 3.20 to 4.0
	}
	caps := uint32(low) | uint32(c.u16())<<16
	c.u32() // the client's own packet limit
	l := &Login{Collation: uint16(c.u8())}
	c.take(23)
	l.User = string(c.zeroTerminated())
	switch {
	case caps&mysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA != 0:
		l.reply = c.lenencBytes()
	case caps&mysql.CLIENT_SECURE_CONNECTION != 0:
		l.reply = c.take(uint64(c.u8()))
	default:
		l.reply = c.zeroTerminated()
	}
	if caps&mysql.CLIENT_CONNECT_WITH_DB != 0 && !c.empty() {
		l.Database = string(c.zeroOrEnd())
	}
	l.plugin = mysql.AUTH_NATIVE_PASSWORD
	if caps&mysql.CLIENT_PLUGIN_AUTH != 0 && !c.empty() {
		l.plugin = string(c.zeroOrEnd())
	}
	if caps&mysql.CLIENT_CONNECT_ATTRS != 0 && !c.empty() {
		c.skipAttributes()
	}
	if !c.ok {
		return nil, 0, errHandshake()
	}
	l.reply = append([]byte(nil), l.reply...)
	return l, caps, nil
}

// skipAttributes checks the bounds of the connection attributes; none is used.
func (c *cursor) skipAttributes() {
	attrs := newCursor(c.lenencBytes())
	for attrs.ok && !attrs.empty() {
		attrs.lenencBytes()
		attrs.lenencBytes()
	}
	c.ok = c.ok && attrs.ok
}

// ParseChangeUser reads COM_CHANGE_USER without its command byte. The connection's
// first scramble may have been seen by others, so the exchange that follows always
// starts with a fresh one where the client can do that.
func (c *Conn) ParseChangeUser(payload []byte, now *Login) (*Login, error) {
	p := newCursor(payload)
	l := &Login{TLS: now.TLS, Collation: now.Collation, scramble: now.scramble}
	l.User = string(p.zeroTerminated())
	if c.caps&mysql.CLIENT_SECURE_CONNECTION != 0 {
		l.reply = append([]byte(nil), p.take(uint64(p.u8()))...)
	} else {
		l.reply = append([]byte(nil), p.zeroTerminated()...)
	}
	l.Database = string(p.zeroOrEnd())
	if !p.empty() {
		l.Collation = p.u16()
	}
	l.plugin = mysql.AUTH_NATIVE_PASSWORD
	if c.caps&mysql.CLIENT_PLUGIN_AUTH != 0 {
		l.scramble = nil
		if !p.empty() {
			l.plugin = string(p.zeroOrEnd())
		}
		if c.caps&mysql.CLIENT_CONNECT_ATTRS != 0 && !p.empty() {
			p.skipAttributes()
		}
	}
	if !p.ok {
		return nil, errMalformed()
	}
	return l, nil
}

package server

import (
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/testsuite/form"
)

func TestMalformedHandshakes(t *testing.T) {
	h := open(t, Options{}, nil)
	full := response(rawCaps|gomysql.CLIENT_CONNECT_ATTRS|gomysql.CLIENT_CONNECT_WITH_DB, "root", "12345678901234567890", "p")
	for name, c := range map[string]struct {
		payload string
		code    uint16
	}{
		"empty":           {"", 1043},
		"one byte":        {"\x00", 1043},
		"no user":         {full[:32], 1043},
		"user cut":        {full[:34], 1043},
		"reply cut":       {full[:45], 1043},
		"lenenc overflow": {response(rawCaps|gomysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA, "root", "", "p")[:37] + "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 1043},
		"attributes":      {full + "\x00\xff", 1043},
		"protocol of 3.2": {"\x05\x00\x00\x00\x01root\x00\x00", 1251},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := dialRaw(t, h)
			c2.send(1, c.payload)
			c2.expectError(c.code)
			c2.expectClosed()
		})
	}
	c := dialRaw(t, h)
	c.send(7, full)
	c.expectError(1156)
	c.expectClosed()
}

func TestOldClientsWithoutPlugins(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	const caps = gomysql.CLIENT_PROTOCOL_41 | gomysql.CLIENT_SECURE_CONNECTION
	c := dialRaw(t, h)
	c.send(1, response(caps, "watch", string(gomysql.CalcNativePassword(c.scramble, []byte("wpass"))), ""))
	c.expectOK()
	c = dialRaw(t, h)
	c.send(1, response(caps, "boss", string(gomysql.CalcNativePassword(c.scramble, []byte("bpass"))), ""))
	c.expectError(1251)
}

func TestUnknownDatabaseAtLogin(t *testing.T) {
	h := open(t, Options{}, nil)
	wantError(t, func() error {
		db := h.db("root", "nowhere")
		return db.Ping()
	}(), 1049)
}

func TestHeadersThatPromiseTooMuch(t *testing.T) {
	h := open(t, Options{}, nil)
	before := heap()
	var open []*rawClient
	for range 50 {
		c := dialRaw(t, h)
		if _, err := c.nc.Write([]byte{0xff, 0xff, 0xff, 1}); err != nil {
			t.Fatal(err)
		}
		c.expectError(1153)
		open = append(open, c)
	}
	// Logged in, 16 MiB announced and nothing sent: nothing is allocated for it.
	for range 50 {
		c := dialRaw(t, h)
		c.login("root")
		if _, err := c.nc.Write([]byte{0xfe, 0xff, 0xff, 0, 3}); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	runtime.KeepAlive(open)
	if err := h.db("root", "").Ping(); err != nil {
		t.Error(err)
	}
}

func TestPacketsOverTheLimitAreRefused(t *testing.T) {
	opts := Options{}
	opts.Session.MaxPacket = 1 << 20
	h := open(t, opts, nil)
	c := dialRaw(t, h)
	c.login("root")
	if _, err := c.nc.Write([]byte{1, 0, 0x10, 0}); err != nil { // 1 MiB and one byte
		t.Fatal(err)
	}
	c.expectError(1153)
	c.expectClosed()

	// A client that sends it all before it reads is told, too.
	c = dialRaw(t, h)
	c.login("root")
	c.send(0, strings.Repeat("x", 12<<20))
	c.expectError(1153)
	c.expectClosed()
}

func TestQuotaBeforeLogin(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	c := dialRaw(t, h)
	// Each packet is small; together they are too much.
	c.send(1, response(rawCaps, strings.Repeat("u", 60000), "", "x"))
	c.read() // switch
	junk := make([]byte, 20000)
	_, _ = c.nc.Write(append([]byte{0x20, 0x4e, 0, 3}, junk...))
	c.expectClosed()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestHalfOpenHandshakesDoNotKeepOthersOut(t *testing.T) {
	h := open(t, Options{MaxHandshakes: 20, HandshakeTimeout: time.Minute}, nil)
	for range 200 {
		nc, err := net.Dial("tcp", h.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	for range 5 {
		if err := h.db("root", "").Ping(); err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, func() bool { return len(h.Processes()) <= 30 }) // those dropped take a moment to go
}

func TestHandshakeDeadline(t *testing.T) {
	h := open(t, Options{HandshakeTimeout: 30 * time.Millisecond}, nil)
	dialRaw(t, h).expectClosed()
}

// An idle connection must cost little: two goroutine stacks' worth and a read buffer.
func TestMemoryOfIdleConnections(t *testing.T) {
	h := open(t, Options{}, nil)
	const n = 500
	conns := make([]net.Conn, n)
	before := memory()
	for i := range conns {
		c := dialRaw(t, h)
		c.login("root")
		c.send(0, "\x03rows 100") // a write buffer grows, and goes back
		for eofs := 0; eofs < 2; {
			if p := c.read(); p[0] == gomysql.EOF_HEADER {
				eofs++
			}
		}
		conns[i] = c.nc
	}
	per := (memory() - before) / n
	t.Logf("%d bytes a connection, client's side included", per)
	if per > 24<<10 {
		t.Errorf("%d bytes a connection", per)
	}
}

func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestRandomBytes(t *testing.T) {
	h := open(t, Options{HandshakeTimeout: 200 * time.Millisecond}, func(s *script) { s.idle = 200 * time.Millisecond })
	random := rand.New(rand.NewPCG(form.Seed(t), 2))
	for i := range 300 {
		c := dialRaw(t, h)
		if i%2 == 0 {
			c.login("root")
		}
		junk := make([]byte, random.IntN(300))
		for j := range junk {
			junk[j] = byte(random.Uint32())
		}
		if i%3 == 0 { // a well-formed packet of any command
			junk = append([]byte{byte(len(junk)), byte(len(junk) >> 8), 0, 0}, junk...)
		}
		_, _ = c.nc.Write(junk)
		_ = c.nc.Close()
	}
	if err := h.db("root", "").Ping(); err != nil {
		t.Error(err)
	}
	if n := h.counters.panics.Load(); n != 0 {
		t.Errorf("%d panics", n)
	}
}

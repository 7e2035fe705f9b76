package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"pumphouse/server/session/privilege"
	"pumphouse/server/wire"
)

// testUsers are an admin with each plugin and two monitors.
func testUsers(t *testing.T) []User {
	t.Helper()
	hash := func(plugin, password string) string {
		s, err := HashPassword(plugin, password)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return []User{
		{Name: "boss", Role: "admin", Password: hash(wire.CachingSha2, "bpass")},
		{Name: "watch", Role: "monitor", Password: hash(wire.NativePassword, "wpass")},
		{Name: "chief", Role: "admin", Password: hash(wire.NativePassword, "cpass")},
		{Name: "guest", Role: "monitor", Password: hash(wire.CachingSha2, "gpass")},
	}
}

func TestEveryWayIn(t *testing.T) {
	cert, key := selfSigned(t)
	h := open(t, Options{Users: testUsers(t), TLSCert: cert, TLSKey: key}, nil)
	for _, c := range []struct{ user, password, role string }{
		{"boss", "bpass", "1"}, {"chief", "cpass", "1"}, {"watch", "wpass", "0"}, {"guest", "gpass", "0"},
	} {
		for _, params := range []string{"", "?tls=skip-verify"} {
			for _, round := range []string{"first", "again"} { // the whole password, then the short way
				name := fmt.Sprintf("%s %s %s", c.user, params, round)
				want := fmt.Sprintf("%s@127.0.0.1 role %s secure %t", c.user, c.role, params != "")
				if got := ask(t, h.db(c.user+":"+c.password, params), "whoami"); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			e := wantError(t, h.db(c.user+":wrong", params).Ping(), 1045)
			if want := fmt.Sprintf("Access denied for user '%s'@'127.0.0.1' (using password: YES)", c.user); e.Message != want {
				t.Errorf("got %q, want %q", e.Message, want)
			}
			e = wantError(t, h.db(c.user, params).Ping(), 1045)
			if !strings.HasSuffix(e.Message, "(using password: NO)") {
				t.Errorf("got %q", e.Message)
			}
			h.throttle.forget()
		}
	}
}

func TestHexFormsOfHashesWork(t *testing.T) {
	users := testUsers(t)
	for i := range users {
		users[i].Password = "0x" + hex.EncodeToString([]byte(users[i].Password))
	}
	h := open(t, Options{Users: users}, nil)
	for _, account := range []string{"boss:bpass", "watch:wpass"} {
		if err := h.db(account, "").Ping(); err != nil {
			t.Errorf("%s: %v", account, err)
		}
	}
}

func TestHostsOfUsers(t *testing.T) {
	users := testUsers(t)
	users[0].Hosts = []string{"10.0.0.0/8", "127.0.0.0/8"}
	users[1].Hosts = []string{"10.1.2.3"}
	users[2].Hosts = []string{"10.1.2.3", "%"}
	h := open(t, Options{Users: users}, nil)
	for account, want := range map[string]bool{"boss:bpass": true, "watch:wpass": false, "chief:cpass": true} {
		if err := h.db(account, "").Ping(); (err == nil) != want {
			t.Errorf("%s: %v", account, err)
		}
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	good, err := HashPassword(wire.CachingSha2, "x")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		user User
		says []string
	}{
		"plain":      {User{Name: "ann", Role: "admin", Password: "secret"}, []string{`"ann"`, "pumphouse passwd"}},
		"none":       {User{Name: "ann", Role: "admin"}, []string{`"ann"`, "pumphouse passwd"}},
		"short":      {User{Name: "ann", Role: "admin", Password: good[:60]}, []string{`"ann"`}},
		"not hex":    {User{Name: "ann", Role: "admin", Password: "*" + strings.Repeat("Z", 40)}, []string{`"ann"`}},
		"wrong role": {User{Name: "ann", Role: "root", Password: good}, []string{`"ann"`, `"root"`}},
		"no name":    {User{Role: "admin", Password: good}, []string{"name"}},
		"host":       {User{Name: "ann", Role: "admin", Password: good, Hosts: []string{"example.com"}}, []string{`"ann"`, "example.com"}},
	} {
		_, err := New(Options{Users: []User{c.user}})
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", name, err, part)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q repeats the password", name, err)
		}
	}
	twice := []User{{Name: "ann", Role: "admin", Password: good}, {Name: "ann", Role: "monitor", Password: good}}
	if _, err := New(Options{Users: twice}); err == nil {
		t.Error("the same name twice: accepted")
	}
}

// failedLogin logs in with a wrong password and gives every byte the server sent.
func failedLogin(t *testing.T, h *house, user string) []byte {
	t.Helper()
	h.throttle.forget()
	c := dialRaw(t, h)
	var all []byte
	take := func() []byte {
		p := c.read()
		all = append(append(all, byte(len(p)), byte(len(p)>>8)), p...)
		return p
	}
	c.send(1, response(rawCaps, user, string(gomysql.CalcCachingSha2Password(c.scramble, []byte("wrong"))), wire.CachingSha2))
	seq := byte(3)
	for {
		p := take()
		switch {
		case p[0] == gomysql.EOF_HEADER: // switch to native; its scramble is random
			for i := len(p) - 21; i < len(p)-1; i++ {
				all[len(all)-len(p)+i] = 0
			}
			c.send(seq, string(gomysql.CalcNativePassword(p[len(p)-21:len(p)-1], []byte("wrong"))))
		case p[0] == 1 && p[1] == gomysql.CACHE_SHA2_FULL_AUTH:
			c.send(seq, "\x02")
		case p[0] == 1: // the public key
			block, _ := pem.Decode(p[1:])
			key, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := gomysql.EncryptPassword("wrong", c.scramble, key.(*rsa.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			c.send(seq, string(sealed))
		case p[0] == gomysql.ERR_HEADER:
			c.expectClosed()
			return bytes.ReplaceAll(all, []byte(user), []byte("USER"))
		default:
			t.Fatalf("got %q", p)
		}
		seq += 2
	}
}

// Whoever does not know the names cannot find them out: a user who does not exist gets
// the bytes of one who does, with as much work after them.
func TestUnknownUsersLookLikeKnownOnes(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	if err := h.db("boss:bpass", "").Ping(); err != nil { // makes the RSA key, fills the fast way in
		t.Fatal(err)
	}
	known := map[string][]byte{
		wire.CachingSha2:    failedLogin(t, h, "guest"),
		wire.NativePassword: failedLogin(t, h, "chief"),
	}
	if got := failedLogin(t, h, "boss"); !bytes.Equal(got[:2], known[wire.CachingSha2][:2]) {
		t.Errorf("a user who has logged in looks different: %q", got)
	}
	seen := make(map[string]int)
	for i := range 20 {
		name := fmt.Sprintf("u%04d", i) // as long as the known names
		plugin := h.users().dummy(name).cred.Plugin()
		seen[plugin]++
		first, second := failedLogin(t, h, name), failedLogin(t, h, name)
		if !bytes.Equal(first, second) {
			t.Errorf("%s looks different the second time", name)
		}
		if !bytes.Equal(first, known[plugin]) {
			t.Errorf("%s (%s):\n%q\nwant\n%q", name, plugin, first, known[plugin])
		}
	}
	if len(seen) != 2 {
		t.Errorf("the plugins of unknown users: %v, want some of each", seen)
	}

	work := func(name string) int64 {
		before := h.counters.hashing.Load()
		failedLogin(t, h, name)
		return h.counters.hashing.Load() - before
	}
	var unknown string
	for i := 0; unknown == "" || h.users().dummy(unknown).cred.Plugin() != wire.CachingSha2; i++ {
		unknown = fmt.Sprintf("u%04d", i)
	}
	if a, b := work("guest"), work(unknown); a != b || a == 0 {
		t.Errorf("a known user costs %d rounds of hashing to be refused, an unknown one %d", a, b)
	}
}

func TestChangeUserAndResetConnection(t *testing.T) {
	h := open(t, Options{Users: testUsers(t)}, nil)
	login := func() *rawClient {
		c := dialRaw(t, h)
		c.send(1, response(rawCaps, "watch", string(gomysql.CalcNativePassword(c.scramble, []byte("wpass"))), wire.NativePassword))
		p := c.read()
		if p[0] == gomysql.EOF_HEADER {
			c.send(3, string(gomysql.CalcNativePassword(p[len(p)-21:len(p)-1], []byte("wpass"))))
			p = c.read()
		}
		if p[0] != gomysql.OK_HEADER {
			t.Fatalf("login: %q", p)
		}
		return c
	}
	change := func(c *rawClient, user, password, collation string) {
		c.send(0, "\x11"+user+"\x00\x00"+"db1\x00"+collation+wire.NativePassword+"\x00")
		p := c.read()
		if p[0] != gomysql.EOF_HEADER {
			t.Fatalf("got %q, want a request to authenticate", p)
		}
		c.send(2, string(gomysql.CalcNativePassword(p[len(p)-21:len(p)-1], []byte(password))))
	}
	c := login()
	before := c.prepareRaw("echo x", 0)
	change(c, "chief", "cpass", "\x34\x01") // collation 308
	c.expectOK()
	c.send(0, "\x17"+before+"\x00\x01\x00\x00\x00") // the other user's
	c.expectError(1243)
	s := h.session()
	if s.acc.Name != "chief" || s.acc.Role != privilege.Admin || s.collation != 308 || s.db != "db1" {
		t.Errorf("after CHANGE_USER: %+v collation %d db %q", s.acc, s.collation, s.db)
	}
	id := c.prepareRaw("echo x", 0)
	c.send(0, "\x1f")
	c.expectOK()
	if s.resets != 1 {
		t.Error("the session was not reset")
	}
	c.send(0, "\x17"+id+"\x00\x01\x00\x00\x00")
	c.expectError(1243)

	change(c, "nobody", "nope", "\x2d\x00")
	p := c.read()
	for p[0] == 1 { // the dummy's plugin may be either
		c.send(4, "nope")
		p = c.read()
	}
	if p[0] != gomysql.ERR_HEADER || binary.LittleEndian.Uint16(p[1:]) != 1045 {
		t.Errorf("got %q, want 1045", p)
	}
	c.expectClosed()
}

func TestSecureTransportIsRequired(t *testing.T) {
	cert, key := selfSigned(t)
	h := open(t, Options{Users: testUsers(t), TLSCert: cert, TLSKey: key, RequireSecureTransport: true}, nil)
	wantError(t, h.db("boss:bpass", "").Ping(), 3159)
	if err := h.db("boss:bpass", "?tls=skip-verify").Ping(); err != nil {
		t.Error(err)
	}
	if _, err := New(Options{RequireSecureTransport: true}); err == nil {
		t.Error("secure transport without a certificate: accepted")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	cert, key := selfSigned(t)
	h := open(t, Options{TLSCert: cert, TLSKey: key}, nil)
	c := dialRaw(t, h)
	c.send(1, response(rawCaps|gomysql.CLIENT_SSL, "", "", "")[:32])
	old := tls.Client(c.nc, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err := old.Handshake(); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

// What is sent in the clear after the request for TLS must not be run.
func TestNothingIsSmuggledPastTLS(t *testing.T) {
	cert, key := selfSigned(t)
	h := open(t, Options{TLSCert: cert, TLSKey: key}, nil)
	c := dialRaw(t, h)
	request := response(rawCaps|gomysql.CLIENT_SSL, "", "", "")[:32]
	login := response(rawCaps, "root", "", c.plugin)
	packet := func(seq byte, p string) string { return string([]byte{byte(len(p)), 0, 0, seq}) + p }
	if _, err := c.nc.Write([]byte(packet(1, request) + packet(2, login))); err != nil {
		t.Fatal(err)
	}
	c.expectClosed()
	if h.session() != nil {
		t.Error("a login in the clear was taken for one over TLS")
	}
}

func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

// TestHosts: where a user may come from, in every way to write it.
func TestHosts(t *testing.T) {
	hash, err := HashPassword(wire.NativePassword, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		hosts []string
		from  string
		in    bool
	}{
		{nil, "10.1.2.3", true}, {[]string{"%"}, "2001:db8::1", true},
		{[]string{"10.0.0.0/8"}, "10.1.2.3", true}, {[]string{"10.0.0.0/8"}, "11.1.2.3", false},
		{[]string{"::ffff:10.1.2.3"}, "10.1.2.3", true}, {[]string{"::ffff:10.1.2.3"}, "10.1.2.4", false},
		{[]string{"::ffff:10.0.0.0/104"}, "10.1.2.3", true}, {[]string{"::ffff:10.0.0.0/104"}, "11.1.2.3", false},
		{[]string{"2001:db8::/32"}, "2001:db8::1", true}, {[]string{"::/0"}, "10.1.2.3", false},
	} {
		acc, err := newAccount(User{Name: "u", Role: "monitor", Password: hash, Hosts: c.hosts})
		if err != nil {
			t.Fatal(err)
		}
		if got := acc.allows(peer{ip: netip.MustParseAddr(c.from)}); got != c.in {
			t.Errorf("hosts %q, from %s: %t", c.hosts, c.from, got)
		}
	}
	for _, hosts := range [][]string{{}, {"nowhere"}, {"10.0.0.0/33"}, {""}} {
		if _, err := newAccount(User{Name: "u", Role: "monitor", Password: hash, Hosts: hosts}); err == nil || !strings.Contains(err.Error(), `user "u"`) {
			t.Errorf("hosts %q: %v", hosts, err)
		}
	}
}

package wire

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/pingcap/tidb/pkg/parser/auth"
)

// TiDB's own implementation judges ours, in both directions.
func TestSha2HashesAgreeWithTiDB(t *testing.T) {
	for _, password := range []string{"x", "foobar", "pässwörd", strings.Repeat("long ", 20), strings.Repeat("y", 33), strings.Repeat("z", 64)} {
		ours, err := HashPassword(CachingSha2, password)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := auth.CheckHashingPassword([]byte(ours), password, CachingSha2); !ok {
			t.Errorf("TiDB does not accept our hash of %q: %v", password, err)
		}
		theirs := auth.NewHashPassword(password, CachingSha2)
		c, err := ParseCredential(theirs)
		if err != nil {
			t.Fatalf("TiDB's hash %q: %v", theirs, err)
		}
		if !c.checkFull([]byte(password)) {
			t.Errorf("we do not accept TiDB's hash of %q", password)
		}
		if c.checkFull([]byte(password + "!")) {
			t.Errorf("a wrong password for %q is accepted", password)
		}
	}
	native, err := HashPassword(NativePassword, "foobar")
	if err != nil || native != auth.EncodePassword("foobar") {
		t.Errorf("native hash %q, error %v, want %q", native, err, auth.EncodePassword("foobar"))
	}
}

func TestFastWayNeedsOneFullLogin(t *testing.T) {
	hash, err := HashPassword(CachingSha2, "secret")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCredential(hash)
	if err != nil {
		t.Fatal(err)
	}
	scramble := newScramble()
	reply := mysql.CalcCachingSha2Password(scramble, []byte("secret"))
	if c.checkFast(reply, scramble) {
		t.Error("accepted before anything was known")
	}
	// What fits the empty cache must not count either.
	var zero [sha256.Size]byte
	if c.checkFast(zero[:], scramble) {
		t.Error("zeros accepted")
	}
	if !c.checkFull([]byte("secret")) || !c.checkFast(reply, scramble) {
		t.Error("refused after a full login")
	}
	if c.checkFast(mysql.CalcCachingSha2Password(scramble, []byte("other")), scramble) {
		t.Error("a wrong password is accepted")
	}
}

func TestNothingFitsADummy(t *testing.T) {
	for _, plugin := range []string{NativePassword, CachingSha2} {
		c := DummyCredential(plugin, [32]byte{1, 2, 3})
		scramble := newScramble()
		if c.checkNative(nil, scramble) || c.checkNative(mysql.CalcNativePassword(scramble, []byte("x")), scramble) ||
			c.checkFull([]byte("x")) || c.checkFull(nil) || c.checkFast(make([]byte, 32), scramble) {
			t.Errorf("%s: something fits", plugin)
		}
	}
}

func TestWhatIsNoHash(t *testing.T) {
	good, err := HashPassword(CachingSha2, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", "secret", "*", "*12", "0x", "0xzz", good[:69], good + "x", "$A$000$" + good[7:],
		"$A$zzz$" + good[7:], "$5$" + good[3:], good[:len(good)-1] + "!"} {
		if _, err := ParseCredential(s); !errors.Is(err, ErrNoHash) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 257), "a\x00b"} {
		if _, err := HashPassword(CachingSha2, bad); err == nil {
			t.Errorf("hashed %.10q", bad)
		}
	}
	if _, err := HashPassword("sha256_password", "x"); err == nil {
		t.Error("hashed for an unknown plugin")
	}
}

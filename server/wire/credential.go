package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// The authentication plugins.
const (
	NativePassword = mysql.AUTH_NATIVE_PASSWORD
	CachingSha2    = mysql.AUTH_CACHING_SHA2_PASSWORD
)

const (
	sha2Prefix    = "$A$"
	sha2SaltSize  = 20
	sha2HashSize  = 43
	sha2TextSize  = len(sha2Prefix) + 3 + 1 + sha2SaltSize + sha2HashSize
	sha2Rounds    = 5 // thousands, MySQL's default
	maxPassword   = 256
	nativeSize    = 20
	fastReplySize = sha256.Size
)

// ErrNoHash is what [ParseCredential] says of a text that is no password hash.
var ErrNoHash = errors.New("not a password hash: neither mysql_native_password (*HEX) nor caching_sha2_password ($A$005$…)")

// Credential is what the server knows of a password: a hash, never the password. It may
// be used by many connections at once.
type Credential struct {
	plugin string
	empty  bool   // there is no password
	native []byte // SHA1(SHA1(password))

	salt, hash []byte // caching_sha2_password
	rounds     int
	// fast is SHA256(SHA256(password)), known once someone has logged in with the
	// whole password; with it, later logins need no exchange of the password.
	fast atomic.Pointer[[sha256.Size]byte]
}

// EmptyCredential is that of an account without a password.
func EmptyCredential() *Credential {
	return &Credential{plugin: NativePassword, empty: true, native: make([]byte, nativeSize)}
}

// ParseCredential reads a hash in the forms MySQL shows: *HEX40, $A$005$… as text, or
// either of them as 0x….
func ParseCredential(s string) (*Credential, error) {
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		raw, err := hex.DecodeString(rest)
		if err != nil {
			return nil, ErrNoHash
		}
		s = string(raw)
	}
	if rest, ok := strings.CutPrefix(s, "*"); ok {
		raw, err := hex.DecodeString(rest)
		if err != nil || len(raw) != nativeSize {
			return nil, ErrNoHash
		}
		return &Credential{plugin: NativePassword, native: raw}, nil
	}
	return parseSha2(s)
}

// parseSha2 reads $A$ rounds/1000 in hex $ salt hash.
func parseSha2(s string) (*Credential, error) {
	if len(s) != sha2TextSize || !strings.HasPrefix(s, sha2Prefix) || s[6] != '$' {
		return nil, ErrNoHash
	}
	rounds, err := strconv.ParseUint(s[3:6], 16, 16)
	if err != nil || rounds < 1 {
		return nil, ErrNoHash
	}
	for _, r := range []byte(s[7+sha2SaltSize:]) {
		if strings.IndexByte(cryptAlphabet, r) < 0 {
			return nil, ErrNoHash
		}
	}
	return &Credential{
		plugin: CachingSha2,
		rounds: int(rounds) * 1000,
		salt:   []byte(s[7 : 7+sha2SaltSize]),
		hash:   []byte(s[7+sha2SaltSize:]),
	}, nil
}

// DummyCredential is one that no password fits. seed decides its salt.
func DummyCredential(plugin string, seed [32]byte) *Credential {
	c := &Credential{plugin: plugin, native: seed[:nativeSize], rounds: sha2Rounds * 1000}
	for _, b := range seed[:sha2SaltSize] {
		c.salt = append(c.salt, cryptAlphabet[b&0x3f])
	}
	c.hash = bytes.Repeat([]byte{0}, sha2HashSize) // not in the alphabet
	return c
}

// Plugin names the authentication plugin the hash is for.
func (c *Credential) Plugin() string { return c.plugin }

// HashPassword makes the text to configure for a password. The password may have up
// to 256 bytes and must not be empty.
func HashPassword(plugin, password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("hash a password: it is empty")
	case len(password) > maxPassword:
		return "", fmt.Errorf("hash a password: it is longer than %d bytes", maxPassword)
	case strings.IndexByte(password, 0) >= 0:
		return "", errors.New("hash a password: it contains a NUL")
	}
	switch plugin {
	case NativePassword:
		return mysql.EncodePasswordHex(mysql.NativePasswordHash([]byte(password))), nil
	case CachingSha2:
		salt := make([]byte, sha2SaltSize)
		_, _ = rand.Read(salt) // never fails
		for i := range salt {
			salt[i] = cryptAlphabet[salt[i]&0x3f]
		}
		hash := shaCrypt([]byte(password), salt, sha2Rounds*1000)
		return fmt.Sprintf("%s%03X$%s%s", sha2Prefix, sha2Rounds, salt, hash), nil
	}
	return "", fmt.Errorf("hash a password: unknown plugin %q, use %s or %s", plugin, CachingSha2, NativePassword)
}

// CheckPassword reports whether a password is the right one, and how many rounds of hashing that took.
func (c *Credential) CheckPassword(password string) (ok bool, rounds int) {
	scramble := newScramble()
	if c.plugin == NativePassword {
		return c.checkNative(mysql.CalcNativePassword(scramble, []byte(password)), scramble), 0
	}
	if password == "" {
		return false, 0
	}
	if c.checkFast(mysql.CalcCachingSha2Password(scramble, []byte(password)), scramble) {
		return true, 0
	}
	return c.checkFull([]byte(password)), c.rounds
}

// checkNative compares a mysql_native_password reply.
func (c *Credential) checkNative(reply, scramble []byte) bool {
	if len(reply) == 0 {
		return c.empty
	}
	if len(reply) != nativeSize {
		return false
	}
	return mysql.CompareNativePassword(reply, c.native, scramble) && !c.empty
}

// checkFast compares a caching_sha2_password reply with what an earlier login left:
// the reply is SHA256(password) XOR SHA256(SHA256(SHA256(password)) + scramble).
func (c *Credential) checkFast(reply, scramble []byte) bool {
	known := c.fast.Load()
	if len(reply) != fastReplySize {
		return false
	}
	var stored [sha256.Size]byte
	if known != nil {
		stored = *known
	}
	var mask [sha256.Size]byte
	h := sha256.New()
	h.Write(stored[:])
	h.Write(scramble)
	h.Sum(mask[:0])
	subtle.XORBytes(mask[:], mask[:], reply)
	once := sha256.Sum256(mask[:])
	return subtle.ConstantTimeCompare(once[:], stored[:]) == 1 && known != nil
}

// checkFull compares a whole password, and remembers what the fast way needs if it fits.
func (c *Credential) checkFull(password []byte) bool {
	if len(password) > maxPassword {
		return false
	}
	if subtle.ConstantTimeCompare(shaCrypt(password, c.salt, c.rounds), c.hash) != 1 {
		return false
	}
	digest := sha256.Sum256(password)
	digest = sha256.Sum256(digest[:])
	c.fast.Store(&digest)
	return true
}

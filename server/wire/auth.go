package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"

	"github.com/go-mysql-org/go-mysql/mysql"
)

const (
	authMoreData  = 0x01
	requestRSAKey = 0x02
	rsaKeyBits    = 2048
)

// AuthOptions are the server's part of an authentication exchange.
type AuthOptions struct {
	// Clear says that the way to the client cannot be overheard though it is not TLS
	// (a Unix socket), so that a password may come as it is.
	Clear bool
	// Key gives the RSA key passwords are encrypted with on other connections. It is
	// called only when a client asks for it.
	Key func() (*rsa.PrivateKey, error)
}

// Verdict is how an authentication exchange ended.
type Verdict struct {
	OK       bool
	Password bool // the client used one ("using password: YES")
	Rounds   int  // of hashing that it took to check a whole password
}

// Authenticate carries out the exchange in which the client proves that it knows the
// password after cred; it serves login and COM_CHANGE_USER. Neither the bytes nor the
// work depend on whether cred belongs to anybody. Nothing final is sent: the caller
// answers with OK or an error. An error means that there can be no verdict.
func (c *Conn) Authenticate(l *Login, cred *Credential, opts AuthOptions) (Verdict, error) {
	// Where no password is asked for, every plugin's answer is the same: nothing.
	trivial := cred.empty && len(l.reply) == 0 && l.scramble != nil
	if !trivial && (l.plugin != cred.plugin || l.scramble == nil) {
		if err := c.switchPlugin(l, cred.plugin); err != nil {
			return Verdict{}, err
		}
	}
	reply, scramble := l.reply, l.scramble
	// Older clients send the empty password of caching_sha2_password as one NUL.
	if len(reply) == 0 || len(reply) == 1 && reply[0] == 0 {
		return Verdict{OK: cred.checkNative(nil, scramble)}, nil
	}
	if cred.plugin == NativePassword {
		return Verdict{OK: cred.checkNative(reply, scramble), Password: true}, nil
	}
	if cred.checkFast(reply, scramble) {
		c.writeMoreData([]byte{mysql.CACHE_SHA2_FAST_AUTH})
		return Verdict{OK: true, Password: true}, nil
	}
	c.writeMoreData([]byte{mysql.CACHE_SHA2_FULL_AUTH})
	password, err := c.readPassword(l, opts)
	if err != nil {
		return Verdict{Password: true}, err
	}
	return Verdict{OK: cred.checkFull(password), Password: true, Rounds: cred.rounds}, nil
}

// switchPlugin asks the client to start again with that plugin and a fresh scramble.
func (c *Conn) switchPlugin(l *Login, plugin string) error {
	if c.caps&mysql.CLIENT_PLUGIN_AUTH == 0 {
		return errOldClient()
	}
	l.plugin, l.scramble = plugin, newScramble()
	at := c.begin()
	c.out = append(c.out, mysql.EOF_HEADER)
	c.out = append(append(c.out, plugin...), 0)
	c.out = append(append(c.out, l.scramble...), 0)
	c.end(at)
	reply, err := c.exchange()
	l.reply = append([]byte(nil), reply...)
	return err
}

// readPassword reads the whole password: as it is where nobody can listen, encrypted
// with the server's public key elsewhere.
func (c *Conn) readPassword(l *Login, opts AuthOptions) ([]byte, error) {
	reply, err := c.exchange()
	if err != nil {
		return nil, err
	}
	if l.TLS || opts.Clear {
		return bytes.TrimSuffix(append([]byte(nil), reply...), []byte{0}), nil
	}
	key, err := opts.Key()
	if err != nil {
		return nil, err
	}
	if len(reply) == 1 && reply[0] == requestRSAKey {
		text, err := publicKeyText(key)
		if err != nil {
			return nil, err
		}
		c.writeMoreData(text)
		if reply, err = c.exchange(); err != nil {
			return nil, err
		}
	}
	return decryptPassword(key, reply, l.scramble), nil
}

// exchange sends what was written and reads the client's answer.
func (c *Conn) exchange() ([]byte, error) {
	if err := c.Flush(); err != nil {
		return nil, err
	}
	return c.ReadPacket()
}

func (c *Conn) writeMoreData(data []byte) {
	at := c.begin()
	c.out = append(append(c.out, authMoreData), data...)
	c.end(at)
}

func publicKeyText(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// decryptPassword undoes OAEP and the scramble. What is not a password encrypted with
// this key gives one that fits nobody, so that it costs the same as a wrong one.
func decryptPassword(key *rsa.PrivateKey, encrypted, scramble []byte) []byte {
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, encrypted, nil)
	if err != nil || len(plain) == 0 {
		return []byte{0}
	}
	for i := range plain {
		plain[i] ^= scramble[i%len(scramble)]
	}
	return bytes.TrimSuffix(plain, []byte{0})
}

// NewRSAKey makes a key for [AuthOptions].
func NewRSAKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsaKeyBits) }

package engine

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// hashFunction finds digests, encodings and identifiers.
func hashFunction(name string) (function, bool) {
	switch name {
	case "md5":
		return digest(32, func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }), true
	case "sha1", "sha":
		return digest(40, func(s string) string { h := sha1.Sum([]byte(s)); return hex.EncodeToString(h[:]) }), true
	case "sha2":
		return function{2, 2, func(c *compiler, k call) (*expr, error) {
			return strict(textType(sha2Digits(c, k.args[1]), c.st.collation(), coerLiteral).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
				return sha2(v[0].Text(), v[1].int64(f.warn)), nil
			}), nil
		}}, true
	case "crc32":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return strict(uintType(10), k.args, func(_ *frame, v []Value) (Value, error) {
				return Uint(uint64(crc32.ChecksumIEEE([]byte(v[0].Text())))), nil
			}), nil
		}}, true
	case "hex":
		return function{1, 1, hexText}, true
	case "unhex":
		return function{1, 1, unhex}, true
	case "to_base64":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			size := k.args[0].length * collatorByID(k.args[0].coll).width // bytes
			encoded := (size + 2) / 3 * 4
			t := textType(encoded+encoded/76, c.st.collation(), coerLiteral).nullable()
			return strict(t, k.args, func(_ *frame, v []Value) (Value, error) {
				return String(wrapLines(base64.StdEncoding.EncodeToString([]byte(v[0].Text())))), nil
			}), nil
		}}, true
	case "from_base64":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			t := textType(k.args[0].length, collBinary, coerLiteral).nullable()
			return strict(t, k.args, func(_ *frame, v []Value) (Value, error) {
				b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v[0].Text()), ""))
				if err != nil {
					return Null(), nil
				}
				return Bytes(b), nil
			}), nil
		}}, true
	case "uuid":
		return function{0, 0, func(c *compiler, k call) (*expr, error) {
			return &expr{typ: textType(36, collGeneralCI, coerSystem), eval: newUUID}, nil
		}}, true
	}
	return function{}, false
}

func digest(length uint32, sum func(s string) string) function {
	return function{1, 1, func(c *compiler, k call) (*expr, error) {
		return strict(textType(length, c.st.collation(), coerLiteral), k.args, func(_ *frame, v []Value) (Value, error) {
			return String(sum(v[0].Text())), nil
		}), nil
	}}
}

func sha2(s string, size int64) Value {
	var sum []byte
	switch size {
	case 0, 256:
		h := sha256.Sum256([]byte(s))
		sum = h[:]
	case 224:
		h := sha256.Sum224([]byte(s))
		sum = h[:]
	case 384:
		h := sha512.Sum384([]byte(s))
		sum = h[:]
	case 512:
		h := sha512.Sum512([]byte(s))
		sum = h[:]
	default:
		return Null()
	}
	return String(hex.EncodeToString(sum))
}

// hexText is HEX(): of a number its digits to the base 16, of a text its bytes.
func hexText(c *compiler, k call) (*expr, error) {
	x := k.args[0]
	length := uint32(16)
	if x.isText() {
		length = x.length * 2 * collatorByID(x.coll).width
	}
	return strict(textType(length, c.st.collation(), coerLiteral), k.args, func(f *frame, v []Value) (Value, error) {
		if x.isNumber() {
			return String(fmt.Sprintf("%X", v[0].bits(f.warn))), nil
		}
		s := v[0].Text()
		if ok, err := f.bounded("hex", int64(len(s))*2); !ok || err != nil {
			return Null(), err
		}
		return String(strings.ToUpper(hex.EncodeToString([]byte(s)))), nil
	}), nil
}

func unhex(c *compiler, k call) (*expr, error) {
	t := textType((k.args[0].length+1)/2, collBinary, coerLiteral).nullable()
	return strict(t, k.args, func(_ *frame, v []Value) (Value, error) {
		s := v[0].Text()
		if len(s)%2 == 1 {
			s = "0" + s
		}
		b, err := hex.DecodeString(s)
		if err != nil {
			return Null(), nil
		}
		return Bytes(b), nil
	}), nil
}

// wrapLines breaks base64 after every 76 characters, as MySQL does.
func wrapLines(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76])
		b.WriteByte('\n')
		s = s[76:]
	}
	b.WriteString(s)
	return b.String()
}

// newUUID is a random (version 4) UUID: time and node of the server are not told.
func newUUID(*frame) (Value, error) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return String(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])), nil
}

// sha2Digits is the width of SHA2 with a constant number of bits, else that of the longest.
func sha2Digits(c *compiler, bits *expr) uint32 {
	if bits.fixed {
		if v, err := bits.eval(&frame{st: c.st}); err == nil {
			switch n := v.int64(nil); n {
			case 224, 256, 384:
				return uint32(n / 4)
			case 0:
				return 64
			}
		}
	}
	return 128
}

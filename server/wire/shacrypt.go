package wire

import (
	"crypto/sha256"
	"hash"
)

// shaCrypt is the SHA-256 variant of Unix crypt (Ulrich Drepper's "SHA-crypt"), with
// MySQL's salt of 20 bytes, as caching_sha2_password stores passwords. It gives 43
// characters.
func shaCrypt(password, salt []byte, rounds int) []byte {
	h := sha256.New()
	sum := func(parts ...[]byte) []byte {
		h.Reset()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	b := sum(password, salt, password)

	h.Reset()
	h.Write(password)
	h.Write(salt)
	writeRepeated(h, b, len(password))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(b)
		} else {
			h.Write(password)
		}
	}
	a := h.Sum(nil)

	h.Reset()
	for range password {
		h.Write(password)
	}
	p := repeat(h.Sum(nil), len(password))

	h.Reset()
	for range 16 + int(a[0]) {
		h.Write(salt)
	}
	s := repeat(h.Sum(nil), len(salt))

	for i := range rounds {
		h.Reset()
		if i%2 != 0 {
			h.Write(p)
		} else {
			h.Write(a)
		}
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		if i%2 != 0 {
			h.Write(a)
		} else {
			h.Write(p)
		}
		a = h.Sum(a[:0])
	}
	return cryptText(a)
}

// writeRepeated writes n bytes, b over and over.
func writeRepeated(h hash.Hash, b []byte, n int) {
	for ; n > len(b); n -= len(b) {
		h.Write(b)
	}
	h.Write(b[:n])
}

func repeat(b []byte, n int) []byte {
	out := make([]byte, 0, n+len(b))
	for len(out) < n {
		out = append(out, b...)
	}
	return out[:n]
}

const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// cryptText writes a digest in crypt's own base 64 with crypt's own order of bytes:
// every group takes one byte of each third of the digest, rotating.
func cryptText(d []byte) []byte {
	out := make([]byte, 0, 43)
	put := func(v uint, n int) {
		for range n {
			out = append(out, cryptAlphabet[v&0x3f])
			v >>= 6
		}
	}
	i, j, k := 0, 10, 20
	for range 10 {
		put(uint(d[i])<<16|uint(d[j])<<8|uint(d[k]), 4)
		i, j, k = k+1, i+1, j+1
	}
	put(uint(d[31])<<8|uint(d[30]), 3)
	return out
}

package wire

import (
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Charset is a MySQL character set as it goes over the connection. Inside the server
// every text is UTF-8.
type Charset struct {
	name  string
	id    uint16 // default collation, sent in column metadata
	width uint32 // most bytes of one character
	kind  charsetKind
	enc   encoding.Encoding
}

type charsetKind uint8

const (
	asIs       charsetKind = iota // the bytes go through untouched
	threeBytes                    // UTF-8 without characters beyond U+FFFF
	sevenBit
	coded // by enc
)

// binaryCollation marks columns whose values are bytes, numbers or times.
const binaryCollation = 63

var utf8mb4 = &Charset{name: "utf8mb4", id: 45, width: 4, kind: asIs}

// LookupCharset finds a character set by MySQL's name in any letter case. "" and
// "binary" mean no conversion. The sets are those of TiDB.
func LookupCharset(name string) (*Charset, bool) {
	switch strings.ToLower(name) {
	case "utf8mb4":
		return utf8mb4, true
	case "utf8", "utf8mb3":
		return utf8mb3, true
	case "", "binary":
		return unconverted, true
	case "ascii":
		return ascii, true
	case "latin1":
		return latin1, true
	case "gbk":
		return gbk, true
	case "gb18030":
		return gb18030, true
	}
	return nil, false
}

var (
	utf8mb3     = &Charset{name: "utf8", id: 33, width: 3, kind: threeBytes}
	unconverted = &Charset{name: "binary", id: binaryCollation, width: 4, kind: asIs}
	ascii       = &Charset{name: "ascii", id: 11, width: 1, kind: sevenBit}
	// MySQL's latin1 is Windows-1252 with the five holes filled, as the web has it.
	latin1  = &Charset{name: "latin1", id: 8, width: 1, kind: coded, enc: charmap.Windows1252}
	gbk     = &Charset{name: "gbk", id: 28, width: 2, kind: coded, enc: simplifiedchinese.GBK}
	gb18030 = &Charset{name: "gb18030", id: 248, width: 4, kind: coded, enc: simplifiedchinese.GB18030}
)

// Name is MySQL's name of the character set.
func (cs *Charset) Name() string { return cs.name }

// columnMeta translates a column's collation and display length for the client, who decodes
// texts by that collation.
func (cs *Charset) columnMeta(collation uint16, length uint32) (uint16, uint32) {
	own := charsetOf(collation)
	if collation == binaryCollation || cs == own {
		return collation, length
	}
	if cs == unconverted { // what comes is UTF-8
		if own == utf8mb4 || own == utf8mb3 {
			return collation, length
		}
		cs = utf8mb4
	}
	return cs.id, uint32(min(uint64(length)/uint64(own.width)*uint64(cs.width), 1<<32-1))
}

// charsetOf is the character set of a collation, utf8mb4 where it has none of those above.
func charsetOf(collation uint16) *Charset {
	if c, err := charset.GetCollationByID(int(collation)); err == nil {
		if cs, ok := LookupCharset(c.CharsetName); ok {
			return cs
		}
	}
	return utf8mb4
}

// append appends s in the character set; what it cannot express becomes '?'.
func (cs *Charset) append(b []byte, s string) []byte {
	if cs.kind == asIs || isASCII(s) {
		return append(b, s...)
	}
	var enc *encoding.Encoder
	if cs.kind == coded {
		enc = cs.enc.NewEncoder()
	}
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case cs.kind == threeBytes && r <= 0xffff:
			b = utf8.AppendRune(b, r)
		case cs.kind == coded:
			b = appendCoded(b, enc, r)
		default:
			b = append(b, '?')
		}
	}
	return b
}

func appendCoded(b []byte, enc *encoding.Encoder, r rune) []byte {
	var src, dst [8]byte
	enc.Reset()
	n, _, err := enc.Transform(dst[:], src[:utf8.EncodeRune(src[:], r)], true)
	if err != nil {
		return append(b, '?')
	}
	return append(b, dst[:n]...)
}

// Decode makes UTF-8 of a text the client sent. Bytes that are no character become
// U+FFFD; UTF-8 itself is not checked here.
func (cs *Charset) Decode(p []byte) string {
	if cs.kind == asIs || cs.kind == threeBytes || isASCII(p) {
		return string(p)
	}
	if cs.kind == sevenBit {
		runes := make([]rune, len(p))
		for i, b := range p {
			if runes[i] = rune(b); b >= utf8.RuneSelf {
				runes[i] = utf8.RuneError
			}
		}
		return string(runes)
	}
	out, err := cs.enc.NewDecoder().Bytes(p)
	if err != nil {
		return string(p)
	}
	return string(out)
}

func isASCII[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

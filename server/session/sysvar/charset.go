package sysvar

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/server/session/result"
)

// Charsets are the character sets the console speaks, with MySQL 8's default
// collations (the parser's own defaults are TiDB's: the binary ones).
func Charsets() []Charset { return charsets }

var charsets = []Charset{
	{"ascii", "US ASCII", "ascii_general_ci", 1},
	{"binary", "Binary pseudo charset", "binary", 1},
	{"gb18030", "China National Standard GB18030", "gb18030_chinese_ci", 4},
	{"gbk", "GBK Simplified Chinese", "gbk_chinese_ci", 2},
	{"latin1", "cp1252 West European", "latin1_swedish_ci", 1},
	{"utf8", "UTF-8 Unicode", "utf8_general_ci", 3},
	{"utf8mb4", "UTF-8 Unicode", "utf8mb4_0900_ai_ci", 4},
}

// Charset is one row of SHOW CHARSET; Collation is its default.
type Charset struct {
	Name, Description, Collation string
	MaxLen                       int64 // of a character, in bytes
}

// CharsetKnown reports whether the console speaks a charset (canonical name).
func CharsetKnown(name string) bool { return DefaultCollation(name) != "" }

// DefaultCollation is the one of a charset, "" if the console does not speak it.
func DefaultCollation(cs string) string {
	for _, c := range charsets {
		if c.Name == cs {
			return c.Collation
		}
	}
	return ""
}

// CanonicalCharset takes a charset's name as a client may write it.
func CanonicalCharset(name string) (string, error) {
	cs := strings.ToLower(name)
	if cs == "utf8mb3" {
		cs = "utf8"
	}
	if !CharsetKnown(cs) {
		return "", result.Errorf(result.ErrUnknownCharset, "Unknown character set: '%s'", name)
	}
	return cs, nil
}

// canonicalCollation takes a collation's name as a client may write it.
func canonicalCollation(name string) (*charset.Collation, error) {
	c, err := charset.GetCollationByName(name)
	if err != nil || !CharsetKnown(c.CharsetName) {
		return nil, result.Errorf(result.ErrUnknownCollation, "Unknown collation: '%s'", name)
	}
	return c, nil
}

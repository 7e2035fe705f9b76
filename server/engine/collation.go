package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"golang.org/x/text/unicode/norm"
)

// The collations the evaluator itself refers to.
const (
	collBinary    = 63
	collGeneralCI = 45 // utf8mb4_general_ci
)

// Coercibility says whose collation wins when two texts meet: the lower one.
const (
	coerExplicit = 0 // COLLATE
	coerNone     = 1
	coerColumn   = 2
	coerSystem   = 3 // USER(), @@variables
	coerLiteral  = 4
	coerNumber   = 5
	coerIgnore   = 6 // NULL
)

// collator compares texts under one collation.
type collator struct {
	id      uint16
	name    string
	charset string
	width   uint32 // most bytes of a character
	binary  bool   // compares bytes
	noCase  bool
	noPad   bool // trailing blanks count
	classes bool // Unicode order: punctuation before digits before letters
}

// collatorByID knows every collation of the parser's list; others compare as utf8mb4_general_ci.
func collatorByID(id uint16) collator {
	c, err := charset.GetCollationByID(int(id))
	if err != nil {
		return collator{id: id, name: "utf8mb4_general_ci", charset: "utf8mb4", width: 4, noCase: true}
	}
	return newCollator(c)
}

// collatorByName finds a collation; unknown names are error 1273.
func collatorByName(name string) (collator, error) {
	if rest, ok := strings.CutPrefix(strings.ToLower(name), "utf8mb3_"); ok {
		name = "utf8_" + rest
	}
	c, err := charset.GetCollationByName(name)
	if err != nil {
		return collator{}, fail(1273, "HY000", "Unknown collation: '%s'", name)
	}
	return newCollator(c), nil
}

// defaultCollator is the default collation of a character set; unknown ones are error 1115.
func defaultCollator(cs string) (collator, error) {
	if strings.EqualFold(cs, "utf8mb4") {
		return collatorByID(collGeneralCI), nil
	}
	for _, c := range charset.GetSupportedCollations() {
		if strings.EqualFold(c.CharsetName, cs) && c.IsDefault {
			return newCollator(c), nil
		}
	}
	name, err := charset.GetDefaultCollationLegacy(strings.ToLower(cs))
	if err != nil {
		return collator{}, fail(1115, "42000", "Unknown character set: '%s'", cs)
	}
	return collatorByName(name)
}

func newCollator(c *charset.Collation) collator {
	out := collator{id: uint16(c.ID), name: c.Name, charset: c.CharsetName, width: charsetWidth(c.CharsetName)}
	out.binary = c.Name == "binary" || strings.HasSuffix(c.Name, "_bin")
	out.noCase = !out.binary && !strings.HasSuffix(c.Name, "_cs")
	out.noPad = c.Name == "binary" || strings.Contains(c.Name, "_0900_")
	out.classes = out.noPad && !out.binary || strings.Contains(c.Name, "unicode")
	return out
}

func charsetWidth(cs string) uint32 {
	switch cs {
	case "utf8mb4", "gb18030", "utf32", "utf16":
		return 4
	case "utf8", "utf8mb3":
		return 3
	case "gbk", "ucs2":
		return 2
	}
	return 1
}

// weight orders one character.
func (c collator) weight(r rune) rune {
	if r < utf8.RuneSelf {
		if c.noCase && 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
	} else if c.noCase {
		r = unicode.ToUpper(baseRune(r))
		if r > 0xFFFF && !c.classes {
			r = 0xFFFD // general_ci gives all of them one weight
		}
	}
	if !c.classes {
		return r
	}
	switch {
	case unicode.IsLetter(r):
		return r | 3<<24
	case unicode.IsDigit(r):
		return r | 2<<24
	case unicode.IsSpace(r):
		return r
	}
	return r | 1<<24
}

// fold maps characters that compare as equal to the same character.
func (c collator) fold(r rune) rune { return c.weight(r) & 0x1fffff }

// baseRune takes the accents off a letter.
func baseRune(r rune) rune {
	if r == 'ß' {
		return 's'
	}
	var buf [utf8.UTFMax]byte
	n := utf8.EncodeRune(buf[:], r)
	d := norm.NFD.Properties(buf[:n]).Decomposition()
	if len(d) == 0 {
		return r
	}
	base, _ := utf8.DecodeRune(d)
	return base
}

// compare orders two texts: negative, 0 or positive.
func (c collator) compare(a, b string) int {
	if c.binary {
		if !c.noPad {
			a, b = strings.TrimRight(a, " "), strings.TrimRight(b, " ")
		}
		return strings.Compare(a, b)
	}
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			if wa, wb := c.weight(ra), c.weight(rb); wa != wb {
				return int(wa) - int(wb)
			}
		}
		a, b = a[na:], b[nb:]
	}
	if !c.noPad {
		return padCompare(a, b)
	}
	return len(a) - len(b)
}

// padCompare compares what is left of two texts when blanks at the end do not count.
func padCompare(a, b string) int {
	rest, sign := a, 1
	if rest == "" {
		rest, sign = b, -1
	}
	for i := 0; i < len(rest); i++ {
		if rest[i] != ' ' {
			if rest[i] < ' ' {
				return -sign
			}
			return sign
		}
	}
	return 0
}

// key is a text that is equal for two texts exactly if compare finds them equal.
func (c collator) key(s string) string {
	if !c.noPad {
		s = strings.TrimRight(s, " ")
	}
	if c.binary {
		return s
	}
	return strings.Map(c.fold, s)
}

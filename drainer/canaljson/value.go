package canaljson

import (
	"strconv"
	"unicode/utf8"

	"pumphouse/drainer/txn"
)

// appendRow appends a row as a list of one object.
func (e *Encoder) appendRow(b []byte, columns []*column, row txn.Row) []byte {
	b = append(b, "[{"...)
	for i, col := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, col.name...)
		b = e.appendValue(b, col.value(row))
	}
	return append(b, "}]"...)
}

// appendValue appends a value: null, or its text in quotes.
func (e *Encoder) appendValue(b []byte, v txn.Value) []byte {
	switch v.Kind {
	case txn.Null, txn.Missing:
		return append(b, "null"...)
	case txn.Text:
		return appendQuoted(b, v.Bytes)
	case txn.Bytes:
		return appendLatin1(b, v.Bytes)
	}
	b = append(b, '"')
	b = appendNumber(b, v)
	return append(b, '"')
}

// appendNumber appends a value that is one.
func appendNumber(b []byte, v txn.Value) []byte {
	switch v.Kind {
	case txn.Int:
		return strconv.AppendInt(b, v.Int64(), 10)
	case txn.Float32:
		return strconv.AppendFloat(b, v.Float(), 'f', -1, 32)
	case txn.Float64:
		return strconv.AppendFloat(b, v.Float(), 'f', -1, 64)
	}
	return strconv.AppendUint(b, v.Uint64(), 10) // also Enum, Set, Bit
}

const hex = "0123456789abcdef"

// appendQuoted appends text as a JSON string. Like TiCDC's, it has no <, > and &, which mean something in HTML, and no line or
// paragraph separator (U+2028, U+2029), which mean something in JavaScript.
func appendQuoted(b, text []byte) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if escaped(c) {
				b = append(b, text[start:i]...)
				b = appendEscaped(b, c)
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, text[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(b, text[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hex[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(append(b, text[start:]...), '"')
}

// appendLatin1 appends bytes as a JSON string of the characters that they are in ISO 8859-1.
func appendLatin1(b, bytes []byte) []byte {
	b = append(b, '"')
	for _, c := range bytes {
		switch {
		case c >= utf8.RuneSelf:
			b = utf8.AppendRune(b, rune(c))
		case escaped(c):
			b = appendEscaped(b, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func escaped(c byte) bool {
	return c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}

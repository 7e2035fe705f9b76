package txn

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// The types of TiDB's binary JSON (types/json_constants.go).
const (
	jsonObject    = 0x01
	jsonArray     = 0x03
	jsonLiteral   = 0x04
	jsonInt       = 0x09
	jsonUint      = 0x0a
	jsonFloat     = 0x0b
	jsonString    = 0x0c
	jsonOpaque    = 0x0d
	jsonDate      = 0x0e
	jsonDatetime  = 0x0f
	jsonTimestamp = 0x10
	jsonDuration  = 0x11
)

// Sizes within an object or array, all little-endian: count and size of the whole (uint32 each);
// for an object an entry for each key: offset (uint32) and length (uint16); an entry for each
// value: type and offset (uint32), a literal in the place of its offset. Offsets are from the
// beginning of the object or array.
const (
	jsonHeader   = 8
	jsonKeyEntry = 6
	jsonEntry    = 5
	maxJSONDepth = 100 // TiDB's limit
)

// jsonSize is the size of the document at the beginning of b, with its type byte.
func jsonSize(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, corrupt("JSON is cut off")
	}
	value, err := jsonValue(b[0], b[1:])
	return 1 + len(value), err
}

// jsonValue cuts the value of a type that begins with b.
func jsonValue(tp byte, b []byte) ([]byte, error) {
	size := 0
	switch tp {
	case jsonObject, jsonArray:
		if len(b) < jsonHeader {
			return nil, corrupt("JSON is cut off")
		}
		n := binary.LittleEndian.Uint32(b[4:])
		if uint64(n) > uint64(len(b)) || n < jsonHeader {
			return nil, corrupt("JSON is cut off")
		}
		size = int(n)
	case jsonLiteral:
		size = 1
	case jsonInt, jsonUint, jsonFloat, jsonDate, jsonDatetime, jsonTimestamp:
		size = 8
	case jsonDuration:
		size = 12
	case jsonString, jsonOpaque:
		skip := 0
		if tp == jsonOpaque {
			skip = 1
		}
		if len(b) < skip {
			return nil, corrupt("JSON is cut off")
		}
		n, used := binary.Uvarint(b[skip:])
		if used <= 0 || n > uint64(len(b)-skip-used) {
			return nil, corrupt("JSON is cut off")
		}
		size = skip + used + int(n)
	default:
		return nil, corrupt("there is no type %d in JSON", tp)
	}
	if size > len(b) {
		return nil, corrupt("JSON is cut off")
	}
	return b[:size:size], nil
}

// appendJSON appends the text of a document as TiDB prints it.
func appendJSON(dst, doc []byte) ([]byte, error) {
	w := jsonWriter{dst: dst, budget: len(doc)}
	if err := w.value(doc[0], doc[1:], 0); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// jsonWriter writes the text of a document. Offsets can point anywhere, also to the same place
// many times; the budget keeps such a document from growing without end: what is written
// comes from no more bytes than there are.
type jsonWriter struct {
	dst    []byte
	budget int
}

func (w *jsonWriter) spend(n int) error {
	if w.budget -= n; w.budget < 0 {
		return corrupt("overlapping JSON elements")
	}
	return nil
}

func (w *jsonWriter) value(tp byte, b []byte, depth int) error {
	b, err := jsonValue(tp, b)
	if err != nil {
		return err
	}
	switch tp {
	case jsonObject, jsonArray:
		return w.container(tp, b, depth)
	case jsonLiteral:
		return w.literal(b[0])
	}
	if err := w.spend(len(b)); err != nil {
		return err
	}
	return w.scalar(tp, b)
}

// container writes an object or an array.
func (w *jsonWriter) container(tp byte, b []byte, depth int) error {
	if depth > maxJSONDepth {
		return corrupt("JSON is deeper than %d", maxJSONDepth)
	}
	count := int(binary.LittleEndian.Uint32(b))
	entry, open, end := jsonEntry, byte('['), byte(']')
	if tp == jsonObject {
		entry, open, end = jsonEntry+jsonKeyEntry, '{', '}'
	}
	if count > (len(b)-jsonHeader)/entry {
		return corrupt("JSON has %d values in %d bytes", count, len(b))
	}
	if err := w.spend(jsonHeader + count*entry); err != nil {
		return err
	}
	entries := b[jsonHeader:]
	keys := entries
	if tp == jsonObject {
		entries = entries[count*jsonKeyEntry:]
	}
	w.dst = append(w.dst, open)
	for i := range count {
		if i > 0 {
			w.dst = append(w.dst, ", "...)
		}
		if tp == jsonObject {
			if err := w.key(b, keys[i*jsonKeyEntry:]); err != nil {
				return err
			}
		}
		e := entries[i*jsonEntry:]
		if e[0] == jsonLiteral {
			if err := w.literal(e[1]); err != nil {
				return err
			}
			continue
		}
		offset := binary.LittleEndian.Uint32(e[1:])
		if uint64(offset) > uint64(len(b)) {
			return corrupt("JSON is cut off")
		}
		if err := w.value(e[0], b[offset:], depth+1); err != nil {
			return err
		}
	}
	w.dst = append(w.dst, end)
	return nil
}

// key writes the key of an entry of the object b.
func (w *jsonWriter) key(b, entry []byte) error {
	offset, size := uint64(binary.LittleEndian.Uint32(entry)), uint64(binary.LittleEndian.Uint16(entry[4:]))
	if offset+size > uint64(len(b)) {
		return corrupt("JSON is cut off")
	}
	if err := w.spend(int(size)); err != nil {
		return err
	}
	w.dst = append(appendQuoted(w.dst, b[offset:offset+size]), ": "...)
	return nil
}

func (w *jsonWriter) literal(b byte) error {
	switch b {
	case 0:
		w.dst = append(w.dst, "null"...)
	case 1:
		w.dst = append(w.dst, "true"...)
	case 2:
		w.dst = append(w.dst, "false"...)
	default:
		return corrupt("there is no literal %d in JSON", b)
	}
	return nil
}

// scalar writes a value that jsonValue has cut.
func (w *jsonWriter) scalar(tp byte, b []byte) (err error) {
	switch tp {
	case jsonInt:
		w.dst = strconv.AppendInt(w.dst, int64(binary.LittleEndian.Uint64(b)), 10)
	case jsonUint:
		w.dst = strconv.AppendUint(w.dst, binary.LittleEndian.Uint64(b), 10)
	case jsonFloat:
		f := math.Float64frombits(binary.LittleEndian.Uint64(b))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return corrupt("a number in JSON is none")
		}
		w.dst = appendJSONFloat(w.dst, f)
	case jsonString:
		_, used := binary.Uvarint(b)
		w.dst = appendQuoted(w.dst, b[used:])
	case jsonOpaque:
		_, used := binary.Uvarint(b[1:])
		w.dst = append(w.dst, `"base64:type`...)
		w.dst = strconv.AppendUint(w.dst, uint64(b[0]), 10)
		w.dst = append(w.dst, ':')
		w.dst = append(base64.StdEncoding.AppendEncode(w.dst, b[1+used:]), '"')
	default:
		w.dst = append(w.dst, '"')
		if w.dst, err = appendJSONTime(w.dst, tp, b); err != nil {
			return err
		}
		w.dst = append(w.dst, '"')
	}
	return nil
}

// appendJSONTime writes dates and times, always with microseconds.
func appendJSONTime(dst []byte, tp byte, b []byte) ([]byte, error) {
	const fsp = 6
	n := binary.LittleEndian.Uint64(b)
	if tp == jsonDuration {
		return appendDuration(dst, time.Duration(n), fsp)
	}
	c, err := unpackCore(n)
	if err != nil {
		return dst, err
	}
	kind := mysql.TypeDatetime
	if tp == jsonDate {
		kind = mysql.TypeDate
	}
	return c.append(dst, kind, fsp), nil
}

// appendJSONFloat writes a number as JavaScript does.
func appendJSONFloat(b []byte, f float64) []byte {
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-07 is e-7
		b = append(b[:n-2], b[n-1])
	}
	return b
}

// appendQuoted writes a JSON string. What is no UTF-8 becomes the replacement character.
func appendQuoted(dst, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for len(s) > 0 {
		c := s[0]
		if c < utf8.RuneSelf {
			s = s[1:]
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, `\n`...)
			case c == '\r':
				dst = append(dst, `\r`...)
			case c == '\t':
				dst = append(dst, `\t`...)
			case c < ' ':
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, size := utf8.DecodeRune(s)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028' || r == '\u2029': // ends of lines to JavaScript
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&15])
		default:
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
	return append(dst, '"')
}

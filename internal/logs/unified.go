package logs

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
)

// Unified is TiDB's unified log format, which log collectors and TiDB Dashboard read:
//
//	[2026/11/27 23:02:25.841 +00:00] [INFO] [file.go:12] ["a message"] [key=value] ["a key"="a value"]
//
// The message, keys and values that hold a control character, a space, or one of " = [ ] are
// written as JSON strings, and, as TiDB's programs do, those with a backslash; what is not UTF-8 becomes U+FFFD. Fields are sorted by key.
// (https://github.com/tikv/rfcs/blob/master/text/0018-unified-log-format.md)
type Unified struct{}

// unifiedTime is the time of a line, in the local zone.
const unifiedTime = "2006/01/02 15:04:05.000 -07:00"

// Format gives one line with its line feed. It has the signature of [logrus.Formatter].
func (Unified) Format(e *logrus.Entry) ([]byte, error) {
	b := e.Buffer
	if b == nil {
		b = new(bytes.Buffer)
	}
	b.Grow(256)
	line := b.AvailableBuffer()
	line = append(line, '[')
	line = e.Time.AppendFormat(line, unifiedTime)
	line = append(line, "] ["...)
	line = append(line, unifiedLevel(e.Level)...)
	line = append(line, "] ["...)
	if e.Caller != nil {
		line = appendSource(line, e.Caller.File, e.Caller.Line)
	} else {
		line = append(line, "<unknown>"...)
	}
	line = append(line, "] ["...)
	line = appendText(line, e.Message)
	line = append(line, ']')
	var room [16]string
	keys := room[:0]
	for k := range e.Data {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		line = append(line, " ["...)
		line = appendText(line, k)
		line = append(line, '=')
		line = appendValue(line, e.Data[k])
		line = append(line, ']')
	}
	line = append(line, '\n')
	b.Write(line)
	return b.Bytes(), nil
}

func unifiedLevel(l logrus.Level) string {
	switch l {
	case logrus.PanicLevel, logrus.FatalLevel:
		return "FATAL"
	case logrus.ErrorLevel:
		return "ERROR"
	case logrus.WarnLevel:
		return "WARN"
	case logrus.InfoLevel:
		return "INFO"
	}
	return "DEBUG"
}

// appendSource appends file.go:12 with the characters that the format permits in a file's name.
func appendSource(b []byte, file string, line int) []byte {
	for _, c := range []byte(filepath.Base(file)) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
			b = append(b, c)
		}
	}
	return strconv.AppendInt(append(b, ':'), int64(line), 10)
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendText(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		return appendText(b, v.Format(time.RFC3339Nano))
	}
	return appendText(b, fmt.Sprint(v))
}

// appendText appends a text, as a JSON string where the format asks for one.
func appendText(b []byte, s string) []byte {
	if !needsQuotes(s) {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "\uFFFD")
		}
		return append(b, s...)
	}
	return appendJSON(b, s)
}

func needsQuotes(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '=' || c == '[' || c == ']' || c == '\\' {
			return true
		}
	}
	return false
}

func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ':
			const hex = "0123456789abcdef"
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}

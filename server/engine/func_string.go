package engine

import (
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// stringFunction finds functions that make texts of texts.
func stringFunction(name string) (function, bool) {
	switch name {
	case "concat":
		return function{1, -1, concat}, true
	case "concat_ws":
		return function{2, -1, concatWS}, true
	case "lower", "lcase":
		return mapText(strings.ToLower), true
	case "upper", "ucase":
		return mapText(strings.ToUpper), true
	case "reverse":
		return sameLength(1, func(_ *frame, t typ, v []Value) (string, bool, error) { return reverse(v[0].Text(), t), true, nil }), true
	case "ltrim":
		return mapText(func(s string) string { return strings.TrimLeft(s, " ") }), true
	case "rtrim":
		return mapText(func(s string) string { return strings.TrimRight(s, " ") }), true
	case "trim":
		return function{1, 3, trim}, true
	case "left":
		return function{2, 2, func(c *compiler, k call) (*expr, error) {
			return makeText(c, k, 1, atMost(c, k.args[0].length, k.args[1]), func(f *frame, t typ, v []Value) (string, bool, error) {
				return slice(v[0].Text(), t, 0, v[1].int64(f.warn)), true, nil
			})
		}}, true
	case "right":
		return function{2, 2, func(c *compiler, k call) (*expr, error) {
			return makeText(c, k, 1, atMost(c, k.args[0].length, k.args[1]), func(f *frame, t typ, v []Value) (string, bool, error) {
				s, n := v[0].Text(), max(v[1].int64(f.warn), 0)
				return slice(s, t, max(length(s, t)-n, 0), n), true, nil
			})
		}}, true
	case "substring", "substr", "mid":
		return function{2, 3, substring}, true
	case "substring_index":
		return sameLength(3, func(f *frame, _ typ, v []Value) (string, bool, error) {
			return substringIndex(v[0].Text(), v[1].Text(), v[2].int64(f.warn)), true, nil
		}), true
	case "replace":
		return function{3, 3, replace}, true
	case "repeat":
		return function{2, 2, repeat}, true
	case "space":
		return function{1, 1, space}, true
	case "lpad", "rpad":
		return function{2, 3, pad}, true
	case "elt":
		return function{2, -1, elt}, true
	case "insert", "insert_func":
		return function{4, 4, insertText}, true
	case "quote":
		return function{1, 1, quote}, true
	case "convert":
		return function{2, 2, convertUsing}, true
	case "char", "char_func":
		return function{1, -1, charFunc}, true
	}
	return function{}, false
}

// textMaker computes a text of its arguments' values; ok false means NULL.
type textMaker func(f *frame, t typ, v []Value) (s string, ok bool, err error)

// makeText compiles a function whose result is a text in the collation of its first
// textArgs arguments.
func makeText(c *compiler, k call, textArgs int, length uint32, fn textMaker) (*expr, error) {
	t, err := c.textResult(k.name, length, k.args[:textArgs]...)
	if err != nil {
		return nil, err
	}
	t.null = true // MySQL takes every text function for nullable
	return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
		s, ok, err := fn(f, t, v)
		if err != nil || !ok {
			return Null(), err
		}
		return textValue(s, t), nil
	}), nil
}

func sameLength(args int, fn textMaker) function {
	return function{args, args, func(c *compiler, k call) (*expr, error) {
		return makeText(c, k, 1, k.args[0].length, fn)
	}}
}

// mapText is a function of one text; binary strings have no letters and stay as they are.
func mapText(fn func(string) string) function {
	return sameLength(1, func(f *frame, t typ, v []Value) (string, bool, error) {
		if t.kind == KindBytes && v[0].kind == KindBytes {
			if trimmed := fn(" "); trimmed != "" {
				return v[0].str, true, nil
			}
		}
		return fn(v[0].Text()), true, nil
	})
}

// length is the number of characters, or of bytes in a binary string.
func length(s string, t typ) int64 {
	if t.kind == KindBytes {
		return int64(len(s))
	}
	return int64(utf8.RuneCountInString(s))
}

// slice is n characters (bytes of a binary string) from position from, counted from 0.
func slice(s string, t typ, from, n int64) string {
	if n <= 0 || from < 0 {
		return ""
	}
	if t.kind == KindBytes {
		size := int64(len(s))
		if from >= size {
			return ""
		}
		return s[from : from+min(n, size-from)]
	}
	for ; from > 0 && s != ""; from-- {
		_, w := utf8.DecodeRuneInString(s)
		s = s[w:]
	}
	end := 0
	for ; n > 0 && end < len(s); n-- {
		_, w := utf8.DecodeRuneInString(s[end:])
		end += w
	}
	return s[:end]
}

func concat(c *compiler, k call) (*expr, error) {
	total := uint32(0)
	for _, a := range k.args {
		total += a.length
	}
	return makeText(c, k, len(k.args), total, func(f *frame, _ typ, v []Value) (string, bool, error) {
		size := 0
		for _, x := range v {
			size += len(x.str) + 24
		}
		if ok, err := f.bounded("concat", int64(size)); !ok || err != nil {
			return "", false, err
		}
		var b []byte
		for _, x := range v {
			b = x.AppendText(b)
		}
		return string(b), true, nil
	})
}

// concatWS skips NULLs; only a NULL separator makes the result NULL.
func concatWS(c *compiler, k call) (*expr, error) {
	total := uint32(0)
	for i, a := range k.args {
		if i > 0 {
			total += a.length
		}
	}
	total += k.args[0].length * uint32(len(k.args)-2)
	t, err := c.textResult(k.name, total, k.args...)
	if err != nil {
		return nil, err
	}
	return &expr{typ: t.nullable(), fixed: allConst(k.args...), eval: func(f *frame) (Value, error) {
		sep, err := k.args[0].eval(f)
		if err != nil || sep.IsNull() {
			return Null(), err
		}
		var b []byte
		first := true
		for _, a := range k.args[1:] {
			v, err := a.eval(f)
			if err != nil {
				return Null(), err
			}
			if v.IsNull() {
				continue
			}
			if !first {
				b = sep.AppendText(b)
			}
			first = false
			b = v.AppendText(b)
			if ok, err := f.bounded("concat_ws", int64(len(b))); !ok || err != nil {
				return Null(), err
			}
		}
		return textValue(string(b), t), nil
	}}, nil
}

func reverse(s string, t typ) string {
	b := make([]byte, len(s))
	at := len(s)
	for s != "" {
		w := 1
		if t.kind != KindBytes {
			_, w = utf8.DecodeRuneInString(s)
		}
		at -= w
		copy(b[at:], s[:w])
		s = s[w:]
	}
	return string(b)
}

// trim is TRIM([{BOTH|LEADING|TRAILING} [what] FROM] s).
func trim(c *compiler, k call) (*expr, error) {
	direction := ast.TrimBothDefault
	args := []*expr{k.args[0]}
	if len(k.args) > 1 && k.args[1] != nil {
		args = append(args, k.args[1])
	}
	if len(k.nodes) == 3 {
		if d, ok := k.nodes[2].(*ast.TrimDirectionExpr); ok {
			direction = d.Direction
		}
	}
	k.args = args
	return makeText(c, k, len(args), args[0].length, func(_ *frame, _ typ, v []Value) (string, bool, error) {
		s, cut := v[0].Text(), " "
		if len(v) > 1 {
			cut = v[1].Text()
		}
		if cut == "" {
			return s, true, nil
		}
		for direction != ast.TrimTrailing && strings.HasPrefix(s, cut) {
			s = s[len(cut):]
		}
		for direction != ast.TrimLeading && strings.HasSuffix(s, cut) {
			s = s[:len(s)-len(cut)]
		}
		return s, true, nil
	})
}

// substring counts from 1, or from the end if the position is negative.
func substring(c *compiler, k call) (*expr, error) {
	chars := k.args[0].length
	if len(k.args) > 2 {
		chars = atMost(c, chars, k.args[2])
	}
	return makeText(c, k, 1, chars, func(f *frame, t typ, v []Value) (string, bool, error) {
		s, pos := v[0].Text(), v[1].int64(f.warn)
		n := int64(1) << 40
		if len(v) > 2 {
			n = v[2].int64(f.warn)
		}
		switch {
		case pos == 0:
			return "", true, nil
		case pos < 0:
			pos += length(s, t)
		default:
			pos--
		}
		return slice(s, t, pos, n), true, nil
	})
}

// atMost is the width of a text of which a constant number of characters is taken.
func atMost(c *compiler, chars uint32, count *expr) uint32 {
	if count.fixed {
		if v, err := count.eval(&frame{st: c.st}); err == nil {
			return uint32(min(max(v.int64(nil), 0), int64(chars)))
		}
	}
	return chars
}

func substringIndex(s, sep string, count int64) string {
	if sep == "" || count == 0 {
		return ""
	}
	if count > 0 {
		at := 0
		for ; count > 0; count-- {
			i := strings.Index(s[at:], sep)
			if i < 0 {
				return s
			}
			at += i + len(sep)
		}
		return s[:at-len(sep)]
	}
	end := len(s)
	for ; count < 0; count++ {
		i := strings.LastIndex(s[:end], sep)
		if i < 0 {
			return s
		}
		end = i
	}
	return s[end+len(sep):]
}

package engine

import (
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// textFunction finds functions that measure, search and compare texts.
func textFunction(name string) (function, bool) {
	switch name {
	case "length", "octet_length":
		return intFunc(1, 1, 10, func(_ *frame, v []Value) (Value, error) { return Int(int64(len(v[0].Text()))), nil }), true
	case "char_length", "character_length":
		return function{1, 1, func(c *compiler, k call) (*expr, error) {
			return strict(intType(10), k.args, func(_ *frame, v []Value) (Value, error) {
				return Int(length(v[0].Text(), k.args[0].typ)), nil
			}), nil
		}}, true
	case "bit_length":
		return intFunc(1, 1, 11, func(_ *frame, v []Value) (Value, error) { return Int(int64(len(v[0].Text())) * 8), nil }), true
	case "ascii":
		return intFunc(1, 1, 3, func(_ *frame, v []Value) (Value, error) {
			if s := v[0].Text(); s != "" {
				return Int(int64(s[0])), nil
			}
			return Int(0), nil
		}), true
	case "ord":
		return intFunc(1, 1, 7, func(_ *frame, v []Value) (Value, error) {
			s := v[0].Text()
			_, w := utf8.DecodeRuneInString(s)
			n := int64(0)
			for i := 0; i < w; i++ {
				n = n<<8 | int64(s[i])
			}
			return Int(n), nil
		}), true
	case "instr":
		return function{2, 2, func(c *compiler, k call) (*expr, error) { return locate(c, k, 0, 1) }}, true
	case "locate", "position":
		return function{2, 3, func(c *compiler, k call) (*expr, error) { return locate(c, k, 1, 0) }}, true
	case "strcmp":
		return function{2, 2, func(c *compiler, k call) (*expr, error) {
			coll, _, err := c.aggregateCollation("strcmp", k.args...)
			if err != nil {
				return nil, err
			}
			return strict(intType(2), k.args, func(_ *frame, v []Value) (Value, error) {
				return Int(int64(sign(coll.compare(v[0].Text(), v[1].Text())))), nil
			}), nil
		}}, true
	case "find_in_set":
		return function{2, 2, findInSet}, true
	case "field":
		return function{2, -1, field}, true
	case "format":
		return function{2, 3, format}, true
	}
	return function{}, false
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// locate finds args[needle] in args[hay]; a third argument says where to start.
func locate(c *compiler, k call, hay, needle int) (*expr, error) {
	coll, _, err := c.aggregateCollation(k.name, k.args[0], k.args[1])
	if err != nil {
		return nil, err
	}
	return strict(intType(11), k.args, func(f *frame, v []Value) (Value, error) {
		s, what, start := v[hay].Text(), v[needle].Text(), int64(1)
		if len(v) > 2 {
			start = v[2].int64(f.warn)
		}
		t := k.args[hay].typ
		if coll.id == collBinary {
			t.kind = KindBytes
		}
		return Int(position(coll, t, s, what, start)), nil
	}), nil
}

// position counts characters from 1; 0 means not found.
func position(coll collator, t typ, s, what string, start int64) int64 {
	have := length(s, t)
	if start < 1 || start > have+1 {
		return 0
	}
	s = slice(s, t, start-1, have)
	i := coll.index(s, what)
	if i < 0 {
		return 0
	}
	return start + length(s[:i], t)
}

// index finds what in s. As in MySQL a match has as many bytes as what: an accented
// letter does not match its plain form here.
func (c collator) index(s, what string) int {
	if c.binary || what == "" {
		return strings.Index(s, what)
	}
	folded, sought := strings.Map(c.fold, s), strings.Map(c.fold, what)
	if len(folded) == len(s) && len(sought) == len(what) {
		return strings.Index(folded, sought)
	}
	for i := range s {
		if i+len(what) > len(s) {
			break
		}
		if window := s[i : i+len(what)]; utf8.ValidString(window) && strings.Map(c.fold, window) == sought {
			return i
		}
	}
	return -1
}

func findInSet(c *compiler, k call) (*expr, error) {
	coll, _, err := c.aggregateCollation("find_in_set", k.args...)
	if err != nil {
		return nil, err
	}
	return strict(intType(3), k.args, func(_ *frame, v []Value) (Value, error) {
		what, set := v[0].Text(), v[1].Text()
		if set == "" {
			return Int(0), nil
		}
		for i, item := range strings.Split(set, ",") {
			if coll.compare(item, what) == 0 {
				return Int(int64(i + 1)), nil
			}
		}
		return Int(0), nil
	}), nil
}

// field is FIELD(x, a, b, …): texts compare as texts; beside a double or a date all compare as
// doubles, else as exact numbers.
func field(c *compiler, k call) (*expr, error) {
	allText, allExact := true, true
	for _, a := range k.args {
		allText = allText && (a.isText() || a.kind == KindNull)
		allExact = allExact && (a.isInt() || a.kind == KindDecimal || a.isText() || a.kind == KindNull)
	}
	var equal compareFunc
	switch {
	case allText:
		coll, _, err := c.aggregateCollation("field", k.args...)
		if err != nil {
			return nil, err
		}
		equal = func(_ *frame, a, b Value) int { return coll.compare(a.Text(), b.Text()) }
	case allExact:
		equal = compareNumbers
	default:
		as := &expr{typ: floatType()}
		var err error
		if equal, err = c.comparer(opText(opcode.EQ), as, as); err != nil {
			return nil, err
		}
	}
	return &expr{typ: intType(3), fixed: allConst(k.args...), eval: func(f *frame) (Value, error) {
		x, err := k.args[0].eval(f)
		if err != nil || x.IsNull() {
			return Int(0), err
		}
		for i, a := range k.args[1:] {
			v, err := a.eval(f)
			if err != nil {
				return Null(), err
			}
			if !v.IsNull() && equal(f, x, v) == 0 {
				return Int(int64(i + 1)), nil
			}
		}
		return Int(0), nil
	}}, nil
}

// format is FORMAT(n, places): thousands apart with commas. Other locales are not known.
func format(c *compiler, k call) (*expr, error) {
	if len(k.args) == 3 {
		return nil, errNotSupported("FORMAT with a locale")
	}
	t := textType(k.args[0].length+k.args[0].length/3+31, c.st.collation(), coerLiteral)
	return strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		places := min(max(v[1].int64(f.warn), 0), maxDecimalScale)
		var d = v[0].decimal(nil)
		if v[0].kind == KindString || v[0].kind == KindBytes {
			d = Float(v[0].float(f.warn)).decimal(nil)
		}
		s := rescale(d, int32(places)).StringFixed(int32(places))
		neg := strings.HasPrefix(s, "-")
		whole, frac, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
		var b strings.Builder
		if neg {
			b.WriteByte('-')
		}
		for i, digit := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				b.WriteByte(',')
			}
			b.WriteRune(digit)
		}
		if frac != "" {
			b.WriteString("." + frac)
		}
		return String(b.String()), nil
	}), nil
}

package engine

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// regexpFunction finds REGEXP_LIKE and its kin. Patterns are those of Go's regexp package, as
// for the operator REGEXP; ^ holds at the start position as well as at the beginning.
func regexpFunction(name string) (function, bool) {
	switch name {
	case "regexp_like":
		return function{2, 3, regexpLike}, true
	case "regexp_substr":
		return function{2, 5, regexpSubstr}, true
	case "regexp_instr":
		return function{2, 6, regexpInstr}, true
	case "regexp_replace":
		return function{3, 6, regexpReplace}, true
	}
	return function{}, false
}

// search is a call of such a function: its pattern, where it begins, and which match it is about.
type search struct {
	re         *regexp.Regexp
	text       string
	start      int // byte at which the search begins
	occurrence int64
}

// searcher compiles what the functions share. The optional arguments after the pattern (and the
// replacement) are position, occurrence, extra ones of the function's own, and the match type last.
func searcher(c *compiler, k call, extra int) (func(f *frame, v []Value) (search, bool, error), error) {
	coll, _, err := c.aggregateCollation(k.name, k.args[:2]...)
	if err != nil {
		return nil, err
	}
	match := patterns(coll)
	after := 2
	if k.name == "regexp_replace" {
		after = 3
	}
	return func(f *frame, v []Value) (search, bool, error) {
		s := search{text: v[0].Text(), occurrence: 1}
		if err := f.st.compute(len(s.text)); err != nil {
			return s, false, err
		}
		if k.name == "regexp_replace" {
			s.occurrence = 0
		}
		options := ""
		if k.name == "regexp_like" {
			if len(v) > 2 {
				options = v[2].Text()
			}
		} else {
			if i := after + 2 + extra; len(v) > i {
				options = v[i].Text()
			}
			if len(v) > after+1 {
				s.occurrence = v[after+1].int64(f.warn)
			}
		}
		if s.re, err = match(v[1].Text(), options); err != nil {
			return s, false, err
		}
		if k.name != "regexp_like" && len(v) > after {
			pos := v[after].int64(f.warn)
			if pos < 1 || pos > int64(utf8.RuneCountInString(s.text))+1 {
				return s, false, fail(3686, "HY000", "Index out of bounds in regular expression search.")
			}
			s.start = bytesOf(s.text, pos-1)
		}
		return s, true, nil
	}, nil
}

// bytesOf is how many bytes the first n characters take.
func bytesOf(s string, n int64) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return at
}

// find gives the bounds, in bytes, of the match that is asked for; nil: there is none.
func (s search) find() []int {
	matches := s.re.FindAllStringIndex(s.text[s.start:], int(min(max(s.occurrence, 1), maxText)))
	if n := max(s.occurrence, 1); int64(len(matches)) >= n {
		m := matches[n-1]
		return []int{m[0] + s.start, m[1] + s.start}
	}
	return nil
}

func regexpLike(c *compiler, k call) (*expr, error) {
	prepare, err := searcher(c, k, 0)
	if err != nil {
		return nil, err
	}
	return strict(boolType().nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		s, ok, err := prepare(f, v)
		if !ok || err != nil {
			return Null(), err
		}
		return Bool(matches(s.re, s.text)), nil
	}), nil
}

func regexpSubstr(c *compiler, k call) (*expr, error) {
	prepare, err := searcher(c, k, 0)
	if err != nil {
		return nil, err
	}
	return makeText(c, k, 1, k.args[0].length, func(f *frame, _ typ, v []Value) (string, bool, error) {
		s, ok, err := prepare(f, v)
		if !ok || err != nil {
			return "", false, err
		}
		m := s.find()
		if m == nil {
			return "", false, nil
		}
		return s.text[m[0]:m[1]], true, nil
	})
}

// regexpInstr is REGEXP_INSTR(text, pattern, position, occurrence, return option, match type).
func regexpInstr(c *compiler, k call) (*expr, error) {
	prepare, err := searcher(c, k, 1)
	if err != nil {
		return nil, err
	}
	return strict(intType(11).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		s, ok, err := prepare(f, v)
		if !ok || err != nil {
			return Null(), err
		}
		side := 0
		if len(v) > 4 {
			switch v[4].int64(f.warn) {
			case 0:
			case 1:
				side = 1
			default:
				return Null(), fail(1210, "HY000", "Incorrect arguments to regexp_instr: return_option must be 1 or 0.")
			}
		}
		m := s.find()
		if m == nil {
			return Int(0), nil
		}
		return Int(int64(utf8.RuneCountInString(s.text[:m[side]])) + 1), nil
	}), nil
}

// regexpReplace is REGEXP_REPLACE(text, pattern, replacement, position, occurrence, match type);
// occurrence 0 stands for all of them.
func regexpReplace(c *compiler, k call) (*expr, error) {
	prepare, err := searcher(c, k, 0)
	if err != nil {
		return nil, err
	}
	return makeText(c, k, 1, k.args[0].length*k.args[2].length, func(f *frame, _ typ, v []Value) (string, bool, error) {
		s, ok, err := prepare(f, v)
		if !ok || err != nil {
			return "", false, err
		}
		with := goTemplate(v[2].Text())
		text := s.text[s.start:]
		var b []byte
		b = append(b, s.text[:s.start]...)
		last := 0
		for i, m := range s.re.FindAllStringSubmatchIndex(text, -1) {
			if s.occurrence > 0 && int64(i+1) != s.occurrence {
				continue
			}
			b = append(b, text[last:m[0]]...)
			b = s.re.ExpandString(b, with, text, m)
			last = m[1]
			if ok, err := f.bounded("regexp_replace", int64(len(b)+len(text)-last)); !ok || err != nil {
				return "", false, err
			}
		}
		return string(append(b, text[last:]...)), true, nil
	})
}

// goTemplate writes a replacement, in which $1 is a group and \ takes its meaning from the next
// character, as Go's templates have it.
func goTemplate(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			if s[i] == '$' {
				b.WriteByte('$')
			}
			b.WriteByte(s[i])
		case c == '$' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			i++
			b.WriteString("${" + s[i:i+1] + "}")
		case c == '$' && i+1 < len(s) && s[i+1] == '{':
			b.WriteByte('$')
		case c == '$':
			b.WriteString("$$")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// patterns compiles patterns with match types, and keeps the last one.
func patterns(coll collator) func(pattern, options string) (*regexp.Regexp, error) {
	var lastOptions string
	var compile func(pattern string) (*regexp.Regexp, error)
	return func(pattern, options string) (*regexp.Regexp, error) {
		if compile == nil || options != lastOptions {
			with := coll
			flags := ""
			for _, o := range options {
				switch o {
				case 'c':
					with.noCase = false
				case 'i':
					with.noCase = true
				case 'm':
					flags += "m"
				case 'n':
					flags += "s"
				case 'u': // \n alone ends a line, here always
				default:
					return nil, fail(1210, "HY000", "Incorrect arguments to regexp_like: unknown match type '%c': use c, i, m, n or u", o)
				}
			}
			lastOptions, compile = options, regexpMatcher(with, flags)
		}
		return compile(pattern)
	}
}

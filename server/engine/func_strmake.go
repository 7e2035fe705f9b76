package engine

import (
	"strings"
	"unicode/utf8"
)

// replace gives the text back unread when there is nothing to look for, even if what
// would replace it is NULL.
func replace(c *compiler, k call) (*expr, error) {
	chars := k.args[0].length
	t, err := c.textResult("replace", max(chars, chars*max(k.args[2].length, 1)), k.args...)
	if err != nil {
		return nil, err
	}
	pair := strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		s, from, to := v[0].Text(), v[1].Text(), v[2].Text()
		size := int64(len(s)) + int64(strings.Count(s, from))*int64(len(to)-len(from))
		if ok, err := f.bounded("replace", size); !ok || err != nil {
			return Null(), err
		}
		return textValue(strings.ReplaceAll(s, from, to), t), nil
	})
	binary := collatorByID(t.coll).binary
	return strict(pair.typ, k.args[:2], func(f *frame, v []Value) (Value, error) {
		from := v[1].Text()
		if from == "" || binary && !strings.Contains(v[0].Text(), from) { // whatever stands for it, NULL too
			return textValue(v[0].Text(), t), nil
		}
		return pair.eval(f)
	}), nil
}

func repeat(c *compiler, k call) (*expr, error) {
	return makeText(c, k, 1, fixedLength(c, k.args[0].length, k.args[1]), func(f *frame, _ typ, v []Value) (string, bool, error) {
		s, n := v[0].Text(), v[1].int64(f.warn)
		if n <= 0 || s == "" {
			return "", true, nil
		}
		if n > maxText {
			n = maxText + 1
		}
		if ok, err := f.bounded("repeat", int64(len(s))*n); !ok || err != nil {
			return "", false, err
		}
		return strings.Repeat(s, int(n)), true, nil
	})
}

// fixedLength is unit times a count if the count is a constant, else long.
func fixedLength(c *compiler, unit uint32, count *expr) uint32 {
	if count.fixed {
		if v, err := count.eval(&frame{st: c.st}); err == nil {
			if n := max(v.int64(nil), 0); n < maxText && n*int64(unit) < maxText {
				return unit * uint32(n)
			}
		}
	}
	return maxText
}

func space(c *compiler, k call) (*expr, error) {
	t := textType(fixedLength(c, 1, k.args[0]), c.st.collation(), coerLiteral).nullable()
	return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
		n := max(v[0].int64(f.warn), 0)
		if ok, err := f.bounded("space", n); !ok || err != nil {
			return Null(), err
		}
		return String(strings.Repeat(" ", int(n))), nil
	}), nil
}

// pad is LPAD and RPAD.
func pad(c *compiler, k call) (*expr, error) {
	texts := []*expr{k.args[0]}
	if len(k.args) == 3 {
		texts = append(texts, k.args[2])
	}
	t, err := c.textResult(k.name, fixedLength(c, 1, k.args[1]), texts...)
	if err != nil {
		return nil, err
	}
	return strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		s, want, fill := v[0].Text(), v[1].int64(f.warn), " "
		if len(v) == 3 {
			fill = v[2].Text()
		}
		have := length(s, t)
		switch {
		case want < 0:
			return Null(), nil
		case want <= have:
			return textValue(slice(s, t, 0, want), t), nil
		case fill == "":
			return Null(), nil
		}
		missing := want - have
		if ok, err := f.bounded(k.name, min(missing, maxText+1)*4); !ok || err != nil {
			return Null(), err
		}
		times := missing/length(fill, t) + 1
		padding := slice(strings.Repeat(fill, int(times)), t, 0, missing)
		if k.name == "lpad" {
			return textValue(padding+s, t), nil
		}
		return textValue(s+padding, t), nil
	}), nil
}

func elt(c *compiler, k call) (*expr, error) {
	t, err := c.unify("elt", k.args[1:]...)
	if err != nil {
		return nil, err
	}
	if !t.isText() {
		chars := uint32(0)
		for _, a := range k.args[1:] {
			chars = max(chars, a.length)
		}
		if t, err = c.textResult("elt", chars, k.args[1:]...); err != nil {
			return nil, err
		}
	}
	t.null = true
	return &expr{typ: t, fixed: allConst(k.args...), eval: func(f *frame) (Value, error) {
		n, err := k.args[0].eval(f)
		if err != nil || n.IsNull() {
			return Null(), err
		}
		i := n.int64(f.warn)
		if i < 1 || i >= int64(len(k.args)) {
			return Null(), nil
		}
		v, err := k.args[i].eval(f)
		return t.to(f, v), err
	}}, nil
}

// insertText is INSERT(s, pos, n, new).
func insertText(c *compiler, k call) (*expr, error) {
	texts := []*expr{k.args[0], k.args[3]}
	t, err := c.textResult("insert", k.args[0].length+k.args[3].length, texts...)
	if err != nil {
		return nil, err
	}
	return strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		s, pos, n := v[0].Text(), v[1].int64(f.warn), v[2].int64(f.warn)
		have := length(s, t)
		if pos < 1 || pos > have {
			return textValue(s, t), nil
		}
		if n < 0 || n > have-pos+1 {
			n = have - pos + 1
		}
		head := slice(s, t, 0, pos-1)
		tail := slice(s, t, pos-1+n, have)
		if ok, err := f.bounded("insert", int64(len(s)+len(v[3].str))); !ok || err != nil {
			return Null(), err
		}
		return textValue(head+v[3].Text()+tail, t), nil
	}), nil
}

// quote writes a text as a literal; NULL becomes the word NULL.
func quote(c *compiler, k call) (*expr, error) {
	t, err := c.textResult("quote", max(k.args[0].length*2+2, uint32(len("NULL"))), k.args[0])
	if err != nil {
		return nil, err
	}
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`, "\x1a", `\Z`)
	return &expr{typ: t, fixed: k.args[0].fixed, eval: func(f *frame) (Value, error) {
		v, err := k.args[0].eval(f)
		if err != nil {
			return Null(), err
		}
		if v.IsNull() {
			return textValue("NULL", t), nil
		}
		return textValue("'"+escape.Replace(v.Text())+"'", t), nil
	}}, nil
}

// charFunc is CHAR(n, … [USING charset]): the bytes of the numbers. The parser puts the
// charset, or NULL, last.
func charFunc(c *compiler, k call) (*expr, error) {
	args := k.args
	coll := collBinary
	if k.name == "char_func" && len(args) > 1 {
		last := args[len(args)-1]
		args = args[:len(args)-1]
		if last.fixed && last.kind != KindNull {
			cs, err := last.eval(&frame{st: c.st})
			if err != nil {
				return nil, err
			}
			d, err := defaultCollator(cs.Text())
			if err != nil {
				return nil, err
			}
			coll = int(d.id)
		}
	}
	t := textType(uint32(len(args)*4), uint16(coll), coerLiteral).nullable()
	return &expr{typ: t, fixed: allConst(args...), eval: func(f *frame) (Value, error) {
		var b []byte
		for _, a := range args {
			v, err := a.eval(f)
			if err != nil {
				return Null(), err
			}
			if v.IsNull() {
				continue
			}
			n := uint32(v.bits(f.warn))
			for shift := 24; shift >= 0; shift -= 8 {
				if n>>shift != 0 || shift == 0 {
					b = append(b, byte(n>>shift))
				}
			}
		}
		if t.kind == KindString && !utf8.Valid(b) {
			f.warn(1300, "Invalid utf8mb4 character string")
			return Null(), nil
		}
		return textValue(string(b), t), nil
	}}, nil
}

// convertUsing is CONVERT(x USING charset). Texts are UTF-8 inside, so only the
// collation changes; the parser has checked that the character set exists.
func convertUsing(c *compiler, k call) (*expr, error) {
	cs, err := k.args[1].eval(&frame{st: c.st})
	if err != nil {
		return nil, err
	}
	coll := collatorByID(c.st.collation())
	if !strings.EqualFold(cs.Text(), coll.charset) {
		if coll, err = defaultCollator(cs.Text()); err != nil {
			return nil, err
		}
	}
	return asText(k.args[0], textType(k.args[0].length, coll.id, coerColumn).nullable()), nil
}

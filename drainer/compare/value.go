package compare

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pumphouse/drainer/sink/mysql/rewrite"
)

// row are the values of one row by column, as the driver gives them in the binary protocol.
type row []any

// differences are the columns in which two rows differ, with both values, for people.
func (p *pair) differences(up, down row) (list []string) {
	for i, c := range p.columns {
		if c.same(up[i], down[i]) {
			continue
		}
		list = append(list, fmt.Sprintf("%s is %s upstream, %s downstream", c.name, c.valueShown(up[i]), c.valueShown(down[i])))
	}
	return list
}

func (c column) same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return c.canonical(a) == c.canonical(b)
}

// canonical is a text that is the same for equal values that are not NULL, and for no others.
func (c column) canonical(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float32:
		return strconv.FormatFloat(float64(v)+0, 'g', -1, 64) // -0 is 0
	case float64:
		return strconv.FormatFloat(v+0, 'g', -1, 64)
	case []byte:
		return c.canonicalText(string(v))
	case string:
		return c.canonicalText(v)
	}
	return fmt.Sprintf("%T %v", v, v)
}

func (c column) canonicalText(s string) string {
	switch c.kind {
	case number: // BIT comes as bytes
		return new(big.Int).SetBytes([]byte(s)).String()
	case exact, floating:
		if r, ok := new(big.Rat).SetString(s); ok {
			return r.RatString()
		}
	case temporal:
		if whole, fraction, ok := strings.Cut(s, "."); ok {
			return strings.TrimSuffix(whole+"."+strings.TrimRight(fraction, "0"), ".")
		}
	case document:
		if text, ok := canonicalDocument(s); ok {
			return text
		}
	}
	return s
}

// inUTF8 is a value as the drainer writes it, if it is text that is not in UTF-8.
func (c column) inUTF8(v any) any {
	if b, ok := v.([]byte); ok && c.latin1 && !utf8.Valid(b) {
		return []byte(rewrite.FromLatin1(b))
	}
	return v
}

// canonicalDocument is a JSON document with its keys in order and its numbers by their value.
func canonicalDocument(s string) (string, bool) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", false
	}
	b, err := json.Marshal(exactNumbers(v))
	return string(b), err == nil
}

// exactNumbers replaces numbers by exact fractions: 1, 1.0 and 1e0 are the same.
func exactNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		if n, err := strconv.Atoi(exponent); exponent != "" && (err != nil || n > 400 || n < -400) {
			return map[string]string{"number": v.String()} // none of a database's
		}
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return map[string]string{"number": r.RatString()}
		}
	case []any:
		for i := range v {
			v[i] = exactNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exactNumbers(v[k])
		}
	}
	return v
}

// valueShown is a value for people, cut to a length.
func (c column) valueShown(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		switch c.kind {
		case number:
			return c.canonicalText(string(v))
		case exact:
			return string(v)
		case binary:
			return fmt.Sprintf("X'%X'", v[:min(len(v), maxShown/2)])
		}
		return fmt.Sprintf("%q", cut(string(v)))
	}
	return fmt.Sprint(v)
}

// canonical is a row as text, the same for equal rows.
func (p *pair) canonical(r row) string {
	var b strings.Builder
	for i, c := range p.columns {
		if r[i] == nil {
			b.WriteString("N;")
			continue
		}
		s := c.canonical(r[i])
		fmt.Fprintf(&b, "%d:%s;", len(s), s)
	}
	return b.String()
}

// shown is a row for people: its first columns.
func (p *pair) shown(r row) string {
	const most = 8
	var list []string
	for i, c := range slices.Clip(p.columns[:min(len(p.columns), most)]) {
		list = append(list, c.name+"="+c.valueShown(r[i]))
	}
	if len(p.columns) > most {
		list = append(list, "…")
	}
	return strings.Join(list, " AND ")
}

package engine

import (
	"errors"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// collUTF8Bin is the collation of texts that come out of JSON documents.
const collUTF8Bin = 46

// jsonType is the type of a JSON document.
func jsonType() typ {
	t := textType(1<<30-1, collUTF8Bin, coerColumn)
	t.json, t.wire = true, mysql.TypeJSON
	return t
}

// jsonFunction finds the functions about JSON documents.
func jsonFunction(name string) (function, bool) {
	switch name {
	case "json_extract":
		return jsonFunc(2, -1, jsonType(), jsonExtract), true
	case "json_unquote":
		return function{1, 1, jsonUnquote}, true
	case "json_value":
		return jsonFunc(2, 2, textType(512, collUTF8Bin, coerColumn), jsonValue), true
	case "json_valid":
		return nullableIntFunc(1, 1, 1, func(_ *frame, v []Value) (Value, error) {
			_, _, err := parseJSON(v[0].Text())
			return Bool(err == nil && v[0].kind == KindString), nil
		}), true
	case "json_quote":
		return jsonFunc(1, 1, textType(1<<16, collUTF8Bin, coerColumn), func(_ call, v []Value) (Value, error) {
			return String(string(appendJSONString(nil, v[0].Text()))), nil
		}), true
	case "json_length":
		return jsonFunc(1, 2, intType(10), jsonAt(func(n *jsonNode) Value { return Int(int64(n.length())) })), true
	case "json_depth":
		return jsonFunc(1, 1, intType(10), jsonAt(func(n *jsonNode) Value { return Int(int64(n.depth())) })), true
	case "json_type":
		return jsonFunc(1, 1, textType(51, collUTF8Bin, coerColumn), jsonAt(func(n *jsonNode) Value { return String(n.typeName()) })), true
	case "json_keys":
		return jsonFunc(1, 2, jsonType(), jsonAt(jsonKeys)), true
	case "json_contains":
		return jsonFunc(2, 3, intType(1), jsonContains), true
	case "json_contains_path":
		return jsonFunc(3, -1, intType(1), jsonContainsPath), true
	case "json_array":
		return function{0, -1, jsonMake(jsonArray)}, true
	case "json_object":
		return function{0, -1, jsonMake(jsonObject)}, true
	}
	return function{}, false
}

// jsonFunc is a built-in that gives NULL if an argument is NULL.
func jsonFunc(minArgs, maxArgs int, t typ, fn func(k call, v []Value) (Value, error)) function {
	return function{minArgs, maxArgs, func(c *compiler, k call) (*expr, error) {
		return strict(t.nullable(), k.args, func(_ *frame, v []Value) (Value, error) { return fn(k, v) }), nil
	}}
}

// document reads argument i.
func (k call) document(i int, v Value) (*jsonNode, error) {
	if v.kind != KindString {
		return nil, fail(3146, "22032", "Invalid data type for JSON data in argument %d to function %s; a JSON string or JSON type is required.", i+1, k.name)
	}
	n, at, err := parseJSON(v.str)
	var known *Error
	if errors.As(err, &known) {
		return nil, known
	}
	if err != nil {
		return nil, fail(3141, "22032", "Invalid JSON text in argument %d to function %s: \"Invalid value.\" at position %d.", i+1, k.name, at)
	}
	return n, nil
}

func jsonExtract(k call, v []Value) (Value, error) {
	doc, err := k.document(0, v[0])
	if err != nil {
		return Null(), err
	}
	var found []*jsonNode
	many := len(v) > 2
	for _, text := range v[1:] {
		p, err := parseJSONPath(text.Text())
		if err != nil {
			return Null(), err
		}
		many = many || p.many
		found = append(found, p.find(doc)...)
	}
	switch {
	case len(found) == 0:
		return Null(), nil
	case many:
		return String((&jsonNode{kind: jsonArray, items: found}).String()), nil
	}
	return String(found[0].String()), nil
}

// jsonUnquote takes the quotes off a JSON string; what is none stays as it is.
func jsonUnquote(c *compiler, k call) (*expr, error) {
	t := textType(max(k.args[0].length, 1), collUTF8Bin, coerColumn)
	return strict(t, k.args, func(_ *frame, v []Value) (Value, error) { return unquoteJSON(v[0].Text()) }), nil
}

func unquoteJSON(s string) (Value, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return String(s), nil
	}
	n, at, err := parseJSON(s)
	if err != nil {
		return Null(), fail(3141, "22032", "Invalid JSON text in argument 1 to function json_unquote: \"Invalid value.\" at position %d.", at)
	}
	return String(n.text), nil
}

// jsonValue gives one scalar as a text; anything else is NULL.
func jsonValue(k call, v []Value) (Value, error) {
	doc, err := k.document(0, v[0])
	if err != nil {
		return Null(), err
	}
	p, err := parseJSONPath(v[1].Text())
	if err != nil {
		return Null(), err
	}
	found := p.find(doc)
	if len(found) != 1 || found[0].kind == jsonNull {
		return Null(), nil
	}
	if n := found[0]; n.kind == jsonString {
		return String(n.text), nil
	}
	return String(found[0].String()), nil
}

// jsonAt applies fn to a document, or to what a path finds in it.
func jsonAt(fn func(n *jsonNode) Value) func(k call, v []Value) (Value, error) {
	return func(k call, v []Value) (Value, error) {
		doc, err := k.document(0, v[0])
		if err != nil {
			return Null(), err
		}
		if len(v) == 1 {
			return fn(doc), nil
		}
		p, err := parseJSONPath(v[1].Text())
		switch {
		case err != nil:
			return Null(), err
		case p.many:
			return Null(), fail(3149, "42000", "In this situation, path expressions may not contain the * and ** tokens or an array range.")
		}
		if found := p.find(doc); len(found) > 0 {
			return fn(found[0]), nil
		}
		return Null(), nil
	}
}

func jsonKeys(n *jsonNode) Value {
	if n.kind != jsonObject {
		return Null()
	}
	out := &jsonNode{kind: jsonArray}
	for _, key := range n.keys {
		out.items = append(out.items, &jsonNode{kind: jsonString, text: key})
	}
	return String(out.String())
}

func jsonContains(k call, v []Value) (Value, error) {
	want, err := k.document(1, v[1])
	if err != nil {
		return Null(), err
	}
	at := []Value{v[0]}
	at = append(at, v[2:]...)
	return jsonAt(func(n *jsonNode) Value { return Bool(n.contains(want)) })(k, at)
}

func jsonContainsPath(k call, v []Value) (Value, error) {
	doc, err := k.document(0, v[0])
	if err != nil {
		return Null(), err
	}
	all := strings.EqualFold(v[1].Text(), "all")
	if !all && !strings.EqualFold(v[1].Text(), "one") {
		return Null(), fail(3154, "42000", "The oneOrAll argument to %s may take these values: 'one' or 'all'.", k.name)
	}
	for _, text := range v[2:] {
		p, err := parseJSONPath(text.Text())
		if err != nil {
			return Null(), err
		}
		if has := len(p.find(doc)) > 0; has != all {
			return Bool(has), nil
		}
	}
	return Bool(all), nil
}

// jsonMake compiles JSON_ARRAY(value, …) and JSON_OBJECT(key, value, …).
func jsonMake(kind jsonKind) func(c *compiler, k call) (*expr, error) {
	return func(c *compiler, k call) (*expr, error) {
		if kind == jsonObject && len(k.args)%2 != 0 {
			return nil, errArgCount(k.name)
		}
		return &expr{typ: jsonType(), fixed: allConst(k.args...), eval: func(f *frame) (Value, error) {
			out := &jsonNode{kind: kind}
			key := ""
			for i, a := range k.args {
				v, err := a.eval(f)
				if err != nil {
					return Null(), err
				}
				if kind == jsonObject && i%2 == 0 {
					if v.IsNull() {
						return Null(), fail(3158, "22032", "JSON documents may not contain NULL member names.")
					}
					key = v.Text()
					continue
				}
				n, err := a.jsonOf(v)
				if err != nil {
					return Null(), err
				}
				if kind == jsonObject {
					out.set(key, n)
				} else {
					out.items = append(out.items, n)
				}
			}
			return String(out.String()), nil
		}}, nil
	}
}

// jsonOf is a value as a member of a document.
func (t typ) jsonOf(v Value) (*jsonNode, error) {
	switch {
	case v.IsNull():
		return &jsonNode{kind: jsonNull}, nil
	case t.json:
		n, _, err := parseJSON(v.Text())
		return n, err
	case t.boolean:
		if v.num != 0 {
			return &jsonNode{kind: jsonBool, text: "true"}, nil
		}
		return &jsonNode{kind: jsonBool, text: "false"}, nil
	case v.kind == KindFloat:
		return &jsonNode{kind: jsonNumber, text: jsonFloat(v.flt)}, nil
	case t.isNumber():
		return &jsonNode{kind: jsonNumber, text: v.Text()}, nil
	}
	return &jsonNode{kind: jsonString, text: v.Text()}, nil
}

// scalar makes a JSON document comparable with what is none: a string without its quotes.
func scalar(l, r *expr) (*expr, *expr) {
	switch {
	case l.json && !r.json:
		l = unquoted(l)
	case r.json && !l.json:
		r = unquoted(r)
	}
	return l, r
}

func unquoted(e *expr) *expr {
	out := *e
	out.json = false
	out.eval = func(f *frame) (Value, error) {
		v, err := e.eval(f)
		if err != nil || v.IsNull() {
			return v, err
		}
		return unquoteJSON(v.str)
	}
	return &out
}

package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// What a JSON document may be at most: MySQL's depth, and a size that keeps one document
// from taking much memory.
const (
	maxJSONDepth = 100
	maxJSONBytes = 1 << 20
)

// jsonKind is the type of a JSON value.
type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// jsonNode is one value of a JSON document.
type jsonNode struct {
	kind  jsonKind
	text  string   // of a string; "true", "false"; a number's digits
	keys  []string // of an object, beside items: shorter ones first, as MySQL sorts them
	items []*jsonNode
}

var errJSONDepth = fail(3157, "22032", "The JSON document exceeds the maximum depth.")

// parseJSON reads a document; a text that is none gives the place of the fault.
func parseJSON(text string) (n *jsonNode, at int64, err error) {
	if len(text) > maxJSONBytes {
		return nil, 0, errNotSupported("a JSON document of more than 1 MiB")
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	n, err = readJSON(dec, 1)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	return n, dec.InputOffset(), err
}

func readJSON(dec *json.Decoder, depth int) (*jsonNode, error) {
	if depth > maxJSONDepth {
		return nil, errJSONDepth
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case nil:
		return &jsonNode{kind: jsonNull}, nil
	case bool:
		return &jsonNode{kind: jsonBool, text: strconv.FormatBool(t)}, nil
	case json.Number:
		return &jsonNode{kind: jsonNumber, text: jsonNumberText(t.String())}, nil
	case string:
		return &jsonNode{kind: jsonString, text: t}, nil
	}
	n := &jsonNode{kind: jsonArray}
	if tok == json.Delim('{') {
		n.kind = jsonObject
	}
	for dec.More() {
		key := ""
		if n.kind == jsonObject {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key, _ = name.(string)
		}
		item, err := readJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		if n.kind == jsonObject {
			n.set(key, item)
		} else {
			n.items = append(n.items, item)
		}
	}
	_, err = dec.Token() // the closing bracket
	return n, err
}

// jsonNumberText is a number as MySQL keeps it: an integer of 64 bits, else a double.
func jsonNumberText(s string) string {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return s
	}
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return jsonFloat(f)
}

func jsonFloat(f float64) string {
	s := Float(f).Text()
	if !strings.ContainsAny(s, ".eEn") {
		s += ".0"
	}
	return s
}

// set adds a member to an object; the last of two of a name counts.
func (n *jsonNode) set(key string, v *jsonNode) {
	at, found := slices.BinarySearchFunc(n.keys, key, compareJSONKeys)
	if found {
		n.items[at] = v
		return
	}
	n.keys = slices.Insert(n.keys, at, key)
	n.items = slices.Insert(n.items, at, v)
}

func compareJSONKeys(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// get finds a member of an object, nil if there is none.
func (n *jsonNode) get(key string) *jsonNode {
	if at, found := slices.BinarySearchFunc(n.keys, key, compareJSONKeys); found {
		return n.items[at]
	}
	return nil
}

// String is the document as MySQL prints it: one blank after commas and colons.
func (n *jsonNode) String() string { return string(n.append(nil)) }

func (n *jsonNode) append(b []byte) []byte {
	switch n.kind {
	case jsonNull:
		return append(b, "null"...)
	case jsonString:
		return appendJSONString(b, n.text)
	case jsonArray, jsonObject:
		open, end := byte('['), byte(']')
		if n.kind == jsonObject {
			open, end = '{', '}'
		}
		b = append(b, open)
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ", "...)
			}
			if n.kind == jsonObject {
				b = append(appendJSONString(b, n.keys[i]), ": "...)
			}
			b = item.append(b)
		}
		return append(b, end)
	}
	return append(b, n.text...)
}

// appendJSONString quotes a text.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		default:
			if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
				b = append(b, '\\', "bfnrt"[at])
			} else {
				b = fmt.Appendf(b, `\u%04x`, c)
			}
		}
	}
	return append(b, '"')
}

// typeName is JSON_TYPE's answer.
func (n *jsonNode) typeName() string {
	switch n.kind {
	case jsonNull:
		return "NULL"
	case jsonBool:
		return "BOOLEAN"
	case jsonString:
		return "STRING"
	case jsonArray:
		return "ARRAY"
	case jsonObject:
		return "OBJECT"
	}
	if strings.ContainsAny(n.text, ".eE") {
		return "DOUBLE"
	}
	if _, err := strconv.ParseInt(n.text, 10, 64); err != nil {
		return "UNSIGNED INTEGER"
	}
	return "INTEGER"
}

// depth is JSON_DEPTH's answer.
func (n *jsonNode) depth() int {
	deepest := 0
	for _, item := range n.items {
		deepest = max(deepest, item.depth())
	}
	return deepest + 1
}

// length is JSON_LENGTH's answer.
func (n *jsonNode) length() int {
	if n.kind == jsonArray || n.kind == jsonObject {
		return len(n.items)
	}
	return 1
}

// equal reports whether two values are the same.
func (n *jsonNode) equal(m *jsonNode) bool {
	if n.kind != m.kind {
		return false
	}
	if n.kind == jsonNumber {
		return orderNumbers(exactNumber(n.text), exactNumber(m.text)) == 0
	}
	return n.text == m.text && slices.Equal(n.keys, m.keys) && slices.EqualFunc(n.items, m.items, (*jsonNode).equal)
}

// compareJSON orders two documents: numbers as numbers, anything else as texts.
func compareJSON(_ *frame, a, b Value) int {
	if isJSONNumber(a.str) && isJSONNumber(b.str) {
		return orderNumbers(exactNumber(a.str), exactNumber(b.str))
	}
	return strings.Compare(a.str, b.str)
}

// isJSONNumber reports whether a document is a number.
func isJSONNumber(doc string) bool {
	return doc != "" && (doc[0] == '-' || doc[0] >= '0' && doc[0] <= '9')
}

// contains is JSON_CONTAINS: every member of the candidate is in the target.
func (n *jsonNode) contains(m *jsonNode) bool {
	switch {
	case n.kind == jsonArray && m.kind == jsonArray:
		for _, want := range m.items {
			if !slices.ContainsFunc(n.items, func(have *jsonNode) bool { return have.contains(want) }) {
				return false
			}
		}
		return true
	case n.kind == jsonArray:
		return slices.ContainsFunc(n.items, func(have *jsonNode) bool { return have.contains(m) })
	case n.kind == jsonObject && m.kind == jsonObject:
		for i, key := range m.keys {
			if have := n.get(key); have == nil || !have.contains(m.items[i]) {
				return false
			}
		}
		return true
	}
	return n.equal(m)
}

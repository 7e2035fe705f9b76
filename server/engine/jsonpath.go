package engine

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// jsonLeg is one step of a JSON path.
type jsonLeg struct {
	key   string
	index int  // of an array; counted from the end if last
	last  bool // [last], [last-2]
	kind  jsonLegKind
}

type jsonLegKind uint8

const (
	legKey     jsonLegKind = iota // .name
	legIndex                      // [3]
	legKeys                       // .*
	legIndexes                    // [*]
	legDeep                       // **
)

// jsonPath is a path like $.a[0]; many reports whether it may find several values.
type jsonPath struct {
	legs []jsonLeg
	many bool
}

// pathReader reads a path's text.
type pathReader struct {
	text string
	at   int
}

func errJSONPath(at int) *Error {
	return fail(3143, "42000", "Invalid JSON path expression. The error is around character position %d.", at)
}

// parseJSONPath reads a path.
func parseJSONPath(text string) (jsonPath, error) {
	r := &pathReader{text: text}
	r.blanks()
	var p jsonPath
	if !r.take("$") {
		return p, errJSONPath(1)
	}
	for {
		r.blanks()
		if r.at == len(r.text) {
			break
		}
		leg, ok := r.leg()
		if !ok {
			return p, errJSONPath(r.at)
		}
		p.many = p.many || leg.kind >= legKeys
		p.legs = append(p.legs, leg)
	}
	if n := len(p.legs); n > 0 && p.legs[n-1].kind == legDeep || n > maxJSONDepth {
		return p, errJSONPath(r.at)
	}
	return p, nil
}

func (r *pathReader) blanks() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

func (r *pathReader) take(s string) bool {
	if !strings.HasPrefix(r.text[r.at:], s) {
		return false
	}
	r.at += len(s)
	return true
}

func (r *pathReader) leg() (jsonLeg, bool) {
	switch {
	case r.take("**"):
		return jsonLeg{kind: legDeep}, true
	case r.take("."):
		r.blanks()
		if r.take("*") {
			return jsonLeg{kind: legKeys}, true
		}
		key, ok := r.key()
		return jsonLeg{kind: legKey, key: key}, ok
	case r.take("["):
		r.blanks()
		leg, ok := r.cell()
		r.blanks()
		return leg, ok && r.take("]")
	}
	return jsonLeg{}, false
}

// key reads a member's name: a word, or a text in quotes.
func (r *pathReader) key() (string, bool) {
	if r.at < len(r.text) && r.text[r.at] == '"' {
		end := r.at + 1
		for end < len(r.text) && r.text[end] != '"' {
			if r.text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(r.text) {
			return "", false
		}
		n, _, err := parseJSON(r.text[r.at : end+1])
		r.at = end + 1
		if err != nil {
			return "", false
		}
		return n.text, true
	}
	start := r.at
	for r.at < len(r.text) {
		c, w := utf8.DecodeRuneInString(r.text[r.at:])
		if !unicode.IsLetter(c) && c != '_' && c != '$' && (r.at == start || !unicode.IsDigit(c)) {
			break
		}
		r.at += w
	}
	return r.text[start:r.at], r.at > start
}

// cell reads what stands in [ ].
func (r *pathReader) cell() (jsonLeg, bool) {
	if r.take("*") {
		return jsonLeg{kind: legIndexes}, true
	}
	leg := jsonLeg{kind: legIndex}
	if r.take("last") {
		leg.last = true
		r.blanks()
		if !r.take("-") {
			return leg, true
		}
		r.blanks()
	}
	start := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	n, err := strconv.ParseUint(r.text[start:r.at], 10, 31)
	leg.index = int(n)
	return leg, err == nil
}

// find gives the values that a path leads to, in the order of the document.
func (p jsonPath) find(n *jsonNode) []*jsonNode {
	found := []*jsonNode{n}
	for _, leg := range p.legs {
		var next []*jsonNode
		seen := map[*jsonNode]bool{}
		for _, at := range found {
			leg.follow(at, func(v *jsonNode) {
				if leg.kind != legDeep || !seen[v] {
					seen[v] = true
					next = append(next, v)
				}
			})
		}
		found = next
	}
	return found
}

func (leg jsonLeg) follow(n *jsonNode, add func(*jsonNode)) {
	switch leg.kind {
	case legKey:
		if n.kind == jsonObject {
			if v := n.get(leg.key); v != nil {
				add(v)
			}
		}
	case legKeys:
		if n.kind == jsonObject {
			for _, v := range n.items {
				add(v)
			}
		}
	case legIndexes:
		if n.kind == jsonArray {
			for _, v := range n.items {
				add(v)
			}
		}
	case legIndex:
		items := n.items
		if n.kind != jsonArray {
			items = []*jsonNode{n} // a single value is its own first element
		}
		at := leg.index
		if leg.last {
			at = len(items) - 1 - at
		}
		if 0 <= at && at < len(items) {
			add(items[at])
		}
	case legDeep:
		add(n)
		for _, v := range n.items {
			leg.follow(v, add)
		}
	}
}

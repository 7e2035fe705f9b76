package sqlext

import "strings"

// The ordinary statements that take the place of ours. The first word of each of ours
// has at least as many letters.
const (
	// standIn stands for a complete statement without expressions. TiDB does not take
	// it in the body of a procedure, and so not ours either.
	standIn = "DO 1"
	// deadEnd stands for what was right in a statement with a mistake: after it TiDB
	// takes nothing but the word deadEndNext …
	deadEnd     = "PLAN"
	deadEndNext = "REPLAYER"
	// … in which case this one is used, which does not take that word.
	otherDeadEnd = "LOCK"
)

// rewrite gives the text with the management statements overwritten: only the bytes of
// their tokens change, line breaks stay, so that every other token, the comments and
// all positions are as they were.
func rewrite(text string, ms []managed) string {
	buf := []byte(text)
	for i := range ms {
		ms[i].overwrite(text, buf)
	}
	return string(buf)
}

func (m *managed) overwrite(text string, buf []byte) {
	switch {
	case m.wrong:
		m.blank(buf, 0)
		put := deadEnd
		if m.stop.kind == tokenWord && strings.EqualFold(text[m.stop.start:m.stop.end], deadEndNext) {
			put = otherDeadEnd
		}
		copy(buf[m.head():], put)
	case m.form.filter:
		m.blank(buf, 1) // SHOW … STATUS: what is left is TiDB's SHOW STATUS
		copy(buf[m.tokens[m.n-1].start:], "STATUS")
	default:
		m.blank(buf, 0)
		copy(buf[m.head():], standIn)
	}
}

// blank overwrites the matched tokens from the one with number from on.
func (m *managed) blank(buf []byte, from int) {
	for _, t := range m.tokens[from:m.n] {
		for i := t.start; i < t.end; i++ {
			if buf[i] != '\n' {
				buf[i] = ' '
			}
		}
	}
}

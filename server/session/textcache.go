package session

import (
	"strings"

	"pumphouse/sqlext"
)

// textCache remembers the parsed form of the last few texts. What a text means also
// depends on variables: [Session.varChanged] empties it.
type textCache struct {
	mem   *memory
	texts [8]string
	stmts [8][]sqlext.Statement
	sizes [8]int64 // bytes that they take
	next  int
}

// maxCachedText is the length in bytes up to which a text is worth remembering.
const maxCachedText = 512

// maxCached bounds what the texts of a session take when they are parsed, in bytes.
const maxCached = 64 << 10

func (c *textCache) get(sql string) []sqlext.Statement {
	if len(sql) > maxCachedText {
		return nil
	}
	for i := range c.texts {
		if c.stmts[i] != nil && c.texts[i] == sql {
			return c.stmts[i]
		}
	}
	return nil
}

// put keeps a parsed text that takes so many bytes, if there is room for it.
func (c *textCache) put(sql string, stmts []sqlext.Statement, size int64) {
	if len(sql) > maxCachedText || len(stmts) == 0 {
		return
	}
	total := size - c.sizes[c.next]
	for _, n := range c.sizes {
		total += n
	}
	if total > maxCached || c.mem.keep(size-c.sizes[c.next]) != nil {
		return
	}
	c.texts[c.next], c.stmts[c.next], c.sizes[c.next] = strings.Clone(sql), stmts, size
	c.next = (c.next + 1) % len(c.texts)
}

// forget empties the cache.
func (c *textCache) forget() {
	for _, n := range c.sizes {
		c.mem.free(n)
	}
	*c = textCache{mem: c.mem}
}

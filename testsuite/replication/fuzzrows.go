package replication

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// rower writes rows to the tables there are, with values of their columns' types.
type rower struct {
	f      *Fuzz
	s      *session
	r      *rand.Rand
	tables []*subject
	plain  bool // text is ASCII and dates are real ones, for columns that may be others than those known
}

// write changes one table. false: there is none, or the server is gone.
func (w *rower) write(ctx context.Context) bool {
	if len(w.tables) == 0 {
		return false
	}
	t := w.tables[w.r.IntN(len(w.tables))]
	var written []*subjectColumn
	for i := range t.columns {
		if c := &t.columns[i]; !c.generated && (!c.auto || w.r.IntN(4) == 0) {
			written = append(written, c)
		}
	}
	if len(written) == 0 {
		return true
	}
	path := quote(t.schema) + "." + quote(t.name)
	if w.s.ansi {
		path = w.s.quote(t.schema) + "." + w.s.quote(t.name)
	}
	var query string
	switch w.r.IntN(8) {
	case 0:
		query = fmt.Sprintf("delete from %s order by rand() limit %d", path, 1+w.r.IntN(2))
	case 1, 2:
		var sets []string
		for _, i := range w.r.Perm(len(written))[:1+w.r.IntN(min(2, len(written)))] {
			sets = append(sets, w.s.quote(written[i].name)+" = "+w.value(t, written[i]))
		}
		query = fmt.Sprintf("update %s set %s order by rand() limit %d", path, strings.Join(sets, ", "), 1+w.r.IntN(3))
	default:
		verb := []string{"insert into", "insert into", "replace into", "insert ignore into"}[w.r.IntN(4)]
		var names, rows []string
		for _, c := range written {
			names = append(names, w.s.quote(c.name))
		}
		for range 1 + w.r.IntN(3) {
			var values []string
			for _, c := range written {
				values = append(values, w.value(t, c))
			}
			rows = append(rows, "("+strings.Join(values, ", ")+")")
		}
		query = fmt.Sprintf("%s %s (%s) values %s", verb, path, strings.Join(names, ", "), strings.Join(rows, ", "))
	}
	return !gone(w.f.exec(ctx, w.s, "rows", query))
}

// sizes is the length in a column's type.
var sizes = regexp.MustCompile(`\((\d+)(?:,(\d+))?\)`)

// textKinds are the types whose values are bytes or characters.
var textKinds = map[string]bool{"binary": true, "varbinary": true, "tinyblob": true, "blob": true, "mediumblob": true, "longblob": true,
	"char": true, "varchar": true, "tinytext": true, "text": true, "mediumtext": true, "longtext": true}

// value is one that the column takes.
func (w *rower) value(t *subject, c *subjectColumn) string {
	if c.null && w.r.IntN(6) == 0 {
		return "NULL"
	}
	if !c.null && w.r.IntN(12) == 0 {
		return "DEFAULT"
	}
	return w.source(t, c)(w.r, w.s.loose && t.partitioned == "" && !w.plain)
}

func (w *rower) source(t *subject, c *subjectColumn) source {
	size, scale := 0, 0
	if m := sizes.FindStringSubmatch(c.full); m != nil {
		size, _ = strconv.Atoi(m[1])
		scale, _ = strconv.Atoi(m[2])
	}
	unsigned := strings.Contains(c.full, "unsigned")
	whole := func(bits int) source {
		if c.key != "" || w.r.IntN(2) == 0 {
			return key(120) // so that statements meet
		}
		if unsigned {
			return integer(0, 1<<bits-1)
		}
		return integer(-1<<(bits-1), 1<<(bits-1)-1)
	}
	if w.plain && textKinds[c.kind] {
		return text(ascii, limitOf(size))
	}
	switch c.kind {
	case "tinyint":
		return whole(8)
	case "smallint":
		return whole(16)
	case "mediumint":
		return whole(24)
	case "int":
		return whole(32)
	case "bigint":
		return whole(63)
	case "decimal":
		return decimal(size, scale, unsigned)
	case "float":
		if size > 0 {
			return fixed(9999, scale)
		}
		return single
	case "double":
		return double
	case "bit":
		return bits(max(size, 1))
	case "year":
		return oneOf("1901", "2155", "2024", "0")
	case "date":
		return date
	case "datetime":
		return oneOfSources(datetime(size), timestamp(size))
	case "timestamp":
		return timestamp(size)
	case "time":
		return clock(size)
	case "json":
		if w.s.ansi || w.s.number == 3 {
			return oneOf("'[1, 2]'", "'{}'", "'null'") // others' texts have escapes and quotes
		}
		return jsonValue
	case "enum", "set":
		return oneOf("1", "2")
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return bytesOf(limitOf(size))
	}
	switch c.charset {
	case "latin1":
		return text(latin, limitOf(size))
	case "ascii":
		return text(ascii, limitOf(size))
	case "gbk":
		return text(gbk, limitOf(size)*2/3) // TiDB takes the literal's UTF-8 for GBK: up to half as many characters again
	case "utf8", "utf8mb3":
		return text([]rune("中文한국日本éßЖabcABC '\\\""), limitOf(size))
	case "binary":
		return bytesOf(limitOf(size))
	}
	if c.key != "" {
		return word(3)
	}
	return text(unicod, limitOf(size))
}

func limitOf(size int) int {
	if size == 0 {
		return 200 // of a TEXT or BLOB
	}
	return min(size, 200)
}

// oneOfSources gives a value of one of some.
func oneOfSources(all ...source) source {
	return func(r *rand.Rand, loose bool) string { return all[r.IntN(len(all))](r, loose) }
}

package engine

// The defaults of [Limits], and what one text function may make.
const (
	defaultRows   = 1_000_000
	defaultMemory = 64 << 20
	maxText       = 16 << 20
	valueBytes    = 72 // of a Value itself
)

// usage is what a statement holds.
type usage struct {
	rows  int
	bytes int64
}

func (st *statement) limits() Limits {
	l := st.x.Limits
	if l.Rows <= 0 {
		l.Rows = defaultRows
	}
	if l.Memory <= 0 {
		l.Memory = defaultMemory
	}
	return l
}

// hold counts a row that is kept; the statement fails when it holds too much.
func (st *statement) hold(row []Value) error {
	size := int64(len(row))*valueBytes + 24
	for _, v := range row {
		size += int64(len(v.str))
	}
	st.held.rows++
	if limit := st.limits().Rows; st.held.rows > limit {
		return fail(1038, "HY001", "The statement holds more than %d rows, the limit per statement; select less with WHERE or LIMIT", limit)
	}
	return st.holdBytes(size)
}

func (st *statement) holdBytes(n int64) error {
	st.held.bytes += n
	if limit := st.limits().Memory; st.held.bytes > limit {
		return fail(1038, "HY001", "The statement needs more than %d bytes of memory, the limit per statement; select less with WHERE or LIMIT", limit)
	}
	return nil
}

// bounded checks the length a text function is about to make: NULL with warning 1301
// beyond maxText, and large ones count against the statement's memory.
func (f *frame) bounded(name string, bytes int64) (ok bool, err error) {
	if bytes > maxText {
		f.warn(1301, "Result of "+name+"() was larger than max_allowed_packet (16777216) - truncated")
		return false, nil
	}
	if bytes > 1<<16 {
		return true, f.st.holdBytes(bytes)
	}
	return true, nil
}

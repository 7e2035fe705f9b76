package engine

import "fmt"

// The defaults of [Limits], and what one text function may make.
const (
	defaultRows   = 1_000_000
	defaultMemory = 64 << 20
	maxText       = 16 << 20
	valueBytes    = 72       // of a Value itself
	takenAtOnce   = 16 << 10 // of the budget, at least
)

// usage is what a statement holds.
type usage struct {
	rows  int
	bytes int64
	taken int64 // bytes of the executor's budget
}

// withDefaults fills in the zero fields.
func (l Limits) withDefaults() Limits {
	if l.Rows <= 0 {
		l.Rows = defaultRows
	}
	if l.Memory <= 0 {
		l.Memory = defaultMemory
	}
	return l
}

// rowBytes is what a row takes, in bytes.
func rowBytes(row []Value) int64 {
	size := int64(len(row))*valueBytes + 24
	for i := range row {
		size += int64(len(row[i].str))
	}
	return size
}

// hold counts a row that is kept; the statement fails when it holds too much.
func (st *statement) hold(row []Value) error {
	st.held.rows++
	if limit := st.limits.Rows; st.held.rows > limit {
		return fail(1038, "HY001", "The statement holds more than %d rows, the limit per statement; select less with WHERE or LIMIT", limit)
	}
	return st.holdBytes(rowBytes(row))
}

func (st *statement) holdBytes(n int64) error {
	st.held.bytes += n
	if limit := st.limits.Memory; st.held.bytes > limit {
		return fail(1038, "HY001", "The statement needs more than %d bytes of memory, the limit per statement; select less with WHERE or LIMIT", limit)
	}
	if short := st.held.bytes - st.held.taken; short > 0 {
		short = max(short, takenAtOnce)
		if err := st.x.Take(short); err != nil {
			return err
		}
		st.held.taken += short
	}
	return nil
}

// Take takes n bytes of the budget for what goes on until Release.
func (x *Executor) Take(n int64) error {
	if x.Budget == nil {
		return nil
	}
	if err := x.Budget.Take(n); err != nil {
		return err
	}
	x.taken += n
	return nil
}

// Taken is how many bytes have been taken of the budget since Release.
func (x *Executor) Taken() int64 { return x.taken }

// ReleaseTo gives back what statements have taken of the budget since [Executor.Taken] gave n: their
// results are no longer used.
func (x *Executor) ReleaseTo(n int64) {
	if x.taken > n {
		_ = x.Budget.Take(n - x.taken) // giving back does not fail
		x.taken = n
	}
}

// Release gives all of it back.
func (x *Executor) Release() { x.ReleaseTo(0) }

// yield says that no statement computes.
func (x *Executor) yield() {
	if x.Budget != nil {
		x.Budget.Yield()
	}
}

// compute counts work of n bytes that is done in one go, as that of steps.
func (st *statement) compute(n int) error {
	if n < 1<<16 {
		return nil
	}
	st.steps = 0
	return st.work()
}

// work asks for the processor.
func (st *statement) work() error {
	if st.x.Budget == nil {
		return st.cancelled()
	}
	if err := st.x.Budget.Work(st.ctx); err != nil {
		return fmt.Errorf("run the statement: %w", err)
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
		if err := f.st.compute(int(bytes)); err != nil {
			return false, err
		}
		return true, f.st.holdBytes(bytes)
	}
	return true, nil
}

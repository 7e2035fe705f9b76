package result

import (
	"fmt"
	"math"

	"pumphouse/server/engine"
)

// Level is how bad an entry of the diagnostics area is.
type Level string

// The levels, as SHOW WARNINGS spells them.
const (
	Error   Level = "Error"
	Warning Level = "Warning"
	Note    Level = "Note"
)

// Condition is one row of SHOW WARNINGS.
type Condition struct {
	Level   Level
	Code    uint16
	Message string
}

// maxConditions is how many conditions are kept (MySQL: @@max_error_count); all count.
const maxConditions = 1024

// Diagnostics is what the last statement has to say besides its result. As in MySQL,
// statements that only look at it leave it alone, and every other one empties it.
type Diagnostics struct {
	list   []Condition
	later  []func() []Condition // texts of pending conditions, made when somebody asks
	counts counts               // of the running or last statement
	before counts               // of the one before it
	sent   uint16               // warning count of the last result
	keep   bool                 // this statement only reads the counts
}

type counts struct{ warnings, errors int }

// Begin starts a statement. The counts before it stay readable: SELECT @@warning_count.
func (d *Diagnostics) Begin() {
	d.before = d.counts
	clear(d.list)
	clear(d.later)
	d.list, d.later = d.list[:0], d.later[:0]
	d.counts, d.sent, d.keep = counts{}, 0, false
}

// Add keeps a condition.
func (d *Diagnostics) Add(l Level, code uint16, message string) {
	if l == Error {
		d.counts.errors++
	} else {
		d.counts.warnings++
	}
	if len(d.list) < maxConditions {
		d.list = append(d.list, Condition{l, code, message})
	}
}

// Warn keeps a warning that MySQL has no number for.
func (d *Diagnostics) Warn(format string, args ...any) {
	d.Add(Warning, ErrUnknown, fmt.Sprintf(format, args...))
}

// Note keeps a note that MySQL has no number for.
func (d *Diagnostics) Note(format string, args ...any) {
	d.Add(Note, ErrUnknown, fmt.Sprintf(format, args...))
}

// Fail keeps a statement's error.
func (d *Diagnostics) Fail(err *engine.Error) { d.Add(Error, err.Code, err.Message) }

// AddLater counts n warnings whose texts are made only when somebody reads them: a
// monitor that runs SHOW PUMP STATUS all day seldom does.
func (d *Diagnostics) AddLater(n int, texts func() []Condition) {
	if n > 0 {
		d.counts.warnings += n
		d.later = append(d.later, texts)
	}
}

// Conditions gives what SHOW WARNINGS lists.
func (d *Diagnostics) Conditions() []Condition {
	for _, texts := range d.later {
		d.list = append(d.list, texts()...)
	}
	clear(d.later)
	d.later = d.later[:0]
	if len(d.list) > maxConditions {
		d.list = d.list[:maxConditions]
	}
	return d.list
}

// Counts gives how many warnings (with notes) and errors SHOW WARNINGS has.
func (d *Diagnostics) Counts() (warnings, errors int) { return d.counts.warnings, d.counts.errors }

// Before gives the counts of the statement before the running one.
func (d *Diagnostics) Before() (warnings, errors int) { return d.before.warnings, d.before.errors }

// Keep has Finish leave the counts to be asked for again: the statement was SELECT @@warning_count.
func (d *Diagnostics) Keep() { d.keep = true }

// Finish ends a statement and gives the warning count that goes with its result; looks = it only
// looked at the diagnostics.
func (d *Diagnostics) Finish(looks bool) uint16 {
	d.sent = 0
	switch {
	case looks:
	case d.keep:
		d.counts = d.before
	default: // as far as a result can carry it
		d.sent = uint16(min(d.counts.warnings+d.counts.errors, math.MaxUint16))
	}
	return d.sent
}

// Sent is the warning count of the last result.
func (d *Diagnostics) Sent() uint16 { return d.sent }

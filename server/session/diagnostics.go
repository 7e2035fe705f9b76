package session

import (
	"math"

	"pumphouse/server/engine"
)

// level is how bad an entry of the diagnostics area is.
type level string

const (
	levelError   level = "Error"
	levelWarning level = "Warning"
	levelNote    level = "Note"
)

// condition is one row of SHOW WARNINGS.
type condition struct {
	level   level
	code    uint16
	message string
}

// maxConditions is how many conditions are kept (MySQL: @@max_error_count); all count.
const maxConditions = 1024

// diagnostics is what the last statement has to say besides its result. As in MySQL,
// statements that only look at it leave it alone, and every other one empties it.
type diagnostics struct {
	list   []condition
	later  func() []condition // texts of pending conditions, made when somebody asks
	warns  int                // warnings and notes that were given
	errs   int                // errors
	sent   uint16             // warning count of the last result
	before struct{ warns, errs int }
	keep   bool // this statement only looks
}

// begin starts a statement. The counts before it stay readable: SELECT @@warning_count.
func (d *diagnostics) begin() {
	d.before.warns, d.before.errs = d.warns, d.errs
	d.keep = false
	clear(d.list)
	d.list, d.later = d.list[:0], nil
	d.warns, d.errs, d.sent = 0, 0, 0
}

// add keeps a condition.
func (d *diagnostics) add(l level, code uint16, message string) {
	if l == levelError {
		d.errs++
	} else {
		d.warns++
	}
	if len(d.list) < maxConditions {
		d.list = append(d.list, condition{l, code, message})
	}
}

// addLater counts n warnings whose texts are made only when somebody reads them: a
// monitor that runs SHOW PUMP STATUS all day seldom does.
func (d *diagnostics) addLater(n int, texts func() []condition) {
	if n > 0 {
		d.warns += n
		d.later = texts
	}
}

// conditions gives what SHOW WARNINGS lists.
func (d *diagnostics) conditions() []condition {
	if d.later != nil {
		d.list = append(d.list, d.later()...)
		d.later = nil
		if len(d.list) > maxConditions {
			d.list = d.list[:maxConditions]
		}
	}
	return d.list
}

// total is the count of conditions, as far as a result can carry it.
func (d *diagnostics) total() uint16 {
	return uint16(min(d.warns+d.errs, math.MaxUint16))
}

// fail keeps a statement's error.
func (d *diagnostics) fail(err *engine.Error) { d.add(levelError, err.Code, err.Message) }

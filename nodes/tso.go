package nodes

import (
	"fmt"
	"strconv"
	"time"
)

// logicalBits is how many low bits of a TSO count within its millisecond.
const logicalBits = 18

// MaxLogical is the largest logical part a TSO can carry.
const MaxLogical = 1<<logicalBits - 1

// TSO is a timestamp of PD's oracle: physical milliseconds since the Unix epoch in
// the high bits, a logical counter in the low 18. It is never negative; 0 means none.
type TSO int64

// MakeTSO joins a wall clock time and a logical counter (0 to [MaxLogical]).
func MakeTSO(t time.Time, logical int64) TSO {
	return TSO(t.UnixMilli()<<logicalBits | logical&MaxLogical)
}

// ParseTSO reads the decimal form that [TSO.String] prints.
func ParseTSO(s string) (TSO, error) {
	n, err := strconv.ParseUint(s, 10, 63) // unsigned, so that "+1" and "-0" are refused
	if err != nil {
		return 0, fmt.Errorf("%q is not a TSO: want a decimal number from 0 to 9223372036854775807", s)
	}
	return TSO(n), nil
}

// Physical is the TSO's physical part in milliseconds since the Unix epoch.
func (ts TSO) Physical() int64 { return int64(ts) >> logicalBits }

// Logical is the counter within the physical millisecond.
func (ts TSO) Logical() int64 { return int64(ts) & MaxLogical }

// Time is the wall clock time of the physical part, in UTC.
func (ts TSO) Time() time.Time { return time.UnixMilli(ts.Physical()).UTC() }

// String is the TSO as a decimal number, the form every upstream tool prints.
func (ts TSO) String() string { return strconv.FormatInt(int64(ts), 10) }

package engine

import "time"

// tsoLogicalBits is how many bits of a TSO count within its millisecond (docs/wire-contract.md).
const tsoLogicalBits = 18

// tidbFunction finds functions that only TiDB has and that runbooks for TiDB Binlog use.
func tidbFunction(name string) (function, bool) {
	switch name {
	case "tidb_parse_tso":
		return ofTSO(datetimeType(6), func(f *frame, ts int64) Value {
			return Datetime(wallClock(time.UnixMilli(ts>>tsoLogicalBits), f.st.x.Env.Location()), 6)
		}), true
	case "tidb_parse_tso_logical":
		return ofTSO(intType(20), func(_ *frame, ts int64) Value { return Int(ts & (1<<tsoLogicalBits - 1)) }), true
	}
	return function{}, false
}

// ofTSO is a function of one TSO. As in TiDB, a number that is not above 0 gives NULL.
func ofTSO(t typ, fn func(f *frame, ts int64) Value) function {
	return function{1, 1, func(c *compiler, k call) (*expr, error) {
		return strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
			ts := v[0].int64(f.warn)
			if ts <= 0 {
				return Null(), nil
			}
			return fn(f, ts), nil
		}), nil
	}}
}

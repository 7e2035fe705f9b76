package engine

import (
	"time"

	"github.com/shopspring/decimal"
)

// clockFunction finds functions of the current time and of Unix timestamps.
func clockFunction(name string) (function, bool) {
	switch name {
	case "now", "current_timestamp", "localtime", "localtimestamp":
		return clock(datetimeType, func(f *frame) time.Time { return f.st.now }), true
	case "sysdate":
		return clock(datetimeType, func(f *frame) time.Time { return f.st.now }), true
	case "utc_timestamp":
		return clock(datetimeType, utcNow), true
	case "curtime", "current_time":
		return clock(timeType, func(f *frame) time.Time { return f.st.now }), true
	case "utc_time":
		return clock(timeType, utcNow), true
	case "curdate", "current_date":
		return today(func(f *frame) time.Time { return f.st.now }), true
	case "utc_date":
		return today(utcNow), true
	case "unix_timestamp":
		return function{0, 1, unixTimestamp}, true
	case "from_unixtime":
		return function{1, 2, fromUnixtime}, true
	}
	return function{}, false
}

func utcNow(f *frame) time.Time { return f.st.x.Env.Now().UTC() }

func today(at func(f *frame) time.Time) function {
	return function{0, 0, func(c *compiler, k call) (*expr, error) {
		return &expr{typ: dateType(), fixed: true, eval: func(f *frame) (Value, error) {
			return Date(dayOf(at(f))), nil
		}}, nil
	}}
}

// clock is a function of the current time with an optional number of fractional digits.
func clock(typeOf func(fsp uint8) typ, at func(f *frame) time.Time) function {
	return function{0, 1, func(c *compiler, k call) (*expr, error) {
		fsp := uint8(0)
		if len(k.args) == 1 {
			v, err := k.args[0].eval(&frame{st: c.st})
			if err != nil {
				return nil, err
			}
			n := v.int64(nil)
			if n < 0 || n > 6 {
				return nil, fail(1426, "42000", "Too big precision %d specified for '%s'. Maximum is 6", n, k.name)
			}
			fsp = uint8(n)
		}
		t := typeOf(fsp)
		return &expr{typ: t, fixed: true, eval: func(f *frame) (Value, error) {
			now := truncateFsp(at(f), fsp)
			if t.kind == KindDuration {
				return Duration(clockOf(now), fsp), nil
			}
			return Datetime(now, fsp), nil
		}}, nil
	}}
}

// unixTimestamp is UNIX_TIMESTAMP([time]); the time is one of the session's zone.
func unixTimestamp(c *compiler, k call) (*expr, error) {
	if len(k.args) == 0 {
		return &expr{typ: intType(17).nullable(), fixed: true, eval: func(f *frame) (Value, error) {
			return Int(f.st.x.Env.Now().Unix()), nil
		}}, nil
	}
	x := k.args[0]
	scale := uint8(0)
	switch {
	case x.isText():
		scale = 6
		if x.fixed {
			if v, err := x.eval(&frame{st: c.st}); err == nil {
				if _, fsp, _, ok := v.datetime(c.st.now, nil); ok {
					scale = fsp
				}
			}
		}
	case x.kind == KindDatetime || x.kind == KindDuration || x.kind == KindDecimal:
		scale = min(x.dec, 6)
	case x.kind == KindFloat:
		scale = 6
	}
	t := intType(17).nullable()
	if scale > 0 {
		t = decimalType(16+int(scale), scale).nullable()
	}
	return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
		at, _, _, ok := v[0].datetime(f.st.now, f.warn)
		if !ok {
			return Null(), nil
		}
		unix := inZone(at, f.st.x.Env.Location())
		if at.IsZero() || unix.Unix() < 0 || unix.Unix() > maxUnixTime {
			return t.to(f, Int(0)), nil
		}
		if scale == 0 {
			return Int(unix.Unix()), nil
		}
		d := decimal.New(unix.UnixMicro(), -6).Truncate(int32(scale))
		return Decimal(rescale(d, int32(scale))), nil
	}), nil
}

// inZone reads a wall clock in loc.
func inZone(t time.Time, loc *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
}

// fromUnixtime is FROM_UNIXTIME(n [, format]).
func fromUnixtime(c *compiler, k call) (*expr, error) {
	x := k.args[0]
	fsp := uint8(0)
	switch {
	case x.kind == KindDecimal:
		fsp = min(x.dec, 6)
	case x.isText() || x.kind == KindFloat:
		fsp = 6
	}
	convert := func(f *frame, v Value) (time.Time, bool) {
		d := v.decimal(f.warn)
		if d.Sign() < 0 || d.GreaterThanOrEqual(decimal.NewFromInt(maxUnixTime+1)) {
			return time.Time{}, false
		}
		t := time.UnixMicro(rescale(d, 6).Shift(6).IntPart())
		return wallClock(t, f.st.x.Env.Location()), true
	}
	if len(k.args) == 2 {
		t := textType(formatLength(c, k.args[1]), c.st.collation(), coerLiteral).nullable()
		return strict(t, k.args, func(f *frame, v []Value) (Value, error) {
			at, ok := convert(f, v[0])
			if !ok {
				return Null(), nil
			}
			return String(formatTime(at, v[1].Text())), nil
		}), nil
	}
	return strict(datetimeType(fsp).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		at, ok := convert(f, v[0])
		if !ok {
			return Null(), nil
		}
		return Datetime(truncateFsp(at, fsp), fsp), nil
	}), nil
}

package engine

import "time"

// addTime is ADDTIME(x, time) and SUBTIME(x, time). A date with a time stays one, a TIME
// stays one, and a text gives a text of the kind it holds.
func addTime(sign time.Duration) function {
	return function{2, 2, func(c *compiler, k call) (*expr, error) {
		x := k.args[0]
		fsp := max(argFsp(c, x), argFsp(c, k.args[1]))
		var t typ
		switch {
		case x.kind == KindDatetime || x.kind == KindDate:
			t = datetimeType(fsp)
		case x.kind == KindDuration:
			t = timeType(fsp)
		default:
			t = textType(26, c.st.collation(), coerLiteral)
		}
		return strict(t.nullable(), k.args, func(f *frame, v []Value) (Value, error) {
			if _, isDate := asDatetime(v[1]); isDate {
				return Null(), nil
			}
			d, fspD, ok := v[1].duration(f.warn)
			if !ok {
				return Null(), nil
			}
			return sumOfTimes(f, v[0], sign*d, t, fspD)
		}), nil
	}}
}

// sumOfTimes adds d, which has fsp digits of a second, to x for a result of type t.
func sumOfTimes(f *frame, x Value, d time.Duration, t typ, fsp uint8) (Value, error) {
	if t.kind == KindDatetime {
		at, _, _, ok := x.datetime(f.st.now, f.warn)
		return datetimeSum(f, at, ok, d, t.dec)
	}
	if at, isDate := asDatetime(x); isDate { // a text that holds one
		sum, err := datetimeSum(f, at, true, d, textFsp(at.Nanosecond() != 0 || fsp > 0))
		if err != nil || sum.IsNull() {
			return Null(), err
		}
		return String(sum.Text()), nil
	}
	was, fspX, ok := x.duration(f.warn)
	if !ok {
		return Null(), nil
	}
	sum := was + d
	if sum > maxDuration || sum < -maxDuration {
		sum = min(max(sum, -maxDuration), maxDuration)
		f.warn(1292, "Truncated incorrect time value: '"+x.Text()+"'")
	}
	if t.kind == KindDuration {
		return Duration(sum, t.dec), nil
	}
	return String(Duration(sum, textFsp(max(fsp, fspX) > 0)).Text()), nil
}

// textFsp is how many digits of a second a text shows.
func textFsp(any bool) uint8 {
	if any {
		return 6
	}
	return 0
}

func datetimeSum(f *frame, at time.Time, ok bool, d time.Duration, fsp uint8) (Value, error) {
	if !ok || at.IsZero() {
		return Null(), nil
	}
	sum := at.Add(d)
	if sum.Year() < 0 || sum.Year() > 9999 {
		f.warn(1441, "Datetime function: datetime field overflow")
		return Null(), nil
	}
	return Datetime(sum, fsp), nil
}

// timestamp is TIMESTAMP(x) and TIMESTAMP(x, time): x as a date with a time, plus the time.
func timestamp(c *compiler, k call) (*expr, error) {
	fsp := argFsp(c, k.args[0])
	if len(k.args) == 1 {
		return castDatetime(k.args[0], fsp), nil
	}
	fsp = max(fsp, argFsp(c, k.args[1]))
	return strict(datetimeType(fsp).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		at, _, _, ok := v[0].datetime(f.st.now, f.warn)
		d, _, okD := v[1].duration(f.warn)
		return datetimeSum(f, at, ok && okD, d, fsp)
	}), nil
}

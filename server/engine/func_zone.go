package engine

import "time"

// maxUnixTime is the last second that TIMESTAMP functions convert, as in MySQL 8.0.28 and
// later: 3001-01-18 23:59:59 UTC.
const maxUnixTime = 32536771199

// convertTZ is CONVERT_TZ(time, from, to). An unknown zone gives NULL; a time that
// TIMESTAMP does not have in UTC is given back as it is.
func convertTZ(c *compiler, k call) (*expr, error) {
	fsp := argFsp(c, k.args[0])
	from, to := zoneFinder(c.st.x.Env), zoneFinder(c.st.x.Env)
	return strict(datetimeType(fsp).nullable(), k.args, func(f *frame, v []Value) (Value, error) {
		at, _, _, ok := v[0].datetime(f.st.now, f.warn)
		source, target := from(v[1].Text()), to(v[2].Text())
		if !ok || at.IsZero() || source == nil || target == nil {
			return Null(), nil
		}
		at = truncateFsp(at, fsp)
		if t := inZone(at, source); t.Unix() > 0 && t.Unix() <= maxUnixTime {
			at = wallClock(t, target)
		}
		return Datetime(at, fsp), nil
	}), nil
}

// zoneFinder looks zones up and keeps the last one, which rows mostly share. nil: there is
// no such zone.
func zoneFinder(env Env) func(name string) *time.Location {
	var last string
	var zone *time.Location
	return func(name string) *time.Location {
		if zone == nil || name != last {
			last, zone = name, env.Zone(name)
		}
		return zone
	}
}

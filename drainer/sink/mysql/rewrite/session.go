package rewrite

import (
	"fmt"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	driver "github.com/pingcap/tidb/pkg/parser/test_driver"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// utc is the time_zone of sessions, unless values have to be converted.
const utc = "+00:00"

// mode is the sql_mode for a statement. Of the client's it has the strictness, which decides what
// becomes of values that do not fit their new type; every other mode is about texts, and the text
// is not the client's any more.
func mode(d *schema.DDL, to Server, o Options) string {
	if o.Mode != "" {
		return o.Mode
	}
	m := permissive
	if to.Kind == MariaDB && to.atLeast(10, 4, 1) {
		m += ",TIME_ROUND_FRACTIONAL" // of a time that gets fewer digits it cuts them off, otherwise
	}
	if d.Job != nil && d.Job.Reorg != nil {
		if m2 := d.Job.Reorg.SQLMode; m2&mysql.ModeStrictAllTables != 0 {
			m = "STRICT_ALL_TABLES," + m
		} else if m2&mysql.ModeStrictTransTables != 0 {
			m = "STRICT_TRANS_TABLES," + m
		}
	}
	return m
}

// zone is the time zone of the session upstream.
func zone(d *schema.DDL, o Options) (*time.Location, error) {
	if d.Job != nil && d.Job.Reorg != nil && d.Job.Reorg.Location != nil {
		loc, err := d.Job.Reorg.Location.Zone()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Job, err)
		}
		if loc != nil {
			return loc, nil
		}
	}
	if o.Zone != nil {
		return o.Zone, nil
	}
	return time.UTC, nil
}

const timeLayout = "2006-01-02 15:04:05"

// timeLayouts are forms of a time in statements and definitions; fractions are read with each.
var timeLayouts = [...]string{timeLayout, "2006-1-2 15:4:5", "2006-01-02T15:04:05", "2006-01-02", "20060102150405", "20060102"}

// parseTime reads a time on the clocks of a zone. It is not ok for others, such as zero.
func parseTime(text string, in *time.Location) (time.Time, bool) {
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, strings.TrimSpace(text), in); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// literal is a literal's text.
func literal(expr ast.ExprNode) (string, bool) {
	v, ok := expr.(*driver.ValueExpr)
	if !ok {
		return "", false
	}
	switch v.Kind() {
	case driver.KindString:
		return v.GetString(), true
	case driver.KindInt64:
		return fmt.Sprint(v.GetInt64()), true
	}
	return "", false
}

// moved is a time of one zone as the clocks of another show it. Anything but a literal stays.
func moved(expr ast.ExprNode, from, to *time.Location) ast.ExprNode {
	text, ok := literal(expr)
	if !ok || from == to {
		return expr
	}
	t, ok := parseTime(text, from)
	if !ok {
		return expr
	}
	layout := timeLayout
	if t.Nanosecond() != 0 {
		layout += ".000000"
	}
	return ast.NewValueExpr(t.In(to).Format(layout), "", "")
}

// session decides on the time zone and the time of the statement's session, and writes TIMESTAMP
// literals for it.
func (r *rewriter) session(commitTS nodes.TSO) error {
	in := time.UTC // what the session downstream is in
	if r.converts {
		in = r.zone
	}
	in, err := r.timeOfRows(in, commitTS)
	if err != nil {
		return err
	}
	r.plan.Zone = zoneName(in, r.to)
	for _, o := range r.literals {
		o.Expr = moved(o.Expr, time.UTC, in)
	}
	return nil
}

// timeOfRows sets the time of a statement that adds columns with CURRENT_TIMESTAMP: rows get what
// TiDB has written into the definition for them, for a TIMESTAMP in UTC, for a DATETIME as the clocks of
// its session showed it. It gives the zone in which both are right.
func (r *rewriter) timeOfRows(in *time.Location, commitTS nodes.TSO) (*time.Location, error) {
	var instant, clock, day time.Time
	for _, c := range r.added {
		text, _ := c.OriginDefault.(string)
		t, ok := parseTime(text, time.UTC)
		if !ok {
			return nil, fmt.Errorf("column `%s`: the value of rows older than it is %.100q, which is not a time", c.Name, text)
		}
		switch c.Type.GetType() {
		case mysql.TypeTimestamp:
			instant = later(instant, t)
		case mysql.TypeDate:
			day = t
		default:
			clock = later(clock, t)
		}
	}
	if instant.IsZero() && clock.IsZero() {
		clock = day
	}
	switch {
	case r.untold && len(r.added) == 0:
		instant = commitTS.Time()
		if r.d.Job != nil && r.d.Job.StartTS > 0 {
			instant = r.d.Job.StartTS.Time()
		}
		in = r.zone
	case len(r.added) == 0:
		return in, nil
	case instant.IsZero():
		instant = time.Date(clock.Year(), clock.Month(), clock.Day(), clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), in)
	case !clock.IsZero() && !r.converts: // the distance is the zone, in whole minutes as zones are
		distance := clock.Sub(instant).Round(time.Minute)
		in = time.FixedZone("", int(distance.Seconds()))
		instant = later(instant, clock.Add(-distance))
	case !day.IsZero() && !r.converts: // a zone in which it is that day
		if hours := day.Sub(instant.Truncate(24 * time.Hour)).Hours(); hours > 0 {
			in = time.FixedZone("", 13*3600)
		} else if hours < 0 {
			in = time.FixedZone("", -12*3600)
		}
	}
	r.plan.Time = fmt.Sprintf("%d.%06d", instant.Unix(), instant.Nanosecond()/1000)
	return in, nil
}

// later is the one of two times that has more to say: columns differ in precision.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// zoneName is a zone as a server's time_zone takes it: an offset if the zone has just one and the server
// takes it, else its name, for which the server needs its time zone tables.
func zoneName(loc *time.Location, s Server) string {
	first := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).In(loc)
	_, offset := first.Zone()
	for t := first; t.Year() <= 2038; {
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		if _, next := end.Zone(); next != offset {
			return loc.String()
		}
		t = end
	}
	const hour = 3600
	if (offset > 13*hour || offset <= -13*hour) && offset%hour == 0 && !s.wideOffsets() {
		return fmt.Sprintf("Etc/GMT%+d", -offset/hour) // named with the other sign, as POSIX has it
	}
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%c%02d:%02d", sign, offset/3600, offset/60%60)
}

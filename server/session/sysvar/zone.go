package sysvar

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // named zones on machines that have none installed

	"pumphouse/server/session/result"
)

var (
	zoneOffset = regexp.MustCompile(`^([+-])(\d{1,2}):(\d{2})$`)
	zoneName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
)

// parseZone reads a value of @@time_zone in the form canonicalZone gives: SYSTEM,
// an offset or the name of a zone.
func parseZone(text string) (*time.Location, error) {
	if text == "SYSTEM" {
		return time.Local, nil
	}
	if m := zoneOffset.FindStringSubmatch(text); m != nil {
		h, _ := strconv.Atoi(m[2])
		min, _ := strconv.Atoi(m[3])
		sec := h*3600 + min*60
		// MySQL's range: -13:59 to +14:00.
		if min > 59 || m[1] == "-" && sec >= 14*3600 || sec > 14*3600 {
			return nil, badZone(text)
		}
		if m[1] == "-" {
			sec = -sec
		}
		return time.FixedZone(text, sec), nil
	}
	if !zoneName.MatchString(text) || strings.EqualFold(text, "local") {
		return nil, badZone(text)
	}
	loc, err := time.LoadLocation(text)
	if err != nil {
		return nil, badZone(text)
	}
	return loc, nil
}

// canonicalZone takes a time zone as a client may write it: names in any letter case
// that the zone files are written in, offsets with one digit or two.
func canonicalZone(text string) (string, error) {
	if strings.EqualFold(text, "system") {
		return "SYSTEM", nil
	}
	if m := zoneOffset.FindStringSubmatch(text); m != nil {
		h, _ := strconv.Atoi(m[2])
		text = fmt.Sprintf("%s%02d:%s", m[1], h, m[3])
	}
	for _, try := range []string{text, strings.ToUpper(text), titleZone(text)} {
		if _, err := parseZone(try); err == nil {
			return try, nil
		}
	}
	return "", badZone(text)
}

// titleZone writes europe/berlin and america/new_york as the zone files do.
func titleZone(text string) string {
	b := []byte(strings.ToLower(text))
	up := true
	for i, c := range b {
		if up && 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
		up = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}

func badZone(text string) error {
	return result.Errorf(result.ErrBadTimeZone, "Unknown or incorrect time zone: '%s'", text)
}

// Zone finds a time zone as a client may name it, nil for none.
func Zone(name string) *time.Location {
	name, err := canonicalZone(name)
	if err != nil {
		return nil
	}
	loc, err := parseZone(name)
	if err != nil {
		return nil
	}
	return loc
}

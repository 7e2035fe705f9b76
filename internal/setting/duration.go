package setting

import (
	"fmt"
	"strings"
	"time"
)

// Duration is a time.Duration that TOML writes as flags do: "2s", "8h".
type Duration struct{ time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) (err error) {
	if d.Duration, err = time.ParseDuration(string(b)); err != nil {
		return fmt.Errorf("%q: must be a time such as 30s, 5m or 8h", b)
	}
	return nil
}

// String leaves out what is zero: 8h, not 8h0m0s.
func (d Duration) String() string {
	s := d.Duration.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

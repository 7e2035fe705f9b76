package privilege

import (
	"strconv"
	"testing"
	"time"
)

// TestDenialsOfManyOrigins: a flood from everywhere is a few lines, and who is refused for the
// first time while it lasts has a line none the less, as long as there is room.
func TestDenialsOfManyOrigins(t *testing.T) {
	d, now, lines := NewDenials(), time.Date(2019, 5, 1, 0, 1, 0, 0, time.UTC), 0
	for i := range 10_000 {
		if ok, _ := d.Next(strconv.Itoa(i%1000), now); ok {
			lines++
		}
	}
	if most := (maxOrigins + 1) * DenialBurst; lines > most || len(d.origins) > maxOrigins+1 {
		t.Errorf("%d lines of at most %d; %d origins are kept", lines, most, len(d.origins))
	}
	now = now.Add(DenialBurst * DenialPause)
	if ok, _ := d.Next("new", now); !ok || len(d.origins) > 2 {
		t.Errorf("logged: %t; %d origins are kept after a pause", ok, len(d.origins))
	}
}

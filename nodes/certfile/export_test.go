package certfile

import "time"

// SetClock makes the pair read the time from now.
func (p *Pair) SetClock(now func() time.Time) { p.content.now = now }

// SetClock makes the pool read the time from now.
func (p *Pool) SetClock(now func() time.Time) { p.content.now = now }

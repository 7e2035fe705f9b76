package mysql

import "time"

// limits bound what a scheduler hands out.
type limits struct {
	workers  int
	rows     int   // of a downstream transaction, if it can be held with whole ones
	text     int   // bytes of a text of statements, about
	bytes    int64 // on the way
	inFlight int   // jobs on the way
}

// A round trip of stretch is worth another transaction's rows: that many more go in one, up to maxStretch times those
// of a server that is near. So a connection has as much on the way as the distance asks for, and still one text a
// transaction. It is not more than the server works off in spare round trips: from there on larger transactions only
// take longer.
const (
	stretch    = 20 * time.Millisecond
	maxStretch = 8
	spare      = 2
)

// over are the limits for a server that is a round trip away and takes work for a row, with all connections at it; 0: that
// is not known.
func (l limits) over(trip, work time.Duration) limits {
	times := min(1+float64(trip)/float64(stretch), maxStretch)
	if work > 0 {
		times = max(1, min(times, spare*float64(trip)/float64(work)/float64(l.rows)))
	}
	l.rows = int(times * float64(l.rows))
	l.text = int(times * float64(l.text))
	l.inFlight = max(l.inFlight, 2*l.workers*l.rows)
	return l
}

// measured takes the round trip of a worker's new connection. The shortest of all workers' counts, since a server that
// is busy takes its time, however near it is.
func (s *scheduler) measured(w int, trip time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trips[w] = trip
	for _, t := range s.trips {
		if t > 0 {
			trip = min(trip, t)
		}
	}
	s.trip = trip
	s.limits = s.near.over(s.trip, s.work)
}

// worked takes how long a downstream transaction took. The last ones count most, and those with many rows.
func (s *scheduler) worked(rows int, took time.Duration) {
	if rows == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	const fade = 7.0 / 8
	s.workTime = fade*s.workTime + float64(max(0, took-s.trip))
	s.workRows = fade*s.workRows + float64(rows)
	s.work = max(1, time.Duration(s.workTime/s.workRows))
	s.limits = s.near.over(s.trip, s.work)
}

// textBytes is how long a text of statements is to be, about.
func (s *scheduler) textBytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits.text
}

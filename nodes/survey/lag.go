package survey

import (
	"slices"
	"time"

	"pumphouse/nodes"
)

// Point is how far a node lagged at a time.
type Point struct {
	At time.Time
	// Lag is PD's time less that of the node's position: for a drainer how far the downstream
	// lags, for a pump how far what it has sorted does.
	Lag time.Duration
}

// track is the lag of one node over the last while: a ring.
type track struct {
	points []Point
	next   int // where the next one goes once the ring is full
}

func (t *track) add(p Point, limit int) {
	if len(t.points) < limit {
		t.points = append(t.points, p)
		return
	}
	t.points[t.next] = p
	t.next = (t.next + 1) % limit
}

// since are the points after a time, oldest first.
func (t *track) since(from time.Time) []Point {
	var out []Point
	for i := range t.points {
		if p := t.points[(t.next+i)%len(t.points)]; p.At.After(from) {
			out = append(out, p)
		}
	}
	return out
}

// Points are the lags of a node in the last hour (see [Options.Sample]), oldest first.
func (s *Survey) Points(kind nodes.Kind, nodeID string) []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tracks[key{kind, nodeID}]
	if t == nil {
		return nil
	}
	return t.since(s.opts.Now().Add(-history))
}

// sample notes the lag of every node, and forgets nodes whose record is gone.
func (s *Survey) sample(snap *nodes.Snapshot, now time.Time) {
	limit := int(history/s.opts.Sample) + 1
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make(map[key]bool)
	for _, e := range slices.Concat(snap.Pumps, snap.Drainers) {
		k := key{e.Kind, e.Record.NodeID}
		known[k] = true
		lag, ok := e.Record.Lag(now, s.opts.Heartbeat)
		if !ok || len(known) > maxTracked {
			continue
		}
		if s.tracks[k] == nil {
			s.tracks[k] = new(track)
		}
		s.tracks[k].add(Point{now, lag}, limit)
	}
	for k := range s.tracks {
		if !known[k] {
			delete(s.tracks, k)
		}
	}
}

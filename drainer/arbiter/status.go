package arbiter

import (
	"time"

	"pumphouse/nodes"
)

// Status is how far a run is.
type Status struct {
	Topic        string    `json:"Topic"`
	Offset       int64     `json:"Offset"` // of the message that is read next
	CommitTS     nodes.TSO `json:"CommitTS"`
	Time         time.Time `json:"Time"` // of CommitTS
	Rows         uint64    `json:"Rows"` // since the start
	MessagesLeft int64     `json:"MessagesLeft"`
	LagSeconds   float64   `json:"LagSeconds"`  // 0: everything in the topic has been read
	Divergences  uint64    `json:"Divergences"` // statements that did not find the rows that they change
}

// Status gives how far the run is: the checkpoint, and what was known of the topic at the last look. It may be
// called by any goroutine.
func (a *Arbiter) Status() Status {
	m := a.metrics
	s := Status{Topic: a.opts.Topic, Offset: max(m.read.Load(), a.start.next), CommitTS: nodes.TSO(m.applied.Load()), Rows: m.rows.Load(), Divergences: a.applier.Divergent()}
	s.Time, s.MessagesLeft = s.CommitTS.Time(), max(0, m.end.Load()-s.Offset)
	if s.MessagesLeft > 0 {
		s.LagSeconds = time.Since(s.Time).Seconds()
	}
	return s
}

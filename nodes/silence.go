package nodes

import (
	"fmt"
	"time"
)

// NotReporting is the problem of a node whose record says that it runs and that has not written it for three heartbeats. wordless
// says that its process has left no last exit.
func NotReporting(kind Kind, r Record, now time.Time, wordless bool) Problem {
	p := Problem{Code: ProblemNotReporting, Text: fmt.Sprintf("its record says %s, but it has never reported", r.State),
		Cure: fmt.Sprintf("check that its process is running on %s and reaches PD; if it is dead, start it again or set its record: binlogctl -cmd update-%s -node-id %s -state paused", r.Host, kind, r.NodeID)}
	if ago, ok := r.Silent(now); ok {
		p.Since = r.UpdateTS.Time()
		p.Text = fmt.Sprintf("its record says %s, but it has not reported for %s", r.State, ago.Round(time.Second))
	}
	if wordless {
		p.Text += ", and its process left no word"
	}
	return p
}

// Silent is for how long a node has not written its record; false: it never has, or not with a time.
func (r Record) Silent(now time.Time) (time.Duration, bool) {
	return max(now.Sub(r.UpdateTS.Time()), 0), r.UpdateTS.Physical() != 0
}

// NotAnswering is the problem of a node that writes its record and does not answer over HTTP: err says how it was asked.
func NotAnswering(r Record, err error) Problem {
	return Problem{Code: ProblemNotAnswering, Text: err.Error(),
		Cure: fmt.Sprintf("check that this machine reaches %s over HTTP, and with which certificates", r.Host)}
}

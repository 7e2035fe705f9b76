package session

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pumphouse/nodes"
)

// advise counts what SHOW … STATUS has to warn about, and makes the texts only when
// somebody asks. Nothing of it changes the rows.
func (s *Session) advise(snap *nodes.Snapshot, kind nodes.Kind) {
	now := s.now
	n := 0
	for i := range snap.Broken {
		if snap.Broken[i].Kind == kind {
			n++
		}
	}
	for _, e := range snap.Of(kind) {
		if s.silent(&e.Record, now) {
			n++
		}
	}
	if kind == nodes.Drainer && anyNotOffline(snap.Drainers) {
		for _, e := range snap.Pumps {
			if s.holds(&e.Record, now) {
				n++
			}
		}
	}
	if n == 0 {
		return
	}
	location := s.location
	s.diag.addLater(n, func() []condition { return s.advice(snap, kind, now, location) })
}

// silent tells whether a node that ought to report does not. A node that is paused or
// offline has no process.
func (s *Session) silent(r *nodes.Record, now time.Time) bool {
	return supposedToRun(r.State) && !r.Reporting(now, s.opts.Heartbeat)
}

func supposedToRun(st nodes.State) bool {
	return st == nodes.Online || st == nodes.Pausing || st == nodes.Closing
}

// holds tells whether a pump keeps every drainer waiting: it is not offline, so it may
// have binlogs older than all others, and it does not serve them.
func (s *Session) holds(r *nodes.Record, now time.Time) bool {
	return r.State == nodes.Paused || r.State == nodes.Pausing || s.silent(r, now)
}

func anyNotOffline(entries []nodes.Entry) bool {
	return slices.ContainsFunc(entries, func(e nodes.Entry) bool { return e.Record.State != nodes.Offline })
}

// advice makes the texts that advise has counted, in the same order.
func (s *Session) advice(snap *nodes.Snapshot, kind nodes.Kind, now time.Time, loc *time.Location) []condition {
	var list []condition
	warn := func(format string, args ...any) {
		list = append(list, condition{levelWarning, errUnknown, fmt.Sprintf(format, args...)})
	}
	for _, b := range snap.Broken {
		if b.Kind == kind {
			warn("the record %s is not shown because it cannot be read: %v; see which program wrote it, and write it anew "+
				"by starting the node", b.Key, b.Err)
		}
	}
	for _, e := range snap.Of(kind) {
		if r := &e.Record; s.silent(r, now) {
			warn("%s %q (%s) is %s but does not report: last seen %s, %s ago; if its process is dead, start it again or "+
				"mark it: CHANGE %s TO NODE_STATE = 'paused' FOR NODE_ID %s",
				kind, r.NodeID, r.Host, r.State, lastSeen(r, loc), age(r, now), strings.ToUpper(kind.String()), quoted(r.NodeID))
		}
	}
	if kind == nodes.Drainer && anyNotOffline(snap.Drainers) {
		for _, e := range snap.Pumps {
			if r := &e.Record; s.holds(r, now) {
				why := "is " + string(r.State)
				if s.silent(r, now) {
					why = "is " + string(r.State) + " but does not report"
				}
				warn("pump %q (%s) holds replication: it %s since %s (%s), and drainers (%s) apply nothing newer than what "+
					"it has shown them; start it, or give up what they have not consumed of it: "+
					"CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID %s",
					r.NodeID, r.Host, why, lastSeen(r, loc), age(r, now), drainersOf(snap), quoted(r.NodeID))
			}
		}
	}
	return list
}

// drainersOf names the drainers that are not offline.
func drainersOf(snap *nodes.Snapshot) string {
	var ids []string
	for _, e := range snap.Drainers {
		if e.Record.State != nodes.Offline {
			ids = append(ids, e.Record.NodeID)
		}
	}
	const most = 5
	if len(ids) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
	}
	return strings.Join(ids, ", ")
}

// lastSeen is when a node last wrote its record, in the session's time zone.
func lastSeen(r *nodes.Record, loc *time.Location) string {
	return r.UpdateTS.Time().In(loc).Format(time.DateTime)
}

// age is how long ago that was, in whole seconds: "35 s".
func age(r *nodes.Record, now time.Time) string {
	return fmt.Sprintf("%d s", int64(now.Sub(r.UpdateTS.Time())/time.Second))
}

// quoted writes a text as a literal that can be pasted into a statement.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

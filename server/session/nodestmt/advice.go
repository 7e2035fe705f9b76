package nodestmt

import (
	"fmt"
	"strings"
	"time"

	"pumphouse/nodes"
	"pumphouse/server/session/result"
)

// suspicion sums up for advise what a snapshot says of itself: whether there is
// something to warn about whatever the time is, and when the node that has been silent
// for longest has last reported.
func suspicion(snap *nodes.Snapshot, kind nodes.Kind) (suspect bool, oldest time.Time) {
	look := func(entries []nodes.Entry) {
		for i := range entries {
			r := &entries[i].Record
			if at := r.UpdateTS.Time(); supposedToRun(r.State) && (oldest.IsZero() || at.Before(oldest)) {
				oldest = at
			}
		}
	}
	look(snap.Of(kind))
	suspect = len(snap.Broken) > 0
	if kind == nodes.Drainer {
		look(snap.Pumps)
		for i := range snap.Pumps {
			st := snap.Pumps[i].Record.State
			suspect = suspect || st == nodes.Paused || st == nodes.Pausing
		}
	}
	return suspect, oldest
}

// advise counts what SHOW ... STATUS has to warn about, and makes the texts only when
// somebody asks. Nothing of it changes the rows.
func (n *Nodes) advise(rows *statusRows, kind nodes.Kind) {
	snap, now := rows.snap, n.cfg.NodeClock()
	if kind == nodes.Drainer {
		n.adviseOfWaits(rows)
	}
	n.adviseOfProblems(kind)
	if !rows.suspect && (rows.oldest.IsZero() || now.Sub(rows.oldest) <= 3*n.cfg.Heartbeat) {
		return
	}
	count := 0
	for i := range snap.Broken {
		if snap.Broken[i].Kind == kind {
			count++
		}
	}
	for i := range snap.Of(kind) {
		if n.silent(&snap.Of(kind)[i].Record, now) {
			count++
		}
	}
	if kind == nodes.Drainer && anyNotOffline(snap.Drainers) {
		for i := range snap.Pumps {
			if n.holds(&snap.Pumps[i].Record, now) {
				count++
			}
		}
	}
	if count == 0 {
		return
	}
	location := n.own.Vars.Location
	n.own.Diag.AddLater(count, func() []result.Condition { return n.advice(snap, kind, now, location) })
}

// silent reports whether a node that ought to report does not. A node that is paused or
// offline has no process.
func (n *Nodes) silent(r *nodes.Record, now time.Time) bool {
	return supposedToRun(r.State) && !r.Reporting(now, n.cfg.Heartbeat)
}

func supposedToRun(st nodes.State) bool {
	return st == nodes.Online || st == nodes.Pausing || st == nodes.Closing
}

// holds reports whether a pump keeps every drainer waiting: it is not offline, so it may
// have binlogs older than all others, and it does not serve them.
func (n *Nodes) holds(r *nodes.Record, now time.Time) bool {
	return r.State == nodes.Paused || r.State == nodes.Pausing || n.silent(r, now)
}

func anyNotOffline(entries []nodes.Entry) bool {
	for i := range entries {
		if entries[i].Record.State != nodes.Offline {
			return true
		}
	}
	return false
}

// advice makes the texts that advise has counted, in the same order.
func (n *Nodes) advice(snap *nodes.Snapshot, kind nodes.Kind, now time.Time, loc *time.Location) []result.Condition {
	var list []result.Condition
	warn := func(format string, args ...any) {
		list = append(list, result.Condition{Level: result.Warning, Code: result.ErrUnknown, Message: fmt.Sprintf(format, args...)})
	}
	for _, b := range snap.Broken {
		if b.Kind == kind {
			warn("[%s] the record %s is not shown because it cannot be read: %v; find out which program wrote it, and "+
				"start the node, which writes it again", nodes.ProblemRecordBroken, b.ShownKey(), b.Err)
		}
	}
	for _, e := range snap.Of(kind) {
		if r := &e.Record; n.silent(r, now) {
			warn("[%s] %s %q (%s) is %s but does not report: %s%s; if its process is dead, start it again or "+
				"mark it: CHANGE %s TO NODE_STATE = 'paused' FOR NODE_ID %s", nodes.ProblemNotReporting,
				kind, r.NodeID, r.Host, r.State, lastWord(r, now, loc), n.wordOf(kind, r, now), strings.ToUpper(kind.String()), result.Quote(r.NodeID))
		}
	}
	if kind == nodes.Drainer && anyNotOffline(snap.Drainers) {
		for _, e := range snap.Pumps {
			if r := &e.Record; n.holds(r, now) {
				why := "is " + string(r.State)
				if n.silent(r, now) {
					why = "is " + string(r.State) + " but does not report"
				}
				warn("[%s] pump %q (%s) holds replication: it %s (%s), and drainers (%s) apply nothing newer than what "+
					"it has shown them; start it, or give up what they have not consumed of it: "+
					"CHANGE PUMP TO NODE_STATE = 'offline' FOR NODE_ID %s", nodes.ProblemReplicationBlocked,
					r.NodeID, r.Host, why, lastWord(r, now, loc), drainersOf(snap), result.Quote(r.NodeID))
			}
		}
	}
	return list
}

// wordOf says what a node that does not report has left: nothing, where it was killed. An error with which it
// exited is a warning of its own.
func (n *Nodes) wordOf(kind nodes.Kind, r *nodes.Record, now time.Time) string {
	if n.cfg.Reports == nil {
		return ""
	}
	if _, ok := n.cfg.Reports.Exit(kind, r.NodeID); ok {
		return ""
	}
	return ", and its process left no word: check that it is running"
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

// lastWord is when a node last wrote its record, in the session's time zone, and how long ago: "last seen 2026-11-28 09:30:00, 35 s ago".
func lastWord(r *nodes.Record, now time.Time, loc *time.Location) string {
	if _, ever := r.Silent(now); !ever {
		return "it has never reported"
	}
	return fmt.Sprintf("last seen %s, %s", r.UpdateTS.Time().In(loc).Format(time.DateTime), age(r, now))
}

// age is how long ago that was, in whole seconds: "35 s ago".
func age(r *nodes.Record, now time.Time) string {
	ago, ever := r.Silent(now)
	if !ever {
		return "never"
	}
	return fmt.Sprintf("%d s ago", int64(ago/time.Second))
}

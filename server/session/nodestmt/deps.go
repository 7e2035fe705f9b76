package nodestmt

import (
	"context"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/survey"
)

// Cluster is what a session needs of the nodes. Its errors reach the client as 1105
// unless they are *engine.Error.
type Cluster interface {
	// View gives the records no older than revision (0: whatever counts as fresh).
	View(ctx context.Context, revision int64) (*nodes.Snapshot, error)
	// SetState writes one node's state, and its event in the same transaction. It
	// gives the record as it was before and the revision of the write.
	SetState(ctx context.Context, kind nodes.Kind, nodeID string, state nodes.State, note nodes.Note) (old nodes.Record, revision int64, err error)
	// Drop removes the record of a node that is offline, and gives it with the revision of
	// the removal.
	Drop(ctx context.Context, kind nodes.Kind, nodeID string, note nodes.Note) (old nodes.Record, revision int64, err error)
	// Find reads one record from PD itself.
	Find(ctx context.Context, kind nodes.Kind, nodeID string) (nodes.Entry, error)
	// WaitState waits until a record shows a state, or ctx ends: a *nodes.WaitError.
	WaitState(ctx context.Context, kind nodes.Kind, nodeID string, want nodes.State) (nodes.Entry, error)
	// Endpoints are PD's addresses, for error messages.
	Endpoints() []string
}

// Control is what a session needs to act on live nodes: a *nodes.Control.
type Control interface {
	// Ask asks a node to pause or to go offline; nil error = it has begun.
	Ask(ctx context.Context, kind nodes.Kind, rec nodes.Record, action nodes.Action) (message string, err error)
	// Unresolved asks a pump for transactions whose outcome it does not know.
	Unresolved(ctx context.Context, rec nodes.Record, older time.Duration, limit int) (nodes.UnresolvedList, error)
	// Resolve has a pump store an operator's decision; commitTS 0 = rolled back.
	Resolve(ctx context.Context, rec nodes.Record, startTS, commitTS nodes.TSO, by string) (message string, err error)
	// HoldUp asks a node what it waits for and gives its answer as a clause.
	HoldUp(ctx context.Context, kind nodes.Kind, rec nodes.Record) string
}

// Reports is what a session needs of whoever asks the nodes: a *survey.Survey. It answers
// from memory.
type Reports interface {
	// Report gives a node's last report; false if the node was never asked, or not lately:
	// what is old must not be shown as if it were new.
	Report(kind nodes.Kind, nodeID string) (survey.Report, bool)
	// Exit gives how the last process of a node ended that does not run; false if it left no word.
	Exit(kind nodes.Kind, nodeID string) (nodes.LastExit, bool)
	// Troubles gives the problems of the nodes of a kind, sorted by node ID: what those say that
	// run, and why those exited that do not.
	Troubles(kind nodes.Kind) []survey.Trouble
	// Own gives the problems of this console.
	Own() []nodes.Problem
}

// Audit is what a session needs of the audit: an *audit.Log.
type Audit interface {
	// Note gives the event that goes with a change of a record.
	Note(e audit.Event) nodes.Note
	// Record writes an event that goes with no write of the session.
	Record(ctx context.Context, e audit.Event)
	// List gives the newest events, at most limit of them (0: all that are kept). The list
	// is the caller's.
	List(ctx context.Context, limit int) ([]audit.Event, error)
}

package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"pumphouse/nodes"
)

// Source is who brought a change about.
type Source string

// The sources.
const (
	Console   Source = "console"   // a statement
	Binlogctl Source = "binlogctl" // a command of ours
	Node      Source = "node"      // the node itself wrote its record
	Other     Source = "other"     // somebody else wrote it: an old tool, a TiDB server, etcdctl
)

// Results; [Failure] makes the others.
const (
	Done     = "done"     // the record was written, or is gone
	Accepted = "accepted" // the node was asked and has begun
)

// Event is one entry of the audit.
type Event struct {
	// Revision is PD's when it happened: of the record's write, where there was one. It
	// orders events. [Log.List] fills it in for those that were written with the record.
	Revision int64 `json:"revision,omitempty"`
	// At is PD's clock, in UTC, to the millisecond.
	At time.Time `json:"at"`

	Kind   nodes.Kind  `json:"-"`
	NodeID string      `json:"node"`
	Host   string      `json:"host,omitempty"` // the node's address in its record
	Old    nodes.State `json:"old,omitempty"`  // before; "" = there was no record
	New    nodes.State `json:"new,omitempty"`  // after, or what was asked for; "" = the record is gone

	Source    Source `json:"source"`
	Statement string `json:"statement,omitempty"` // CHANGE, PAUSE, OFFLINE, DROP, or binlogctl's -cmd
	User      string `json:"user,omitempty"`      // of the console, or of the machine binlogctl ran on
	From      string `json:"from,omitempty"`      // the client's address, or that machine's name
	Result    string `json:"result"`              // Done, Accepted, or why not

	// Operation is the identity of the change that was written with the event.
	Operation string `json:"op,omitempty"`
}

// stored is an event as it stands in PD.
type stored struct {
	KindName string `json:"kind"`
	Event
}

// maxText is how many bytes of a text are kept.
const maxText = 256

func encode(e Event) (string, error) {
	for _, s := range []*string{&e.User, &e.From, &e.Result, &e.Host, &e.Statement} {
		*s = clip(*s)
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
	b, err := json.Marshal(stored{e.Kind.String(), e})
	if err != nil {
		return "", fmt.Errorf("encode an event of %s %s: %w", e.Kind, e.NodeID, err)
	}
	return string(b), nil
}

func clip(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
	}
	return s
}

// decode reads an event that was written at a revision.
func decode(b []byte, revision int64) (Event, error) {
	var s stored
	if err := json.Unmarshal(b, &s); err != nil {
		return Event{}, fmt.Errorf("not an event: %w", err)
	}
	kind, err := nodes.ParseKind(s.KindName)
	if err != nil {
		return Event{}, fmt.Errorf("not an event: %w", err)
	}
	e := s.Event
	e.Kind = kind
	if e.Revision == 0 {
		e.Revision = revision
	}
	return e, nil
}

// Failure is the result of asking a node that did not accept.
func Failure(err error) string {
	var refused *nodes.RefusedError
	var away *nodes.UnreachableError
	switch {
	case errors.As(err, &refused):
		return "refused: " + refused.Message
	case errors.As(err, &away):
		return "not reached: " + away.Err.Error()
	}
	return "failed: " + err.Error()
}

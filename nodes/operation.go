package nodes

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// EventsPrefix is where each change of a record leaves its event. It is ours alone: under
// the records' own prefixes nothing but records may live.
const EventsPrefix = "/pumphouse/v1/events/"

// TrimmedKey holds the newest revision, as 20 digits, of the events that were deleted.
const TrimmedKey = "/pumphouse/v1/events-trimmed"

// EventKey is the key of the event of the write that replaced the version of a record at
// mod revision replaced. One write at most replaces a version, so that nobody else's event
// is ever at that key.
func EventKey(kind Kind, nodeID string, replaced int64) string {
	return EventsOf(kind, nodeID) + PadRevision(replaced)
}

// EventsOf is the prefix of one node's events.
func EventsOf(kind Kind, nodeID string) string {
	return EventsPrefix + kind.String() + "s/" + nodeID + "/"
}

// PadRevision writes a revision so that texts sort as numbers do.
func PadRevision(revision int64) string { return fmt.Sprintf("%020d", revision) }

// Note gives the event of a change: a JSON object whose member "op" is operation, the
// identity of the change. old is the record as it stands before. A Note is called again
// when the record has changed in the meantime. Where it is nil or gives "", the event is the
// operation alone.
type Note func(old Entry, operation string) string

// NotDoneError says that a change was not made, and will not be: PD's answer to the write
// was lost, and what stands in the record now was written by somebody else in place of the
// version that the change was to replace.
type NotDoneError struct {
	Op    string // what was to be done
	Found Entry  // what stands there now
}

func (e *NotDoneError) Error() string {
	return fmt.Sprintf("%s: not done: PD's answer was lost, and before the write could be repeated somebody else set the record to %s "+
		"(revision %d), which was left as it is; look at the node, and repeat the command if it is still wanted",
		e.Op, e.Found.Record.State, e.Found.ModRevision)
}

// errTrimmed: an operation can no longer be looked for.
var errTrimmed = errors.New("the record has changed since, and the events from that time have been deleted")

// operation is one change of one record, however many attempts it takes.
type operation struct {
	id   string
	what string // for errors
	note Note
}

// newOperation gives a change its identity.
func newOperation(what string, note Note) operation {
	return operation{id: rand.Text(), what: what, note: note}
}

// event is what the operation leaves when it replaces old.
func (o operation) event(old Entry) string {
	if o.note != nil {
		if text := o.note(old, o.id); text != "" {
			return text
		}
	}
	return `{"op":"` + o.id + `"}`
}

// isEvent reports whether an event is that of the operation.
func (o operation) isEvent(value []byte) bool {
	var event struct {
		Op string `json:"op"`
	}
	return json.Unmarshal(value, &event) == nil && event.Op == o.id
}

// commit replaces the version of a record that e is, by writes, with the event in the same
// transaction, and gives the revision of that. An attempt without an answer is repeated:
// the compare lets one of them happen, and when it fails the event at the version's key
// says whose write was the one. Errors: a [*ConflictError] when nothing of this operation
// was written and a change of the record as it stands now may be tried, a [*NotDoneError]
// when nothing was written and the record's state is another by now, a [*PDError].
func (r *Registry) commit(ctx context.Context, o operation, e Entry, writes ...clientv3.Op) (revision int64, err error) {
	kind, nodeID := e.Kind, e.Record.NodeID
	key, eventKey := kind.Key(nodeID), EventKey(kind, nodeID, e.ModRevision)
	event := o.event(e)
	err = r.do(ctx, o.what, true, func(ctx context.Context, again bool) error {
		resp, err := r.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", e.ModRevision)).
			Then(append(slices.Clone(writes), clientv3.OpPut(eventKey, event))...).
			Else(clientv3.OpGet(key), clientv3.OpGet(eventKey), clientv3.OpGet(TrimmedKey)).
			Commit()
		if err != nil {
			return err
		}
		if resp.Succeeded {
			revision = resp.Header.Revision
			return nil
		}
		now, left, trimmed := resp.Responses[0].GetResponseRange().Kvs, resp.Responses[1].GetResponseRange().Kvs,
			resp.Responses[2].GetResponseRange().Kvs
		if len(left) > 0 && o.isEvent(left[0].Value) {
			revision = left[0].ModRevision
			return nil
		}
		c := conflict(kind, nodeID, e.ModRevision, now)
		switch {
		case !again:
		case len(left) == 0 && len(trimmed) > 0 && string(trimmed[0].Value) > PadRevision(e.ModRevision):
			return &PDError{Op: o.what, Endpoints: r.endpoints, Unknown: true, Err: errTrimmed}
		case c.Found != nil && c.Found.Record.State != e.Record.State:
			return &NotDoneError{Op: o.what, Found: *c.Found}
		}
		return c
	})
	return revision, err
}

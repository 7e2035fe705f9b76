package nodes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ExitsPrefix is where each node leaves why its last process ended. It is ours alone, as
// [EventsPrefix] is.
const ExitsPrefix = "/pumphouse/v1/exits/"

// maxExit bounds what an exit takes in PD, in bytes.
const maxExit = 4 << 10

// ExitKey is where the last exit of a node is.
func ExitKey(kind Kind, nodeID string) string { return ExitsPrefix + kind.String() + "s/" + nodeID }

// ExitKind says how a node's process ended.
type ExitKind string

// How a node's process ends, as far as it can say so itself.
const (
	ExitOrderly ExitKind = "orderly" // by an order: CHANGE, PAUSE, binlogctl, the record
	ExitSignal  ExitKind = "signal"  // by a signal
	ExitError   ExitKind = "error"   // because something did not work
)

// LastExit says why a node's last process ended. The node writes it when it ends, each over the one
// before, and removes it when it has started again. So there is none while a node runs, after
// kill -9 and of upstream's nodes.
type LastExit struct {
	Kind     ExitKind    `json:"kind"`
	Code     ProblemCode `json:"code,omitempty"`     // of an error
	Text     string      `json:"text,omitempty"`     // of an error: what was wrong; else the order or signal
	Cure     string      `json:"cure,omitempty"`     // of an error: what to do
	CommitTS TSO         `json:"commitTS,omitempty"` // of the transaction that it is about; 0: none
	Time     time.Time   `json:"time"`               // of the end
	Version  string      `json:"version"`            // of the program
	// Position, of a drainer that ended as asked and waited for what was in flight: everything up to it is
	// downstream and nothing after it. 0: it ended otherwise, or is not a drainer of ours.
	Position TSO `json:"position,omitempty"`
	// Starting: it ended before it had gone online.
	Starting bool `json:"starting,omitempty"`
}

// Problem is an exit by an error as a problem; false: it was no error.
func (e LastExit) Problem() (Problem, bool) {
	return Problem{Code: e.Code, Text: e.Text, Since: e.Time, CommitTS: e.CommitTS, Cure: e.Cure}, e.Kind == ExitError
}

// String is a clause such as "error at 2026-11-28T08:00:00Z: [downstream-down] …".
func (e LastExit) String() string {
	s := fmt.Sprintf("%s at %s", e.Kind, e.Time.UTC().Format(time.RFC3339))
	switch p, failed := e.Problem(); {
	case failed:
		return s + ": " + p.String()
	case e.Text != "":
		return s + ": " + e.Text
	}
	return s
}

// PutExit writes a node's last exit; secrets, and what is too long, are left out.
func (r *Registry) PutExit(ctx context.Context, kind Kind, nodeID string, e LastExit, secrets ...string) error {
	p, _ := e.Problem()
	p = p.bounded(secrets)
	e.Text, e.Cure, e.Version, e.Time = p.Text, p.Cure, cut(e.Version, 128), e.Time.UTC().Truncate(time.Millisecond)
	raw, err := json.Marshal(e)
	if err == nil && len(raw) > maxExit { // JSON may write one byte of a text as six
		e.Text, e.Cure = cut(e.Text, maxProblemText/4), ""
		raw, err = json.Marshal(e)
	}
	if err != nil {
		return fmt.Errorf("encode the last exit of %s %s: %w", kind, nodeID, err)
	}
	_, err = r.Txn(ctx, fmt.Sprintf("write the last exit of %s %s", kind, nodeID), nil, clientv3.OpPut(ExitKey(kind, nodeID), string(raw)))
	return err
}

// RemoveExit removes a node's last exit, if there is one.
func (r *Registry) RemoveExit(ctx context.Context, kind Kind, nodeID string) error {
	_, err := r.Txn(ctx, fmt.Sprintf("remove the last exit of %s %s", kind, nodeID), nil, clientv3.OpDelete(ExitKey(kind, nodeID)))
	return err
}

// Exit reads the last exit of one node; false: there is none, or an invalid one.
func (r *Registry) Exit(ctx context.Context, kind Kind, nodeID string) (e LastExit, found bool, err error) {
	resp, err := r.Read(ctx, fmt.Sprintf("read the last exit of %s %s", kind, nodeID), ExitKey(kind, nodeID))
	if err != nil || len(resp.Kvs) == 0 {
		return LastExit{}, false, err
	}
	found = json.Unmarshal(resp.Kvs[0].Value, &e) == nil
	return e, found, nil
}

// Exits reads the last exits of all nodes, by kind and node ID. What is invalid is left out.
func (r *Registry) Exits(ctx context.Context) (map[Kind]map[string]LastExit, error) {
	resp, err := r.Read(ctx, "read the last exits of the nodes", ExitsPrefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	exits := map[Kind]map[string]LastExit{Pump: {}, Drainer: {}}
	for _, kv := range resp.Kvs {
		for _, kind := range Kinds() {
			nodeID, ok := strings.CutPrefix(string(kv.Key), ExitKey(kind, ""))
			var e LastExit
			if ok && json.Unmarshal(kv.Value, &e) == nil {
				exits[kind][nodeID] = e
			}
		}
	}
	return exits, nil
}

package nodes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Record is a node's record in PD. The JSON is fixed by upstream: eight fields,
// all always present, in this order. A field of our own would not survive the next
// write by an old node.
type Record struct {
	NodeID      string `json:"nodeId"`
	Host        string `json:"host"` // advertised host:port, no scheme
	State       State  `json:"state"`
	IsAlive     bool   `json:"isAlive"` // written by old nodes, read by nobody
	Score       int64  `json:"score"`   // written by old nodes, read by nobody
	Label       *Label `json:"label"`
	MaxCommitTS TSO    `json:"maxCommitTS"` // pump: largest sorted; drainer: all up to it is downstream
	UpdateTS    TSO    `json:"updateTS"`    // a TSO near the time of the write
}

// Label is the set of labels that a deployment tool gave a node.
type Label struct {
	Labels map[string]string `json:"labels"`
}

// Reporting reports whether the node wrote its record within three heartbeats
// before now.
func (r Record) Reporting(now time.Time, heartbeat time.Duration) bool {
	return now.Sub(r.UpdateTS.Time()) <= 3*heartbeat
}

// Lag is how far the record's position lags PD's clock, now: for a node that runs and
// reports, as it was when it wrote the record, else as it is by now. It is not known (false)
// before the node has a position, and a node that is offline has none.
func (r Record) Lag(now time.Time, heartbeat time.Duration) (time.Duration, bool) {
	if r.MaxCommitTS.Physical() == 0 || r.State == Offline {
		return 0, false
	}
	if r.State != Paused && r.Reporting(now, heartbeat) {
		now = r.UpdateTS.Time()
	}
	return max(now.Sub(r.MaxCommitTS.Time()), 0), true
}

// maxNodeID is the longest node ID taken, in bytes: the longest host name, a colon
// and a port fit in.
const maxNodeID = 261

// ValidateNodeID tells why an ID cannot be the last part of a key in PD and a word in
// every tool's output. What upstream uses passes: host names, addresses with ports,
// any printable Unicode.
func ValidateNodeID(id string) error {
	why := ""
	switch {
	case id == "":
		why = "it is empty"
	case len(id) > maxNodeID:
		why = fmt.Sprintf("it is longer than %d bytes", maxNodeID)
	case !utf8.ValidString(id):
		why = "it is not UTF-8"
	case id == "." || id == "..":
		why = "old tools take it for a path"
	case strings.Contains(id, "/"):
		why = "a slash would make it another key in PD"
	case strings.TrimSpace(id) != id:
		why = "it begins or ends with a space"
	case strings.IndexFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		why = "it holds a character that cannot be printed"
	default:
		return nil
	}
	return fmt.Errorf("node ID %q cannot be used: %s; choose one like pump1 or host:8250 (-node-id)", id, why)
}

// EncodeRecord gives the bytes that go to PD, equal to what the old nodes write.
func EncodeRecord(r Record) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the record of node %q: %w", r.NodeID, err)
	}
	return b, nil
}

// DecodeRecord reads a record as any upstream writer may have written it.
// It refuses what no node can have meant: no JSON object, no node ID, a state
// that does not exist, a negative TSO.
func DecodeRecord(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("not a node record: %w", err)
	}
	st, err := ParseState(string(r.State))
	switch {
	case r.NodeID == "":
		return Record{}, errors.New("not a node record: nodeId is missing")
	case err != nil:
		return Record{}, fmt.Errorf("not a node record: %w", err)
	case r.MaxCommitTS < 0 || r.UpdateTS < 0:
		return Record{}, fmt.Errorf("not a node record: maxCommitTS %d or updateTS %d is negative", r.MaxCommitTS, r.UpdateTS)
	}
	r.State = st
	return r, nil
}

// replaceState gives the bytes of a record with nothing but its state changed:
// other fields, their order and even spacing stay as their writer left them.
func replaceState(raw []byte, s State) ([]byte, error) {
	start, end, err := stateSpan(raw)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(raw)+len(s))
	out = append(out, raw[:start]...)
	out = append(out, '"')
	out = append(out, s...)
	out = append(out, '"')
	return append(out, raw[end:]...), nil
}

// stateSpan finds the value of the record's state. Like encoding/json it takes the
// key in any letter case, ignores a null and takes the last one where it stands twice.
func stateSpan(raw []byte) (start, end int, err error) {
	if !json.Valid(raw) {
		return 0, 0, errors.New("not a node record: not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return 0, 0, errors.New("not a node record: not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, 0, fmt.Errorf("not a node record: %w", err)
		}
		afterKey := int(dec.InputOffset())
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, fmt.Errorf("not a node record: %w", err)
		}
		k, _ := key.(string)
		if !strings.EqualFold(k, "state") || string(value) == "null" {
			continue
		}
		end = int(dec.InputOffset())
		start = end - len(value)
		if start < afterKey || len(value) < 2 || value[0] != '"' {
			return 0, 0, errors.New("not a node record: state is not a string")
		}
	}
	if end == 0 {
		return 0, 0, errors.New("not a node record: state is missing")
	}
	return start, end, nil
}

package nodes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What callers ask errors for with [errors.Is].
var (
	// ErrNotFound: PD has no record of the node. See [NotFoundError].
	ErrNotFound = errors.New("node not found")
	// ErrNotOffline: only the record of a node that is offline may be deleted, because
	// TiDB's pump client overlooks the deletion of any other.
	ErrNotOffline = errors.New("only a node that is offline may be removed")
	// ErrClosed: the cache was closed.
	ErrClosed = errors.New("the view of the cluster is closed")
)

// NotFoundError says that PD has no record of a node. It is [ErrNotFound].
type NotFoundError struct {
	Kind      Kind
	NodeID    string
	Endpoints []string // of PD, host:port

	// What else the records say, where they were looked at for the error.
	Other bool     // there is a node of the other kind with this ID
	Known []string // node IDs of the kind, sorted
	Asked bool     // Other and Known hold
}

// Error has the wording that TiDB servers use, and then says what there is instead: "drainer1
// is a drainer; pumps: pump1, pump2".
func (e *NotFoundError) Error() string {
	text := e.TiDB()
	if !e.Asked {
		return text
	}
	if e.Other {
		text += fmt.Sprintf(": %s is a %s", e.NodeID, e.Kind.other())
	}
	if len(e.Known) == 0 {
		return text + fmt.Sprintf("; there are no %ss", e.Kind)
	}
	return text + fmt.Sprintf("; %ss: %s", e.Kind, someOf(e.Known))
}

// TiDB is the error in the words of TiDB servers alone.
func (e *NotFoundError) TiDB() string {
	return fmt.Sprintf("node %s, id %s from etcd %s not found", e.Kind, e.NodeID, strings.Join(e.Endpoints, ","))
}

// maxListed is how many node IDs an error lists.
const maxListed = 10

// someOf lists node IDs, but not too many of them.
func someOf(ids []string) string {
	if n := len(ids) - maxListed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:maxListed], ", "), n)
	}
	return strings.Join(ids, ", ")
}

// Is makes the error match [ErrNotFound].
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// ConflictError says that a record is not at the revision at which the writer knew it,
// so that nothing was written.
type ConflictError struct {
	Kind     Kind
	NodeID   string
	Expected int64   // mod revision the writer knew; 0 = no record
	Found    *Entry  // what stands there now; nil if nothing or no record does
	Broken   *Broken // what stands there now if it is no record
}

func (e *ConflictError) Error() string {
	now := "it is gone"
	switch {
	case e.Found != nil:
		now = fmt.Sprintf("it is at revision %d, state %s", e.Found.ModRevision, e.Found.Record.State)
	case e.Broken != nil:
		now = e.Broken.Error()
	}
	return fmt.Sprintf("the record of %s %s changed since revision %d: %s", e.Kind, e.NodeID, e.Expected, now)
}

// PDError says that PD could not be asked, or refused.
type PDError struct {
	Op        string        // what was being done
	Endpoints []string      // of PD, host:port
	After     time.Duration // how long it was tried; 0 = the failure was final at once
	Unknown   bool          // a write: PD may have taken it nevertheless
	Err       error
}

// Error names the endpoints and what to do.
func (e *PDError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: PD at %s", e.Op, strings.Join(e.Endpoints, ","))
	if e.After > 0 {
		fmt.Fprintf(&b, " gives no answer within %s", e.After.Round(time.Millisecond))
	}
	if !errors.Is(e.Err, context.DeadlineExceeded) || e.After == 0 {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Unknown {
		b.WriteString("; it may have been written all the same: look before you repeat it")
	}
	b.WriteString("; check that PD runs, and the addresses (-pd-urls) and certificates given for it")
	return b.String()
}

// Unwrap gives the cause.
func (e *PDError) Unwrap() error { return e.Err }

// Is makes every error of a PD that was tried until the time had passed match
// [context.DeadlineExceeded], whatever was in the way.
func (e *PDError) Is(target error) bool { return target == context.DeadlineExceeded && e.After > 0 }

// HeldError says that another live process runs the node ID.
type HeldError struct {
	Kind   Kind
	NodeID string
	Host   string // the holder's advertised address
	State  State
	Age    time.Duration // since the holder last wrote its record
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s %s is run by another process: %s wrote its record (%s) %s ago; "+
		"only one process may run a node ID: stop that one, or give this one another -node-id "+
		"(if it is dead, wait a few seconds or set its record to paused: binlogctl -cmd update-%s -node-id %s -state paused)",
		e.Kind, e.NodeID, e.Host, e.State, e.Age.Round(time.Millisecond), e.Kind, e.NodeID)
}

// OrderedError says that a state was not written because somebody else set the record
// to another one in the meantime, which is an order that the service has to see first.
type OrderedError struct {
	Kind        Kind
	NodeID      string
	Wanted      State // what was not written
	Instruction Instruction
}

func (e *OrderedError) Error() string {
	return fmt.Sprintf("%s %s did not become %s: its record was set to %s, which orders it to %s",
		e.Kind, e.NodeID, e.Wanted, e.Instruction.Found, e.Instruction.Order)
}

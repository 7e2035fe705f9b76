package nodes

import (
	"fmt"
	"strings"
)

// State is a node's state as its record spells it: always lower case.
type State string

// The five states of a node (operations document, "Pump or Drainer state").
const (
	Online  State = "online"  // running normally
	Pausing State = "pausing" // on its way to Paused
	Paused  State = "paused"  // stopped, will come back
	Closing State = "closing" // on its way to Offline
	Offline State = "offline" // gone for good
)

// States lists every state, in the order of a node's life.
func States() []State { return []State{Online, Pausing, Paused, Closing, Offline} }

// ParseState takes a state in any letter case and returns it as a record stores it.
// The error is a [*UnknownStateError].
func ParseState(s string) (State, error) {
	for _, st := range States() {
		if strings.EqualFold(s, string(st)) {
			return st, nil
		}
	}
	return "", &UnknownStateError{State: s}
}

// UnknownStateError says that a text names no state.
type UnknownStateError struct{ State string }

func (e *UnknownStateError) Error() string {
	return fmt.Sprintf("state %s is illegal: use online, pausing, paused, closing or offline", e.State)
}

// Valid reports whether s is one of the five states.
func (s State) Valid() bool {
	switch s {
	case Online, Pausing, Paused, Closing, Offline:
		return true
	}
	return false
}

// Title is the state with a capital first letter, as the operations document
// prints it in SHOW PUMP STATUS.
func (s State) Title() string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(string(s[:1])) + string(s[1:])
}

// Order is what a live service has to do when it finds that somebody else
// changed its record.
type Order uint8

// The orders a record can give.
const (
	NoOrder Order = iota // carry on; write your own state again
	Pause                // stop, ending in Paused
	Leave                // drain and stop, ending in Offline
	Resume               // a closing node takes writes again
	Abandon              // stop waiting for drainers and end in Offline at once
)

// String names the order for logs.
func (o Order) String() string {
	switch o {
	case NoOrder:
		return "none"
	case Pause:
		return "pause"
	case Leave:
		return "go offline"
	case Resume:
		return "resume"
	case Abandon:
		return "go offline now"
	}
	return fmt.Sprintf("order(%d)", uint8(o))
}

// orders says what a live node does (row: its own state) when its record is set to
// another state (column). What is absent is NoOrder: a node that is pausing finishes
// pausing whatever the record says, and an offline one has nothing left to do.
//
// A live node whose own state is Paused is one that is starting: it has claimed its
// record and is about to go online. Whoever sets that record to a state in which the
// node would not run means that it shall not start, so those orders are obeyed too.
// Setting it to Online asks for what is happening anyway.
var orders = map[State]map[State]Order{
	Paused: {
		Pausing: Pause,
		Closing: Leave, Offline: Leave,
	},
	Online: {
		Pausing: Pause, Paused: Pause,
		Closing: Leave, Offline: Leave,
	},
	Closing: {
		Online:  Resume,
		Pausing: Pause, Paused: Pause,
		Offline: Abandon,
	},
}

// OrderFor tells what a live service in state own has to do when its record says
// found.
func OrderFor(own, found State) Order { return orders[own][found] }

// stayOrder tells a service that was ordered away from a state, and has not left it yet,
// to stay: its record says again what it is. A node that pauses does not turn back.
func stayOrder(own State) Order {
	switch own {
	case Online:
		return Resume
	case Closing:
		return Leave
	}
	return NoOrder
}

// FulfilledBy reports whether a service that writes s into its record is carrying the
// order out, so that it need not be told again.
func (o Order) FulfilledBy(s State) bool {
	switch o {
	case Pause:
		return s == Pausing || s == Paused
	case Leave:
		return s == Closing || s == Offline
	case Resume:
		return s == Online
	case Abandon:
		return s == Offline
	}
	return true
}

// transitions lists which states a service may write into its own record after
// which. A start may follow every state, so it is not in the table.
var transitions = map[State][]State{
	Online:  {Pausing, Closing},
	Pausing: {Paused},
	Paused:  {Online, Pausing, Closing},
	Closing: {Online, Pausing, Paused, Offline},
}

// CanMove reports whether a service whose record says from may write to there next.
// A record may always be refreshed without a change of state.
func CanMove(from, to State) bool {
	if from == to {
		return true
	}
	for _, s := range transitions[from] {
		if s == to {
			return true
		}
	}
	return false
}

package daemon

import "sync/atomic"

// NodeID is an ID that is decided after others have begun to ask for it.
type NodeID struct{ id atomic.Pointer[string] }

// Set says what it is.
func (n *NodeID) Set(id string) { n.id.Store(&id) }

// Get gives it, "" before it is decided.
func (n *NodeID) Get() string {
	if id := n.id.Load(); id != nil {
		return *id
	}
	return ""
}

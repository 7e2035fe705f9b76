package pump

import (
	"fmt"
	"sync"

	"pumphouse/nodes"
)

// gate lets prewrites through only while the pump is online. Changing the state waits for
// the prewrites that were let through before, so that whatever follows the change knows
// that nothing more was accepted.
type gate struct {
	mu    sync.RWMutex
	state nodes.State
}

// refusedError says that a pump takes no prewrites. Its text must not hold the word that
// makes TiDB give up at once: TiDB is to go to another pump.
type refusedError struct {
	nodeID string
	state  nodes.State
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("pump %s is %s and takes no new transactions: write to another pump", e.nodeID, e.state)
}

// enter is called before a prewrite is stored; leave must follow when it returned nil.
func (g *gate) enter(nodeID string) error {
	g.mu.RLock()
	if g.state == nodes.Online {
		return nil
	}
	state := g.state
	g.mu.RUnlock()
	if state == "" {
		state = "starting"
	}
	return &refusedError{nodeID, state}
}

func (g *gate) leave() { g.mu.RUnlock() }

// current is the state that decides now; "" while the pump starts.
func (g *gate) current() nodes.State {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.state
}

func (g *gate) set(s nodes.State) {
	g.mu.Lock()
	g.state = s
	g.mu.Unlock()
}

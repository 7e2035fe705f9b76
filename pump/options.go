package pump

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/pump/storage"
)

// Options say how a pump runs. The zero value of every field but those marked required
// is good.
type Options struct {
	life.Options
	Socket string // path of a Unix socket to listen on as well

	// GC is how old a binlog must be to be removed, default 7 days.
	GC time.Duration
	// FakeInterval is how often the clock is forwarded at least, default 3 s.
	FakeInterval time.Duration
	// MaxMessageSize bounds a message that TiDB sends, in bytes: a prewrite and about 20 bytes.
	// Default 1 GiB, at most [storage.MaxPayload]; the messages of a pull are not bounded by it.
	MaxMessageSize int
	// MaxConns is how many connections the pump has at most, default [port.DefaultMaxConns]; fewer
	// where the process may not have enough files open.
	MaxConns int
	// NoDirectWrites leaves plain writes to the gRPC library's server (-direct-writes=false). They
	// are slower then, and its own limits are all that holds back what peers send.
	NoDirectWrites bool
	// NotifyTimeout is how long each online drainer may take to answer at the start,
	// default 10 s.
	NotifyTimeout time.Duration

	// NoSync answers writes before they are on disk (sync-log = false).
	NoSync bool
	// StopWriteAtAvailable refuses prewrites when the disk has fewer bytes left than
	// this, default 10 GiB; 1 turns the limit off.
	StopWriteAtAvailable uint64
	// Resolver asks TiKV how transactions ended; nil: there is no TiKV.
	Resolver storage.Resolver
	// GCHolder holds back TiKV's garbage collection while transactions are unresolved; nil:
	// nobody does.
	GCHolder GCHolder
	// GCTTL is how long it stays held back after the pump has stopped or crashed with
	// unresolved transactions, default 24 h; at least a minute.
	GCTTL time.Duration
	// OrphanTimeout rolls back a prewrite that is that old when there is no Resolver,
	// default 10 minutes, the longest life of a transaction.
	OrphanTimeout time.Duration

	segmentBytes  int64         // of the log, for tests; 0: the log's default
	cleanInterval time.Duration // how often old binlogs are looked for, for tests; default a minute
	stopGrace     time.Duration // how long calls under way may take when the pump stops, for tests; default 5 s
}

func (o Options) withDefaults() (Options, error) {
	if o.Registry == nil || o.PD == nil {
		return o, errors.New("pump: a registry and a PD are required")
	}
	o.GC = cmp.Or(o.GC, 7*24*time.Hour)
	o.FakeInterval = cmp.Or(o.FakeInterval, 3*time.Second)
	o.MaxMessageSize = cmp.Or(o.MaxMessageSize, 1<<30)
	o.NotifyTimeout = cmp.Or(o.NotifyTimeout, 10*time.Second)
	o.StopWriteAtAvailable = cmp.Or(o.StopWriteAtAvailable, 10<<30)
	o.OrphanTimeout = cmp.Or(o.OrphanTimeout, 10*time.Minute)
	o.GCTTL = cmp.Or(o.GCTTL, 24*time.Hour)
	o.cleanInterval = cmp.Or(o.cleanInterval, time.Minute)
	o.stopGrace = cmp.Or(o.stopGrace, 5*time.Second)
	if err := o.Complete(nodes.Pump); err != nil {
		return o, fmt.Errorf("pump: %w", err)
	}
	for name, d := range map[string]time.Duration{"heartbeat-interval": o.Heartbeat, "gc": o.GC, "fake-binlog-interval": o.FakeInterval} {
		if d < 0 {
			return o, fmt.Errorf("pump: %s %s: must be above 0", name, d)
		}
	}
	if o.GCTTL < time.Minute {
		return o, fmt.Errorf("pump: gc-ttl %s: must be at least 1m", o.GCTTL)
	}
	if o.MaxConns < 0 {
		return o, fmt.Errorf("pump: max-connections %d: must be above 0", o.MaxConns)
	}
	if o.MaxMessageSize < 0 {
		return o, fmt.Errorf("pump: max-message-size %d: must be above 0", o.MaxMessageSize)
	}
	if o.MaxMessageSize > storage.MaxPayload {
		o.Logger.Warnf("max-message-size %d is lowered to %d bytes: a larger binlog cannot be stored", o.MaxMessageSize, storage.MaxPayload)
		o.MaxMessageSize = storage.MaxPayload
	}
	return o, nil
}

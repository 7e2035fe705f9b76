// Package embedpd is a single-node PD for trials and tests: an etcd in this process with the part
// of PD's gRPC service that TiDB servers, pumps, drainers and their tools call, on the
// same client port. A cluster that matters runs a real PD instead; nothing else changes,
// because everybody speaks to both by the same protocol.
//
// # Guarantees
//
//   - What was written through the etcd API survives kill -9 (etcd syncs its log before
//     it answers).
//   - Timestamps only grow: over restarts, kill -9, and a clock that is set back. Before
//     a timestamp is handed out, an upper bound above it is on disk; a start continues
//     from the bound.
//   - The cluster ID is drawn once, is never 0, and lives as long as the data directory.
//   - One process a data directory: a second one is refused, with a cure.
//
// # What it is not
//
// It knows no TiKV: no stores, no regions, no scheduling, no keyspaces but the default
// one. Calls that would need them answer as an empty cluster does, or Unimplemented where
// an empty answer would be taken for success (Bootstrap, PutStore, AllocID …). A TiKV
// server therefore refuses to join, which is what its operator should learn.
//
// # Keys
//
// Its own two keys stand under /pumphouse/embedpd/, away from the node records:
// cluster-id and tso-bound, both decimal numbers. The bound is in milliseconds since the
// Unix epoch, the first one that may not be handed out.
//
// # Trade-offs
//
// The bound is moved only when somebody asks for a timestamp, so an idle PD writes
// nothing; in return one request in [Window] waits for a disk sync. After a quick restart
// timestamps run up to [Window] ahead of the clock until it has caught up, as PD's do.
// etcd's own library ends the process when its log cannot be written: there is nothing
// better to do for a store that cannot store.
package embedpd

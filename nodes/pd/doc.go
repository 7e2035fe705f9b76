// Package pd is a client of any PD since 4.0, by protocol: the cluster ID and timestamps,
// which is all that nodes of a TiDB Binlog cluster need of PD besides its etcd API.
//
// # Guarantees
//
//   - A timestamp is allocated by PD after [Client.TSO] was called, and is larger than
//     every one this client has returned before.
//   - A client that has learnt its cluster ID never takes anything from another cluster.
//   - A call ends when its context or the client's time-out does, whatever PD does.
//
// # How it works
//
// One goroutine (dispatcher) owns the stream to the leader. Callers put themselves on a
// list; the goroutine takes all who wait, asks for that many timestamps in one message,
// and hands them out. While it waits for PD the next callers gather, so the number of
// messages follows PD's latency and not the number of callers.
//
// When the stream fails, all known members are asked at once who leads, the leader is
// dialled, and so on with back-off until it works or nobody waits any more.
//
// # Trade-offs
//
// One message is under way at a time: simple, and at the latency of a local network
// enough for a hundred thousand timestamps a second and more.
package pd

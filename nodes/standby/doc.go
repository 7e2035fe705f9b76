// Package standby lets several processes that have one node ID take turns: one is active, the others wait for its
// place. It is an election in PD's etcd (client/v3/concurrency) under a prefix of ours alone, which older tools never read;
// the node's record stays one, written by the active process only.
//
// # What it guarantees
//
//   - Of all candidates for a node ID one at most is active by its own judgement, as far as monotonic clocks run: the place is
//     bound to a lease, which PD keeps for [TTL] after the last renewal that it has seen; a candidate counts from when it sent
//     that renewal, and says [Candidate.Lost] [Margin] before the end. So who was active has stopped before PD gives
//     the place away.
//   - A process that is suspended, or whose machine's clock stands still, cannot know that in time. What it writes then
//     must be refused by what it writes to: see the sinks, and [Candidate.Guard] for what is kept in PD.
//   - A node that was ordered to pause or to go offline stays so: the place is held ([Group].Held) and the
//     candidates that wait do not take it, until a process is started anew.
//
// # Keys
//
//	/pumphouse/v1/standby/drainers/<node ID>/queue/<lease>   a candidate, under its lease; the oldest has the place
//	/pumphouse/v1/standby/drainers/<node ID>/holder          who was active last, where, and whether the place is held
//	/pumphouse/v1/standby/drainers/<node ID>/checkpoint      of a sink that has no place of its own for it: package drainer
//
// A node that is removed (drop-drainer) leaves the last two.
//
// # Trade-offs
//
// PD that cannot be reached for TTL − Margin ends the active process's turn, although nobody can take it over before PD is
// back: a process cannot tell that from a cut of its own network.
package standby

// Package nodes says what a node of a TiDB Binlog cluster is: its record in PD,
// the states it goes through, and the registry that reads and writes the records.
//
// The rule the package keeps is: the record in PD is the truth. Every write is a
// compare-and-set on the key's mod revision, so nobody's write is silently undone;
// a live service obeys what it finds there.
//
// The console, binlogctl, the pump and the drainer all go through this package;
// no other package knows the keys or the JSON:
//
//   - [Registry] reads and writes records; [NewClient] connects it to PD.
//   - [Cache] is a view of all records for readers that ask often; [Cluster] joins it
//     with the registry for a front end.
//   - [Agent] is what a live service runs to keep its own record and to hear orders.
//   - [Control] asks a live node over HTTP to pause or go offline, or what it waits for,
//     and [WaitState] waits until its record says that it has.
//   - [Along] lets somebody write beside a record in the transaction that changes it:
//     package audit does.
//
// # Trade-offs
//
// A view may be late by as much as the cache's window (1.5 s) when the watch breaks
// without a sign; then, and whenever PD cannot be asked, reads go to PD or fail. A
// session that has written asks for the revision of its write and never waits for that.
//
// A write whose answer is lost is repeated until the time-out: the compare keeps it from
// happening twice, and finding the same bytes in PD counts as success. If the time-out
// passes first, the error says that the outcome is unknown.
//
// Of two processes that start with one node ID at the same instant, both may claim the
// record before either is seen to be alive; the second claim ends the first process.
package nodes

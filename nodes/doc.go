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
//   - [Note] gives the event that PD takes in the transaction of a change: package audit
//     makes it.
//
// # Trade-offs
//
// A view may be late by as much as the cache's window (1.5 s) when the watch breaks
// without a sign; then, and whenever PD cannot be asked, reads go to PD or fail. A
// session that has written asks for the revision of its write and never waits for that.
//
// # A change happens once
//
// Each change that somebody orders (CHANGE, DROP, update-*) has an identity, and PD takes it in
// the transaction of the write, at a key made of the version of the record that the write
// replaces ([EventKey]). One write at most replaces a version. So after an attempt without an
// answer the same attempt is repeated, and when its compare fails the key says who was first:
//
//   - this operation: it is done, whatever has been written since;
//   - somebody else, and the state is the same as before (a heartbeat): nothing was done, and
//     the change is made to the record as it is now;
//   - somebody else, and the state is another: nothing was done, what was written stands, and the
//     caller gets a [NotDoneError].
//
// If the time-out passes first, the error says that the outcome is unknown. A node's own writes
// need no key: the updateTS in the record is used once, and every tool that changes the state
// keeps it.
//
// Of two processes that start with one node ID at the same instant, both may claim the
// record before either is seen to be alive; the second claim ends the first process.
package nodes

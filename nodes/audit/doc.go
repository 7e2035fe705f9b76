// Package audit keeps in PD who changed which node's state when: the last thousand
// events, for the console, binlogctl and the table binlog.events.
//
// Events live under [Prefix], which is ours alone; the records' own prefixes hold nothing
// but records. There are two ways in:
//
//   - An order through a record (CHANGE, DROP, update-*) is written in the very transaction
//     that changes the record ([Log.Note]): no round trip more, and neither without the
//     other. The event's revision in PD is that of the record's write.
//   - What changes no record (PAUSE, OFFLINE: the node was asked) and what others did
//     (nodes themselves, old tools) is written in a transaction of its own ([Log.Record],
//     [Log.Open]). That may fail: it is bounded in time, logged, and never fails or holds
//     up what it reports for longer.
//
// # Exactly once
//
// Every write of a record replaces one version of it, and no other write does. The key of
// an event that a record's write caused is made of that version:
//
//	/pumphouse/v1/events/<kind>s/<node ID>/<mod revision replaced, 20 digits>
//	/pumphouse/v1/events/<kind>s/<node ID>/new-<revision, 20 digits>     a record appeared
//	/pumphouse/v1/events/<kind>s/<node ID>/asked-<ms>-<random>           nothing was written
//
// With the event stands the identity of the operation that wrote it: after a lost answer it
// tells the writer that it was done (package nodes says how).
//
// So a console that sees a change in PD's watch finds the event of whoever made it through
// one of ours, and of several consoles that see the change of somebody else one wins.
//
// # Bounds
//
// Only the newest [DefaultKeep] events are shown. Older ones are deleted a while later, by
// whoever writes. The newest revision ever deleted stands in a key beside the events, so
// that a console that lags does not bring a deleted event back. Texts in an event are
// cut at 256 bytes. Attempts by those who may not, and on nodes that do not exist, are in
// the log only: they must not push the rest out.
//
// # Trade-offs
//
// A change that happens while no console runs, made by none of our tools, is not in the
// audit; nor is what others do between a reset of PD's history (wiped, restored) and the
// probe that notices it, 5 s later at the latest. The order of events is that of PD's revisions; the time is PD's clock as the
// writer knows it.
package audit

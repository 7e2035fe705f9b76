// Package survey asks the nodes of a cluster what they say of themselves: the records in
// PD tell a node's state and position, but not what it waits for, what went wrong, or how
// far a drainer is on each pump. It is what the console's tables, warnings, metrics and
// page show beside the records.
//
// # What it guarantees
//
//   - A [Report] says when it was made. One that is older than [Options.Fresh] is not
//     given out: what nobody knows is shown as unknown.
//   - Asking is cheap and bounded: one GET /status a node and round, some at a time, each
//     with a time-out and a limit on the answer. Nodes that have ended, or do not report in
//     PD, are not asked. While nobody has looked at the survey for [Options.Idle], it asks once in
//     [Options.Sample] only, for the history of the lag.
//   - Nodes of the old kind answer too; what they do not tell stays empty.
//
// # Trade-offs
//
// Figures come from the nodes one after the other, so they are not of one instant. The
// history of the lag is in memory: it begins anew with the console.
package survey

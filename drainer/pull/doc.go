// Package pull brings the binlogs of every pump to the merge. The drainer runs one [Group],
// which follows the pump records in PD and keeps one puller for every pump that is not
// offline.
//
// # What it guarantees
//
//   - Every pump that is not offline takes part in the merge from the moment its record is
//     seen, reachable or not: what cannot be pulled holds back the merge, and is said.
//   - A stream that ends is opened again after the last commit TS that the pump
//     delivered, for ever, with growing pauses; a change of the record cuts a pause short.
//   - A pump whose record says offline, or is deleted, is pulled from until its stream
//     ends, and then waited for no more.
//   - A pump that no longer has everything after the position ends everything with a
//     [*PositionError]. Nothing is skipped.
//
// # Joining
//
// [Group.Notify] returns when every pump that PD knew when it was called takes part in the
// merge. The drainer's Cistern.Notify is to answer only then: the pump goes online on that
// answer, so TiDB writes nothing to a pump that the merge does not wait for. Likewise the
// drainer's record has to say online before Run is called: a pump that starts meanwhile
// either finds the drainer online and notifies it, or has its record in PD before Run
// looks.
//
// A pump whose record in PD cannot be read takes part as well, as one that cannot be
// reached: whatever it holds must not be passed by.
//
// # Memory
//
// The merge holds what has arrived within a bound in bytes, see package merge. Beside
// that a puller has one message in hand, which gRPC holds twice for a moment while
// it is unpacked, and up to 2 MiB on the way (the flow-control window of a stream).
//
// # Goroutines
//
// One follows the records, one a pump pulls. Run returns when they have gone.
package pull

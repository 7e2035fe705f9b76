// Package arbiter applies the messages that a drainer, upstream's or ours, has written to a Kafka topic to a
// MySQL, MariaDB or TiDB: it is what the program arbiter does.
//
// # What it guarantees
//
//   - Transactions take effect once, whole, and in commit TS order where order can be seen, whatever is killed
//     in between, as with the drainer's MySQL sink, which applies them.
//   - The place in the topic is found by the commit TS of the checkpoint, tidb_binlog.arbiter_checkpoint, in the
//     form of upstream's arbiter. While that is another program's and says that it was running, what is in the
//     topic at the start is applied in safe mode.
//   - What a drainer has written again, after a restart, is left out: every message at or before the commit TS of
//     one that was read.
//   - Messages that are damaged, and messages after the checkpoint that the topic does not have any more, are
//     errors that name topic and offsets.
//
// # Where it begins
//
// Every run of a drainer writes transactions in commit TS order without a gap, and each begins at or before the end
// of the run before. So everything after a commit TS T follows any place in the topic where a message before T
// stands in front of one that is not, and halving finds such a place. If the first message of the topic is after T
// already, nothing may be missing in front of it: the topic has never lost a message, or the message at T, whose
// offset is kept beside the checkpoint, was in front of it.
//
// # What messages do not tell
//
// Types are MySQL's without their attributes, and of keys there are only names of columns. Tables are those of
// the database; see package applier. Timestamps are in the time zone that the message names, or, in those of
// upstream's drainers, that of their machine.
//
// # Goroutines
//
// [Run] reads, decodes and hands over; one looks every 10 s how far the topic goes. The sink and the Kafka client
// have their own.
package arbiter

// Package kafka writes transactions to a Kafka topic in the order of their commit TS: in upstream's message format, one
// message a transaction, or in TiCDC's Canal-JSON, one message a row.
//
// # What it guarantees
//
//   - The messages of a sink are in partition 0 of the topic in commit TS order, without a
//     gap; of Canal-JSON each is in the partition of its table or key. [Sink.Applied] moves when all in-sync replicas have acknowledged them (acks=all).
//   - Retries within one life of the sink write nothing twice (idempotent producer), and are
//     not given up while brokers are away; what waits, since when and why is logged every
//     [Options].StallLog. The exception is a broker that answers UNKNOWN_SERVER_ERROR, as with a full disk:
//     what it has of the batch is not known, and it is sent again.
//   - What the broker refuses for good stops the sink before anything later is written.
//   - A transaction that is too large is a [*TooLargeError].
//
// # After a restart
//
// The topic's last message tells how far a drainer came: when it carries the drainer's own
// mark, what is at or before it is not sent again. In the other cases (another producer wrote
// last, reading is not allowed, the message was still on its way when the process died)
// messages after the checkpoint are sent a second time. So consumers drop every message
// whose commit TS is not above the one before from the same cluster, as those of upstream's
// drainers have to. To have messages written again on purpose, use another topic.
//
// A statement that rows need before its own binlog comes ([sink.Txn].Early) is a message of its own in
// front of theirs. Its commit TS is one less, or that of the message before if that is the same
// number: then a consumer that drops it finds rows with a column it does not know. A drainer's mark
// keeps it from being sent twice, as other messages.
//
// # A standby
//
// With [Options.Standby] each batch is a transaction under a transactional ID that the drainer's processes share. A process that takes
// over has brokers abort what the one before it had not committed, and refuse what that one sends later ([ErrTakenOver]). What is in the topic is
// then known: the last committed message. Readers with isolation.level=read_committed see each message once; those that
// read uncommitted messages, as upstream's consumers do, see those of an aborted batch a second time, when they are sent again, and
// drop them by their commit TS. The end of a transaction takes an offset, and two round trips.
//
// # The message
//
// Package message has its format. A message has no key and one header, "pumphouse-drainer", whose
// value is <cluster ID>/<node ID>: the mark.
//
// # Canal-JSON
//
// Package canaljson has the format. A statement goes to partition 0; a row to the one that a hash of its table, or of its table and
// key, gives; watermarks, with the extension, to all, once a second at most and on both sides of a statement. They are barriers, as
// statements are: what is before them in any partition is acknowledged before they are sent, and they before what is after. So
// a watermark is never ahead of what consumers can read, and a consumer that waits for those of all partitions can order statements and rows.
//
// The mark is <cluster ID>/<node ID>/canal-json/<dispatcher>/<partitions>/<commit TS>, up to which its partition then has everything: that
// of the message if it is the partition's last of the transaction, else one less. After a restart each partition gets what it lacks by its last
// message. Of a transaction that was cut off it is sent the whole part again, so that readers who drop what
// is at or before a watermark have it whole. When dispatcher or partitions are not those of the mark, everything after the checkpoint is sent
// again. Applied is never inside of a transaction. A topic that has messages of the drainer in the other protocol is refused.
//
// A transaction is encoded row by row while it is sent; no more of it is in memory than other messages may take, and one row for each partition.
//
// # Trade-offs
//
// One batch is on its way at a time, made of everything that came in while the one before was
// (at most 1 MB, kafka-max-messages and what the topic takes). More at once would be no
// faster but over slow links, and a batch refused could leave a gap before the next.
//
// Brokers before Kafka 0.11 know no idempotent producers and are not supported.
//
// # Goroutines
//
// Apply encodes in the caller's goroutine. One goroutine sends, one watches for stalls; the Kafka
// client has its own.
package kafka

// Package kafka writes transactions to a Kafka topic in upstream's message format, one
// message a transaction, in the order of their commit TS.
//
// # What it guarantees
//
//   - The messages of a sink are in partition 0 of the topic in commit TS order, without a
//     gap. [Sink.Applied] moves when all in-sync replicas have acknowledged them (acks=all).
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
// # The message
//
// Package message has its format. A message has no key and one header, "pumphouse-drainer", whose
// value is <cluster ID>/<node ID>: the mark.
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

// Package binlogpb holds the messages and gRPC services that TiDB, pumps and
// drainers speak with each other, generated from our own .proto files with the
// field's package names and numbers, and what a hot path needs beside them:
//
//   - [Codec], a gRPC codec that writes a message once, into a pooled buffer, and
//     knows the few messages that travel a hundred thousand times a second;
//   - [Peek], which reads the head of a Binlog without unmarshalling the rest;
//   - [Delivery], which fills the commit TS into a stored prewrite while it is encoded.
//
// The bytes are those of github.com/pingcap/tipb's go-binlog, field for field,
// which golden files in testdata hold (testsuite/tipboracle writes them). One
// rule of that encoder is not in the .proto files: fields that are not nullable
// there are written even when they are empty. [NewBinlog] and the codec keep it.
//
// The sub-packages pbfile and pbkafka are what the drainer's file and Kafka sinks
// write.
package binlogpb

//go:generate ./generate.sh

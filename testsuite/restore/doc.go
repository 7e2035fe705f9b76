// Package restore are the tests of reparo and arbiter: binlog files and Kafka messages, of upstream's drainer and of
// ours, applied to real databases.
package restore

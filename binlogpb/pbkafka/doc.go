// Package pbkafka holds the messages that the drainer's Kafka sink writes, one a
// transaction.
package pbkafka

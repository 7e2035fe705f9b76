// Package kafka has drainer's Kafka sink and the programs at work with a real Apache Kafka: what is in topics is read by
// franz-go and by Kafka's own Java client, through restarts, leaders that move, brokers that are killed, full disks,
// limits and refusals. The sink's own tests (drainer/sink/kafka) inject faults into a Kafka in memory.
package kafka

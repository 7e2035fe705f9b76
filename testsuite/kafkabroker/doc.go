// Package kafkabroker gives tests a real Apache Kafka of their own, in KRaft mode: [Start] makes the data
// directories, runs a JVM for each node and ends them with the test. Nodes can be stopped, killed, suspended and
// started again with the same data and ports.
//
// Every node has a listener without any security, over which nodes speak to each other and tests administrate
// ([Cluster.Admin]), and one for clients for each of [Options].Listeners.
//
// The jars are those of testsuite/clients/kafka, which testsuite/clients/install.sh fetches. Where it could not,
// the check is counted as missing.
package kafkabroker

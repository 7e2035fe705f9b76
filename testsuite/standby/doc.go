// Package standby tests drainers that take turns: two processes with one node ID and -standby, a real PD that each of them
// reaches through a gate of its own, a MariaDB or a Kafka downstream, and writes that go on all the while.
package standby

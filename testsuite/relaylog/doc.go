// Package relaylog tests the relay log in front of a real MariaDB: after a crash at any moment,
// without the upstream, the log brings the database to the state that the transactions in the
// log make.
package relaylog

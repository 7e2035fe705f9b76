// Package server is the MySQL-protocol front end of the console: it listens, lets
// clients in, and runs their commands in a session each.
//
// Package wire speaks the protocol, package session knows the statements; here is the
// policy between them: users and roles, limits, time-outs, KILL, and the order in which
// a server stops. cmd/pumphouse and the tests call it.
//
// # Goroutines
//
//	accept, one per listener      takes connections in; ends with the listener
//	connection, one per client    reads a command, runs it, answers; ends with the client
//	watchdog, one                 once a second looks whether clients of long statements
//	                              are still there
//
// Nothing else is started: a command runs on the goroutine that read it. KILL, shutdown
// and the watchdog reach a connection only through its mutex: they cancel the context of
// the running statement, or wake the blocked read.
//
// # Guarantees
//
//   - A panic in one connection is logged with its stack, answered with error 1105, and
//     ends that connection only.
//   - Before login a client can send 64 KiB in ten seconds and no more; when too many
//     handshakes are open the oldest gives way to the newest.
//   - Guessing a password is slow, in parallel too, and slows down nobody but that user from that
//     network (throttle.go).
//   - A failed login costs and shows the same whether the user exists or not.
//   - Close returns when every goroutine has gone.
package server

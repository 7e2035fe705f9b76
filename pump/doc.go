// Package pump is the service TiDB writes its binlogs to: it stores them, brings them
// into commit TS order and serves them to drainers.
//
// It guarantees that a binlog whose write was answered with success is on disk (with
// sync-log), is delivered to every drainer exactly once and in commit TS order, and that
// the pump's record in PD says what the pump is doing. The storage package keeps the
// binlogs; nodes.Agent keeps the record; this package is what lies between them and the
// network.
//
// Goroutines of a running pump; when one of them fails, the pump pauses and ends with its
// error:
//
//	agent       heartbeat, obeys the record
//	grpc, http  the two servers behind one port (and the Unix socket)
//	clock       forwards PD's clock when there is no traffic
//	janitor     garbage collection, once a minute and on demand
//	safe point  holds back TiKV's garbage collection while transactions are unresolved
//	lifecycle   carries out what signals, HTTP and the record order
//
// gRPC adds one a PullBinlogs stream, package direct one a connection that writes binlogs, and another while
// storing takes longer than half a second.
//
// A pump ends in this order, each step after the one before is complete: prewrites are
// refused and those let in are stored (gate.go); PD shows pausing or closing; drainers have
// everything, when it goes offline; streams end, calls under way finish or are cut after
// five seconds, the port closes; clock, janitor and safe point end, and what stays unresolved is
// held in PD for gc-ttl; the log is closed; PD shows paused or
// offline; the data directory is free for the next process. A second signal leaves out
// every wait.
//
// A pump that finds the data of an upstream pump in its directory imports them first (package takeover). Meanwhile its
// port answers /status and /metrics only.
//
// Trade-offs: one port for gRPC and HTTP costs a look at the first bytes of every
// connection. A write is answered when it is on disk, so throughput comes from
// many at once (group commit), on one connection or on many.
package pump

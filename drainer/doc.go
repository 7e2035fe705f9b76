// Package drainer is the service that brings the binlogs of all pumps downstream: it pulls
// from every pump that is not offline (pull), puts what comes into commit TS order (merge),
// decodes it with the table definitions of that moment (schema, txn) and hands it to a sink
// (sink), which applies it to a database, a broker or files. What the sinks are is not known
// here: a program brings a [Downstream].
//
// It guarantees that nothing is applied before every pump that is not offline has shown that
// it has nothing older; that the checkpoint is never ahead of what is downstream for good, so
// that after any crash it goes on without a gap; and that it stops, and says why and what to
// do, at anything that it cannot apply correctly. Nothing is skipped but what the
// configuration names.
//
// Goroutines of a running drainer; when one of them fails, the drainer pauses and ends with
// its error:
//
//	agent       heartbeat, obeys the record
//	grpc, http  the two servers behind one port
//	pull        a group of them, one a pump (package pull)
//	decode      takes from the merge, decodes, fills a short queue
//	apply       empties it into the sink
//	saver       moves the checkpoint after the sink, once a second
//	watcher     asks PD for the time, says who holds back the merge
//	standby     with a standby: ends everything when this process is not the active one any more
//	lifecycle   carries out what signals, HTTP and the record order
//
// A drainer ends in this order: PD shows pausing or closing; nothing more is pulled or
// merged; what was decoded is applied and flushed, for at most StopGrace; the checkpoint is
// saved; the sink is closed; the port closes; PD shows paused or offline; the data directory
// is free for the next process. A second signal leaves out every wait. What is not downstream
// then leaves the drainer paused, also when it was going offline: only setting its record to
// offline gives that up.
//
// A start claims the record as paused first and goes online when everything is there. So one
// that fails, because the checkpoint is another cluster's for instance, leaves "paused",
// and no pump waits for it. As soon as the checkpoint is known /status says what the
// start waits for.
//
// What filters leave of DDL is one table, in outcome.go: a statement runs, runs in part, is left out,
// with a warning or without, or stops the drainer. The rule: what is not replicated is not
// touched, and what is replicated stays what it is upstream. So a table that is renamed into what is
// replicated stops the drainer, because the downstream does not have its rows; one that is renamed out of it
// is renamed downstream, too, which gives its name free for the next one. docs/filters.md has
// the table in words.
//
// Trade-offs: rows are decoded by one goroutine, which is several times as fast as any
// downstream. Those of a binlog of 8 MiB or more are not kept: they are decoded once to be checked, before
// anything of them is applied, and again as the sink writes them ([txn.Rows]). That is CPU for memory: held, they take
// several times the binlog. What was pulled and not decoded when the drainer pauses is pulled again at the
// next start.
package drainer

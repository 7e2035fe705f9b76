// Package tikv finds out from TiKV how a transaction ended whose Commit or Rollback no
// pump heard of: TiDB died between prewrite and commit, or told another pump. It is the
// [pumphouse/pump/storage.Resolver] of a pump.
//
// # The question
//
// The transaction's fate is decided on its primary key, which every prewrite binlog
// carries. The resolver asks PD where the key is and the leader there for everything it
// knows about the key (MvccGetByKey), and reads the fate out of that:
//
//   - a write record of the transaction, a put, delete or lock: committed, at the TS of
//     the record. Transactions of one phase leave nothing else.
//   - a rollback record of it, a mark of one on another transaction's write that has the
//     same TS (an overlapped rollback), or its TS in the list that another lock carries:
//     rolled back.
//   - a lock of it: locked. That includes a pessimistic lock, which a prewrite replaces,
//     and a lock of an async commit, even when all of its keys are prewritten and it is
//     thereby committed: to find that out is up to those who resolve the lock, and they
//     leave a record of it.
//   - nothing: unknown. Binlog and prewrite leave TiDB at the same time, so this one may
//     be on its way; or TiDB died before it sent it.
//
// What TiKV's garbage collection removes is no evidence any more, so "nothing" is said
// only while PD's GC safe point is before the transaction's start; behind it the answer
// is [ErrCollected], because nobody can tell then. (A commit TS is larger than the start
// TS, and GC removes no record that is not before its safe point.)
//
// # It changes nothing
//
// The question is a read, so a lock stays whatever its age is: a pump has no authority to
// end a transaction. It has one disadvantage, that the answer holds all versions of the
// key since the last garbage collection. A key that changes often may have more of them
// than fit into [maxAnswer]; then the resolver asks CheckTxnStatus, whose answer is
// small. That request rolls back a lock only when it is older than the request's
// current_ts, moves it only up to its caller_start_ts, and writes a rollback for a
// missing lock only when rollback_if_not_exist is set; without all three it is a read
// as well. TiKV, unistore and the mock in client-go agree in that.
//
// # The one exception
//
// A TiDB that dies between the prewrite binlog and the prewrite in TiKV leaves nothing
// there, so the answer would be "unknown" for ever and replication would stand still. When
// that is still so [Options.OrphanTimeout] after the first question, longer than any TiDB
// goes on with a commit, the resolver sends CheckTxnStatus with rollback_if_not_exist, as
// a reader does that meets such a transaction: TiKV, not the pump, decides, and if there
// still is nothing, writes a rollback record that makes it refuse a prewrite which comes
// later. A lock is not touched by that either, and where TiKV's garbage collection may
// have removed the evidence ([ErrCollected]) it is not done.
//
// # Where there is no TiKV
//
// A TiDB with its storage inside leaves a PD without stores. That is asked of PD when the
// first question comes, not at the start of the pump, when a TiKV may just be starting
// too; once there is a TiKV it is remembered. While there is none, a transaction counts
// as rolled back at the first question that comes [Options.OrphanTimeout] after the first
// one about it, and the log says so. (Its start TS says nothing: a transaction may be
// hours old when it prewrites.)
//
// # Trade-offs
//
// Regions are asked of PD for every attempt instead of being cached, and requests do not
// go through client-go's region cache and sender. Those keep five goroutines and stale
// knowledge for a question that is asked a few times after a crash, bound neither answer
// nor memory, and take the TLS of their health checks from a package-level configuration.
// What is used of client-go is its key codec, and of PD's client its calls.
//
// PD's client logs through a global logger to stdout and registers metrics with the
// default registry. The second is off; for the first a program calls [RedirectLogs] once.
package tikv

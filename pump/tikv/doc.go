// Package tikv finds out from TiKV the outcome of a transaction whose Commit or Rollback no
// pump heard of: TiDB died between prewrite and commit, or told another pump. It is the
// [pumphouse/pump/storage.Resolver] of a pump.
//
// # The question
//
// The transaction's outcome is decided on its primary key, which every prewrite binlog
// carries. The resolver asks PD where the key is and the leader there for everything it
// knows about the key (MvccGetByKey), and reads the outcome out of that:
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
// That is a read: a lock stays whatever its age is. Its answer holds all versions of the
// key since the last garbage collection. A key that changes often may have more of them
// than fit into [maxAnswer]; then the resolver asks CheckTxnStatus, whose answer is
// small. That request rolls back a lock only when it has expired at the request's
// current_ts, moves its min commit TS only up to its caller_start_ts, and writes a rollback
// for a missing lock only when rollback_if_not_exist is set; without all three it is a read
// as well. TiKV, unistore and the mock in client-go agree in that.
//
// # Every transaction ends
//
// A TiDB that dies in COMMIT leaves a lock that nobody may ever touch, or nothing. So once the
// prewrite has been stored for [Options.SettleAfter], the resolver asks as every reader of TiDB
// does that meets a lock of the transaction, CheckTxnStatus on the primary key with a
// new timestamp of PD as current_ts. TiKV decides:
//
//   - A lock whose time to live is over at that timestamp is rolled back. TiDB gives small
//     optimistic transactions 3 s, and up to 20 s to all others, which it renews while it lives.
//     A lock that has not expired, and one of an async commit, stays: locked.
//   - Where there is nothing, rollback_if_not_exist has TiKV write a rollback record, so that
//     a prewrite which arrives later is refused. resolving_pessimistic_lock is off, because with
//     it a pessimistic lock would vanish without a record.
//
// A TiDB that is alive and only slow gets an error for that commit, as it would from a reader.
// SettleAfter, 15 s, makes that rare: TiDB itself gives up waiting for a commit TS or for a pump
// after that time. caller_start_ts stays 0, so no min commit TS is moved. A start TS later than
// PD's clock is not sent to TiKV, which would take it for the present time ([ErrFuture]).
//
// From the crash of a TiDB to its last outcome it is therefore 20 s at most, and one pause between two
// questions (2 s, see the storage).
//
// # Garbage collection
//
// "Nothing" is evidence only while TiKV's garbage collection cannot have removed a commit
// record. One that works up to a safe point S removes no record whose commit TS is larger than S,
// and a commit TS is larger than its start TS; so a start TS above every S used so far is safe.
// TiKV uses safe points of PD's only.
//
//  1. To report that TiKV has no trace of a transaction, PD is asked for its safe point after
//     TiKV: if it is below the start TS then, it was when TiKV answered, as it never goes back.
//     Otherwise the answer is [ErrCollected].
//  2. To settle, that is not enough. If garbage collection ran between that answer and the
//     settling, the rollback record that TiKV then writes would look like a proof to every later
//     question. So it must be impossible: PD has to hold a service safe point before the start
//     TS ([Resolver.HoldGC]). TiDB's garbage collection moves PD's safe point to the smallest
//     service safe point, as PD computes it, and never beyond. PD takes a service safe point only
//     if it is not below the smallest then, and the smallest does not decrease that way. So
//     all that was handed out before ours was registered is at or below ours, also if a garbage
//     collection that had asked before only moves the safe point afterwards; and while ours
//     lives, nothing above it is handed out. With the check of 1, which covers those who move
//     the safe point without asking, nothing above the start TS can have been used.
//  3. Where PD does not know the call, or not yet ours, a start TS of the last 9 minutes is safe
//     as well: TiDB's garbage collection leaves the last 10 minutes alone, whatever it is set to
//     (gcMinLifeTime). This does not hold where PD's service safe points are known to be further.
//  4. Otherwise the outcome cannot be known. It is not guessed: an operator decides.
//
// A lock needs none of this: it is evidence itself, and what rolls it back needs it to be there.
//
// # Where there is no TiKV
//
// A TiDB with its storage inside leaves a PD without stores. That is asked of PD when the
// first question comes, not at the start of the pump, when a TiKV may just be starting
// too; once there is a TiKV it is remembered. While there is none, a transaction counts
// as rolled back when its prewrite has been stored for [Options.OrphanTimeout], and the log says
// so. (Its start TS says nothing: a transaction may be hours old when it prewrites.)
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

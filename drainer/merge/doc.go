// Package merge puts the binlogs of all pumps into one sequence in commit TS order.
// Package pull feeds it, one [Source] a pump; the drainer takes from it with
// [Merger.Next].
//
// # What it guarantees
//
//   - Transactions come out in strictly increasing commit TS, each once.
//   - [Batch.Passed] is a promise: every transaction of every pump with a commit TS up
//     to it has come out. It never goes back.
//   - What contradicts that is a [*DisorderError] that names the pump and the positions,
//     and is counted; it is never put in at the wrong place.
//   - The memory of what is buffered is bounded in bytes (see Memory).
//
// # The order
//
// A pump delivers its transactions in strictly increasing commit TS, and while it has
// none it tells the time with fake binlogs. So whatever it delivers says that nothing of
// it at or below that TS is still to come. A source's clock is the TS it delivered last,
// or, before that, the position it is read from. Let low be the least clock of the sources
// of which nothing is queued, and head the least commit TS queued anywhere. Then
//
//	(1) when head <= low, no transaction below head is still to come from any source:
//	    a source with something queued has all it will deliver from now on after its
//	    queue, which is sorted, and one with nothing queued has it above its clock;
//
// so the transaction at head is next, and
//
//	(2) everything up to min(low, head-1) has come out, which is what Passed says.
//
// Sources come and go. One that goes (its record is offline and its stream has ended)
// has nothing to come and is dropped when its queue is empty, so (1) and (2) keep
// holding. One that comes must not have transactions that were overtaken:
//
//	(3) transactions of a pump that joins have a commit TS above the Passed of every
//	    batch that comes out.
//
// A pump goes online only after every drainer has answered its Notify, and a drainer
// answers after [Merger.Add] has returned. TiDB draws a commit TS from PD after a pump
// has acknowledged the prewrite, so the new pump's transactions have larger TSs than any
// that was drawn before Add returned. Next takes what sources have queued first and then
// looks for sources that have joined, and folds them in before it uses what it took. So
// every TS it uses without the new source arrived, and therefore was drawn, before Add
// returned. A new source's clock starts at the position it is read from, which holds the
// merge from there on.
//
// A pump that delivers something at or below Passed nevertheless was set to offline before
// everything it had was pulled, and has come back; or PD's clock went back. That is the
// DisorderError.
//
// # Two copies
//
// TiDB writes a prewrite that one pump did not acknowledge in time to another pump. When
// both have stored it, both deliver it, with the same start TS and commit TS. By (1) a
// copy comes out when every source has passed what is below, so the other copy is then
// at the head of its queue, or comes at the head later: it is equal to what came out
// last, and is dropped and counted.
//
// # Who holds back the merge
//
// The source with the least clock among those with nothing queued: nothing can come out
// before it delivers. [Merger.Holder] names it.
//
// # Memory
//
// A transaction counts from [Source.Push] until [Merger.Release]. The bound is split in
// half: what is queued, and what came out and is not released. A push waits while the
// queues hold their half, unless they are empty, so that a transaction that is larger is
// let through alone, or unless the merge waits for just this source: otherwise pumps whose
// binlogs are younger could fill the queues and keep out the one that everybody waits for.
// An eighth of the bound is reserved and divided among the sources, so that one that has
// fallen behind catches up by more than a transaction at a time.
// So at most the bound, a batch, and one transaction a pump are held.
//
// # Goroutines and locks
//
// None of its own: the merge happens in the goroutine that calls Next. Sources are pushed
// to by a goroutine each. A push takes the source's own mutex for an append; Next takes
// it once for everything queued, and only sleeps, and is only woken, for the source that
// holds back the merge.
//
// # Trade-offs
//
// Heads are found by a scan over the sources, not a heap: with the tens of pumps that
// clusters have at most it is quicker. One pump that stands still blocks all; that
// is what order costs, and why Holder exists.
package merge

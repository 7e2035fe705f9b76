// Package storage keeps the binlogs of a pump: it stores what TiDB writes, puts the
// committed transactions in commit TS order, and delivers them from any position.
// Package pump calls it; it knows nothing of gRPC, PD or states.
//
// # What it guarantees
//
//   - What [Store.Append] acknowledged survives a crash of the process, and, with
//     SyncLog, of the machine. What it did not is stored whole or not at all.
//   - A [Puller] delivers every committed transaction after its position once, in
//     strictly increasing commit TS order, the same from every position and after
//     every restart.
//   - What it cannot know or keep it says: damage, purged positions, lost prewrites and
//     a full disk are errors or log lines with file, offset, and TS.
//
// # The order
//
// TiDB draws a transaction's commit TS from PD after a pump has acknowledged the
// prewrite. (Async commit and one-phase commit would break that; TiDB does not use
// them while binlog is on.) Acknowledged means: after the record was placed in the
// log. Hence
//
//	(1) a prewrite placed after a commit C has a larger commit TS than C,
//
// because C's TS was drawn before C was sent, C was sent before it was placed, and
// the prewrite's TS is drawn after. The largest commit TS placed before a prewrite is
// its floor; floors do not decrease along the log. Let the mark be the floor of the
// oldest unresolved prewrite, or, when nothing is unresolved, the largest commit TS
// so far. Then
//
//	(2) every transaction with a commit TS up to the mark is known,
//
// because one that is not would belong to a prewrite that is unresolved or still to
// come. It stands, or will stand, at or after the oldest unresolved one, so by (1)
// its commit TS is larger than that one's floor, the mark. And so
//
//	(3) all known transactions up to the mark can be delivered, sorted, for good.
//
// Those above the mark wait. A heap holds the newest 65,536 of them. When it is full it
// becomes a sorted run in a file, and eight runs become one, so neither memory nor a
// checkpoint depends on how many wait. When the mark moves, what waits in the heap alone
// is delivered at once, and what is in runs by merging them in steps of 1,024; pullers are
// told of a time only when everything up to it is delivered. Every commit that comes
// meanwhile is above the mark and so after all that is being merged.
//
// A TSO that the pump gets from PD itself tells as much as a commit does: a prewrite
// not yet acknowledged will commit after it ([Store.Advance]). Such times raise the
// floors of later prewrites and pullers are told of them, but they are not written
// down one by one: after a restart the mark may be lower than before, which delays
// and never reorders. Since floors are stored with their prewrites, reading the log
// again makes every decision again as it was made before.
//
// A commit at or below the mark contradicts (1). It can mean only that PD's clock
// went back, or that a TS did not come from PD: it is not delivered, and [ErrLate] is
// what its sender gets. Reading the log again decides the same, because while a prewrite is
// unresolved the mark is the floor of the oldest one, and floors are in the log: the
// writer assigns them under the lock, and a time that [Store.Advance] tells while they
// are written counts only afterwards. A prewrite that was delayed for so long that TiDB
// gave up and used another pump may have been committed below the mark, too; TiKV's word
// on it then ends it here, and the other pump delivers it. A commit without a prewrite
// ([ErrNoPrewrite]) raises no floor, so nonsense cannot poison the clock.
//
// # Files
//
// All integers are little endian, all checksums CRC-32C. The directory holds
//
//	log-0000000001 …    segments of the log, numbered without a gap
//	index-0000000001 …  the sorted sequence, 1,048,576 entries a file
//	wait-0000000001 …   runs of transactions that wait, in no order of numbers
//	checkpoint          how to open the rest quickly
//	lost                what Repair could not save; without damage there is none
//	reported            up to where the pump has reported that the log goes
//	reserve             space that GC may use when the disk is full; it holds nothing
//	repairing           a repair has changed the log and has not ended; it holds nothing
//	*.tmp               being made; removed when the store opens
//
// A segment begins with
//
//	 0  8  "PHBINLG" 0x01, the last byte is the version
//	 8  4  number of the segment, as in its name
//	12  4  0
//	16  8  salt, random
//	24  8  where the records of the segment before this one end
//	32  8  the largest commit TS known when it was made
//	40 20  0
//	60  4  checksum of bytes 0 to 59: the segment's seed
//
// The 64 bytes and their checksum stay where they are in every later version, so that a changed bit
// is not taken for a later version; so does the checksum at the checkpoint's end.
//
// and holds records from byte 64 on, each beginning at a multiple of 8, the bytes between
// two records being 0:
//
//	 0  4  checksum of bytes 4 to 39, begun with seed XOR offset/8
//	 4  1  type: 1 prewrite, 2 commit, 3 rollback, 4 void
//	 5  1  flags: 1 told by TiKV, 2 decided by the time-out, 4 by an operator
//	 6  2  0
//	 8  4  n, the size of the payload
//	12  4  checksum of the payload
//	16  8  start TS
//	24  8  commit TS; of a prewrite: its floor
//	32  8  how many bytes before the record were not known to be on disk
//	40  n  payload: the Binlog message of a prewrite, as TiDB sent it
//
// A segment is made with its full size and is durable, name and all, before its first
// record is written; where no record has been written, it holds 0.
//
// Entry n of the index, counted from 0, is the 32 bytes at 32 * (n mod 1,048,576) of
// file n / 1,048,576 + 1:
//
//	 0  8  commit TS, larger than that of the entry before
//	 8  8  start TS
//	16  4  segment of the prewrite
//	20  4  its offset there, divided by 8
//	24  4  size of its payload
//	28  4  checksum of bytes 0 to 27, begun with the low 32 bits of n
//
// A run is a file of such entries, sorted, entry n of the run at 32 * n with the checksum begun
// with n. It is durable before a checkpoint refers to it and never changes; it is removed when
// no checkpoint refers to it any more.
//
// The checkpoint is replaced atomically. It is
//
//	 0  8  "PHCHECK" 0x02
//	 8  4  segment of the first record that it does not cover
//	12  4  offset of that record, divided by 8
//	16  8  number of the first entry of the index
//	24  8  number of the first entry that the index's files do not hold
//	32  8  commit TS up to which binlogs are purged
//	40  8  the largest commit TS known
//	48  8  the mark, or, while it is being reached, how far it is
//	56  8  commit TS of the last entry of the index
//	64  4  n, the size of the note
//	68  4  s, the number of segments
//	72  4  u, the number of unresolved prewrites
//	76  4  w, the number of transactions that wait and are in no run
//	80  4  t, the number of entries of the index that are in no file of it
//	84  4  r, the number of runs
//	88     s times: segment 4, prewrites in it that are not settled 4, where
//	       its records end 8, largest commit TS delivered from it 8;
//	       u times: start TS 8, floor 8, segment 4, offset / 8 4, size 4;
//	       w times: an entry as in the index, numbered from 0;
//	       t times: an entry as in the index, with its number there;
//	       r times: number of the file 4, how often its entries were merged 4,
//	       entries in it 8, of which delivered 8;
//	       n bytes: a note of how far another log has been read, while it is imported;
//	       checksum of everything before 4
//
// Version 1, which is still read, has neither t nor r. A store that is in use has no note.
//
// The list of what is lost, replaced atomically, is
//
//	0  8  "PHBLOST" 0x01
//	8     ranges, ascending and apart, until 4 bytes are left: 8 commit TS that is
//	      not lost, 8 commit TS up to and including which something may be
//	      checksum of everything before 4
//
// The file reported has two slots of 512 bytes, written in turn; the larger TS counts:
//
//	 0  8  "PHBREPT" 0x01
//	 8  8  TS up to which the pump has reported the log to be complete
//	16  4  checksum of bytes 0 to 15
//
// The pump's record in PD never says more than this file or the last commit in the log. So a log that knows less
// than the record is not the one that the pump had.
//
// # Opening
//
// The checkpoint gives the state; the log after it is read and applied, and
// what the index holds beyond it is made again, as are the runs that it does not refer
// to. In the last segment, bytes that are no
// record are damage if a record after them says that they had been on disk when it was
// written, for then somebody may have been told that they are stored; otherwise they
// are a write that a crash cut short, and are cut off. In all other segments they are
// damage. The last records whose durability nothing proves are written again and
// synced before they count, because after a failed fdatasync the system's cache shows
// what the disk does not hold.
//
// # Repairing
//
// [Repair] reads the whole log, puts a void record over each hole, and lists in which ranges of commit TSs
// transactions may be missing. A pull that reaches a range ends with a [*LostError]; before and after it
// everything is delivered. What can be missing of a hole?
//
//   - A transaction whose prewrite and commit both were in it. Its commit TS is, by (1),
//     larger than what was committed before the hole, and, because it was placed before
//     the next prewrite, at or below that one's floor, or that in the next segment's head.
//   - A transaction whose prewrite was in it and whose commit follows: a commit without a
//     prewrite anywhere in the log. Its commit TS is known. A commit that comes again is told from it
//     by its prewrite, for which the log is read a second time.
//   - A transaction whose prewrite was in it and that was unresolved to the end of the log. If there
//     was none in the checkpoint, or something after the hole has been delivered, there
//     is none. Otherwise its commit TS may be anything up to now.
//
// A commit or rollback in a hole leaves its prewrite without an outcome. The index may know it: if something
// with a larger commit TS than the prewrite's floor was delivered, the prewrite had been resolved by (3). And if
// no hole after the prewrite can have held a commit with a larger TS than the last that was delivered,
// it was either delivered, and is in the index, or rolled back. Then Repair writes the outcome to the end of
// the log. Otherwise the prewrite is unresolved as any other.
// A repair that a crash interrupts may have put void records over holes without having listed what was in them.
// The file repairing says so, from before the first of them until the list is on disk: Open refuses, and the next
// repair takes all void records for new holes.
//
// Where the checkpoint is damaged too and GC has removed segments, the hole may also have held the commits of purged
// transactions, so its range begins with what is known to be purged.
//
// # When writing fails
//
// A failed write or sync of the log, the index or a run ends all writing
// ([ErrFailed]) until the store is opened again; it is never tried again as if nothing
// had happened. A full disk is different: space for a whole segment is taken when the
// segment is made, so that a write finds the disk full only where the file system
// cannot reserve. Then the rest of the segment is given up, and writes are refused
// ([ErrNoSpace]) until a new segment can be made.
//
// # Trade-offs
//
//   - Log and index are two files for one fact; in return nothing is ever
//     rewritten, there is no compaction, a pull reads both forward, and the hot path
//     syncs one file.
//   - Only the log after the checkpoint is checked when the store opens; damage
//     further back shows when it is pulled, as an error. [Repair] reads everything.
//   - Damage to the very last write cannot be told from a torn one, nor, when the checkpoint is damaged,
//     a missing first segment from a purged one.
//   - One unresolved prewrite holds back everything with a larger commit TS. The
//     alternative is a wrong order. What waits costs no memory, but is written once more, and
//     once more for each merge of eight runs, 32 bytes a transaction.
//   - GC removes whole segments only, so an idle pump keeps up to a segment for longer
//     than it must.
//   - The floor of a prewrite takes the place of its commit TS, which it does not have.
package storage

// Package txn makes transactions of binlogs: which rows of which tables changed from what to
// what, as values a sink can write.
//
// [Parse] reads the head of a binlog; [Binlog.Each] decodes the rows one after the other, with
// the definitions that package schema has for them. Both hold on to the binlog's bytes and
// copy as little as they can: values of text and bytes are parts of it.
//
// [Filter] and [Migration] are the configuration's word on which of them go downstream, and under
// which names.
//
// # The bytes of a row
//
// Everything is in TiDB's codec.EncodeValue form, a flag byte and what it says:
//
//	0   NULL
//	1   bytes, in groups of 8 and a byte that tells how many of them count
//	2   bytes: length (zigzag varint), bytes
//	3   int64, big-endian, sign bit flipped          8   int64, zigzag varint
//	4   uint64, big-endian                           9   uint64, varint
//	5   float64, big-endian, so that it sorts
//	6   decimal: precision, fraction digits, MySQL's binary form
//	7   duration: like 3, nanoseconds
//	10  binary JSON: a type byte and the value
//
// A row is column ID and value in turns; one without columns is the single byte 0. An inserted
// row has the values of its handle before it (one, or one for each column of a clustered
// key); an updated one is the old row followed by the new one. Dates are MySQL's packed form,
// timestamps in UTC; enum, set and bit are numbers. What is left out of an inserted row is in
// [Decoder]'s comments; testsuite/tidb/FACTS.md has the sources.
package txn

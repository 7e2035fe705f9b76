// Package nodes says what a node of a TiDB Binlog cluster is: its record in PD,
// the states it goes through, and the registry that reads and writes the records.
//
// The rule the package keeps is: the record in PD is the truth. Every write is a
// compare-and-set on the key's mod revision, so nobody's write is silently undone;
// a live service obeys what it finds there (see [Agent]).
//
// The console, binlogctl, the pump and the drainer all go through this package;
// no other package knows the keys or the JSON.
package nodes

// Rowsoracle writes rows as TiDB puts them into binlogs, made by TiDB's own packages from random
// tables and values, and what TiDB itself reads in them. It is a program, and a module of its
// own, because the last TiDB with binlog and this product need different versions of TiDB's parser.
//
// It prints JSON, a line each: a [Table], then its rows, then the next table. The test that reads
// it is in drainer/txn:
//
//	go test -run Oracle ./drainer/txn -rows 20000
//
// drainer/txn/testdata/rows.json.gz keeps 3,000 of them for every run: -rows 3000 -seed 7.
package main

import "encoding/json"

// Line is a line of the output: a table or a row of the last table.
type Line struct {
	Info json.RawMessage `json:"info,omitempty"` // model.TableInfo
	Zone string          `json:"zone,omitempty"` // time zone of the expected values

	Op  string    `json:"op,omitempty"` // insert, update, delete
	Row []byte    `json:"row,omitempty"`
	Old []*string `json:"old,omitempty"` // expected, by column; nil is NULL
	New []*string `json:"new,omitempty"`
}

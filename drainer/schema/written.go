package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// writtenDDL is a DDL as it is written down, in JSON: with the definitions of the tables that it is about,
// but not those of all others, and with the names that its tables have downstream.
type writtenDDL struct {
	Schema    string         `json:"schema"`
	Table     string         `json:"table"`
	Statement string         `json:"statement,omitempty"`
	OnlyTiDB  bool           `json:"only_tidb,omitempty"`
	Setval    bool           `json:"setval,omitempty"`
	Like      [2]string      `json:"like,omitzero"`
	Job       *Job           `json:"job,omitempty"`
	Tables    []writtenTable `json:"tables,omitempty"`
	Databases []DBInfo       `json:"databases,omitempty"` // of the tables
	// Before and After are places in Tables, counted from 1; 0: nil. Changes are pairs of such.
	Before  int         `json:"before,omitempty"`
	After   int         `json:"after,omitempty"`
	Changes [][2]int    `json:"changes,omitempty"`
	Known   bool        `json:"known,omitempty"` // the definitions before and after the job
	Routes  []routePair `json:"routes,omitempty"`
	Routed  bool        `json:"routed,omitempty"`
}

// routePair is a name and what it is downstream; of a database, the tables are empty.
type routePair struct {
	From [2]string `json:"from"`
	To   [2]string `json:"to"`
}

// writtenTable is a Table.
type writtenTable struct {
	ID, SchemaID, Version int64
	Schema, Name          string
	Kind                  Kind
	Columns               []writtenColumn
	Handle                Handle
	HandleColumns         []HandleColumn
	Keys                  []Key
	Partitions            []Partition
	Info                  *TableInfo
}

// writtenColumn is a Column. Defaults that are no UTF-8, of BIT, are beside it.
type writtenColumn struct {
	Column
	DefaultBytes, OriginBytes []byte
}

// Encode writes a DDL down for [DecodeDDL].
func (d *DDL) Encode() ([]byte, error) {
	w := &writtenDDL{Schema: d.Schema, Table: d.Table, Statement: d.Statement, OnlyTiDB: d.OnlyTiDB, Setval: d.Setval, Like: d.Like}
	if d.Job != nil {
		job := *d.Job
		job.RawArgs, job.Result.TableInfo, job.Result.Tables = nil, nil, nil // the tables have it
		w.Job = &job
	}
	places := make(map[*Table]int)
	place := func(t *Table) int {
		if t == nil {
			return 0
		}
		if places[t] == 0 {
			w.Tables = append(w.Tables, writeTable(t))
			places[t] = len(w.Tables)
		}
		return places[t]
	}
	w.Before, w.After, w.Known = place(d.Before), place(d.After), d.TablesBefore != nil && d.TablesAfter != nil
	for _, c := range d.Changes() {
		w.Changes = append(w.Changes, [2]int{place(c.Before), place(c.After)})
	}
	w.addDatabases(d)
	w.addRoutes(d)
	return json.Marshal(w)
}

func (w *writtenDDL) addDatabases(d *DDL) {
	seen := make(map[int64]bool)
	for _, all := range []*Tables{d.TablesAfter, d.TablesBefore} {
		for i := 0; all != nil && i < len(w.Tables); i++ {
			id := w.Tables[i].SchemaID
			if info, ok := all.DatabaseByID(id); ok && !seen[id] {
				seen[id] = true
				w.Databases = append(w.Databases, info)
			}
		}
	}
}

// addRoutes asks for the names downstream of every table and database that the statement may be about.
func (w *writtenDDL) addRoutes(d *DDL) {
	if w.Routed = d.Route != nil; !w.Routed {
		return
	}
	seen := make(map[[2]string]bool)
	add := func(schema, table string) {
		from := [2]string{schema, table}
		if seen[from] {
			return
		}
		seen[from] = true
		toSchema, toTable := d.Route(schema, table)
		if to := [2]string{toSchema, toTable}; to != from {
			w.Routes = append(w.Routes, routePair{from, to})
		}
	}
	add(d.Schema, d.Table)
	for _, t := range w.Tables {
		add(t.Schema, t.Name)
	}
	text := d.Statement
	if text == "" && d.Job != nil {
		text = d.Job.Query
	}
	if nodes, err := ParseStatements(text); err == nil {
		for _, n := range nodes {
			n.Accept(eachName(add))
		}
	}
	for _, from := range slices.Collect(maps.Keys(seen)) {
		add(from[0], "")
	}
	slices.SortFunc(w.Routes, func(a, b routePair) int { return slices.Compare(a.From[:], b.From[:]) })
}

// eachName visits the names of tables.
type eachName func(schema, table string)

// Enter implements ast.Visitor.
func (f eachName) Enter(n ast.Node) (ast.Node, bool) {
	if name, ok := n.(*ast.TableName); ok {
		f(name.Schema.O, name.Name.O)
	}
	return n, false
}

// Leave implements ast.Visitor.
func (f eachName) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// DecodeDDL reads what Encode wrote. TablesBefore and TablesAfter have only the tables that the job
// changed. Errors are of text that Encode did not write.
func DecodeDDL(text []byte) (*DDL, error) {
	w := new(writtenDDL)
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("a DDL that was written down: %w", err)
	}
	d := &DDL{Schema: w.Schema, Table: w.Table, Statement: w.Statement, OnlyTiDB: w.OnlyTiDB, Setval: w.Setval, Like: w.Like, Job: w.Job}
	if d.Job != nil {
		d.Job.RawArgs = nil
	}
	tables := make([]*Table, len(w.Tables)+1)
	for i := range w.Tables {
		t, err := w.Tables[i].table()
		if err != nil {
			return nil, err
		}
		tables[i+1] = t
	}
	at := func(i int) (*Table, error) {
		if i < 0 || i >= len(tables) {
			return nil, fmt.Errorf("%w: a DDL that was written down has no table %d", ErrBadJob, i)
		}
		return tables[i], nil
	}
	var err error
	if d.Before, err = at(w.Before); err != nil {
		return nil, err
	}
	if d.After, err = at(w.After); err != nil {
		return nil, err
	}
	if w.Known {
		d.TablesBefore, d.TablesAfter = newTables(), newTables()
		for _, all := range []*Tables{d.TablesBefore, d.TablesAfter} {
			for _, info := range w.Databases {
				all.databases[info.ID] = &database{id: info.ID, name: info.Name.O, charset: info.Charset, collate: info.Collate}
			}
		}
	}
	for _, c := range w.Changes {
		for i, all := range []*Tables{d.TablesBefore, d.TablesAfter} {
			switch t, err := at(c[i]); {
			case err != nil:
				return nil, err
			case t != nil && all != nil:
				all.set(t)
			}
		}
	}
	if w.Routed {
		d.Route = w.route
	}
	return d, nil
}

// route is DDL.Route as far as it was written down.
func (w *writtenDDL) route(schema, table string) (string, string) {
	from := [2]string{schema, table}
	i := slices.IndexFunc(w.Routes, func(p routePair) bool { return p.From == from })
	if i < 0 {
		i = slices.IndexFunc(w.Routes, func(p routePair) bool {
			return strings.EqualFold(p.From[0], schema) && strings.EqualFold(p.From[1], table)
		})
	}
	if i < 0 {
		return schema, table
	}
	return w.Routes[i].To[0], w.Routes[i].To[1]
}

func writeTable(t *Table) writtenTable {
	w := writtenTable{ID: t.ID, SchemaID: t.SchemaID, Version: t.Version, Schema: t.Schema, Name: t.Name, Kind: t.Kind,
		Handle: t.Handle, HandleColumns: t.HandleColumns, Keys: t.Keys, Partitions: t.Partitions, Info: t.Info}
	for _, c := range t.Columns {
		w.Columns = append(w.Columns, writtenColumn{c, notText(c.Default), notText(c.OriginDefault)})
	}
	return w
}

// notText is a string that JSON has no room for.
func notText(v any) []byte {
	if s, ok := v.(string); ok && !utf8.ValidString(s) {
		return []byte(s)
	}
	return nil
}

// table is the Table; the error is of places in it that are not there.
func (w *writtenTable) table() (*Table, error) {
	t := &Table{ID: w.ID, SchemaID: w.SchemaID, Version: w.Version, Schema: w.Schema, Name: w.Name, Kind: w.Kind,
		Handle: w.Handle, HandleColumns: w.HandleColumns, Keys: w.Keys, Partitions: w.Partitions, Info: w.Info,
		Columns: make([]Column, 0, len(w.Columns)), byID: make(map[int64]int, len(w.Columns))}
	for i, c := range w.Columns {
		if c.DefaultBytes != nil {
			c.Default = string(c.DefaultBytes)
		}
		if c.OriginBytes != nil {
			c.OriginDefault = string(c.OriginBytes)
		}
		t.byID[c.ID] = i
		t.Columns = append(t.Columns, c.Column)
	}
	bad := func(i int) bool { return i < 0 || i >= len(t.Columns) }
	for _, h := range t.HandleColumns {
		if bad(h.Column) {
			return nil, fmt.Errorf("%w: the handle of table %s has the column %d", ErrBadJob, t, h.Column)
		}
	}
	for _, k := range t.Keys {
		for _, i := range k.Columns {
			if bad(i) {
				return nil, fmt.Errorf("%w: key %s of table %s has the column %d", ErrBadJob, k.Name, t, i)
			}
		}
	}
	return t, nil
}

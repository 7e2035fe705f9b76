package drainer

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
)

// outcome is what is done with a DDL statement.
type outcome uint8

const (
	skip    outcome = iota // leave it out
	run                    // hand it to the sink
	skipped                // leave it out, with a warning
	warned                 // hand it to the sink, with a warning
	part                   // hand the part of it to the sink that is about what is replicated
	stop                   // stop the drainer
)

// about is which question a statement puts to the filters: what first and second of a cell are.
type about uint8

const (
	aTable           about = iota // the table, view or sequence; the same
	aRename                       // the table's name before; after
	anExchange                    // the table with the partition; the other table
	aView                         // the view; every table it reads
	aViewDropped                  // the view; every table it may have read
	aCopy                         // CREATE TABLE … LIKE: the new table; the other
	aRestoredTable                // RECOVER and FLASHBACK TABLE: the name when it was dropped; now
	aDatabase                     // CREATE DATABASE: the database; every table it may have
	aChangedDatabase              // ALTER DATABASE: the same
	aDroppedDatabase              // DROP DATABASE: the same
	aRestored                     // FLASHBACK DATABASE: the same
	theCluster                    // placement policies, resource groups: no replicate-do rule; the same
)

// cell is a line of the table of outcomes. docs/filters.md has it in words.
type cell struct {
	about         about
	first, second bool // whether it is replicated
	do            outcome
	why           string // of a warning or a stop
}

// Reasons for outcomes, as the log and errors give them.
const (
	whyOut = "the table leaves what is replicated: the downstream has it under its new name, with the rows of now, and gets no more of them"
	whyIn  = "it makes a table one that is replicated, and the downstream does not have its rows. " +
		"Copy the table to the downstream as it is at this commit TS (with tidb_snapshot), and then leave the statement out"
	whyExchange = "it moves rows between a table that is replicated and one that is not. " +
		"Make the rows of the replicated one downstream what they are at this commit TS (with tidb_snapshot), and then leave the statement out"
	whyView     = "the view reads tables that are not replicated: the downstream may not have them. What it has under the view's name stays as it is"
	whyCopy     = "it copies the definition of a table that is not replicated"
	whyDrop     = "not every table of the database is replicated, or goes to another database: the replicated ones are dropped, and the database stays"
	whyRestored = "it brings back a table that was not replicated, and the downstream does not have its rows. " +
		"Copy the table to the downstream as it is at this commit TS (with tidb_snapshot), and then leave the statement out"
	whyRestoredDatabase = "it brings back tables that are not replicated with those that are. " +
		"Make the replicated ones downstream what they are at this commit TS (with tidb_snapshot), and then leave the statement out"
)

// outcomes is the table of outcomes: every combination is in it once.
var outcomes = [...]cell{
	{aTable, true, true, run, ""},
	{aTable, false, false, skip, ""},

	{aRename, true, true, run, ""},
	{aRename, true, false, warned, whyOut},
	{aRename, false, true, stop, whyIn},
	{aRename, false, false, skip, ""},

	{anExchange, true, true, run, ""},
	{anExchange, true, false, stop, whyExchange},
	{anExchange, false, true, stop, whyExchange},
	{anExchange, false, false, skip, ""},

	{aView, true, true, run, ""},
	{aView, true, false, skipped, whyView},
	{aView, false, true, skip, ""},
	{aView, false, false, skip, ""},

	{aViewDropped, true, true, run, ""},
	{aViewDropped, true, false, part, ""}, // DROP VIEW IF EXISTS: it was left out, unless the rules were others then
	{aViewDropped, false, true, skip, ""},
	{aViewDropped, false, false, skip, ""},

	{aCopy, true, true, run, ""},
	{aCopy, true, false, warned, whyCopy},
	{aCopy, false, true, skip, ""},
	{aCopy, false, false, skip, ""},

	{aRestoredTable, true, true, run, ""},
	{aRestoredTable, true, false, skip, ""}, // the downstream has dropped it
	{aRestoredTable, false, true, stop, whyRestored},
	{aRestoredTable, false, false, skip, ""},

	{aDatabase, true, true, run, ""},
	{aDatabase, true, false, part, ""}, // IF NOT EXISTS: it may have stayed when it was dropped
	{aDatabase, false, true, skip, ""},
	{aDatabase, false, false, skip, ""},

	{aChangedDatabase, true, true, run, ""},
	{aChangedDatabase, true, false, run, ""},
	{aChangedDatabase, false, true, skip, ""},
	{aChangedDatabase, false, false, skip, ""},

	{aDroppedDatabase, true, true, run, ""},
	{aDroppedDatabase, true, false, part, whyDrop},
	{aDroppedDatabase, false, true, skip, ""},
	{aDroppedDatabase, false, false, skip, ""},

	{aRestored, true, true, run, ""},
	{aRestored, true, false, stop, whyRestoredDatabase},
	{aRestored, false, true, skip, ""},
	{aRestored, false, false, skip, ""},

	{theCluster, true, true, run, ""},
	{theCluster, false, false, skip, ""},
}

// cellOf finds the line of the table.
func cellOf(a about, first, second bool) cell {
	for _, c := range outcomes {
		if c.about == a && c.first == first && c.second == second {
			return c
		}
	}
	return cell{about: a, do: stop, why: fmt.Sprintf("nothing is written about this statement (%d)", a)} // a test looks at all
}

// unfiltered is a statement before the filters.
type unfiltered struct {
	*schema.DDL
	node ast.StmtNode // nil: the parser does not know it
}

// classify finds out what is to be done with a statement: the line of the table for each table it is
// about. Most are about one.
func (dec *decoder) classify(j *unfiltered) []cell {
	if j.Job == nil { // SETVAL
		wanted := dec.wants(j.Schema, j.Table)
		return []cell{cellOf(aTable, wanted, wanted)}
	}
	switch j.Job.Type {
	case schema.ActionCreateSchema:
		return dec.database(aDatabase, j.Schema)
	case schema.ActionDropSchema:
		return dec.database(aDroppedDatabase, j.Schema)
	case schema.ActionModifySchemaCharset:
		return dec.database(aChangedDatabase, j.Schema)
	case schema.ActionRecoverSchema:
		return dec.database(aRestored, j.Schema)
	case schema.ActionRenameTables, schema.ActionCreateTables:
		return dec.several(j)
	case schema.ActionExchangePartition:
		return dec.exchange(j)
	case schema.ActionRenameTable:
		to := dec.wants(j.Schema, j.Table)
		if j.After != nil {
			to = dec.wants(j.After.Schema, j.After.Name)
		}
		return []cell{cellOf(aRename, dec.wants(j.Schema, j.Table), to)}
	case schema.ActionRecoverTable:
		return dec.restored(j)
	case schema.ActionDropView:
		return []cell{cellOf(aViewDropped, dec.wants(j.Schema, j.Table), dec.reads(j.Before, nil, j.Schema))}
	}
	if j.Schema == "" && j.Table == "" {
		all := !dec.filter.Asks()
		return []cell{cellOf(theCluster, all, all)}
	}
	wanted := dec.wants(j.Schema, j.Table)
	switch n := j.node.(type) {
	case *ast.CreateViewStmt:
		return []cell{cellOf(aView, wanted, dec.reads(j.After, n.Select, j.Schema))}
	case *ast.CreateTableStmt:
		if n.ReferTable != nil {
			from := resolve(n.ReferTable, j.Schema)
			return []cell{cellOf(aCopy, wanted, dec.wants(from.schema, from.table))}
		}
	}
	return []cell{cellOf(aTable, wanted, wanted)}
}

// reads reports whether every table that a view reads is replicated. The definition has the databases
// of all of them; query is the statement's.
func (dec *decoder) reads(view *schema.Table, query ast.Node, schema string) bool {
	if view != nil && view.Info != nil && view.Info.View != nil {
		if n := one(view.Info.View.Select); n != nil {
			query = n
		}
	}
	if query == nil {
		return false
	}
	for _, name := range namesIn(query, schema) {
		if !dec.wants(name.schema, name.table) {
			return false
		}
	}
	return true
}

// wants reports whether a table, or without one a database, is replicated.
func (dec *decoder) wants(schema, table string) bool { return !dec.skip(schema, table) }

func (dec *decoder) database(a about, name string) []cell {
	// Tables that go elsewhere are not the database's downstream.
	return []cell{cellOf(a, dec.wants(name, ""), dec.filter.Whole(name) && !dec.migrate.rules.RoutesIn(name))}
}

// several are the cells of a job on several tables, by its Result.Tables. A table that is renamed
// several times counts by its first name and its last, each time.
func (dec *decoder) several(j *unfiltered) (list []cell) {
	for _, info := range j.Job.Result.Tables {
		after, _ := j.TablesAfter.Table(info.ID)
		to := after != nil && dec.wants(after.Schema, after.Name)
		if j.Job.Type == schema.ActionCreateTables {
			list = append(list, cellOf(aTable, to, to))
			continue
		}
		before, _ := j.TablesBefore.Table(info.ID)
		list = append(list, cellOf(aRename, before != nil && dec.wants(before.Schema, before.Name), to))
	}
	return list
}

// exchange goes by the names before: those of both tables stay.
func (dec *decoder) exchange(j *unfiltered) []cell {
	plain, parted := dec.wants(j.Schema, j.Table), false
	if j.After != nil {
		parted = dec.wants(j.After.Schema, j.After.Name)
	}
	return []cell{cellOf(anExchange, parted, plain)}
}

// restored classifies RECOVER TABLE and FLASHBACK TABLE, which may give another name.
func (dec *decoder) restored(j *unfiltered) []cell {
	was := tableName{j.Schema, j.Table}
	switch n := j.node.(type) {
	case *ast.FlashBackTableStmt:
		was = resolve(n.Table, j.Schema)
	case *ast.RecoverTableStmt:
		if n.Table != nil {
			was = resolve(n.Table, j.Schema)
		}
	}
	now := was
	if j.After != nil {
		now = tableName{j.After.Schema, j.After.Name}
	}
	return []cell{cellOf(aRestoredTable, dec.wants(was.schema, was.table), dec.wants(now.schema, now.table))}
}

// decide puts the cells of one statement together.
func decide(cells []cell) cell {
	var all cell
	var runs, skips int
	for _, c := range cells {
		switch c.do {
		case stop:
			return c
		case run, warned, part:
			runs++
			if all.do != warned && all.do != part {
				all = c
			}
		default:
			skips++
			if runs == 0 {
				all = c
			}
		}
	}
	if runs > 0 && skips > 0 {
		all.do = part
	}
	return all
}

package drainer

import (
	"fmt"
	"slices"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
)

// part makes the statements that are left of one when only what is replicated counts: nothing if
// nothing is. cells are those of classify.
func (dec *decoder) part(j *unfiltered, cells []cell) ([]sink.Statement, error) {
	switch j.Job.Type {
	case schema.ActionCreateSchema:
		return dec.ensureDatabase(j)
	case schema.ActionDropSchema:
		return dec.dropTables(j), nil
	case schema.ActionDropView:
		return dropOne(j, "DROP VIEW IF EXISTS "), nil
	case schema.ActionRenameTables:
		return renameSome(j, cells)
	case schema.ActionCreateTables:
		return createSome(j, cells)
	}
	return nil, fmt.Errorf("%s cannot be carried out in part: %.200q", j.Job, j.Job.Query)
}

// ensureDatabase is CREATE DATABASE for one that may be there already.
func (dec *decoder) ensureDatabase(j *unfiltered) ([]sink.Statement, error) {
	n, ok := one(j.Statement).(*ast.CreateDatabaseStmt)
	if !ok {
		return nil, fmt.Errorf("the statement that creates the database cannot be read: %.200q", j.Job.Query)
	}
	n.IfNotExists = true
	text, err := schema.RestoreStatements([]ast.StmtNode{n})
	if err != nil {
		return nil, err
	}
	return []sink.Statement{partOf(*j.DDL, *j.Job, text)}, nil
}

// dropTables drops what is replicated of a database: views, tables, sequences, of which nothing is left
// that needs them.
func (dec *decoder) dropTables(j *unfiltered) (list []sink.Statement) {
	for _, kind := range []struct {
		of       schema.Kind
		as       schema.Action
		verb     string
		onlyTiDB bool
	}{
		{schema.View, schema.ActionDropView, "DROP VIEW IF EXISTS ", false}, // it may have been left out
		{schema.BaseTable, schema.ActionDropTable, "DROP TABLE ", false},
		{schema.TemporaryTable, schema.ActionDropTable, "DROP TABLE ", true},
		{schema.Sequence, schema.ActionDropSequence, "DROP SEQUENCE ", true},
	} {
		for _, t := range j.TablesBefore.All() {
			if t.SchemaID != j.Job.SchemaID || t.Kind != kind.of || dec.skip(t.Schema, t.Name) {
				continue
			}
			query := kind.verb + fullName(t.Schema, t.Name)
			d := &schema.DDL{Job: jobOf(j.Job, kind.as, t, query), Schema: t.Schema, Table: t.Name, Before: t, Statement: query, OnlyTiDB: kind.onlyTiDB}
			list = append(list, sink.Statement{DDL: d, Query: query})
		}
	}
	return list
}

// dropOne is a job's own part of a statement that drops several.
func dropOne(j *unfiltered, verb string) []sink.Statement {
	return []sink.Statement{partOf(*j.DDL, *j.Job, verb+fullName(j.Schema, j.Table))}
}

// partOf is a statement with another text than that of its job.
func partOf(d schema.DDL, job schema.Job, text string) sink.Statement {
	job.Query = text
	d.Job, d.Statement = &job, text
	return sink.Statement{DDL: &d, Query: text}
}

// dropsOthers reports whether a statement drops tables that are not replicated beside its job's.
func (dec *decoder) dropsOthers(j *unfiltered) (verb string, ok bool) {
	n, isDrop := j.node.(*ast.DropTableStmt)
	if !isDrop || len(n.Tables) < 2 {
		return "", false
	}
	verb = "DROP TABLE "
	if n.IsView {
		verb = "DROP VIEW "
	}
	if n.IfExists {
		verb += "IF EXISTS "
	}
	return verb, slices.ContainsFunc(n.Tables, func(t *ast.TableName) bool {
		name := resolve(t, j.Schema)
		return dec.skip(name.schema, name.table)
	})
}

// renameSome is RENAME TABLE without the tables whose cells leave them out.
func renameSome(j *unfiltered, cells []cell) ([]sink.Statement, error) {
	n, ok := one(j.Statement).(*ast.RenameTableStmt)
	if !ok || len(n.TableToTables) != len(cells) {
		return nil, fmt.Errorf("the statement that renames the tables cannot be read: %.200q", j.Job.Query)
	}
	d, job := *j.DDL, *j.Job
	job.RawArgs, job.Result.Tables = nil, nil
	d.TablesBefore, d.TablesAfter = nil, nil // they differ in more than the part
	all := n.TableToTables
	n.TableToTables = nil
	for i, c := range cells {
		if c.do != skip && c.do != skipped {
			n.TableToTables = append(n.TableToTables, all[i])
			job.Result.Tables = append(job.Result.Tables, j.Job.Result.Tables[i])
		}
	}
	text, err := schema.RestoreStatements([]ast.StmtNode{n})
	if err != nil {
		return nil, err
	}
	return []sink.Statement{partOf(d, job, text)}, nil
}

// createSome are the statements of those tables that are replicated.
func createSome(j *unfiltered, cells []cell) (list []sink.Statement, err error) {
	nodes, err := schema.ParseStatements(j.Job.Query)
	if err != nil {
		return nil, err
	}
	created := map[string]*ast.CreateTableStmt{} // by name in lower case
	for _, n := range nodes {
		if c, ok := n.(*ast.CreateTableStmt); ok {
			created[c.Table.Name.L] = c
		}
	}
	for i, info := range j.Job.Result.Tables {
		if cells[i].do != run {
			continue
		}
		n, t := created[info.Name.L], (*schema.Table)(nil)
		if t, _ = j.TablesAfter.Table(info.ID); n == nil || t == nil {
			return nil, fmt.Errorf("the statement that creates the table %s.%s cannot be read: %.200q", schema.QuoteName(j.Schema), schema.QuoteName(info.Name.O), j.Job.Query)
		}
		n.Table.Schema = ast.NewCIStr(t.Schema)
		text, err := schema.RestoreStatements([]ast.StmtNode{n})
		if err != nil {
			return nil, err
		}
		job := jobOf(j.Job, schema.ActionCreateTable, t, text)
		job.Result.TableInfo = info
		d := &schema.DDL{Job: job, Schema: t.Schema, Table: t.Name, After: t, OnlyTiDB: j.OnlyTiDB}
		list = append(list, sink.Statement{DDL: d, Query: text})
	}
	return list, nil
}

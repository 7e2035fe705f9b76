package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// A statement's text names tables as its client did: relative to a current database that binlogs
// do not have, in any letter case. The job says by number what it was about. So the names in a
// statement are replaced by those the definitions have, always with the database:
//
//	the table that is changed      job.TableID in the definitions before the job
//	the table or view that is made the definition after it
//	RENAME                         the numbers of the tables, in the order of the renaming
//	EXCHANGE PARTITION             the partitioned table by TableInfo, the plain one by job.TableID
//	CREATE TABLE … LIKE            it becomes the definition that came of it (but see DDL.Like)
//	REFERENCES                     the foreign key in the definition after the job
//	CREATE VIEW                    the query as TiDB keeps it in the view's definition
//	DROP of several                a job is about one of them: the others are left out
//
//	partitions                     the definition before: a MariaDB does not find the file of another letter case
//
// Names of columns and indexes have no letter case in any server and stay.

// resolver replaces the names in one statement.
type resolver struct {
	d             *DDL
	before, after *Tables
}

// resolve fills in Statement, which stays empty when the parser does not know the statement and
// the definition does not tell what it was.
func (d *DDL) resolve(parse func(string) ([]ast.StmtNode, error), query string) error {
	r := &resolver{d: d, before: d.TablesBefore, after: d.TablesAfter}
	nodes, err := parse(query)
	if err != nil {
		if nodes = r.known(); nodes == nil {
			return nil // the sink decides what may be run without being read
		}
	} else if nodes, err = r.all(nodes); err != nil {
		return fmt.Errorf("%s: %w", d.Job, err)
	}
	if d.Statement, err = RestoreStatements(nodes); err != nil {
		return fmt.Errorf("%s: %w", d.Job, err)
	}
	return nil
}

func (r *resolver) all(nodes []ast.StmtNode) ([]ast.StmtNode, error) {
	if r.d.Job.Type == ActionCreateTables {
		return r.createTables(nodes)
	}
	var list []ast.StmtNode
	for _, n := range nodes {
		if _, ok := n.(*ast.UseStmt); ok {
			continue
		}
		n, err := r.statement(n)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// known makes statements of a job alone, for texts that no parser of today reads: words that
// have become keywords, mostly.
func (r *resolver) known() []ast.StmtNode {
	job := r.d.Job
	switch job.Type {
	case ActionCreateSchema, ActionModifySchemaCharset:
		if info := job.Result.DBInfo; info != nil {
			options := []*ast.DatabaseOption{{Tp: ast.DatabaseOptionCharset, Value: info.Charset}, {Tp: ast.DatabaseOptionCollate, Value: info.Collate}}
			if info.Charset == "" || info.Collate == "" {
				options = nil
			}
			if job.Type == ActionCreateSchema {
				return []ast.StmtNode{&ast.CreateDatabaseStmt{Name: info.Name, Options: options}}
			}
			if options != nil {
				return []ast.StmtNode{&ast.AlterDatabaseStmt{Name: info.Name, Options: options}}
			}
		}
	case ActionDropSchema:
		return []ast.StmtNode{&ast.DropDatabaseStmt{Name: ast.NewCIStr(r.d.Schema)}}
	case ActionCreateTable:
		if t := r.made(); t != nil {
			if n, err := createTable(t); err == nil {
				return []ast.StmtNode{n}
			}
		}
	case ActionDropTable, ActionDropView:
		return []ast.StmtNode{&ast.DropTableStmt{Tables: []*ast.TableName{r.changed()}, IsView: job.Type == ActionDropView}}
	case ActionTruncateTable:
		return []ast.StmtNode{&ast.TruncateTableStmt{Table: r.changed()}}
	case ActionRenameTable:
		if t := r.made(); t != nil {
			return []ast.StmtNode{&ast.RenameTableStmt{TableToTables: []*ast.TableToTable{{OldTable: r.changed(), NewTable: nameOf(t)}}}}
		}
	}
	return nil
}

// made is the table, view or sequence as the job left it; nil if there is none.
func (r *resolver) made() *Table {
	if info := r.d.Job.Result.TableInfo; info != nil {
		if t, ok := r.after.tables[info.ID]; ok {
			return t
		}
	}
	return nil
}

// changed names what the job was about, as it was called before.
func (r *resolver) changed() *ast.TableName {
	if t, ok := r.before.tables[r.d.Job.TableID]; ok {
		return nameOf(t)
	}
	return tableName(r.d.Schema, r.d.Table)
}

// called names what the job made.
func (r *resolver) called() *ast.TableName {
	if t := r.made(); t != nil {
		return nameOf(t)
	}
	return tableName(r.d.Schema, r.d.Table)
}

func nameOf(t *Table) *ast.TableName { return tableName(t.Schema, t.Name) }

func tableName(schema, table string) *ast.TableName {
	return &ast.TableName{Schema: ast.NewCIStr(schema), Name: ast.NewCIStr(table)}
}

// statement replaces the names in a statement.
func (r *resolver) statement(n ast.StmtNode) (ast.StmtNode, error) {
	switch n := n.(type) {
	case *ast.CreateDatabaseStmt:
		n.Name = ast.NewCIStr(r.d.Schema)
	case *ast.DropDatabaseStmt:
		n.Name = ast.NewCIStr(r.d.Schema)
	case *ast.AlterDatabaseStmt:
		n.Name, n.AlterDefaultDatabase = ast.NewCIStr(r.d.Schema), false
	case *ast.CreateTableStmt:
		return r.createTable(n)
	case *ast.CreateViewStmt:
		return n, r.createView(n)
	case *ast.CreateSequenceStmt:
		n.Name = r.called()
	case *ast.AlterSequenceStmt:
		n.Name = r.changed()
	case *ast.DropSequenceStmt:
		n.Sequences = []*ast.TableName{r.changed()}
	case *ast.DropTableStmt:
		n.Tables = []*ast.TableName{r.changed()}
	case *ast.TruncateTableStmt:
		n.Table = r.changed()
	case *ast.CreateIndexStmt:
		n.Table = r.changed()
	case *ast.DropIndexStmt:
		n.Table = r.changed()
	case *ast.AlterTableStmt:
		r.alterTable(n)
	case *ast.RenameTableStmt:
		return n, r.rename(n)
	case *ast.RecoverTableStmt:
		if n.Table != nil {
			n.Table = r.called()
		}
	case *ast.FlashBackTableStmt:
		to := r.called()
		if n.NewName != "" {
			n.NewName = to.Name.O
		}
		n.Table.Schema = to.Schema
	}
	return n, nil
}

func (r *resolver) createTable(n *ast.CreateTableStmt) (ast.StmtNode, error) {
	t := r.made()
	if n.ReferTable != nil && t != nil {
		if like := r.copied(n.ReferTable, t); like != nil {
			r.d.Like = [2]string{like.Schema, like.Name}
		}
		return createTable(t)
	}
	n.Table = r.called()
	r.references(t, n.Constraints...)
	return n, nil
}

// copied is the table that t was made like, from its name, with or without a database. nil: there is not exactly one that can be it.
func (r *resolver) copied(name *ast.TableName, t *Table) (found *Table) {
	for _, other := range r.before.tables {
		if other.Kind != BaseTable || !strings.EqualFold(other.Name, name.Name.O) || name.Schema.O != "" && !strings.EqualFold(other.Schema, name.Schema.O) {
			continue
		}
		public := slices.DeleteFunc(slices.Clone(other.Columns), func(c Column) bool { return !c.Public && !c.Hidden })
		if !reflect.DeepEqual(public, t.Columns) || !reflect.DeepEqual(other.Keys, t.Keys) {
			continue
		}
		if found != nil {
			return nil
		}
		found = other
	}
	return found
}

// createTables takes the definitions of a job that made many tables.
func (r *resolver) createTables(nodes []ast.StmtNode) ([]ast.StmtNode, error) {
	var list []ast.StmtNode
	for _, info := range r.d.Job.Result.Tables {
		t, ok := r.after.tables[info.ID]
		if !ok {
			continue // dropped since, in another job that is applied
		}
		n, err := createTable(t)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	if list == nil {
		return nodes, nil
	}
	return list, nil
}

func (r *resolver) alterTable(n *ast.AlterTableStmt) {
	n.Table = r.changed()
	altered := r.before.tables[r.d.Job.TableID]
	for _, s := range n.Specs {
		switch s.Tp {
		case ast.AlterTableExchangePartition:
			s.NewTable = r.changed()
			if info := r.d.Job.Result.TableInfo; info != nil {
				if t, ok := r.before.tables[info.ID]; ok {
					altered, n.Table = t, nameOf(t)
				}
			}
		case ast.AlterTableRenameTable:
			s.NewTable = r.called()
		case ast.AlterTableAddConstraint:
			r.references(r.made(), s.Constraint)
		}
		if altered != nil {
			altered.partitionLetters(s.PartitionNames)
		}
	}
}

// partitionLetters gives names of partitions the letters of the definition.
func (t *Table) partitionLetters(names []ast.CIStr) {
	for i, name := range names {
		for _, p := range t.Partitions {
			if strings.EqualFold(p.Name.O, name.O) {
				names[i] = p.Name
			}
		}
	}
}

// references names the tables that foreign keys refer to.
func (r *resolver) references(t *Table, list ...*ast.Constraint) {
	for _, c := range list {
		if c == nil || c.Tp != ast.ConstraintForeignKey || c.Refer == nil || c.Refer.Table == nil {
			continue
		}
		to := c.Refer.Table
		schema := to.Schema.O
		if t != nil && t.Info != nil {
			i := slices.IndexFunc(t.Info.ForeignKeys, func(fk ForeignKey) bool {
				return strings.EqualFold(fk.RefTable.O, to.Name.O) && sameColumns(fk.Columns, c.Keys) && (c.Name == "" || strings.EqualFold(c.Name, fk.Name.O))
			})
			if i >= 0 && schema == "" {
				schema = t.Info.ForeignKeys[i].RefSchema.O
			}
		}
		if schema == "" {
			schema = r.d.Schema
		}
		c.Refer.Table = r.named(schema, to.Name.O)
	}
}

func sameColumns(names []ast.CIStr, keys []*ast.IndexPartSpecification) bool {
	return slices.EqualFunc(names, keys, func(name ast.CIStr, k *ast.IndexPartSpecification) bool {
		return k.Column != nil && strings.EqualFold(name.O, k.Column.Name.O)
	})
}

// named is a name in the letters of the definitions, if it is one of a table.
func (r *resolver) named(schema, table string) *ast.TableName {
	if t, ok := r.after.Named(schema, table); ok {
		return nameOf(t)
	}
	if db := r.after.database(schema); db != nil {
		schema = db.name
	}
	return tableName(schema, table)
}

// rename names the tables of RENAME TABLE: each by its number, in turn.
func (r *resolver) rename(n *ast.RenameTableStmt) error {
	job := r.d.Job
	if len(n.TableToTables) == 1 {
		n.TableToTables[0].OldTable, n.TableToTables[0].NewTable = r.changed(), r.called()
		return nil
	}
	if len(n.TableToTables) != len(job.Result.Tables) {
		return fmt.Errorf("%w: it renames %d tables, its statement %d", ErrBadJob, len(job.Result.Tables), len(n.TableToTables))
	}
	schemas, err := r.before.renamedTo(job)
	if err != nil {
		return err
	}
	now := make(map[int64]*ast.TableName) // by table ID, where an earlier pair has moved it
	for i, p := range n.TableToTables {
		id := job.Result.Tables[i].ID
		switch t, known := r.before.tables[id]; {
		case now[id] != nil:
			p.OldTable = now[id]
		case known:
			p.OldTable = nameOf(t)
		default:
			p.OldTable = r.named(r.d.Schema, p.OldTable.Name.O)
		}
		schema := r.d.Schema
		if db, ok := r.after.databases[schemas[i]]; ok {
			schema = db.name
		}
		p.NewTable = tableName(schema, p.NewTable.Name.O)
		now[id] = p.NewTable
	}
	return nil
}

// Package infoschema is what a client sees of the console as a database: the tables of information_schema,
// mysql and performance_schema (those of binlog are package nodestmt's), and the SHOW statements of MySQL,
// which mostly show the same.
//
// Rows are made when they are read, of the columns that the statement uses and no others.
package infoschema

import (
	"context"
	"time"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/nodestmt"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// Owner is the session that looks.
type Owner struct {
	Account *privilege.Account
	Server  Server
	Vars    *sysvar.Vars
	Nodes   *nodestmt.Nodes
	Diag    *result.Diagnostics
	Exec    *engine.Executor
	Now     func() time.Time
}

// Schema is what one session sees.
type Schema struct {
	DB string // the current database, "" for none

	own Owner
}

// New makes the one of a session that has chosen no database.
func New(owner Owner) *Schema { return &Schema{own: owner} }

// Use makes a database the current one.
func (s *Schema) Use(name string) error {
	db := catalog.Schema(name)
	if db == "" {
		return unknownDB(name)
	}
	s.DB = db
	return nil
}

func unknownDB(name string) error {
	return result.Errorf(result.ErrUnknownDB, "Unknown database '%s'", name)
}

// Table finds a table; db "" is the current database.
func (s *Schema) Table(_ context.Context, db, name string) (engine.Table, error) {
	def, err := s.find(db, name)
	if err != nil {
		return nil, err
	}
	return &virtual{def: def, rows: s.rowsOf(def)}, nil
}

// find finds a table's description; db "" is the current database.
func (s *Schema) find(db, name string) (*catalog.Table, error) {
	if db == "" {
		db = s.DB
	}
	if db == "" {
		return nil, result.Errorf(result.ErrNoDB, "No database selected")
	}
	if catalog.Schema(db) == "" {
		return nil, unknownDB(db)
	}
	def := catalog.Find(db, name)
	switch {
	case def != nil:
		return def, nil
	case catalog.Schema(db) == catalog.Information:
		return nil, result.Errorf(1109, "Unknown table '%s' in information_schema", name)
	}
	return nil, result.Errorf(result.ErrUnknownTable, "Table '%s.%s' doesn't exist", db, name)
}

// rowsOf gives where a table's rows come from; nil = it is always empty.
func (s *Schema) rowsOf(def *catalog.Table) result.RowSource {
	switch def.Schema {
	case catalog.Binlog:
		return s.own.Nodes.Rows(def.Name)
	case catalog.Information:
		return s.informationRows(def)
	case catalog.MySQL:
		return s.mysqlRows(def)
	}
	return s.performanceRows(def)
}

package infoschema

import (
	"context"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
)

// showing is a SHOW statement made ready: its columns are known, its rows come when
// fill is called. Prepare needs the one, running both.
type showing struct {
	columns []engine.Column
	fill    func(ctx context.Context, add func(row ...engine.Value)) error // nil = no rows
	matched bool                                                           // fill has applied LIKE itself
}

// Show carries out a SHOW statement.
func (s *Schema) Show(ctx context.Context, n *ast.ShowStmt) (*engine.Result, error) {
	sh, err := s.showing(n)
	if err != nil {
		return nil, err
	}
	r := result.New(sh.columns...)
	if sh.fill != nil {
		if err := sh.fill(ctx, func(row ...engine.Value) { r.Rows = append(r.Rows, row) }); err != nil {
			return nil, err
		}
	}
	if n.Pattern != nil && !sh.matched {
		if r, err = s.own.Exec.FilterLike(ctx, r, n.Pattern); err != nil {
			return nil, err
		}
	}
	if n.Where != nil {
		return s.own.Exec.Filter(ctx, r, n.Where)
	}
	return r, nil
}

// ShowColumns gives the columns of a SHOW statement.
func (s *Schema) ShowColumns(n *ast.ShowStmt) ([]engine.Column, error) {
	sh, err := s.showing(n)
	if err != nil {
		return nil, err
	}
	return sh.columns, nil
}

// showing finds out what a SHOW statement shows.
func (s *Schema) showing(n *ast.ShowStmt) (*showing, error) {
	switch n.Tp {
	case ast.ShowWarnings, ast.ShowErrors:
		return s.showConditions(n), nil
	case ast.ShowVariables:
		return s.showVariables(n), nil
	case ast.ShowMasterStatus, ast.ShowBinlogStatus:
		return s.showBinlogStatus(), nil
	case ast.ShowStatus:
		return s.showStatus(), nil
	case ast.ShowProcessList:
		return s.showProcessList(n), nil
	case ast.ShowGrants:
		return s.showGrants(n)
	case ast.ShowDatabases, ast.ShowTables, ast.ShowTableStatus, ast.ShowOpenTables,
		ast.ShowTriggers, ast.ShowEvents, ast.ShowCreateDatabase:
		return s.showSchema(n)
	case ast.ShowColumns:
		return s.showColumns(n)
	case ast.ShowIndex:
		return s.showIndex(n)
	case ast.ShowCreateTable, ast.ShowCreateView:
		return s.showCreateTable(n)
	}
	if sh := showStatic(n.Tp); sh != nil {
		return sh, nil
	}
	return nil, result.NotSupported(showName(n))
}

// showName spells the statement for a message.
func showName(n *ast.ShowStmt) string {
	switch n.Tp {
	case ast.ShowCreateUser:
		return "SHOW CREATE USER"
	case ast.ShowCreateProcedure:
		return "SHOW CREATE PROCEDURE"
	case ast.ShowConfig:
		return "SHOW CONFIG"
	}
	return "This SHOW statement"
}

// schemaOf is the database a SHOW … FROM is about.
func (s *Schema) schemaOf(n *ast.ShowStmt) (string, error) {
	db := n.DBName
	if db == "" {
		db = s.DB
	}
	if db == "" {
		return "", result.Errorf(result.ErrNoDB, "No database selected")
	}
	if known := catalog.Schema(db); known != "" {
		return known, nil
	}
	return "", unknownDB(db)
}

// showSchema shows databases and what is in one.
func (s *Schema) showSchema(n *ast.ShowStmt) (*showing, error) {
	switch n.Tp {
	case ast.ShowDatabases:
		return &showing{
			columns: []engine.Column{result.Text("Database"+likeSuffix(n), 64)},
			fill: func(_ context.Context, add func(...engine.Value)) error {
				for _, db := range catalog.Schemas() {
					add(str(db))
				}
				return nil
			},
		}, nil
	case ast.ShowCreateDatabase:
		return showCreateDatabase(n)
	case ast.ShowTriggers, ast.ShowEvents, ast.ShowOpenTables:
		if n.DBName != "" && catalog.Schema(n.DBName) == "" {
			return nil, unknownDB(n.DBName)
		}
		return &showing{columns: emptyShows[n.Tp]()}, nil
	}
	db, err := s.schemaOf(n)
	if err != nil {
		return nil, err
	}
	if n.Tp == ast.ShowTableStatus {
		return s.showTableStatus(db), nil
	}
	return showTables(n, db), nil
}

// likeSuffix is what MySQL puts after the column's name: "Database (bin%)".
func likeSuffix(n *ast.ShowStmt) string {
	if n.Pattern == nil {
		return ""
	}
	if v, ok := n.Pattern.Pattern.(ast.ValueExpr); ok {
		return " (" + v.GetString() + ")"
	}
	return ""
}

func showCreateDatabase(n *ast.ShowStmt) (*showing, error) {
	db := catalog.Schema(n.DBName)
	if db == "" {
		return nil, unknownDB(n.DBName)
	}
	ifNot := ""
	if n.IfNotExists {
		ifNot = "/*!32312 IF NOT EXISTS*/ "
	}
	return &showing{
		columns: []engine.Column{result.Text("Database", 64), result.Text("Create Database", 1024)},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			add(str(db), str("CREATE DATABASE "+ifNot+"`"+strings.ReplaceAll(db, "`", "``")+
				"` /*!40100 DEFAULT CHARACTER SET utf8mb4 */"))
			return nil
		},
	}, nil
}

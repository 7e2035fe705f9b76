package infoschema

import (
	"context"
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
)

// showTables is SHOW [FULL] TABLES.
func showTables(n *ast.ShowStmt, db string) *showing {
	columns := []engine.Column{result.Text("Tables_in_"+db+likeSuffix(n), 64)}
	if n.Full {
		columns = append(columns, result.Text("Table_type", 64))
	}
	return &showing{
		columns: columns,
		fill: func(_ context.Context, add func(...engine.Value)) error {
			for _, t := range catalog.Tables(db) {
				if n.Full {
					add(str(t.Name), str(t.Type()))
				} else {
					add(str(t.Name))
				}
			}
			return nil
		},
	}
}

// showTableStatus is SHOW TABLE STATUS.
func (s *Schema) showTableStatus(db string) *showing {
	return &showing{
		columns: tableStatusColumns(),
		fill: func(ctx context.Context, add func(...engine.Value)) error {
			for _, t := range catalog.Tables(db) {
				row := s.counted(ctx, tableRow(t)) // catalog, schema, name, type, engine …
				add(append([]engine.Value{row[2]}, row[4:]...)...)
			}
			return nil
		},
	}
}

// tableOf is the table that a SHOW is about.
func (s *Schema) tableOf(n *ast.ShowStmt) (*catalog.Table, error) {
	if n.Table == nil {
		return nil, result.Errorf(result.ErrParse, "You have an error in your SQL syntax: no table is named")
	}
	db := n.Table.Schema.O
	if n.DBName != "" {
		db = n.DBName
	}
	return s.find(db, n.Table.Name.O)
}

// showColumns is SHOW [FULL] COLUMNS and DESCRIBE.
func (s *Schema) showColumns(n *ast.ShowStmt) (*showing, error) {
	t, err := s.tableOf(n)
	if err != nil {
		return nil, err
	}
	columns := []engine.Column{result.Text("Field", 64), result.Text("Type", 16383), result.Text("Null", 3), result.Text("Key", 3),
		result.NullText("Default", 16383), result.Text("Extra", 256)}
	if n.Full {
		columns = []engine.Column{columns[0], columns[1], result.NullText("Collation", 64), columns[2], columns[3], columns[4],
			columns[5], result.Text("Privileges", 154), result.Text("Comment", 1024)}
	}
	return &showing{
		columns: columns,
		fill: func(_ context.Context, add func(...engine.Value)) error {
			for i := range t.Columns {
				c := &t.Columns[i]
				if n.Column != nil && !engine.Like(n.Column.Name.O, c.Name, '\\') {
					continue
				}
				if n.Full {
					add(str(c.Name), str(c.Type), result.OrNull(c.Collation), str(yesNo(c.Nullable)), str(c.KeyName()),
						defaultOf(c), str(""), str("select"), str(c.Comment))
					continue
				}
				add(str(c.Name), str(c.Type), str(yesNo(c.Nullable)), str(c.KeyName()), defaultOf(c), str(""))
			}
			return nil
		},
	}, nil
}

func defaultOf(c *catalog.Column) engine.Value {
	if c.Default == nil {
		return engine.Null()
	}
	return str(*c.Default)
}

func yesNo(yes bool) string {
	if yes {
		return "YES"
	}
	return "NO"
}

// showIndex is SHOW INDEX.
func (s *Schema) showIndex(n *ast.ShowStmt) (*showing, error) {
	t, err := s.tableOf(n)
	if err != nil {
		return nil, err
	}
	return &showing{
		columns: []engine.Column{result.Text("Table", 64), result.Number("Non_unique"), result.NullText("Key_name", 64), result.Number("Seq_in_index"),
			result.NullText("Column_name", 64), result.NullText("Collation", 1), result.NullNumber("Cardinality"), result.NullNumber("Sub_part"),
			result.NullText("Packed", 1), result.Text("Null", 3), result.Text("Index_type", 11), result.Text("Comment", 8), result.Text("Index_comment", 2048),
			result.Text("Visible", 3), result.NullText("Expression", 16383)},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			for i, c := range t.Key() {
				add(str(t.Name), engine.Int(0), str("PRIMARY"), engine.Int(int64(i+1)), str(t.Columns[c].Name), str("A"),
					engine.Null(), engine.Null(), engine.Null(), str(""), str("BTREE"), str(""), str(""), str("YES"), engine.Null())
			}
			return nil
		},
	}, nil
}

// showCreateTable is SHOW CREATE TABLE and SHOW CREATE VIEW.
func (s *Schema) showCreateTable(n *ast.ShowStmt) (*showing, error) {
	t, err := s.tableOf(n)
	if err != nil {
		return nil, err
	}
	if n.Tp == ast.ShowCreateView {
		return nil, result.Errorf(1347, "'%s.%s' is not VIEW", t.Schema, t.Name)
	}
	return &showing{
		columns: []engine.Column{result.Text("Table", 64), result.Text("Create Table", 16383)},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			add(str(t.Name), str(createTable(t)))
			return nil
		},
	}, nil
}

// createTable is a statement that makes a table like t in a MySQL server.
func createTable(t *catalog.Table) string {
	var b strings.Builder
	temporary := ""
	if t.Engine() == "" {
		temporary = "TEMPORARY "
	}
	charset, collation := catalog.Defaults(t.Schema)
	fmt.Fprintf(&b, "CREATE %sTABLE %s (", temporary, result.QuoteName(t.Name))
	for i := range t.Columns {
		c := &t.Columns[i]
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n  %s %s", result.QuoteName(c.Name), c.Type)
		if c.Collation != "" && c.Collation != collation {
			b.WriteString(" CHARACTER SET " + c.Charset() + " COLLATE " + c.Collation)
		}
		switch {
		case !c.Nullable:
			b.WriteString(" NOT NULL")
		case c.DataType == "timestamp":
			b.WriteString(" NULL DEFAULT NULL")
		case c.DataType != "text" && c.DataType != "longtext" && c.DataType != "mediumtext" && c.DataType != "blob":
			b.WriteString(" DEFAULT NULL")
		}
		if c.Default != nil {
			b.WriteString(" DEFAULT " + result.Quote(*c.Default))
		}
		if c.Comment != "" {
			b.WriteString(" COMMENT " + result.Quote(c.Comment))
		}
	}
	if key := t.Key(); len(key) > 0 {
		names := make([]string, len(key))
		for i, c := range key {
			names[i] = result.QuoteName(t.Columns[c].Name)
		}
		b.WriteString(",\n  PRIMARY KEY (" + strings.Join(names, ",") + ")")
	}
	// The collation is MySQL's default of the character set. It is left out, because a dump
	// that names it cannot be loaded into MariaDB.
	b.WriteString("\n) ENGINE=MEMORY DEFAULT CHARSET=" + charset)
	if t.Comment != "" {
		b.WriteString(" COMMENT=" + result.Quote(t.Comment))
	}
	return b.String()
}

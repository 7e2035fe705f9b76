package infoschema

import (
	"context"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// showStatic is a SHOW statement whose answer is the same for everybody; nil if it is
// none.
func showStatic(tp ast.ShowStmtType) *showing {
	switch tp {
	case ast.ShowEngines:
		return showEngines()
	case ast.ShowPlugins:
		return fixed(
			[]engine.Column{result.Text("Name", 64), result.Text("Status", 10), result.Text("Type", 80), result.NullText("Library", 64), result.Text("License", 80)},
			[]string{"caching_sha2_password", "ACTIVE", "AUTHENTICATION", "", "Apache License 2.0"},
			[]string{"mysql_native_password", "ACTIVE", "AUTHENTICATION", "", "Apache License 2.0"})
	case ast.ShowPrivileges:
		return fixed(
			[]engine.Column{result.Text("Privilege", 10), result.Text("Context", 15), result.Text("Comment", 80)},
			[]string{"Process", "Server Admin", "To view the statements of other users' connections"},
			[]string{"Reload", "Server Admin", "To run FLUSH"},
			[]string{"Select", "Tables", "To read tables and SHOW"},
			[]string{"Super", "Server Admin", "To CHANGE the state of nodes and to KILL"})
	case ast.ShowCharset:
		return showCharset()
	case ast.ShowCollation:
		return showCollation()
	}
	if columns, ok := emptyShows[tp]; ok {
		return &showing{columns: columns()}
	}
	return nil
}

func showEngines() *showing {
	return fixed(
		[]engine.Column{result.Text("Engine", 64), result.Text("Support", 8), result.Text("Comment", 80), result.NullText("Transactions", 3),
			result.NullText("XA", 3), result.NullText("Savepoints", 3)},
		[]string{"MEMORY", "DEFAULT", "Read-only views of the nodes of a TiDB Binlog cluster", "NO", "NO", "NO"})
}

// fixed is a table of texts; "" is NULL where the column allows it.
func fixed(columns []engine.Column, rows ...[]string) *showing {
	return &showing{columns: columns, fill: func(_ context.Context, add func(...engine.Value)) error {
		for _, r := range rows {
			row := make([]engine.Value, len(r))
			for i, cell := range r {
				row[i] = str(cell)
				if cell == "" && columns[i].Flags == 0 {
					row[i] = engine.Null()
				}
			}
			add(row...)
		}
		return nil
	}}
}

func showCharset() *showing {
	return &showing{
		columns: []engine.Column{result.Text("Charset", 64), result.Text("Description", 2048), result.Text("Default collation", 64), result.Number("Maxlen")},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			for _, c := range sysvar.Charsets() {
				add(str(c.Name), str(c.Description), str(c.Collation), engine.Int(c.MaxLen))
			}
			return nil
		},
	}
}

// maxCollationID is beyond every collation ID that MySQL has.
const maxCollationID = 400

func showCollation() *showing {
	return &showing{
		columns: []engine.Column{result.Text("Collation", 64), result.Text("Charset", 64), result.Number("Id"), result.Text("Default", 3),
			result.Text("Compiled", 3), result.Number("Sortlen"), result.Text("Pad_attribute", 9)},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			for _, row := range collationRows() {
				add(row...)
			}
			return nil
		},
	}
}

// padAttribute reports whether blanks at the end count in a collation.
func padAttribute(collation string) string {
	if strings.Contains(collation, "_0900_") || collation == "binary" {
		return "NO PAD"
	}
	return "PAD SPACE"
}

// collations lists those of the charsets that the console speaks, by name.
func collations() []*charset.Collation {
	var list []*charset.Collation
	for id := range maxCollationID {
		if c, err := charset.GetCollationByID(id); err == nil && sysvar.CharsetKnown(c.CharsetName) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *charset.Collation) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// emptyShows are the statements about things that a console never has; clients that
// ask get MySQL's columns and no rows.
var emptyShows = map[ast.ShowStmtType]func() []engine.Column{
	ast.ShowTriggers: func() []engine.Column {
		return []engine.Column{result.Text("Trigger", 64), result.Text("Event", 6), result.Text("Table", 64), result.Text("Statement", 1024),
			result.Text("Timing", 6), result.NullTime("Created"), result.Text("sql_mode", 512), result.Text("Definer", 288),
			result.Text("character_set_client", 64), result.Text("collation_connection", 64), result.Text("Database Collation", 64)}
	},
	ast.ShowEvents: func() []engine.Column {
		return []engine.Column{result.Text("Db", 64), result.Text("Name", 64), result.Text("Definer", 288), result.Text("Time zone", 64),
			result.Text("Type", 9), result.NullTime("Execute at"), result.NullText("Interval value", 256), result.NullText("Interval field", 18),
			result.NullTime("Starts"), result.NullTime("Ends"), result.Text("Status", 21), result.Number("Originator"),
			result.Text("character_set_client", 64), result.Text("collation_connection", 64), result.Text("Database Collation", 64)}
	},
	ast.ShowProcedureStatus: routineColumns,
	ast.ShowFunctionStatus:  routineColumns,
	ast.ShowOpenTables: func() []engine.Column {
		return []engine.Column{result.Text("Database", 64), result.Text("Table", 64), result.Number("In_use"), result.Number("Name_locked")}
	},
	ast.ShowProfiles: func() []engine.Column {
		return []engine.Column{result.Number("Query_ID"), result.Text("Duration", 16), result.Text("Query", 300)}
	},
	ast.ShowProfile: func() []engine.Column {
		return []engine.Column{result.Text("Status", 30), result.Text("Duration", 16)}
	},
	ast.ShowReplicaStatus: func() []engine.Column {
		return []engine.Column{result.Text("Replica_IO_State", 256), result.Text("Source_Host", 256), result.Text("Source_User", 96),
			result.Number("Source_Port"), result.Number("Connect_Retry"), result.Text("Source_Log_File", 512), result.Number("Read_Source_Log_Pos"),
			result.Text("Replica_IO_Running", 3), result.Text("Replica_SQL_Running", 3), result.NullNumber("Seconds_Behind_Source")}
	},
}

func routineColumns() []engine.Column {
	return []engine.Column{result.Text("Db", 64), result.Text("Name", 64), result.Text("Type", 9), result.Text("Definer", 288),
		result.NullTime("Modified"), result.NullTime("Created"), result.Text("Security_type", 7), result.Text("Comment", 1024),
		result.Text("character_set_client", 64), result.Text("collation_connection", 64), result.Text("Database Collation", 64)}
}

func tableStatusColumns() []engine.Column {
	return []engine.Column{result.Text("Name", 64), result.NullText("Engine", 64), result.NullNumber("Version"), result.NullText("Row_format", 10),
		result.NullNumber("Rows"), result.NullNumber("Avg_row_length"), result.NullNumber("Data_length"), result.NullNumber("Max_data_length"),
		result.NullNumber("Index_length"), result.NullNumber("Data_free"), result.NullNumber("Auto_increment"), result.NullTime("Create_time"),
		result.NullTime("Update_time"), result.NullTime("Check_time"), result.NullText("Collation", 64), result.NullNumber("Checksum"),
		result.NullText("Create_options", 256), result.Text("Comment", 2048)}
}

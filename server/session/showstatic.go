package session

import (
	"context"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"

	"pumphouse/server/engine"
)

// showStatic is a SHOW statement whose answer is the same for everybody; nil if it is
// none.
func showStatic(tp ast.ShowStmtType) *showing {
	switch tp {
	case ast.ShowEngines:
		return showEngines()
	case ast.ShowPlugins:
		return fixed(
			[]engine.Column{text("Name", 64), text("Status", 10), text("Type", 80), nullText("Library", 64), text("License", 80)},
			[]string{"caching_sha2_password", "ACTIVE", "AUTHENTICATION", "", "Apache License 2.0"},
			[]string{"mysql_native_password", "ACTIVE", "AUTHENTICATION", "", "Apache License 2.0"})
	case ast.ShowPrivileges:
		return fixed(
			[]engine.Column{text("Privilege", 10), text("Context", 15), text("Comment", 80)},
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
		[]engine.Column{text("Engine", 64), text("Support", 8), text("Comment", 80), nullText("Transactions", 3),
			nullText("XA", 3), nullText("Savepoints", 3)},
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
		columns: []engine.Column{text("Charset", 64), text("Description", 2048), text("Default collation", 64), number("Maxlen")},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			for _, c := range charsets {
				add(str(c.name), str(c.description), str(c.collation), engine.Int(c.maxLen))
			}
			return nil
		},
	}
}

// maxCollationID is beyond every collation ID that MySQL has.
const maxCollationID = 400

func showCollation() *showing {
	return &showing{
		columns: []engine.Column{text("Collation", 64), text("Charset", 64), number("Id"), text("Default", 3),
			text("Compiled", 3), number("Sortlen"), text("Pad_attribute", 9)},
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
		if c, err := charset.GetCollationByID(id); err == nil && charsetKnown(c.CharsetName) {
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
		return []engine.Column{text("Trigger", 64), text("Event", 6), text("Table", 64), text("Statement", 1024),
			text("Timing", 6), nullTime("Created"), text("sql_mode", 512), text("Definer", 288),
			text("character_set_client", 64), text("collation_connection", 64), text("Database Collation", 64)}
	},
	ast.ShowEvents: func() []engine.Column {
		return []engine.Column{text("Db", 64), text("Name", 64), text("Definer", 288), text("Time zone", 64),
			text("Type", 9), nullTime("Execute at"), nullText("Interval value", 256), nullText("Interval field", 18),
			nullTime("Starts"), nullTime("Ends"), text("Status", 21), number("Originator"),
			text("character_set_client", 64), text("collation_connection", 64), text("Database Collation", 64)}
	},
	ast.ShowProcedureStatus: routineColumns,
	ast.ShowFunctionStatus:  routineColumns,
	ast.ShowOpenTables: func() []engine.Column {
		return []engine.Column{text("Database", 64), text("Table", 64), number("In_use"), number("Name_locked")}
	},
	ast.ShowProfiles: func() []engine.Column {
		return []engine.Column{number("Query_ID"), text("Duration", 16), text("Query", 300)}
	},
	ast.ShowProfile: func() []engine.Column {
		return []engine.Column{text("Status", 30), text("Duration", 16)}
	},
	ast.ShowReplicaStatus: func() []engine.Column {
		return []engine.Column{text("Replica_IO_State", 256), text("Source_Host", 256), text("Source_User", 96),
			number("Source_Port"), number("Connect_Retry"), text("Source_Log_File", 512), number("Read_Source_Log_Pos"),
			text("Replica_IO_Running", 3), text("Replica_SQL_Running", 3), nullNumber("Seconds_Behind_Source")}
	},
}

func routineColumns() []engine.Column {
	return []engine.Column{text("Db", 64), text("Name", 64), text("Type", 9), text("Definer", 288),
		nullTime("Modified"), nullTime("Created"), text("Security_type", 7), text("Comment", 1024),
		text("character_set_client", 64), text("collation_connection", 64), text("Database Collation", 64)}
}

func tableStatusColumns() []engine.Column {
	return []engine.Column{text("Name", 64), nullText("Engine", 64), nullNumber("Version"), nullText("Row_format", 10),
		nullNumber("Rows"), nullNumber("Avg_row_length"), nullNumber("Data_length"), nullNumber("Max_data_length"),
		nullNumber("Index_length"), nullNumber("Data_free"), nullNumber("Auto_increment"), nullTime("Create_time"),
		nullTime("Update_time"), nullTime("Check_time"), nullText("Collation", 64), nullNumber("Checksum"),
		nullText("Create_options", 256), text("Comment", 2048)}
}

package infoschema

import (
	"context"
	"slices"
	"sync"

	"github.com/pingcap/tidb/pkg/parser"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// The tables of information_schema that follow from the catalog alone. Their rows are
// made once, by the first statement that reads them, and then shared.

// catalogName is the catalog that every database is in.
const catalogName = "def"

// described are those tables.
var described = map[string]func() [][]engine.Value{
	"SCHEMATA":                              sync.OnceValue(schemataRows),
	"COLUMNS":                               sync.OnceValue(columnRows),
	"STATISTICS":                            sync.OnceValue(func() [][]engine.Value { return keyRows(statisticsRow) }),
	"KEY_COLUMN_USAGE":                      sync.OnceValue(func() [][]engine.Value { return keyRows(keyUsageRow) }),
	"TABLE_CONSTRAINTS":                     sync.OnceValue(constraintRows),
	"PARTITIONS":                            sync.OnceValue(partitionRows),
	"CHARACTER_SETS":                        sync.OnceValue(characterSetRows),
	"COLLATIONS":                            sync.OnceValue(collationRows),
	"COLLATION_CHARACTER_SET_APPLICABILITY": sync.OnceValue(applicabilityRows),
	"KEYWORDS":                              sync.OnceValue(keywordRows),
}

// informationRows gives the rows of a table of information_schema.
func (s *Schema) informationRows(def *catalog.Table) result.RowSource {
	if rows, ok := described[def.Name]; ok {
		return func(_ context.Context, _ []bool, yield func([]engine.Value) bool) error {
			return yieldAll(rows(), yield)
		}
	}
	switch def.Name {
	case "TABLES":
		return s.tableListRows
	case "ENGINES":
		return rowList(showEngines().fill)
	case "PLUGINS":
		return rowList(pluginRows)
	case "PROCESSLIST":
		return rowList(func(_ context.Context, add func(...engine.Value)) error { return s.eachProcess(true, add) })
	case "USER_PRIVILEGES":
		return rowList(s.userPrivilegeRows)
	}
	return s.variableRows(def.Name)
}

// eachTable calls fn for every table there is.
func eachTable(fn func(t *catalog.Table)) {
	for _, db := range catalog.Schemas() {
		for _, t := range catalog.Tables(db) {
			fn(t)
		}
	}
}

func schemataRows() (rows [][]engine.Value) {
	for _, db := range catalog.Schemas() {
		charset, collation := catalog.Defaults(db)
		rows = append(rows, []engine.Value{str(catalogName), str(db), str(charset), str(collation), engine.Null(), str("NO")})
	}
	return rows
}

var tableRows = sync.OnceValue(func() (rows [][]engine.Value) {
	eachTable(func(t *catalog.Table) { rows = append(rows, tableRow(t)) })
	return rows
})

// tableListRows are those of information_schema.TABLES.
func (s *Schema) tableListRows(ctx context.Context, need []bool, yield func([]engine.Value) bool) error {
	for _, row := range tableRows() {
		if need[rowsCell] {
			row = s.counted(ctx, row)
		}
		if !yield(row) {
			return nil
		}
	}
	return nil
}

const rowsCell = 7 // of information_schema.TABLES

// counted is a table's row with how many rows the table has.
func (s *Schema) counted(ctx context.Context, row []engine.Value) []engine.Value {
	if row[1].Text() == catalog.Binlog {
		row = slices.Clone(row)
		row[rowsCell] = engine.Int(int64(s.own.Nodes.Count(ctx, row[2].Text())))
	}
	return row
}

// tableRow is a table's row of information_schema.TABLES, not counted.
func tableRow(t *catalog.Table) []engine.Value {
	null, zero := engine.Null(), engine.Int(0)
	format, rows, collation := null, null, null
	if t.Engine() != "" {
		// Adminer takes a table without a number of rows for one without data.
		format, rows, collation = str("Fixed"), zero, str(catalog.Collation)
	}
	return []engine.Value{str(catalogName), str(t.Schema), str(t.Name), str(t.Type()), result.OrNull(t.Engine()), engine.Int(10),
		format, rows, zero, zero, zero, zero, zero, null, null, null, null, collation, null, str(""), str(t.Comment)}
}

func columnRows() (rows [][]engine.Value) {
	eachTable(func(t *catalog.Table) {
		for i := range t.Columns {
			c := &t.Columns[i]
			cs := engine.Null()
			if c.Collation != "" {
				cs = str(c.Charset())
			}
			rows = append(rows, []engine.Value{str(catalogName), str(t.Schema), str(t.Name), str(c.Name), engine.Int(int64(i + 1)),
				defaultOf(c), str(yesNo(c.Nullable)), str(c.DataType), known(c.Chars), known(c.Bytes), known(int64(c.Precision)),
				known(int64(c.Scale)), known(int64(c.TimeDigits)), cs, result.OrNull(c.Collation), str(c.Type), str(c.KeyName()),
				str(""), str("select"), str(c.Comment), str(""), engine.Null()})
		}
	})
	return rows
}

// known is a number, NULL for -1.
func known(n int64) engine.Value {
	if n < 0 {
		return engine.Null()
	}
	return engine.Int(n)
}

// keyRows makes a row for every column of every primary key; at counts from 1.
func keyRows(row func(t *catalog.Table, column string, at int64) []engine.Value) (rows [][]engine.Value) {
	eachTable(func(t *catalog.Table) {
		for i, c := range t.Key() {
			rows = append(rows, row(t, t.Columns[c].Name, int64(i+1)))
		}
	})
	return rows
}

func statisticsRow(t *catalog.Table, column string, at int64) []engine.Value {
	return []engine.Value{str(catalogName), str(t.Schema), str(t.Name), engine.Int(0), str(t.Schema), str("PRIMARY"), engine.Int(at),
		str(column), str("A"), engine.Null(), engine.Null(), engine.Null(), str(""), str("BTREE"), str(""), str(""), str("YES"), engine.Null()}
}

func keyUsageRow(t *catalog.Table, column string, at int64) []engine.Value {
	null := engine.Null()
	return []engine.Value{str(catalogName), str(t.Schema), str("PRIMARY"), str(catalogName), str(t.Schema), str(t.Name), str(column),
		engine.Int(at), null, null, null, null}
}

func constraintRows() (rows [][]engine.Value) {
	eachTable(func(t *catalog.Table) {
		if len(t.Key()) > 0 {
			rows = append(rows, []engine.Value{str(catalogName), str(t.Schema), str("PRIMARY"), str(t.Schema), str(t.Name),
				str("PRIMARY KEY"), str("YES")})
		}
	})
	return rows
}

// partitionRows has, as in MySQL, a row also for each table that has no partitions.
func partitionRows() (rows [][]engine.Value) {
	eachTable(func(t *catalog.Table) {
		if t.Engine() == "" {
			return
		}
		row := make([]engine.Value, 25)
		row[0], row[1], row[2] = str(catalogName), str(t.Schema), str(t.Name)
		for i := 13; i < 18; i++ {
			row[i] = engine.Int(0)
		}
		row[22] = str("")
		rows = append(rows, row)
	})
	return rows
}

func characterSetRows() (rows [][]engine.Value) {
	for _, c := range sysvar.Charsets() {
		rows = append(rows, []engine.Value{str(c.Name), str(c.Collation), str(c.Description), engine.Int(c.MaxLen)})
	}
	return rows
}

// collationRows are those of SHOW COLLATION too.
func collationRows() (rows [][]engine.Value) {
	for _, c := range collations() {
		isDefault := ""
		if c.Name == sysvar.DefaultCollation(c.CharsetName) {
			isDefault = "Yes"
		}
		rows = append(rows, []engine.Value{str(c.Name), str(c.CharsetName), engine.Int(int64(c.ID)), str(isDefault), str("Yes"),
			engine.Int(1), str(padAttribute(c.Name))})
	}
	return rows
}

func applicabilityRows() (rows [][]engine.Value) {
	for _, c := range collations() {
		rows = append(rows, []engine.Value{str(c.Name), str(c.CharsetName)})
	}
	return rows
}

// keywordRows are the words of TiDB's grammar.
func keywordRows() (rows [][]engine.Value) {
	for _, k := range parser.Keywords {
		rows = append(rows, []engine.Value{str(k.Word), engine.Bool(k.Reserved)})
	}
	return rows
}

// str is short for a text value.
func str(s string) engine.Value { return engine.String(s) }

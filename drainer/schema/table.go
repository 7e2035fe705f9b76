package schema

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/nodes"
)

// Kind is what an entry in a database is.
type Kind uint8

// The kinds. Only the first has rows in binlogs.
const (
	BaseTable Kind = iota
	View
	Sequence
	TemporaryTable // global temporary: its DDL is in binlogs, its rows are not
)

// Handle is how TiDB identifies a row of a table.
type Handle uint8

// The handles.
const (
	RowIDHandle     Handle = iota // a hidden number, column ID [RowIDColumn]
	IntHandle                     // the one integer column of the primary key
	ClusteredHandle               // all columns of the primary key
)

// RowIDColumn is the column ID of _tidb_rowid in rows.
const RowIDColumn int64 = -1

// Table is the definition of a table. It is never changed once it is made.
type Table struct {
	ID       int64
	SchemaID int64
	Schema   string // name of the database, in the letters it was created with
	Name     string
	Version  int64 // schema version of the job that made this definition
	Kind     Kind
	// Columns by their place in the table. All of them, also those that are not public (see
	// [Column.Public]), since rows may have values of them.
	Columns []Column
	Handle  Handle
	// HandleColumns are the columns (places in Columns) that the handle's values are of, in its
	// order. Nothing with RowIDHandle.
	HandleColumns []HandleColumn
	// Keys are the public primary and unique keys, the primary one first.
	Keys       []Key
	Partitions []Partition
	// Info is the rest of the definition as the job has it: indexes of every kind, foreign keys,
	// partitioning, comment, the view or sequence. Its Columns are nil: they are those above.
	// Nothing in it may be changed. Nil in a Table that no job made.
	Info *TableInfo

	byID     map[int64]int
	job      int64     // the ID of the job that made this definition
	finished nodes.TSO // and its FinishedTS: TiDB's meta data have been on the way to the definition until then
}

// Column is a column of a Table.
type Column struct {
	ID   int64
	Name string
	Type types.FieldType
	// Public: clients see it, and so does the downstream. What is not public is being added,
	// dropped or changed, or hidden (of an index on an expression).
	Public    bool
	Hidden    bool // of an index on an expression, which GeneratedExpr is
	Generated bool // computed from other columns
	Stored    bool // generated and stored: it is in rows, unlike a virtual one
	// GeneratedExpr is the expression as TiDB prints it, empty when it is not generated.
	GeneratedExpr string
	Comment       string
	// LocalDefault: a TIMESTAMP's default is in the time zone of the server that made it; otherwise
	// in UTC.
	LocalDefault bool
	// Default and OriginDefault as TiDB's JSON has them: nil or, mostly, a string.
	// OriginDefault is the value in rows that are older than the column.
	Default, OriginDefault any
	DefaultIsExpr          bool
}

// HandleColumn is a column of a handle.
type HandleColumn struct {
	Column int
	Prefix bool // only the beginning of the value is in the handle
}

// Key is a primary or unique key.
type Key struct {
	Name    string
	Primary bool
	Columns []int // places in Table.Columns
	// Prefix: it covers only the beginning of some value.
	Prefix bool
	// Virtual: it has a column whose values are not in rows (virtual or hidden).
	Virtual bool
}

// Column finds a column by its ID, -1 if there is none.
func (t *Table) Column(id int64) int {
	if i, ok := t.byID[id]; ok {
		return i
	}
	return -1
}

// Unsigned reports whether a number column has no sign.
func (c *Column) Unsigned() bool { return mysql.HasUnsignedFlag(c.Type.GetFlag()) }

// NotNull reports whether the column takes no NULL.
func (c *Column) NotNull() bool { return mysql.HasNotNullFlag(c.Type.GetFlag()) }

// Virtual reports whether inserted and updated rows never have the column.
func (c *Column) Virtual() bool { return c.Generated && !c.Stored }

// PrimaryKey is the primary key, or nil.
func (t *Table) PrimaryKey() *Key {
	if len(t.Keys) > 0 && t.Keys[0].Primary {
		return &t.Keys[0]
	}
	return nil
}

// String is the table's full name for errors and logs.
func (t *Table) String() string { return fmt.Sprintf("`%s`.`%s`", t.Schema, t.Name) }

// newTable makes a definition of what a job says.
func newTable(db *database, info *TableInfo, version int64) (*Table, error) {
	t := &Table{
		ID: info.ID, SchemaID: db.id, Schema: db.name, Name: info.Name.O, Version: version,
		Columns: make([]Column, 0, len(info.Columns)),
		byID:    make(map[int64]int, len(info.Columns)),
	}
	switch {
	case info.View != nil:
		t.Kind = View
	case info.Sequence != nil:
		t.Kind = Sequence
	case info.TempTableType != 0:
		t.Kind = TemporaryTable
	}
	if info.ID <= 0 {
		return nil, fmt.Errorf("%w: table %s has the ID %d", ErrBadJob, t, info.ID)
	}
	// Index columns say their place as an offset into the columns in this order.
	slices.SortStableFunc(info.Columns, func(a, b ColumnInfo) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := range info.Columns {
		c := &info.Columns[i]
		if _, twice := t.byID[c.ID]; twice {
			return nil, fmt.Errorf("%w: table %s has two columns with the ID %d", ErrBadJob, t, c.ID)
		}
		t.byID[c.ID] = i
		t.Columns = append(t.Columns, newColumn(c))
	}
	if info.Partition != nil {
		t.Partitions = info.Partition.Definitions
	}
	kept := *info
	kept.Columns = nil
	t.Info = &kept
	if err := t.addKeys(info); err != nil {
		return nil, err
	}
	return t, nil
}

func newColumn(c *ColumnInfo) Column {
	col := Column{
		ID: c.ID, Name: c.Name.O, Type: c.Type, Public: c.State == StatePublic && !c.Hidden, Hidden: c.Hidden,
		Generated: c.GeneratedExpr != "", Stored: c.GeneratedStored, GeneratedExpr: c.GeneratedExpr,
		Comment: c.Comment, LocalDefault: c.Version == 0 && c.Type.GetType() == mysql.TypeTimestamp,
		Default: c.Default, OriginDefault: c.OriginDefault, DefaultIsExpr: c.DefaultIsExpr,
	}
	// A bit default that is no valid UTF-8 is broken in the string and whole in the other field.
	if mysql.HasNoDefaultValueFlag(c.Type.GetFlag()) {
		col.Default = nil // YEAR NOT NULL has 0000 that no client sees
	} else if c.DefaultBit != nil {
		col.Default = string(c.DefaultBit)
	}
	if c.OriginDefaultBit != nil {
		col.OriginDefault = string(c.OriginDefaultBit)
	}
	return col
}

// addKeys finds the handle and the keys. An integer primary key that is the handle is in no
// index: it is the column with the flag.
func (t *Table) addKeys(info *TableInfo) error {
	if info.PKIsHandle {
		i := slices.IndexFunc(t.Columns, func(c Column) bool { return mysql.HasPriKeyFlag(c.Type.GetFlag()) })
		if i < 0 {
			return fmt.Errorf("%w: table %s has an integer handle and no primary key column", ErrBadJob, t)
		}
		t.Handle, t.HandleColumns = IntHandle, []HandleColumn{{Column: i}}
		t.Keys = append(t.Keys, Key{Name: "PRIMARY", Primary: true, Columns: []int{i}})
	}
	for _, idx := range info.Indices {
		if idx.State != StatePublic || !idx.Unique && !idx.Primary {
			continue
		}
		key := Key{Name: idx.Name.O, Primary: idx.Primary}
		var handle []HandleColumn
		for _, c := range idx.Columns {
			if c.Offset < 0 || c.Offset >= len(t.Columns) {
				return fmt.Errorf("%w: key %s of table %s has a column %d, there are %d",
					ErrBadJob, idx.Name.O, t, c.Offset, len(t.Columns))
			}
			col := &t.Columns[c.Offset]
			key.Columns = append(key.Columns, c.Offset)
			key.Prefix = key.Prefix || c.Length >= 0
			key.Virtual = key.Virtual || col.Virtual() || !col.Public
			handle = append(handle, HandleColumn{Column: c.Offset, Prefix: c.Length >= 0})
		}
		if idx.Primary {
			if info.IsCommonHandle {
				t.Handle, t.HandleColumns = ClusteredHandle, handle
			}
			t.Keys = slices.Insert(t.Keys, 0, key)
			continue
		}
		t.Keys = append(t.Keys, key)
	}
	if info.IsCommonHandle && t.Handle != ClusteredHandle {
		return fmt.Errorf("%w: table %s has a clustered handle and no primary key", ErrBadJob, t)
	}
	return nil
}

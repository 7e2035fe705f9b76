package canaljson

import (
	"fmt"
	"math"
	"slices"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// table is what of messages is the same for all rows of a table.
type table struct {
	of      *schema.Table
	head    []byte // of a message, as far as the type's value
	columns []*column
	name    []byte    // database and table, quoted
	hash    uint32    // of name
	key     []*column // those that identify a row; none: nothing does
	prefix  bool      // the key is on the beginning of values
	unique  []*column // those whose change splits an update
}

// column is a column that is written.
type column struct {
	i         int    // its place in the table
	name      []byte // quoted, with a colon
	mysqlType []byte // quoted
	sqlType   int
	room      uint64 // the largest unsigned integer of sqlType; 0: every one has room
	larger    int    // the type of larger ones
	def       txn.Value
}

// table gives what is known of a table. The error is of a default that makes no sense.
func (e *Encoder) table(of *schema.Table) (*table, error) {
	if t := e.tables[of]; t != nil {
		return t, nil
	}
	if len(e.tables) >= schema.KeptTables {
		clear(e.tables)
	}
	t := &table{of: of}
	place := make(map[int]*column)
	for i := range of.Columns {
		c := &of.Columns[i]
		if !c.Public || c.Virtual() {
			continue
		}
		col := newColumn(i, c)
		if !c.Generated {
			var err error
			if col.def, err = txn.Default(c, e.zone); err != nil {
				return nil, fmt.Errorf("table %s: %w", of, err)
			}
		}
		t.columns = append(t.columns, col)
		place[i] = col
	}
	for i := range of.Keys {
		if columns := keyOf(of, &of.Keys[i], place); columns != nil {
			if t.key == nil {
				t.key, t.prefix = columns, of.Keys[i].Prefix
			}
			t.unique = append(t.unique, columns...)
		}
	}
	t.name = appendQuoted(appendQuoted(nil, []byte(of.Schema)), []byte(of.Name))
	t.hash = hashOf(t.name)
	t.head = []byte(`{"id":0,"database":`)
	t.head = appendQuoted(t.head, []byte(of.Schema))
	t.head = append(t.head, `,"table":`...)
	t.head = appendQuoted(t.head, []byte(of.Name))
	t.head = append(t.head, `,"pkNames":`...)
	t.head = appendPrimaryKey(t.head, of)
	t.head = append(t.head, `,"isDdl":false,"type":"`...)
	e.tables[of] = t
	return t, nil
}

// keyOf are the columns of a key that identifies every row, else nothing.
func keyOf(of *schema.Table, k *schema.Key, place map[int]*column) (columns []*column) {
	if k.Virtual || k.Prefix && !k.Primary {
		return nil
	}
	for _, i := range k.Columns {
		col := place[i]
		if col == nil || !k.Primary && !of.Columns[i].NotNull() {
			return nil
		}
		columns = append(columns, col)
	}
	return columns
}

func appendPrimaryKey(b []byte, t *schema.Table) []byte {
	k := t.PrimaryKey()
	if k == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for n, i := range k.Columns {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, []byte(t.Columns[i].Name))
	}
	return append(b, ']')
}

// keyColumns are those that identify a row, in the order of the table.
func (t *table) keyColumns() ([]*column, error) {
	if t.key == nil {
		return nil, fmt.Errorf("table %s has no primary key and no unique key without NULLs, by which a row could be told from others", t.of)
	}
	columns := slices.Clone(t.key)
	slices.SortFunc(columns, func(a, b *column) int { return a.i - b.i })
	return columns, nil
}

func newColumn(i int, c *schema.Column) *column {
	col := &column{i: i, name: append(appendQuoted(nil, []byte(c.Name)), ':'), def: txn.Value{Kind: txn.Null}}
	tp := c.Type.GetType()
	col.mysqlType = appendQuoted(nil, []byte(typeName(&c.Type)))
	col.sqlType = sqlType(tp, c.Type.GetCharset() == charset.CharsetBin)
	if c.Unsigned() {
		switch tp {
		case mysql.TypeTiny:
			col.room, col.larger = math.MaxInt8, javaSmallint
		case mysql.TypeShort:
			col.room, col.larger = math.MaxInt16, javaInteger
		case mysql.TypeLong:
			col.room, col.larger = math.MaxInt32, javaBigint
		case mysql.TypeLonglong:
			col.room, col.larger = math.MaxInt64, javaDecimal
		}
	}
	return col
}

// typeName is a type as in mysqlType: "int unsigned".
func typeName(ft *types.FieldType) string {
	tp := ft.GetType()
	name := types.TypeToStr(tp, ft.GetCharset())
	if tp == mysql.TypeBit || tp == mysql.TypeYear {
		return name
	}
	if mysql.HasUnsignedFlag(ft.GetFlag()) {
		name += " unsigned"
	}
	if mysql.HasZerofillFlag(ft.GetFlag()) {
		name += " zerofill"
	}
	return name
}

// Those of java.sql.Types that are in messages.
const (
	javaBit       = -7
	javaTinyint   = -6
	javaBigint    = -5
	javaChar      = 1
	javaDecimal   = 3
	javaInteger   = 4
	javaSmallint  = 5
	javaReal      = 7
	javaDouble    = 8
	javaVarchar   = 12
	javaDate      = 91
	javaTime      = 92
	javaTimestamp = 93
	javaBlob      = 2004
	javaClob      = 2005
)

// sqlType is the one of java.sql.Types that a type of MySQL is.
func sqlType(tp byte, binary bool) int {
	switch tp {
	case mysql.TypeTiny:
		return javaTinyint
	case mysql.TypeShort:
		return javaSmallint
	case mysql.TypeInt24, mysql.TypeLong, mysql.TypeEnum:
		return javaInteger
	case mysql.TypeLonglong:
		return javaBigint
	case mysql.TypeFloat:
		return javaReal
	case mysql.TypeDouble:
		return javaDouble
	case mysql.TypeNewDecimal:
		return javaDecimal
	case mysql.TypeBit, mysql.TypeSet:
		return javaBit
	case mysql.TypeDate, mysql.TypeNewDate:
		return javaDate
	case mysql.TypeDatetime, mysql.TypeTimestamp:
		return javaTimestamp
	case mysql.TypeDuration:
		return javaTime
	case mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
		if binary {
			return javaBlob
		}
		return javaClob
	case mysql.TypeString:
		if binary {
			return javaBlob
		}
		return javaChar
	case mysql.TypeVarchar, mysql.TypeVarString:
		if binary {
			return javaBlob
		}
	}
	return javaVarchar
}

// value is the value of a row, or what stands for one that the binlog does not tell.
func (c *column) value(row txn.Row) txn.Value {
	if v := row[c.i]; v.Kind != txn.Missing {
		return v
	}
	return c.def
}

// sqlTypeOf is the type of a column's value.
func (c *column) sqlTypeOf(v txn.Value) int {
	if v.Kind == txn.Missing {
		v = c.def
	}
	if c.room > 0 && v.Kind == txn.Uint && v.Uint64() > c.room {
		return c.larger
	}
	return c.sqlType
}

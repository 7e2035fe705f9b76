package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/binlogpb/pbkafka"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
)

// maker makes the values of a column of what messages have for them. It reads numbers as txn
// reads defaults: the text of one, for a column like it.
type maker struct {
	col schema.Column
	// names of an enum's or a set's members; their numbers, as text, are the members of col.
	names []string
	// signed: the values are whole numbers with a sign, and messages have them as such.
	signed bool
}

func newMaker(c *schema.Column) maker {
	m := maker{col: schema.Column{Name: c.Name, Type: *c.Type.Clone(), Public: true}}
	if tp := c.Type.GetType(); tp == mysql.TypeEnum || tp == mysql.TypeSet {
		m.names = c.Type.GetElems()
		members := make([]string, len(m.names))
		for i := range members {
			members[i] = strconv.Itoa(i + 1)
		}
		m.col.Type.SetElems(members)
	}
	m.signed = mysql.IsIntegerType(c.Type.GetType()) && !c.Unsigned()
	return m
}

// read is the value with a text.
func (m *maker) read(text string) (txn.Value, error) {
	c := m.col
	c.OriginDefault = text
	return txn.Default(&c, time.UTC)
}

// value makes the value of a Column.
func (m *maker) value(c *pbkafka.Column) (txn.Value, error) {
	switch {
	case c.GetIsNull():
		return txn.Value{Kind: txn.Null}, nil
	case c.Int64Value != nil:
		if m.signed {
			return txn.IntOf(c.GetInt64Value()), nil
		}
		return m.read(strconv.FormatInt(c.GetInt64Value(), 10))
	case c.Uint64Value != nil:
		switch m.col.Type.GetType() {
		case mysql.TypeEnum:
			return m.enum(c.GetUint64Value())
		case mysql.TypeSet:
			return m.set(c.GetUint64Value())
		}
		return m.read(strconv.FormatUint(c.GetUint64Value(), 10))
	case c.DoubleValue != nil:
		return m.read(strconv.FormatFloat(c.GetDoubleValue(), 'g', -1, 64))
	case c.BytesValue != nil:
		return m.text(c.BytesValue)
	case c.StringValue != nil:
		if m.col.Type.GetType() == mysql.TypeYear {
			return m.read(c.GetStringValue())
		}
		return m.text([]byte(c.GetStringValue()))
	}
	return txn.Value{}, errors.New("there is no value")
}

// enum is the member with a number; 0 is the error value, which has no name.
func (m *maker) enum(n uint64) (txn.Value, error) {
	if n == 0 {
		return txn.Value{Kind: txn.Enum}, nil
	}
	if n > uint64(len(m.names)) {
		return txn.Value{}, fmt.Errorf("member %d of %d", n, len(m.names))
	}
	v, err := m.read(strconv.FormatUint(n, 10))
	v.Bytes = []byte(m.names[n-1])
	return v, err
}

func (m *maker) set(bits uint64) (txn.Value, error) {
	if len(m.names) < 64 && bits>>len(m.names) != 0 {
		return txn.Value{}, fmt.Errorf("bits %b of a set of %d members", bits, len(m.names))
	}
	var numbers, names []string
	for i, name := range m.names {
		if i < 64 && bits>>i&1 == 1 {
			numbers = append(numbers, strconv.Itoa(i+1))
			names = append(names, name)
		}
	}
	v, err := m.read(strings.Join(numbers, ","))
	v.Bytes = []byte(strings.Join(names, ","))
	return v, err
}

// text makes the values that are bytes in messages.
func (m *maker) text(b []byte) (txn.Value, error) {
	switch ft := &m.col.Type; {
	case ft.GetType() == mysql.TypeBit:
		return m.read(string(b))
	case isBinary(ft):
		return txn.Value{Kind: txn.Bytes, Bytes: b}, nil
	}
	return txn.Value{Kind: txn.Text, Bytes: b}, nil
}

func isBinary(ft *types.FieldType) bool {
	return ft.GetCharset() == charset.CharsetBin && (types.IsTypeChar(ft.GetType()) || types.IsTypeBlob(ft.GetType()))
}

// plainTable makes a definition of what a Table without additions says.
func (d *Decoder) plainTable(m *pbkafka.Table) (*table, error) {
	// Whether a number has a sign tells only a value.
	unsigned := unsignedIn(m)
	d.head = append(appendHead(d.head[:0], m), unsigned...)
	id := d.head
	if t := d.plain[string(id)]; t != nil {
		return t, nil
	}
	if len(d.plain) >= schema.KeptTables {
		clear(d.plain)
	}
	t := &schema.Table{Schema: m.GetSchemaName(), Name: m.GetTableName()}
	t.ID = d.id(t.String())
	place := make(map[string]int)
	for i, info := range m.GetColumnInfo() {
		place[info.GetName()] = i
		t.Columns = append(t.Columns, plainColumn(info, unsigned[i] == 1))
	}
	for _, k := range m.GetUniqueKeys() {
		key := schema.Key{Name: k.GetName(), Primary: k.GetName() == "PRIMARY"}
		for _, name := range k.GetColumnNames() {
			i, ok := place[name]
			if !ok {
				key.Columns, key.Virtual = nil, true
				break
			}
			key.Columns = append(key.Columns, i)
		}
		t.Keys = append(t.Keys, key)
	}
	out := newTable(t)
	d.plain[string(id)] = out
	return out, nil
}

// appendHead appends what a Table says of its definition, so that others have other bytes.
func appendHead(b []byte, m *pbkafka.Table) []byte {
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	number := func(n *int32) {
		if n == nil {
			b = append(b, 0)
		} else {
			b = binary.AppendVarint(append(b, 1), int64(*n))
		}
	}
	text(m.GetSchemaName())
	text(m.GetTableName())
	b = binary.AppendUvarint(b, uint64(len(m.GetColumnInfo())))
	for _, c := range m.GetColumnInfo() {
		text(c.GetName())
		text(c.GetMysqlType())
		number(c.Flen)
		number(c.Decimal)
		b = strconv.AppendBool(b, c.GetIsPrimaryKey())
	}
	for _, k := range m.GetUniqueKeys() {
		text(k.GetName())
		b = binary.AppendUvarint(b, uint64(len(k.GetColumnNames())))
		for _, name := range k.GetColumnNames() {
			text(name)
		}
	}
	return b
}

// id is an ID for a table without one. Sinks tell tables apart by it.
func (d *Decoder) id(name string) int64 {
	if d.ids[name] == 0 {
		d.ids[name] = int64(len(d.ids) + 1)
	}
	return d.ids[name]
}

// plainColumn is the column of a ColumnInfo.
func plainColumn(info *pbkafka.ColumnInfo, unsigned bool) schema.Column {
	name := info.GetMysqlType()
	tp := types.StrToType(name)
	if tp == mysql.TypeEnum || tp == mysql.TypeSet {
		tp = mysql.TypeLonglong // the members' names are not known
	}
	ft := types.NewFieldType(tp)
	ft.SetCharset(charset.CharsetUTF8MB4)
	if strings.Contains(name, "binary") || strings.HasSuffix(name, "blob") {
		ft.SetCharset(charset.CharsetBin)
	}
	if unsigned {
		ft.AddFlag(mysql.UnsignedFlag)
	}
	if tp == mysql.TypeBit {
		ft.SetFlen(64)
	}
	if info.Flen != nil && tp != mysql.TypeLonglong {
		ft.SetFlen(int(info.GetFlen()))
		ft.SetDecimal(int(info.GetDecimal()))
	}
	if info.GetIsPrimaryKey() {
		ft.AddFlag(mysql.PriKeyFlag | mysql.NotNullFlag)
	}
	return schema.Column{Name: info.GetName(), Type: *ft, Public: true}
}

// unsignedIn finds the columns with unsigned numbers.
func unsignedIn(m *pbkafka.Table) []byte {
	unsigned := make([]byte, len(m.GetColumnInfo())) // 1 or 0
	for _, mut := range m.GetMutations() {
		for _, row := range []*pbkafka.Row{mut.GetRow(), mut.GetChangeRow()} {
			for i, c := range row.GetColumns() {
				if i < len(unsigned) && c.Uint64Value != nil {
					unsigned[i] = 1
				}
			}
		}
	}
	return unsigned
}

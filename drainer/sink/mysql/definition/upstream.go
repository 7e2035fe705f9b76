package definition

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
)

// Of is the definition of a table of the upstream; nil for nil. It needs t.Info.
func Of(t *schema.Table) *Table {
	if t == nil {
		return nil
	}
	d := &Table{Schema: t.Schema, Name: t.Name, Kind: BaseTable}
	switch t.Kind {
	case schema.View:
		d.Kind = View
		return d
	case schema.Sequence:
		d.Kind = Sequence
		return d
	}
	info := t.Info
	if info == nil {
		info = &schema.TableInfo{}
	}
	d.Comment = info.Comment
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Public {
			d.Columns = append(d.Columns, column(c, info))
		}
	}
	d.Keys = keys(t, info)
	for i := range info.ForeignKeys {
		if f := &info.ForeignKeys[i]; f.State == schema.StatePublic {
			d.ForeignKeys = append(d.ForeignKeys, foreignKey(f, t.Schema))
		}
	}
	d.partition(info.Partition)
	return d
}

func column(c *schema.Column, info *schema.TableInfo) Column {
	flag := c.Type.GetFlag()
	col := Column{
		Name: c.Name, Type: typeOf(&c.Type, info), Null: !c.NotNull(), Comment: c.Comment,
		OnUpdate: mysql.HasOnUpdateNowFlag(flag), AutoIncrement: mysql.HasAutoIncrementFlag(flag),
		Generated: c.GeneratedExpr, Stored: c.Stored,
	}
	switch text := fmt.Sprint(c.Default); {
	case c.Default == nil || c.Generated || col.AutoIncrement:
	case c.DefaultIsExpr:
		col.Default = Default{Expression, text}
	case c.LocalDefault && !strings.HasPrefix(text, "CURRENT_TIMESTAMP") && !strings.HasPrefix(text, "0000"):
		col.Default = Default{Kind: unknown}
	case c.Type.GetType() == mysql.TypeBit:
		col.Default = Default{Literal, new(big.Int).SetBytes([]byte(text)).String()}
	case isNow(col.Type.Base, text):
		col.Default = Default{Kind: Now}
	default:
		col.Default = Default{Literal, text}
	}
	return col
}

// isNow reports whether a default of a type is the present time or date.
func isNow(base, text string) bool {
	switch base {
	case "datetime", "timestamp", "date", "time":
	default:
		return false
	}
	text = strings.ToLower(text)
	for _, name := range []string{"current_timestamp", "current_date", "curdate", "now"} {
		if rest, ok := strings.CutPrefix(text, name); ok && (rest == "" || rest[0] == '(') {
			return true
		}
	}
	return false
}

func typeOf(ft *types.FieldType, info *schema.TableInfo) Type {
	t := Type{Unsigned: mysql.HasUnsignedFlag(ft.GetFlag()), Zerofill: mysql.HasZerofillFlag(ft.GetFlag())}
	set, collation := ft.GetCharset(), ft.GetCollate()
	if set == "" {
		set, collation = info.Charset, info.Collate
	}
	binary := set == charset.CharsetBin
	pick := func(text, bytes string) string {
		if binary {
			return bytes
		}
		t.Charset, t.Collation = set, collation
		return text
	}
	length, decimals := ft.GetFlen(), max(ft.GetDecimal(), 0)
	switch ft.GetType() {
	case mysql.TypeTiny:
		t.Base = "tinyint"
	case mysql.TypeShort:
		t.Base = "smallint"
	case mysql.TypeInt24:
		t.Base = "mediumint"
	case mysql.TypeLong:
		t.Base = "int"
	case mysql.TypeLonglong:
		t.Base = "bigint"
	case mysql.TypeFloat, mysql.TypeDouble:
		t.Base = "float"
		if ft.GetType() == mysql.TypeDouble {
			t.Base = "double"
		}
		if ft.GetDecimal() >= 0 {
			t.Length, t.Decimals = length, decimals
		}
	case mysql.TypeNewDecimal:
		t.Base, t.Length, t.Decimals = "decimal", given(length, 10), decimals
	case mysql.TypeBit:
		t.Base, t.Length, t.Unsigned = "bit", given(length, 1), false
	case mysql.TypeYear:
		t = Type{Base: "year"}
	case mysql.TypeDate, mysql.TypeNewDate:
		t.Base = "date"
	case mysql.TypeDuration:
		t.Base, t.Decimals = "time", decimals
	case mysql.TypeDatetime:
		t.Base, t.Decimals = "datetime", decimals
	case mysql.TypeTimestamp:
		t.Base, t.Decimals = "timestamp", decimals
	case mysql.TypeVarchar, mysql.TypeVarString:
		t.Base, t.Length = pick("varchar", "varbinary"), length
	case mysql.TypeString:
		t.Base, t.Length = pick("char", "binary"), given(length, 1)
	case mysql.TypeTinyBlob:
		t.Base, t.Length = pick("tinytext", "tinyblob"), length
	case mysql.TypeBlob:
		t.Base, t.Length = pick("text", "blob"), length
	case mysql.TypeMediumBlob:
		t.Base, t.Length = pick("mediumtext", "mediumblob"), length
	case mysql.TypeLongBlob:
		t.Base, t.Length = pick("longtext", "longblob"), length
	case mysql.TypeEnum:
		t.Base, t.Elements = "enum", ft.GetElems()
		t.Charset, t.Collation = set, collation
	case mysql.TypeSet:
		t.Base, t.Elements = "set", ft.GetElems()
		t.Charset, t.Collation = set, collation
	case mysql.TypeJSON:
		t.Base = "json"
	default:
		t.Base = types.TypeStr(ft.GetType())
	}
	if size := capacity(t.Base); size > 0 && (t.Length < 0 || int64(t.Length) >= size) {
		t.Length = 0 // it was given none
	}
	return t
}

// given is a length, or what counts when there is none.
func given(length, otherwise int) int {
	if length < 0 {
		return otherwise
	}
	return length
}

// capacity is how many bytes a TEXT or BLOB holds; 0 for other types.
func capacity(base string) int64 {
	switch base {
	case "tinytext", "tinyblob":
		return 1<<8 - 1
	case "text", "blob":
		return 1<<16 - 1
	case "mediumtext", "mediumblob":
		return 1<<24 - 1
	case "longtext", "longblob":
		return 1<<32 - 1
	}
	return 0
}

func keys(t *schema.Table, info *schema.TableInfo) []Key {
	var list []Key
	if pk := t.PrimaryKey(); pk != nil && info.PKIsHandle {
		k := Key{Name: "PRIMARY", Primary: true, Unique: true}
		for _, i := range pk.Columns {
			k.Parts = append(k.Parts, Part{Column: t.Columns[i].Name})
		}
		list = append(list, k)
	}
	for i := range info.Indices {
		idx := &info.Indices[i]
		if idx.State != schema.StatePublic {
			continue
		}
		k := Key{Name: idx.Name.O, Primary: idx.Primary, Unique: idx.Unique || idx.Primary}
		for _, c := range idx.Columns {
			if c.Offset < 0 || c.Offset >= len(t.Columns) {
				continue // newTable refuses such unique keys; of others nothing depends on it
			}
			k.Parts = append(k.Parts, part(&t.Columns[c.Offset], c.Length))
		}
		list = append(list, k)
	}
	return list
}

func part(c *schema.Column, length int) Part {
	if c.Hidden {
		return Part{Expression: c.GeneratedExpr}
	}
	p := Part{Column: c.Name, Length: max(length, 0)}
	if text := typeOf(&c.Type, &schema.TableInfo{}); p.Length == text.Length && capacity(text.Base) == 0 {
		p.Length = 0 // all of it
	}
	return p
}

func foreignKey(f *schema.ForeignKey, own string) ForeignKey {
	k := ForeignKey{
		RefSchema: f.RefSchema.O, RefTable: f.RefTable.O, inert: f.Version == 0,
		OnDelete: rule(f.OnDelete.String()), OnUpdate: rule(f.OnUpdate.String()),
	}
	if k.RefSchema == "" {
		k.RefSchema = own
	}
	for _, c := range f.Columns {
		k.Columns = append(k.Columns, c.O)
	}
	for _, c := range f.RefColumns {
		k.RefColumns = append(k.RefColumns, c.O)
	}
	return k
}

// rule is what a foreign key does; empty for what amounts to nothing.
func rule(action string) string {
	switch action = strings.ToUpper(action); action {
	case "RESTRICT", "NO ACTION":
		return ""
	}
	return action
}

func (t *Table) partition(info *schema.PartitionInfo) {
	switch {
	case info == nil:
		return
	case !info.Enable:
		t.inertPartitions = true
		return
	}
	p := &Partitioning{Method: info.Type.String(), Expression: info.Expr}
	if p.Expression == "" {
		var list []string
		for _, c := range info.Columns {
			list = append(list, schema.QuoteName(c.O))
		}
		p.Expression = strings.Join(list, ",")
	}
	for _, d := range info.Definitions {
		part := Partition{Name: d.Name.O, Values: strings.Join(d.LessThan, ",")}
		if len(d.InValues) > 0 {
			var list []string
			for _, v := range d.InValues {
				list = append(list, strings.Join(v, ","))
			}
			part.Values = strings.Join(list, ",")
		}
		p.Partitions = append(p.Partitions, part)
	}
	t.Partitioning = p
}

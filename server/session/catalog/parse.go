package catalog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/server/engine"
)

// parse reads the description of all tables.
func parse(text string) ([]*Table, error) {
	var tables []*Table
	var t *Table
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != ' ' {
			name, comment, _ := strings.Cut(line, " -- ")
			schema, table, ok := strings.Cut(name, ".")
			if !ok {
				return nil, fmt.Errorf("no table's name: %s", line)
			}
			t = &Table{Schema: schema, Name: table, Comment: comment}
			tables = append(tables, t)
			continue
		}
		if t == nil {
			return nil, fmt.Errorf("a column before any table: %s", line)
		}
		if err := t.addColumns(line); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Schema, t.Name, err)
		}
	}
	return tables, nil
}

// addColumns reads one line "name name: type …".
func (t *Table) addColumns(line string) error {
	names, rest, ok := strings.Cut(line, ": ")
	if !ok {
		return fmt.Errorf("no type: %s", line)
	}
	var c Column
	rest, c.Comment, _ = strings.Cut(rest, " -- ")
	if cut, ok := strings.CutSuffix(rest, " key"); ok {
		rest, c.Key = cut, true
	}
	rest, def, hasDefault := strings.Cut(rest, " = ")
	if hasDefault {
		c.Default = &def
	}
	rest, c.Nullable = strings.CutSuffix(rest, "?")
	if rest, ok = strings.CutSuffix(rest, " bin"); ok {
		c.Collation = "utf8mb4_bin"
	}
	if rest == "name" {
		rest = "varchar(64)"
	}
	c.Type = rest
	field, err := c.complete()
	if err != nil {
		return err
	}
	if t.Schema == Information && field.Charset == generalID {
		c.asInMetadata(&field)
	}
	for name := range strings.FieldsSeq(names) {
		c.Name = name
		field.Schema, field.Table, field.OrgTable, field.Name, field.OrgName = t.Schema, t.Name, t.Name, name, name
		t.Columns = append(t.Columns, c)
		t.Fields = append(t.Fields, field)
	}
	return nil
}

var typeText = regexp.MustCompile(`^([a-z]+)(?:\((.*)\))?( unsigned)?$`)

// kinds maps a type's name to its code and, for numbers, its digits.
var kinds = map[string]struct {
	code             uint8
	digits, unsigned int    // NUMERIC_PRECISION
	width            uint32 // as displayed
}{
	"tinyint": {mysql.TypeTiny, 3, 3, 4}, "smallint": {mysql.TypeShort, 5, 5, 6}, "int": {mysql.TypeLong, 10, 10, 11},
	"bigint": {mysql.TypeLonglong, 19, 20, 20}, "decimal": {mysql.TypeNewDecimal, 0, 0, 0}, "double": {mysql.TypeDouble, 22, 22, 22},
	"datetime": {mysql.TypeDatetime, 0, 0, 19}, "timestamp": {mysql.TypeTimestamp, 0, 0, 19}, "time": {mysql.TypeDuration, 0, 0, 10},
	"varchar": {code: mysql.TypeVarString}, "char": {code: mysql.TypeString}, "binary": {code: mysql.TypeString},
	"enum": {code: mysql.TypeString}, "set": {code: mysql.TypeString}, "text": {code: mysql.TypeBlob}, "blob": {code: mysql.TypeBlob},
	"mediumtext": {code: mysql.TypeMediumBlob}, "mediumblob": {code: mysql.TypeMediumBlob},
	"longtext": {code: mysql.TypeLongBlob}, "longblob": {code: mysql.TypeLongBlob}, "json": {code: mysql.TypeLongBlob},
}

// lengths are those of the types without a length of their own, in bytes.
var lengths = map[string]int64{
	"text": 1<<16 - 1, "blob": 1<<16 - 1, "mediumtext": 1<<24 - 1, "mediumblob": 1<<24 - 1,
	"longtext": 1<<32 - 1, "longblob": 1<<32 - 1, "json": 1<<32 - 1,
}

const (
	binaryID     = 63
	generalID    = 255 // utf8mb4_0900_ai_ci
	binTextID    = 46  // utf8mb4_bin
	bytesPerChar = 4

	metadataID    = 33 // utf8_general_ci
	metadataBytes = 3
)

// complete fills in what follows from the type, and makes the protocol's description.
func (c *Column) complete() (engine.Column, error) {
	m := typeText.FindStringSubmatch(c.Type)
	if m == nil {
		return engine.Column{}, fmt.Errorf("unknown type %q", c.Type)
	}
	kind, ok := kinds[m[1]]
	if !ok {
		return engine.Column{}, fmt.Errorf("unknown type %q", c.Type)
	}
	c.DataType, c.Chars, c.Bytes, c.Precision, c.Scale, c.TimeDigits = m[1], -1, -1, -1, -1, -1
	f := engine.Column{Type: kind.code, Charset: binaryID, Length: kind.width}
	if !c.Nullable {
		f.Flags |= uint16(mysql.NotNullFlag)
	}
	if c.Key {
		f.Flags |= uint16(mysql.PriKeyFlag)
	}
	switch m[1] {
	case "tinyint", "smallint", "int", "bigint":
		f.Flags |= uint16(mysql.BinaryFlag)
		c.Precision, c.Scale = kind.digits, 0
		if m[3] != "" {
			f.Flags |= uint16(mysql.UnsignedFlag)
			c.Precision = kind.unsigned
		}
		if c.Type == "tinyint(1)" {
			f.Length = 1
		}
	case "decimal":
		p, s, _ := strings.Cut(m[2], ",")
		c.Precision, _ = strconv.Atoi(p)
		c.Scale, _ = strconv.Atoi(s)
		f.Length, f.Decimals = uint32(c.Precision+2), uint8(c.Scale)
		f.Flags |= uint16(mysql.BinaryFlag)
	case "double":
		c.Precision = kind.digits
		f.Decimals = 31
		f.Flags |= uint16(mysql.BinaryFlag)
	case "datetime", "timestamp", "time":
		c.TimeDigits, _ = strconv.Atoi(m[2])
		if f.Decimals = uint8(c.TimeDigits); f.Decimals > 0 {
			f.Length += uint32(f.Decimals) + 1
		}
		f.Flags |= uint16(mysql.BinaryFlag)
	default:
		c.completeText(&f, m[2])
	}
	return f, nil
}

// completeText is complete for texts and binary strings.
func (c *Column) completeText(f *engine.Column, inside string) {
	size, known := lengths[c.DataType]
	switch c.DataType {
	case "enum", "set":
		size = longestWord(inside, c.DataType == "set")
		if c.DataType == "enum" {
			f.Flags |= uint16(mysql.EnumFlag)
		} else {
			f.Flags |= uint16(mysql.SetFlag)
		}
	case "varchar", "char", "binary":
		size, _ = strconv.ParseInt(inside, 10, 64)
	}
	c.Chars, c.Bytes = size, size
	if known {
		f.Flags |= uint16(mysql.BlobFlag)
	}
	f.Length = uint32(size)
	switch c.DataType {
	case "binary", "blob", "mediumblob", "longblob":
		f.Flags |= uint16(mysql.BinaryFlag)
		return
	}
	f.Charset = generalID
	if c.Collation == "" {
		c.Collation = Collation
	} else {
		f.Charset = binTextID
		f.Flags |= uint16(mysql.BinaryFlag)
	}
	switch {
	case c.DataType == "json":
		c.Chars, c.Bytes, c.Collation = -1, -1, ""
	case !known:
		c.Bytes = size * bytesPerChar
		f.Length = uint32(c.Bytes)
	}
}

// asInMetadata makes a text of information_schema what it is in MySQL: tools write COLLATE
// utf8_general_ci beside it, which a text of utf8mb4 does not take.
func (c *Column) asInMetadata(f *engine.Column) {
	f.Charset = metadataID
	if c.Collation == "" {
		return // JSON
	}
	c.Collation = MetadataCollation
	if _, blob := lengths[c.DataType]; !blob {
		c.Bytes = c.Chars * metadataBytes
		f.Length = uint32(c.Bytes)
	}
}

// longestWord is the length of an enum's longest value, or of all values of a set.
func longestWord(words string, all bool) int64 {
	longest, sum := 0, 0
	for w := range strings.SplitSeq(words, ",") {
		n := len(strings.Trim(w, "'"))
		longest, sum = max(longest, n), sum+n+1
	}
	if all {
		return int64(sum - 1)
	}
	return int64(longest)
}

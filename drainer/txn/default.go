package txn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
)

// Default is a value for a column that is missing in a row, for sinks that need one: the value
// that rows older than the column have, else the column's default, else NULL, else the type's
// zero (an empty string, the first enum member). Defaults that are computed for each row
// (CURRENT_TIMESTAMP, UUID()) give NULL or zero too. zone is the one of timestamps.
func Default(c *schema.Column, zone *time.Location) (Value, error) {
	def := c.OriginDefault
	if def == nil && !c.DefaultIsExpr {
		def = c.Default
	}
	if def == nil {
		return zero(c)
	}
	text, ok := def.(string)
	if !ok { // a JSON number: old versions
		text = fmt.Sprint(def)
		if f, isFloat := def.(float64); isFloat {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	v, err := parseDefault(c, text, zone)
	if err != nil {
		return Value{}, fmt.Errorf("default %.100q of column `%s`: %w", text, c.Name, err)
	}
	return v, nil
}

// parseDefault reads a default in the form of TiDB's table information: text as MySQL prints
// it, timestamps in UTC, bits as bytes.
func parseDefault(c *schema.Column, text string, zone *time.Location) (Value, error) {
	ft := &c.Type
	switch tp := ft.GetType(); tp {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong, mysql.TypeYear:
		if c.Unsigned() && tp != mysql.TypeYear {
			n, err := strconv.ParseUint(text, 10, 64)
			return uintValue(n), err
		}
		n, err := strconv.ParseInt(text, 10, 64)
		return intValue(n), err
	case mysql.TypeFloat, mysql.TypeDouble:
		f, err := strconv.ParseFloat(text, 64)
		if tp == mysql.TypeFloat {
			return floatValue(Float32, float64(float32(f))), err
		}
		return floatValue(Float64, f), err
	case mysql.TypeEnum, mysql.TypeSet:
		return memberDefault(ft, text)
	case mysql.TypeBit:
		var n uint64
		for _, b := range []byte(text) {
			n = n<<8 | uint64(b)
		}
		return (&decoder{}).numbered(ft, n)
	case mysql.TypeTimestamp:
		return timestampDefault(c, text, zone)
	}
	if isBinary(ft) {
		return Value{Kind: Bytes, Bytes: []byte(text)}, nil
	}
	return textValue([]byte(text)), nil
}

// timestampDefault moves a default from UTC to the zone.
func timestampDefault(c *schema.Column, text string, zone *time.Location) (Value, error) {
	const layout = "2006-01-02 15:04:05"
	t, err := time.ParseInLocation(layout, text, time.UTC)
	if err != nil { // CURRENT_TIMESTAMP, or the zero time, which is in every zone
		if len(text) > 0 && text[0] == '0' {
			return textValue([]byte(text)), nil
		}
		return zero(c)
	}
	out := t.In(zone).AppendFormat(nil, layout)
	return textValue(appendFraction(out, t.Nanosecond()/1000, c.Type.GetDecimal())), nil
}

// memberDefault finds the members of an enum or a set by name.
func memberDefault(ft *types.FieldType, text string) (Value, error) {
	var n uint64
	names := []string{text}
	if ft.GetType() == mysql.TypeSet {
		names = strings.Split(text, ",")
	}
	for _, name := range names {
		if name == "" && ft.GetType() == mysql.TypeSet {
			continue
		}
		i := slices.IndexFunc(ft.GetElems(), func(e string) bool { return strings.EqualFold(e, name) })
		if i < 0 {
			return Value{}, fmt.Errorf("%w: %q is not one of %q", schema.ErrBadJob, name, ft.GetElems())
		}
		if ft.GetType() == mysql.TypeEnum {
			n = uint64(i + 1)
		} else {
			n |= 1 << i
		}
	}
	return (&decoder{}).numbered(ft, n)
}

// zero is NULL, or what TiDB takes for a NOT NULL column without a default.
func zero(c *schema.Column) (Value, error) {
	if !c.NotNull() {
		return Value{Kind: Null}, nil
	}
	d := &decoder{zone: time.UTC}
	ft := &c.Type
	switch ft.GetType() {
	case mysql.TypeEnum:
		return d.numbered(ft, 1)
	case mysql.TypeSet, mysql.TypeBit:
		return d.numbered(ft, 0)
	case mysql.TypeFloat:
		return Value{Kind: Float32}, nil
	case mysql.TypeDouble:
		return Value{Kind: Float64}, nil
	case mysql.TypeNewDecimal:
		b := []byte{'0'}
		if n := ft.GetDecimal(); n > 0 {
			b = append(append(b, '.'), make([]byte, n)...)
			for i := 2; i < len(b); i++ {
				b[i] = '0'
			}
		}
		return textValue(b), nil
	case mysql.TypeDate, mysql.TypeNewDate, mysql.TypeDatetime, mysql.TypeTimestamp:
		err := d.time(ft, 0)
		return textValue(d.scratch), err
	case mysql.TypeDuration:
		b, err := appendDuration(nil, 0, ft.GetDecimal())
		return textValue(b), err
	case mysql.TypeJSON:
		return textValue([]byte("null")), nil
	}
	if isInteger(ft) {
		if c.Unsigned() && ft.GetType() != mysql.TypeYear {
			return uintValue(0), nil
		}
		return intValue(0), nil
	}
	if isBinary(ft) {
		return Value{Kind: Bytes}, nil
	}
	return textValue(nil), nil
}

func isBinary(ft *types.FieldType) bool {
	return (types.IsTypeChar(ft.GetType()) || types.IsTypeBlob(ft.GetType())) && ft.GetCharset() == charset.CharsetBin
}

func isInteger(ft *types.FieldType) bool {
	return mysql.IsIntegerType(ft.GetType()) || ft.GetType() == mysql.TypeYear
}

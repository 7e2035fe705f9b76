package txn

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
)

// columnValue gives a raw value the type of its column. Text that is not in the binlog as it is
// goes into the decoder's scratch memory.
func (d *decoder) columnValue(c *schema.Column, r raw) (Value, error) {
	if r.form == rawNull {
		return Value{Kind: Null}, nil
	}
	ft := &c.Type
	switch tp := ft.GetType(); tp {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong, mysql.TypeYear:
		// An integer handle has no sign flag of its own: the column decides.
		if r.form != rawInt && r.form != rawUint {
			return Value{}, wrongForm(ft, r)
		}
		if c.Unsigned() && tp != mysql.TypeYear {
			return uintValue(r.num), nil
		}
		return intValue(int64(r.num)), nil
	case mysql.TypeFloat, mysql.TypeDouble:
		if r.form != rawFloat {
			return Value{}, wrongForm(ft, r)
		}
		if f := math.Float64frombits(r.num); tp == mysql.TypeFloat {
			return floatValue(Float32, float64(float32(f))), nil
		}
		return Value{Kind: Float64, num: r.num}, nil
	case mysql.TypeVarchar, mysql.TypeString, mysql.TypeVarString,
		mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob:
		if r.form != rawBytes {
			return Value{}, wrongForm(ft, r)
		}
		// TiDB keeps text in UTF-8, whatever the column's character set is.
		if ft.GetCharset() == charset.CharsetBin {
			return Value{Kind: Bytes, Bytes: r.bytes}, nil
		}
		return textValue(r.bytes), nil
	case mysql.TypeEnum, mysql.TypeSet, mysql.TypeBit:
		if r.form != rawUint {
			return Value{}, wrongForm(ft, r)
		}
		return d.numbered(ft, r.num)
	}
	return d.printed(ft, r)
}

// wrongForm is the error for a value that is not of its column's type.
func wrongForm(ft *types.FieldType, r raw) error {
	return corrupt("a column of the type %s has %s", ft.CompactStr(), r.form)
}

// numbered gives the types that are numbers in rows and more than that for clients.
func (d *decoder) numbered(ft *types.FieldType, n uint64) (Value, error) {
	d.room()
	elems := ft.GetElems()
	switch ft.GetType() {
	case mysql.TypeEnum:
		v := Value{Kind: Enum, num: n}
		if n > 0 && n <= uint64(len(elems)) {
			v.Bytes = d.text(elems[n-1])
		}
		return v, nil
	case mysql.TypeSet:
		if len(elems) < 64 && n>>len(elems) != 0 {
			return Value{}, corrupt("a set of %d members has the bits %b", len(elems), n)
		}
		start := len(d.scratch)
		for i, name := range elems {
			if i < 64 && n>>i&1 == 1 {
				if len(d.scratch) > start {
					d.scratch = append(d.scratch, ',')
				}
				d.scratch = append(d.scratch, name...)
			}
		}
		return Value{Kind: Set, num: n, Bytes: d.since(start)}, nil
	}
	size := min(max((ft.GetFlen()+7)/8, 1), 8)
	if size < 8 && n>>(8*size) != 0 {
		return Value{}, corrupt("a column of the type %s has the bits %b", ft.CompactStr(), n)
	}
	start := len(d.scratch)
	d.scratch = binary.BigEndian.AppendUint64(d.scratch, n)
	return Value{Kind: Bit, num: n, Bytes: d.since(start + 8 - size)}, nil
}

// printed gives the types that are text for clients and something else in rows.
func (d *decoder) printed(ft *types.FieldType, r raw) (Value, error) {
	d.room()
	start := len(d.scratch)
	var err error
	switch tp := ft.GetType(); tp {
	case mysql.TypeNewDecimal:
		if r.form != rawDecimal {
			return Value{}, wrongForm(ft, r)
		}
		d.scratch, err = appendDecimal(d.scratch, r.bytes)
	case mysql.TypeDate, mysql.TypeNewDate, mysql.TypeDatetime, mysql.TypeTimestamp:
		if r.form != rawUint {
			return Value{}, wrongForm(ft, r)
		}
		err = d.time(ft, r.num)
	case mysql.TypeDuration:
		if r.form != rawInt && r.form != rawDuration { // the latter in handles
			return Value{}, wrongForm(ft, r)
		}
		d.scratch, err = appendDuration(d.scratch, time.Duration(r.num), ft.GetDecimal())
	case mysql.TypeJSON:
		if r.form != rawJSON {
			return Value{}, wrongForm(ft, r)
		}
		d.scratch, err = appendJSON(d.scratch, r.bytes)
	default:
		err = fmt.Errorf("columns of the type %s (%d) are not replicated", ft.CompactStr(), tp)
	}
	if err != nil {
		return Value{}, err
	}
	return textValue(d.since(start)), nil
}

func (d *decoder) time(ft *types.FieldType, packed uint64) error {
	c, err := unpack(packed)
	if err != nil {
		return err
	}
	if ft.GetType() == mysql.TypeTimestamp {
		if c, err = c.in(d.zone); err != nil {
			return err
		}
	}
	tp := ft.GetType()
	if tp == mysql.TypeNewDate {
		tp = mysql.TypeDate
	}
	d.scratch = c.append(d.scratch, tp, ft.GetDecimal())
	return nil
}

// since is the scratch memory written since a place. Later growth does not move it.
func (d *decoder) since(start int) []byte { return d.scratch[start:len(d.scratch):len(d.scratch)] }

func (d *decoder) text(s string) []byte {
	start := len(d.scratch)
	d.scratch = append(d.scratch, s...)
	return d.since(start)
}

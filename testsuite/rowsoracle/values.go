package main

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/model"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/types"
)

// columnTypes are all types of columns.
var columnTypes = []byte{
	mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong, mysql.TypeYear,
	mysql.TypeFloat, mysql.TypeDouble, mysql.TypeNewDecimal, mysql.TypeBit, mysql.TypeEnum, mysql.TypeSet,
	mysql.TypeDate, mysql.TypeDatetime, mysql.TypeTimestamp, mysql.TypeDuration,
	mysql.TypeString, mysql.TypeVarchar, mysql.TypeTinyBlob, mysql.TypeBlob, mysql.TypeMediumBlob, mysql.TypeLongBlob,
	mysql.TypeJSON,
}

var collations = []string{"binary", "utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8_bin", "latin1_bin", "ascii_bin", "gbk_bin", "gbk_chinese_ci"}

// newTable makes a table with one of the three handles.
func (g *generator) newTable() *model.TableInfo {
	info := &model.TableInfo{ID: 100, Name: model.NewCIStr("t"), State: model.StatePublic}
	kind := g.Intn(3)
	n := 1 + g.Intn(12)
	for i := range n {
		tp := columnTypes[g.Intn(len(columnTypes))]
		if i == 0 && kind == 0 {
			tp = columnTypes[g.Intn(5)]
		}
		c := &model.ColumnInfo{ID: int64(i + 1 + g.Intn(2)*1000), Name: model.NewCIStr(fmt.Sprintf("c%d", i)), Offset: i, State: model.StatePublic, FieldType: g.fieldType(tp)}
		if g.Intn(8) == 0 && tp == mysql.TypeVarchar {
			c.DefaultValue = "def"
		}
		info.Columns = append(info.Columns, c)
	}
	switch {
	case kind == 0:
		info.PKIsHandle = true
		info.Columns[0].AddFlag(mysql.PriKeyFlag | mysql.NotNullFlag)
	case kind == 1:
		g.clustered(info)
	}
	return info
}

// clustered gives a table a clustered key of some of its columns.
func (g *generator) clustered(info *model.TableInfo) {
	idx := &model.IndexInfo{ID: 1, Name: model.NewCIStr("PRIMARY"), Primary: true, Unique: true, State: model.StatePublic}
	for _, i := range g.Perm(len(info.Columns))[:min(len(info.Columns), 1+g.Intn(3))] {
		c := info.Columns[i]
		if c.GetType() == mysql.TypeJSON {
			continue
		}
		ic := &model.IndexColumn{Name: c.Name, Offset: i, Length: types.UnspecifiedLength}
		if types.IsTypeBlob(c.GetType()) || types.IsString(c.GetType()) && g.Intn(3) == 0 {
			ic.Length = 1 + g.Intn(4)
		}
		c.AddFlag(mysql.PriKeyFlag | mysql.NotNullFlag)
		idx.Columns = append(idx.Columns, ic)
	}
	if len(idx.Columns) > 0 {
		info.IsCommonHandle, info.CommonHandleVersion = true, 1
		info.Indices = append(info.Indices, idx)
	}
}

func (g *generator) fieldType(tp byte) types.FieldType {
	ft := *types.NewFieldType(tp)
	ft.SetCharset(charset.CharsetBin)
	ft.SetCollate(charset.CollationBin)
	if g.Intn(3) == 0 {
		ft.AddFlag(mysql.NotNullFlag)
	}
	switch tp {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong, mysql.TypeFloat, mysql.TypeDouble:
		if g.Intn(2) == 0 {
			ft.AddFlag(mysql.UnsignedFlag)
		}
	case mysql.TypeNewDecimal:
		ft.SetFlen(1 + g.Intn(65))
		ft.SetDecimal(g.Intn(min(30, ft.GetFlen()) + 1))
	case mysql.TypeBit:
		ft.SetFlen(1 + g.Intn(64))
	case mysql.TypeDatetime, mysql.TypeTimestamp, mysql.TypeDuration:
		ft.SetDecimal(g.Intn(7))
	case mysql.TypeDate:
		ft.SetDecimal(0)
	case mysql.TypeEnum, mysql.TypeSet:
		ft.SetCharset("utf8mb4")
		ft.SetCollate("utf8mb4_bin")
		elems := make([]string, 1+g.Intn(64))
		for i := range elems {
			elems[i] = fmt.Sprintf("%s%d", []string{"e", "ü ", "中"}[g.Intn(3)], i)
		}
		ft.SetElems(elems)
	}
	if types.IsString(tp) || types.IsTypeBlob(tp) {
		collation := collations[g.Intn(len(collations))]
		ft.SetCollate(collation)
		ft.SetCharset(strings.Split(collation, "_")[0])
		ft.SetFlen(100)
	}
	return ft
}

// values makes a row.
func (g *generator) values() []types.Datum {
	row := make([]types.Datum, len(g.info.Columns))
	for i, c := range g.info.Columns {
		if mysql.HasNotNullFlag(c.GetFlag()) || g.Intn(6) > 0 {
			row[i] = g.value(&c.FieldType)
		}
	}
	return row
}

func (g *generator) value(ft *types.FieldType) (d types.Datum) {
	switch tp := ft.GetType(); tp {
	case mysql.TypeTiny, mysql.TypeShort, mysql.TypeInt24, mysql.TypeLong, mysql.TypeLonglong:
		bits := map[byte]int{mysql.TypeTiny: 8, mysql.TypeShort: 16, mysql.TypeInt24: 24, mysql.TypeLong: 32, mysql.TypeLonglong: 64}[tp]
		n := g.bits(bits)
		if mysql.HasUnsignedFlag(ft.GetFlag()) {
			d.SetUint64(n)
		} else {
			d.SetInt64(int64(n<<(64-bits)) >> (64 - bits))
		}
	case mysql.TypeYear:
		d.SetInt64([]int64{0, 1901, 2155, 1970 + int64(g.Intn(100))}[g.Intn(4)])
	case mysql.TypeFloat:
		d.SetFloat32(float32(g.float(math.MaxFloat32)))
	case mysql.TypeDouble:
		d.SetFloat64(g.float(math.MaxFloat64))
	case mysql.TypeNewDecimal:
		d.SetMysqlDecimal(g.decimal(ft))
		d.SetLength(ft.GetFlen())
		d.SetFrac(ft.GetDecimal())
	case mysql.TypeBit:
		d.SetMysqlBit(types.NewBinaryLiteralFromUint(g.bits(ft.GetFlen()), (ft.GetFlen()+7)/8))
	case mysql.TypeEnum:
		if n := uint64(g.Intn(len(ft.GetElems()) + 1)); n > 0 {
			e, _ := types.ParseEnumValue(ft.GetElems(), n)
			d.SetMysqlEnum(e, ft.GetCollate())
		} else {
			d.SetMysqlEnum(types.Enum{}, ft.GetCollate())
		}
	case mysql.TypeSet:
		s, _ := types.ParseSetValue(ft.GetElems(), g.bits(len(ft.GetElems())))
		d.SetMysqlSet(s, ft.GetCollate())
	case mysql.TypeDate, mysql.TypeDatetime, mysql.TypeTimestamp:
		d.SetMysqlTime(g.time(tp, ft.GetDecimal()))
	case mysql.TypeDuration:
		unit := int64(time.Second) / int64(math.Pow10(ft.GetDecimal()))
		limit := (839*3600 - 1) * int64(time.Second) / unit
		d.SetMysqlDuration(types.Duration{Duration: time.Duration((g.Int63n(2*limit) - limit) * unit), Fsp: ft.GetDecimal()})
	case mysql.TypeJSON:
		d.SetMysqlJSON(types.CreateBinaryJSON(g.document(0)))
	default:
		if ft.GetCharset() == charset.CharsetBin {
			b := make([]byte, g.Intn(40))
			g.Read(b)
			d.SetBytes(b)
		} else if text := g.text(); tp == mysql.TypeString {
			d.SetString(strings.TrimRight(text, " "), ft.GetCollate()) // as TiDB stores CHAR
		} else {
			d.SetString(text, ft.GetCollate())
		}
	}
	return d
}

// bits is a number of at most n bits, often one at the edge.
func (g *generator) bits(n int) uint64 {
	all := uint64(math.MaxUint64) >> (64 - n)
	switch g.Intn(8) {
	case 0:
		return 0
	case 1:
		return all
	case 2:
		return all >> 1
	case 3:
		return all>>1 + 1
	case 4:
		return uint64(g.Intn(300)) & all
	}
	return g.Uint64() & all
}

func (g *generator) float(limit float64) float64 {
	switch g.Intn(5) {
	case 0:
		return 0
	case 1:
		return limit
	case 2:
		return float64(g.Intn(100000)) / 100
	case 3:
		return g.NormFloat64() * 1e-20
	}
	return g.NormFloat64() * math.Pow10(g.Intn(36))
}

func (g *generator) decimal(ft *types.FieldType) *types.MyDecimal {
	var b strings.Builder
	if g.Intn(2) == 0 {
		b.WriteByte('-')
	}
	whole, frac := ft.GetFlen()-ft.GetDecimal(), ft.GetDecimal()
	digits := func(n int) {
		style := g.Intn(4)
		for range n {
			switch style {
			case 0:
				b.WriteByte('0')
			case 1:
				b.WriteByte('9')
			default:
				b.WriteByte(byte('0' + g.Intn(10)))
			}
		}
	}
	b.WriteByte('0')
	if whole > 0 {
		digits(g.Intn(whole + 1))
	}
	if frac > 0 {
		b.WriteByte('.')
		digits(frac)
	}
	d := new(types.MyDecimal)
	if err := d.FromString([]byte(b.String())); err != nil {
		panic(fmt.Sprint(b.String(), err))
	}
	to := new(types.MyDecimal)
	if err := d.Round(to, frac, types.ModeHalfUp); err != nil {
		panic(fmt.Sprint(b.String(), err))
	}
	return to
}

// time is a time that the zone has: what one skips at the beginning of summer no client can write.
func (g *generator) time(tp byte, fsp int) types.Time {
	micro := 0
	if fsp > 0 {
		micro = g.Intn(int(math.Pow10(fsp))) * int(math.Pow10(6-fsp))
	}
	if tp == mysql.TypeTimestamp {
		if g.Intn(8) == 0 {
			return types.NewTime(types.ZeroCoreTime, tp, fsp)
		}
		t := time.Unix(1+g.Int63n(math.MaxInt32), 0).In(g.zone)
		return types.NewTime(types.FromDate(t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), micro), tp, fsp)
	}
	if g.Intn(8) == 0 {
		return types.NewTime(types.ZeroCoreTime, tp, fsp)
	}
	y, m, d := g.Intn(10000), g.Intn(13), g.Intn(29)
	if tp == mysql.TypeDate {
		return types.NewTime(types.FromDate(y, m, d, 0, 0, 0, 0), tp, 0)
	}
	return types.NewTime(types.FromDate(y, m, d, g.Intn(24), g.Intn(60), g.Intn(60), micro), tp, fsp)
}

func (g *generator) text() string {
	const letters = "aZ 09'\"\\\n\t\r\x00\x1f\x7f<&>üß中🦆\u2028\u2029é"
	runes := []rune(letters)
	var b strings.Builder
	for range g.Intn(12) {
		b.WriteRune(runes[g.Intn(len(runes))])
	}
	if g.Intn(50) == 0 {
		return strings.Repeat(b.String(), 50)
	}
	return b.String()
}

// document is a JSON document in the form CreateBinaryJSON takes.
func (g *generator) document(depth int) any {
	kinds := 12
	if depth > 3 {
		kinds = 10
	}
	switch g.Intn(kinds) {
	case 0:
		return nil
	case 1:
		return g.Intn(2) == 0
	case 2:
		return int64(g.bits(64))
	case 3:
		return g.bits(64)
	case 4:
		return g.float(math.MaxFloat64)
	case 5:
		return types.Opaque{TypeCode: mysql.TypeVarString, Buf: []byte(g.text())}
	case 6:
		tp := []byte{mysql.TypeDate, mysql.TypeDatetime, mysql.TypeTimestamp}[g.Intn(3)]
		return g.time(tp, 6)
	case 7:
		return types.Duration{Duration: time.Duration(g.Int63n(1<<40)-1<<39) * time.Microsecond, Fsp: 6}
	case 8, 9:
		return g.text()
	case 10:
		list := make([]any, g.Intn(5))
		for i := range list {
			list[i] = g.document(depth + 1)
		}
		return list
	}
	m := make(map[string]any)
	for range g.Intn(5) {
		m[g.text()] = g.document(depth + 1)
	}
	return m
}

// printed is a value in TiDB's own text, bytes in hex.
func printed(ft *types.FieldType, d types.Datum) (*string, error) {
	var s string
	var err error
	switch d.Kind() {
	case types.KindNull:
		return nil, nil
	case types.KindFloat32:
		s = strconv.FormatFloat(float64(d.GetFloat32()), 'g', -1, 32)
	case types.KindFloat64:
		s = strconv.FormatFloat(d.GetFloat64(), 'g', -1, 64)
	case types.KindMysqlBit, types.KindBinaryLiteral:
		s = hex.EncodeToString(d.GetBinaryLiteral())
	case types.KindString, types.KindBytes:
		if s = string(d.GetBytes()); ft.GetCharset() == charset.CharsetBin {
			s = hex.EncodeToString(d.GetBytes())
		}
	default:
		s, err = d.ToString()
	}
	return &s, err
}

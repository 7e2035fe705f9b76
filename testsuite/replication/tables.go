package replication

import (
	"fmt"
	"math"
	"strings"
)

// table is what clients write to by themselves: whatever happens, its columns are there.
type table struct {
	db, name string
	columns  []column
	rest     string // keys and options, from the first comma on
	options  string // after the closing bracket
}

// column is one of a table. Without a source nobody writes it: it is generated, or a
// number of its own.
type column struct {
	name, def string
	value     source
}

func (t *table) path() string { return quote(t.db) + "." + quote(t.name) }

func (t *table) create() string {
	var defs []string
	for _, c := range t.columns {
		defs = append(defs, quote(c.name)+" "+c.def)
	}
	return fmt.Sprintf("create table %s (%s%s) %s", t.path(), strings.Join(defs, ", "), t.rest, t.options)
}

// written are the columns that clients write.
func (t *table) written() []column {
	var all []column
	for _, c := range t.columns {
		if c.value != nil {
			all = append(all, c)
		}
	}
	return all
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// nullable makes a column of a type that takes NULL, named after its type.
func nullable(def string, value source) column {
	name := strings.NewReplacer("(", "_", ")", "", ",", "_", " ", "_", "'", "").Replace(def)
	return column{name[:min(len(name), 40)], def + " null", value.or(8)}
}

const (
	bin = " character set utf8mb4 collate utf8mb4_bin"
	ci  = " character set utf8mb4 collate utf8mb4_general_ci"
)

// typeTables have every type.
func typeTables() []*table {
	numbers := &table{db: "types", name: "numbers", columns: []column{
		{"id", "int not null auto_increment primary key", nil},
		nullable("boolean", oneOf("true", "false", "7")),
		nullable("tinyint", integer(math.MinInt8, math.MaxInt8)),
		nullable("tinyint unsigned", integer(0, math.MaxUint8)),
		nullable("smallint", integer(math.MinInt16, math.MaxInt16)),
		nullable("smallint unsigned", integer(0, math.MaxUint16)),
		nullable("mediumint", integer(-1<<23, 1<<23-1)),
		nullable("mediumint unsigned", integer(0, 1<<24-1)),
		nullable("int", integer(math.MinInt32, math.MaxInt32)),
		nullable("int unsigned", integer(0, math.MaxUint32)),
		nullable("int(8) unsigned zerofill", integer(0, math.MaxUint32)),
		nullable("bigint", integer(math.MinInt64, math.MaxInt64)),
		nullable("bigint unsigned", integer(0, math.MaxUint64)),
		nullable("decimal(65,30)", decimal(65, 30, false)),
		nullable("decimal(10,0)", decimal(10, 0, false)),
		nullable("decimal(20,5) unsigned", decimal(20, 5, true)),
		nullable("decimal(30,30)", decimal(30, 30, false)),
		nullable("decimal(18,9)", decimal(18, 9, false)),
		nullable("float", single),
		nullable("double", double),
		nullable("float(10,3)", fixed(9999, 3)),
		nullable("double(20,6)", fixed(1e12, 6)),
		nullable("bit(1)", bits(1)), nullable("bit(8)", bits(8)), nullable("bit(17)", bits(17)), nullable("bit(64)", bits(64)),
		nullable("year", oneOf("1901", "2155", "2024", "0", "70")),
	}}
	strs := &table{db: "types", name: "strings", columns: []column{
		{"id", "bigint unsigned not null primary key", huge(300)},
		nullable("char(20)"+bin, text(unicod, 20)),
		nullable("varchar(100)"+bin, text(unicod, 100)),
		nullable("varchar(90)"+ci, text(unicod, 90)),
		nullable("varchar(30)", text(unicod, 30)),
		nullable("char(30) character set latin1", text(latin, 30)),
		nullable("varchar(60) character set ascii", text(ascii, 60)),
		nullable("varchar(70) character set gbk", text(gbk, 70)),
		nullable("char(1)", text(unicod, 1)),
		nullable("binary(16)", bytesOf(16)),
		nullable("binary(1)", bytesOf(1)),
		nullable("varbinary(200)", bytesOf(200)),
		nullable("varchar(50) character set binary", bytesOf(50)),
		nullable("tinyblob", bytesOf(255)), nullable("blob", bytesOf(3000)),
		nullable("mediumblob", bytesOf(5000)), nullable("longblob", bytesOf(100)),
		nullable("tinytext"+bin, text(unicod, 60)), nullable("text"+bin, text(unicod, 1000)),
		nullable("mediumtext"+bin, text(unicod, 100)), nullable("longtext"+bin, text(unicod, 50)),
		nullable("text character set latin1", text(latin, 300)),
		nullable("text character set gbk", text(gbk, 300)),
		nullable("enum('a','b','','quo''te','中','z')"+bin, oneOf("'a'", "'b'", "''", "'quo''te'", "'中'", "6")),
		nullable("set('a','b','quo''te','中')"+bin, oneOf("''", "'a'", "'a,中'", "'b,quo''te'", "15")),
		nullable(set64(), oneOf("''", "'m0'", "'m63'", "'m0,m31,m32,m63'", "18446744073709551615", "9223372036854775808")),
		nullable("json", jsonValue),
	}}
	times := &table{db: "types", name: "times", columns: []column{
		{"id", "varchar(40)" + ci + " not null", word(20)},
		nullable("date", date),
		nullable("year", oneOf("1901", "2155", "0")),
		{"changed", "timestamp(2) not null default current_timestamp(2) on update current_timestamp(2)", nil},
	}, rest: ", primary key (id) /*T![clustered_index] CLUSTERED */"}
	for fsp := range 7 {
		times.columns = append(times.columns,
			nullable(fmt.Sprintf("datetime(%d)", fsp), datetime(fsp)),
			nullable(fmt.Sprintf("timestamp(%d)", fsp), timestamp(fsp)),
			nullable(fmt.Sprintf("time(%d)", fsp), clock(fsp)))
	}
	generated := &table{db: "types", name: "generated", columns: []column{
		{"first", "int generated always as (a + b) virtual", nil},
		{"a", "int not null", key(1000)},
		{"stored", "bigint as (a * 10 + 1) stored", nil},
		{"b", "int null", key(1000).or(5)},
		{"c", "varchar(20)" + bin + " null", word(1000).or(5)},
		{"up", "varchar(30)" + bin + " as (upper(c)) virtual", nil},
		{"joined", "varchar(60)" + bin + " as (concat(c, '-', a)) stored", nil},
		{"id", "int not null", key(300)},
		{"last", "int as (b - a) stored", nil},
	}, rest: ", unique key u (id), key k (`stored`), key j (joined)"}
	return []*table{numbers, strs, times, generated}
}

func set64() string {
	var members []string
	for i := range 64 {
		members = append(members, fmt.Sprintf("'m%d'", i))
	}
	return "set(" + strings.Join(members, ",") + ")" + bin
}

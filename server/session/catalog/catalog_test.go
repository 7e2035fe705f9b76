package catalog

import (
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// checkRowSize: a dump of the table can be loaded. MySQL and MariaDB refuse a table whose
// rows can have more than 65,535 bytes, with error 1118.
func checkRowSize(t *testing.T, table *Table) {
	t.Helper()
	const limit, other = 65535, 16 // the length of a text, or a number, date or decimal
	size := 0
	for _, c := range table.Columns {
		size += max(0, int(c.Bytes)) + other
	}
	if size > limit {
		t.Errorf("a row of %s may have %d bytes, more than %d", table.Name, size, limit)
	}
}

// TestTables: the description is whole, and what clients look for first is there.
func TestTables(t *testing.T) {
	for _, want := range []string{"binlog.pumps", "binlog.drainers", "binlog.positions", "binlog.events",
		"information_schema.SCHEMATA", "information_schema.tables", "information_schema.Columns", "mysql.user", "performance_schema.threads"} {
		schema, name, _ := strings.Cut(want, ".")
		if Find(schema, name) == nil {
			t.Errorf("no %s", want)
		}
	}
	for _, schema := range Schemas() {
		names := map[string]bool{}
		for _, table := range Tables(schema) {
			if lower := strings.ToLower(table.Name); names[lower] {
				t.Errorf("%s.%s is there twice", schema, table.Name)
			} else {
				names[lower] = true
			}
			columns := map[string]bool{}
			for i, c := range table.Columns {
				if columns[strings.ToLower(c.Name)] {
					t.Errorf("%s.%s.%s is there twice", schema, table.Name, c.Name)
				}
				columns[strings.ToLower(c.Name)] = true
				f := table.Fields[i]
				if f.Name != c.Name || (f.Flags&uint16(mysql.NotNullFlag) == 0) != c.Nullable {
					t.Errorf("%s.%s.%s: %+v does not fit %+v", schema, table.Name, c.Name, f, c)
				}
				if c.Key && c.Nullable {
					t.Errorf("%s.%s.%s: a key that may be NULL", schema, table.Name, c.Name)
				}
			}
			if schema == Binlog {
				checkRowSize(t, table)
			}
			if schema == Binlog && (table.Comment == "" || len(table.Key()) == 0) {
				t.Errorf("%s has no comment or no key", table.Name)
			}
		}
		if len(names) == 0 {
			t.Errorf("no tables in %s", schema)
		}
	}
	if Find("nosuch", "pumps") != nil || Find(Binlog, "nosuch") != nil || Schema("nosuch") != "" {
		t.Error("what does not exist was found")
	}
}

// TestColumnTypes: what follows from a type, as MySQL 8.0 shows it.
func TestColumnTypes(t *testing.T) {
	tables, err := parse("x.t\n a: bigint unsigned\n b: varchar(10)? key\n c: decimal(20,3) = 5\n d: datetime(3)?\n" +
		" e: enum('a','bcd')\n f: longtext bin\n g: binary(0)?\n h: tinyint(1) -- a note\n i: json?\n")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		data                    string
		chars, bytes            int64
		precision, scale, digit int
		wire                    uint8
		length                  uint32
	}{
		{"bigint", -1, -1, 20, 0, -1, mysql.TypeLonglong, 20},
		{"varchar", 10, 40, -1, -1, -1, mysql.TypeVarString, 40},
		{"decimal", -1, -1, 20, 3, -1, mysql.TypeNewDecimal, 22},
		{"datetime", -1, -1, -1, -1, 3, mysql.TypeDatetime, 23},
		{"enum", 3, 12, -1, -1, -1, mysql.TypeString, 12},
		{"longtext", 1<<32 - 1, 1<<32 - 1, -1, -1, -1, mysql.TypeLongBlob, 1<<32 - 1},
		{"binary", 0, 0, -1, -1, -1, mysql.TypeString, 0},
		{"tinyint", -1, -1, 3, 0, -1, mysql.TypeTiny, 1},
		{"json", -1, -1, -1, -1, -1, mysql.TypeLongBlob, 1<<32 - 1},
	} {
		c, f := tables[0].Columns[i], tables[0].Fields[i]
		if c.DataType != want.data || c.Chars != want.chars || c.Bytes != want.bytes || c.Precision != want.precision ||
			c.Scale != want.scale || c.TimeDigits != want.digit || f.Type != want.wire || f.Length != want.length {
			t.Errorf("%s: %+v, %+v", c.Name, c, f)
		}
	}
	if c := tables[0].Columns[2]; c.Default == nil || *c.Default != "5" {
		t.Errorf("default of c: %v", c.Default)
	}
	if c := tables[0].Columns[7]; c.Comment != "a note" {
		t.Errorf("comment of h: %q", c.Comment)
	}
	for _, bad := range []string{" a: int\n", "t\n", "x.t\n a\n", "x.t\n a: blurb\n", "x.t\n a: INT\n"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

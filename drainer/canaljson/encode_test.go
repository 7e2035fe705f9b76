package canaljson

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/sinktest"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
)

var update = flag.Bool("update", false, "write the golden files anew")

// encoder is one whose clock stands still.
func encoder(extension bool, ts int64) *Encoder {
	e := NewEncoder(time.UTC, extension)
	e.now = func() time.Time { return time.UnixMilli(ts) }
	return e
}

// wantJSON checks that a message has the fields of want, with their values, and no others.
func wantJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	if g, w := fields(t, got), fields(t, []byte(want)); !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// fields is a message; numbers stay what they are.
func fields(t *testing.T, message []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(message)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%s: %v", message, err)
	}
	return m
}

// at is a commit TS of a time in milliseconds.
func at(millis int64) nodes.TSO { return nodes.TSO(millis << 18) }

// tpInt is the table of TiCDC's examples.
func tpInt() *schema.Table {
	t := &schema.Table{ID: 1, Schema: "test", Name: "tp_int", Columns: []schema.Column{
		sinktest.Column("id", mysql.TypeLong, mysql.NotNullFlag|mysql.PriKeyFlag),
		sinktest.Column("c_tinyint", mysql.TypeTiny, 0),
		sinktest.Column("c_smallint", mysql.TypeShort, 0),
		sinktest.Column("c_mediumint", mysql.TypeInt24, 0),
		sinktest.Column("c_int", mysql.TypeLong, 0),
		sinktest.Column("c_bigint", mysql.TypeLonglong, 0),
	}}
	t.Keys = []schema.Key{{Name: "PRIMARY", Primary: true, Columns: []int{0}}}
	return t
}

// row is one of these texts.
func row(t *schema.Table, values ...string) (r txn.Row) {
	for i, text := range values {
		r = append(r, sinktest.Value(t.Columns[i], text))
	}
	return r
}

// TestDocumented: the examples that TiCDC documents for its format, field by field.
func TestDocumented(t *testing.T) {
	const commitTS = 429918007904436226
	table := tpInt()
	first := row(table, "2", "127", "32767", "8388607", "2147483647", "9223372036854775807")
	second := row(table, "2", "0", "32767", "8388607", "0", "9223372036854775807")
	const head = `{"id":0,"database":"test","table":"tp_int","pkNames":["id"],"isDdl":false,"es":1640007049196,"ts":1640007050284,"sql":"",
		"sqlType":{"c_bigint":-5,"c_int":4,"c_mediumint":4,"c_smallint":5,"c_tinyint":-6,"id":4},
		"mysqlType":{"c_bigint":"bigint","c_int":"int","c_mediumint":"mediumint","c_smallint":"smallint","c_tinyint":"tinyint","id":"int"},`
	const firstRow = `[{"c_bigint":"9223372036854775807","c_int":"2147483647","c_mediumint":"8388607","c_smallint":"32767","c_tinyint":"127","id":"2"}]`
	const secondRow = `[{"c_bigint":"9223372036854775807","c_int":"0","c_mediumint":"8388607","c_smallint":"32767","c_tinyint":"0","id":"2"}]`
	for name, c := range map[string]struct {
		change *txn.Change
		want   string
	}{
		"insert": {&txn.Change{Table: table, Op: txn.Insert, New: first}, `"type":"INSERT","data":` + firstRow + `,"old":null`},
		"update": {&txn.Change{Table: table, Op: txn.Update, Old: first, New: second}, `"type":"UPDATE","data":` + secondRow + `,"old":` + firstRow},
		"delete": {&txn.Change{Table: table, Op: txn.Delete, Old: second}, `"type":"DELETE","data":` + secondRow + `,"old":null`},
	} {
		t.Run(name, func(t *testing.T) {
			for extension, tail := range map[bool]string{false: "}", true: `,"_tidb":{"commitTs":429918007904436226}}`} {
				e := encoder(extension, 1640007050284)
				got, err := e.Row(commitTS, c.change)
				if err != nil {
					t.Fatal(err)
				}
				wantJSON(t, got, head+c.want+tail)
			}
		})
	}
	ddl := &sink.Txn{CommitTS: commitTS, Query: "drop database if exists test", DDL: &schema.DDL{Schema: "test", Job: &schema.Job{Type: schema.ActionDropSchema}}}
	const ddlWant = `{"id":0,"database":"test","table":"","pkNames":null,"isDdl":true,"type":"QUERY","es":1640007049196,"ts":1639633095489,
		"sql":"drop database if exists test","sqlType":null,"mysqlType":null,"data":null,"old":null`
	wantJSON(t, encoder(false, 1639633095489).DDL(ddl), ddlWant+"}")
	wantJSON(t, encoder(true, 1639633095489).DDL(ddl), ddlWant+`,"_tidb":{"commitTs":429918007904436226}}`)
	wantJSON(t, encoder(true, 1640007050284).Watermark(commitTS), `{"id":0,"database":"","table":"","pkNames":null,"isDdl":false,
		"type":"TIDB_WATERMARK","es":1640007049196,"ts":1640007050284,"sql":"","sqlType":null,"mysqlType":null,"data":null,"old":null,
		"_tidb":{"watermarkTs":429918007904436226}}`)
}

// columnOf is a column of a type with a length and a charset, as TiDB's jobs have them.
func columnOf(name string, tp byte, flags uint, length, decimals int, cs string) schema.Column {
	c := sinktest.Column(name, tp, flags)
	c.Type.SetFlen(length)
	c.Type.SetDecimal(decimals)
	if cs != "" {
		c.Type.SetCharset(cs)
	}
	return c
}

// TestValues: the text, the java.sql.Types and the MySQL type of each kind of value, as TiCDC's tables of types have them.
func TestValues(t *testing.T) {
	const bin = charset.CharsetBin
	enum, set := columnOf("c", mysql.TypeEnum, 0, 1, 0, ""), columnOf("c", mysql.TypeSet, 0, 1, 0, "")
	enum.Type.SetElems([]string{"a", "b", "c"})
	set.Type.SetElems([]string{"a", "b", "c"})
	const unsigned = mysql.UnsignedFlag
	integer := func(tp byte, flags uint) schema.Column { return sinktest.Column("c", tp, flags) }
	for name, c := range map[string]struct {
		column schema.Column
		value  string // in the form of TiDB's defaults
		want   string // JSON
		sql    int
		mysql  string
	}{
		"tinyint":                   {integer(mysql.TypeTiny, 0), "-128", `"-128"`, -6, "tinyint"},
		"tinyint unsigned":          {integer(mysql.TypeTiny, unsigned), "127", `"127"`, -6, "tinyint unsigned"},
		"tinyint unsigned, large":   {integer(mysql.TypeTiny, unsigned), "128", `"128"`, 5, "tinyint unsigned"},
		"smallint":                  {integer(mysql.TypeShort, 0), "-32768", `"-32768"`, 5, "smallint"},
		"smallint unsigned":         {integer(mysql.TypeShort, unsigned), "32767", `"32767"`, 5, "smallint unsigned"},
		"smallint unsigned, large":  {integer(mysql.TypeShort, unsigned), "32768", `"32768"`, 4, "smallint unsigned"},
		"mediumint":                 {integer(mysql.TypeInt24, 0), "-8388608", `"-8388608"`, 4, "mediumint"},
		"mediumint unsigned":        {integer(mysql.TypeInt24, unsigned), "8388607", `"8388607"`, 4, "mediumint unsigned"},
		"mediumint unsigned, large": {integer(mysql.TypeInt24, unsigned), "16777215", `"16777215"`, 4, "mediumint unsigned"},
		"int":                       {integer(mysql.TypeLong, 0), "-2147483648", `"-2147483648"`, 4, "int"},
		"int unsigned":              {integer(mysql.TypeLong, unsigned), "2147483647", `"2147483647"`, 4, "int unsigned"},
		"int unsigned, large":       {integer(mysql.TypeLong, unsigned), "2147483648", `"2147483648"`, -5, "int unsigned"},
		"int zerofill":              {integer(mysql.TypeLong, unsigned|mysql.ZerofillFlag), "7", `"7"`, 4, "int unsigned zerofill"},
		"bigint":                    {integer(mysql.TypeLonglong, 0), "-9223372036854775808", `"-9223372036854775808"`, -5, "bigint"},
		"bigint unsigned":           {integer(mysql.TypeLonglong, unsigned), "9223372036854775807", `"9223372036854775807"`, -5, "bigint unsigned"},
		"bigint unsigned, large":    {integer(mysql.TypeLonglong, unsigned), "18446744073709551615", `"18446744073709551615"`, 3, "bigint unsigned"},
		"float":                     {integer(mysql.TypeFloat, 0), "153.123", `"153.123"`, 7, "float"},
		"float, small":              {integer(mysql.TypeFloat, 0), "1e-7", `"0.0000001"`, 7, "float"},
		"double":                    {integer(mysql.TypeDouble, 0), "153.123", `"153.123"`, 8, "double"},
		"double, large":             {integer(mysql.TypeDouble, unsigned), "1e21", `"1000000000000000000000"`, 8, "double unsigned"},
		"decimal":                   {columnOf("c", mysql.TypeNewDecimal, 0, 10, 4, ""), "123.4560", `"123.4560"`, 3, "decimal"},
		"char":                      {columnOf("c", mysql.TypeString, 0, 16, 0, ""), "abc", `"abc"`, 1, "char"},
		"varchar":                   {columnOf("c", mysql.TypeVarchar, 0, 16, 0, ""), "天地 <a href=\"b\">&\\\n", `"天地 \u003ca href=\"b\"\u003e\u0026\\\n"`, 12, "varchar"},
		"varchar, not UTF-8":        {columnOf("c", mysql.TypeVarchar, 0, 16, 0, ""), "a\xffb", `"a\ufffdb"`, 12, "varchar"},
		"binary":                    {columnOf("c", mysql.TypeString, 0, 4, 0, bin), "abc\x00", `"abc\u0000"`, 2004, "binary"},
		"varbinary":                 {columnOf("c", mysql.TypeVarchar, 0, 16, 0, bin), "\x05\x07\x0a\x0f\x24\x32\x2b\x63\x78\x3c\x26\xff\xfe\x2d\x37\x46", `"\u0005\u0007\n\u000f$2+cx\u003c\u0026ÿþ-7F"`, 2004, "varbinary"},
		"varbinary, control":        {columnOf("c", mysql.TypeVarchar, 0, 16, 0, bin), "\x1f\x7f\x80\x9f\xa0", "\"\\u001f\u007f\u0080\u009f\u00a0\"", 2004, "varbinary"},
		"tinytext":                  {columnOf("c", mysql.TypeTinyBlob, 0, 255, 0, ""), "x", `"x"`, 2005, "tinytext"},
		"text":                      {columnOf("c", mysql.TypeBlob, 0, 65535, 0, ""), "x\u2028", `"x\u2028"`, 2005, "text"},
		"mediumtext":                {columnOf("c", mysql.TypeMediumBlob, 0, 1, 0, ""), "x", `"x"`, 2005, "mediumtext"},
		"longtext":                  {columnOf("c", mysql.TypeLongBlob, 0, 1, 0, ""), "x", `"x"`, 2005, "longtext"},
		"tinyblob":                  {columnOf("c", mysql.TypeTinyBlob, 0, 255, 0, bin), "\x89PNG", `"` + "\u0089PNG" + `"`, 2004, "tinyblob"},
		"blob":                      {columnOf("c", mysql.TypeBlob, 0, 65535, 0, bin), "x", `"x"`, 2004, "blob"},
		"mediumblob":                {columnOf("c", mysql.TypeMediumBlob, 0, 1, 0, bin), "x", `"x"`, 2004, "mediumblob"},
		"longblob":                  {columnOf("c", mysql.TypeLongBlob, 0, 1, 0, bin), "x", `"x"`, 2004, "longblob"},
		"date":                      {integer(mysql.TypeDate, 0), "2020-02-20", `"2020-02-20"`, 91, "date"},
		"datetime":                  {columnOf("c", mysql.TypeDatetime, 0, 26, 6, ""), "2020-02-20 02:20:20.123456", `"2020-02-20 02:20:20.123456"`, 93, "datetime"},
		"timestamp":                 {columnOf("c", mysql.TypeTimestamp, 0, 19, 0, ""), "2020-02-20 10:20:20", `"2020-02-20 10:20:20"`, 93, "timestamp"},
		"time":                      {columnOf("c", mysql.TypeDuration, 0, 10, 0, ""), "02:20:20", `"02:20:20"`, 92, "time"},
		"year":                      {integer(mysql.TypeYear, unsigned|mysql.ZerofillFlag), "2020", `"2020"`, 12, "year"},
		"enum":                      {enum, "b", `"2"`, 4, "enum"},
		"set":                       {set, "a,b", `"3"`, -7, "set"},
		"bit":                       {columnOf("c", mysql.TypeBit, unsigned, 64, 0, ""), "\x00\x00\x00\x00\x00\x00\x00\x41", `"65"`, -7, "bit"},
		"json":                      {columnOf("c", mysql.TypeJSON, 0, 1, 0, bin), "", "", 12, "json"},
	} {
		t.Run(name, func(t *testing.T) {
			table := &schema.Table{Schema: "test", Name: "t", Columns: []schema.Column{c.column}}
			var v txn.Value
			if c.column.Type.GetType() == mysql.TypeJSON {
				v, c.want = txn.TextOf([]byte(`{"key1": "value1"}`)), `"{\"key1\": \"value1\"}"`
			} else {
				v = sinktest.Value(c.column, c.value)
			}
			message, err := encoder(false, 0).Row(1, &txn.Change{Table: table, Op: txn.Insert, New: txn.Row{v}})
			if err != nil {
				t.Fatal(err)
			}
			var m struct {
				SQLType   map[string]int
				MySQLType map[string]string
				Data      []map[string]json.RawMessage
			}
			if err := json.Unmarshal(message, &m); err != nil {
				t.Fatal(err)
			}
			if got := string(m.Data[0]["c"]); got != c.want || m.SQLType["c"] != c.sql || m.MySQLType["c"] != c.mysql {
				t.Errorf("%s, sqlType %d, mysqlType %s; want %s, %d, %s", got, m.SQLType["c"], m.MySQLType["c"], c.want, c.sql, c.mysql)
			}
			null, err := encoder(false, 0).Row(1, &txn.Change{Table: table, Op: txn.Delete, Old: txn.Row{sinktest.Null()}})
			if err != nil {
				t.Fatal(err)
			}
			base := c.sql
			if strings.HasSuffix(name, ", large") && !strings.HasPrefix(name, "mediumint") && !strings.HasPrefix(name, "double") {
				base = map[int]int{5: -6, 4: 5, -5: 4, 3: -5}[c.sql]
			}
			if err := json.Unmarshal(null, &m); err != nil || string(m.Data[0]["c"]) != "null" || m.SQLType["c"] != base {
				t.Errorf("NULL: %s, %v; want sqlType %d", null, err, base)
			}
		})
	}
}

// TestColumns: virtual columns are not in messages, a value that the binlog does not tell is the default.
func TestColumns(t *testing.T) {
	table := tpInt()
	table.Columns[1].OriginDefault = "7"
	table.Columns[2].Generated = true
	table.Columns[3].Generated, table.Columns[3].Stored = true, true
	table.Columns[4].Public = false
	r := row(table, "1", "2", "3", "4", "5", "6")
	r[1], r[2], r[4] = txn.Value{}, txn.Value{}, txn.Value{}
	table.Keys = nil
	got, err := encoder(false, 0).Row(0, &txn.Change{Table: table, Op: txn.Insert, New: r})
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, got, `{"id":0,"database":"test","table":"tp_int","pkNames":null,"isDdl":false,"type":"INSERT","es":0,"ts":0,"sql":"",
		"sqlType":{"id":4,"c_tinyint":-6,"c_mediumint":4,"c_bigint":-5},
		"mysqlType":{"id":"int","c_tinyint":"tinyint","c_mediumint":"mediumint","c_bigint":"bigint"},
		"data":[{"id":"1","c_tinyint":"7","c_mediumint":"4","c_bigint":"6"}],"old":null}`)
	table = tpInt()
	table.Columns[1].OriginDefault = "seven"
	if _, err := encoder(false, 0).Row(0, &txn.Change{Table: table, Op: txn.Insert, New: r}); err == nil || !strings.Contains(err.Error(), "`test`.`tp_int`") {
		t.Errorf("a default that makes no sense: %v", err)
	}
}

// TestKeyOnly: a row that is too large has its key, and says so.
func TestKeyOnly(t *testing.T) {
	table := tpInt()
	c := &txn.Change{Table: table, Op: txn.Delete, Old: row(table, "2", "0", "1", "2", "3", "4")}
	got, err := encoder(true, 0).KeyOnly(at(1), c)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, got, `{"id":0,"database":"test","table":"tp_int","pkNames":["id"],"isDdl":false,"type":"DELETE","es":1,"ts":0,"sql":"",
		"sqlType":{"id":4},"mysqlType":{"id":"int"},"data":[{"id":"2"}],"old":null,"_tidb":{"commitTs":262144,"onlyHandleKey":true}}`)
	table.Keys = []schema.Key{{Name: "u", Columns: []int{1}}}
	if _, err := encoder(true, 0).KeyOnly(at(1), c); err == nil || !strings.Contains(err.Error(), "`test`.`tp_int` has no primary key") {
		t.Errorf("without a key: %v", err)
	}
}

// TestSplit: an update of what identifies a row is a deletion and an insertion; each goes where all changes of its row go.
func TestSplit(t *testing.T) {
	table := tpInt()
	table.Columns[1].Type.AddFlag(mysql.NotNullFlag)
	table.Keys = append(table.Keys,
		schema.Key{Name: "not null", Columns: []int{1}}, schema.Key{Name: "null", Columns: []int{2}}, schema.Key{Name: "prefix", Columns: []int{1}, Prefix: true})
	old := row(table, "1", "1", "1", "1", "1", "1")
	for name, c := range map[string]struct {
		new  txn.Row
		want bool
	}{
		"primary key":             {row(table, "2", "1", "1", "1", "1", "1"), true},
		"unique key":              {row(table, "1", "2", "1", "1", "1", "1"), true},
		"unique key, may be NULL": {row(table, "1", "1", "2", "1", "1", "1"), false},
		"no key":                  {row(table, "1", "1", "1", "2", "1", "1"), false},
		"nothing":                 {old, false},
	} {
		e := encoder(false, 0)
		list, err := e.Split(&txn.Change{Table: table, Op: txn.Update, Old: old, New: c.new})
		if err != nil {
			t.Fatal(err)
		}
		if split := len(list) == 2 && list[0].Op == txn.Delete && reflect.DeepEqual(list[0].Old, old) && list[1].Op == txn.Insert && reflect.DeepEqual(list[1].New, c.new); split != c.want {
			t.Errorf("%s: %+v", name, list)
		}
	}
	e := encoder(false, 0)
	hash := func(c *txn.Change, byKey bool) uint32 {
		h, err := e.Hash(c, byKey)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	other := row(table, "2", "1", "1", "1", "1", "1")
	insert, remove, different := &txn.Change{Table: table, Op: txn.Insert, New: old}, &txn.Change{Table: table, Op: txn.Delete, Old: old}, &txn.Change{Table: table, Op: txn.Insert, New: other}
	if hash(insert, true) != hash(remove, true) || hash(insert, true) == hash(different, true) {
		t.Error("rows are not told apart by their key")
	}
	if hash(insert, false) != hash(different, false) {
		t.Error("by table, rows of one are told apart")
	}
	table2 := tpInt()
	table2.Keys[0].Prefix = true
	a, b := &txn.Change{Table: table2, Op: txn.Insert, New: old}, &txn.Change{Table: table2, Op: txn.Insert, New: other}
	if hash(a, true) != hash(b, true) {
		t.Error("the beginning of values is a key, and the whole is taken")
	}
	// The numbers decide where rows are, from one process to the next.
	if got := [2]uint32{hash(insert, false), hash(insert, true)}; got != [2]uint32{0x98bcaddb, 0xe0286f54} {
		t.Errorf("%#v", got)
	}
}

// TestStatements: what Canal calls TiDB's statements.
func TestStatements(t *testing.T) {
	for want, actions := range map[string][]schema.Action{
		"QUERY":    {schema.ActionCreateSchema, schema.ActionDropSchema, schema.ActionCreateView, schema.ActionDropView, schema.ActionRecoverTable, schema.ActionModifySchemaCharset, 16, 42, 200},
		"CREATE":   {schema.ActionCreateTable},
		"ERASE":    {schema.ActionDropTable},
		"TRUNCATE": {schema.ActionTruncateTable},
		"RENAME":   {schema.ActionRenameTable, schema.ActionRenameTables},
		"CINDEX":   {schema.ActionAddIndex, 9, 32},
		"DINDEX":   {schema.ActionDropIndex, 10, schema.ActionDropPrimaryKey},
		"ALTER":    {schema.ActionAddColumn, schema.ActionDropColumn, schema.ActionModifyColumn, 13, 15, 17, 18, 19, 20, 22, 23, 37, 38, 41, schema.ActionMultiSchemaChange, 64, 71, 72},
	} {
		for _, a := range actions {
			if got := ddlType(&schema.DDL{Job: &schema.Job{Type: a}}); got != want {
				t.Errorf("%s: %s, want %s", a, got, want)
			}
		}
	}
	renamed := &sink.Txn{Query: "RENAME TABLE a TO b", DDL: &schema.DDL{Schema: "d", Table: "a", After: &schema.Table{Schema: "d", Name: "b"}}}
	if m := fields(t, encoder(false, 0).DDL(renamed)); m["table"] != "b" || m["database"] != "d" || m["sql"] != renamed.Query || m["type"] != "QUERY" {
		t.Errorf("%v", m)
	}
}

// TestGolden: messages stay what they are, byte for byte.
func TestGolden(t *testing.T) {
	table := tpInt()
	old := row(table, "2", "127", "32767", "8388607", "2147483647", "9223372036854775807")
	e := encoder(true, 1640007050284)
	var got []byte
	add := func(message []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(got, message...), '\n')
	}
	const ts = 429918007904436226
	add(e.DDL(&sink.Txn{CommitTS: ts - 1, Query: "create table `tp_int` (…)", DDL: &schema.DDL{Schema: "test", Table: "tp_int", Job: &schema.Job{Type: schema.ActionCreateTable}}}), nil)
	add(e.Row(ts, &txn.Change{Table: table, Op: txn.Insert, New: old}))
	add(e.Row(ts, &txn.Change{Table: table, Op: txn.Update, Old: old, New: row(table, "2", "0", "32767", "8388607", "0", "9223372036854775807")}))
	add(e.Row(ts, &txn.Change{Table: table, Op: txn.Delete, Old: old}))
	add(e.KeyOnly(ts, &txn.Change{Table: table, Op: txn.Delete, Old: old}))
	add(e.Watermark(ts), nil)
	path := filepath.Join("testdata", "golden", "messages.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// FuzzQuoted: whatever a text has, its JSON reads as that text; bytes as their characters.
func FuzzQuoted(f *testing.F) {
	f.Add([]byte("a\x00\"\\\u2028\xff\xc3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var text, latin1 string
		if err := json.Unmarshal(appendQuoted(nil, b), &text); err != nil || text != strings.ToValidUTF8(string([]rune(string(b))), "\ufffd") {
			t.Errorf("%q: %q, %v", b, text, err)
		}
		if err := json.Unmarshal(appendLatin1(nil, b), &latin1); err != nil {
			t.Errorf("%q: %v", b, err)
		}
		for i, r := range []rune(latin1) {
			if r > math.MaxUint8 || byte(r) != b[i] {
				t.Errorf("%q: %q", b, latin1)
			}
		}
	})
}

func BenchmarkRow(b *testing.B) {
	e := NewEncoder(time.UTC, true)
	c := sinktest.Insert(1 << 40).Changes[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Row(1<<40, c); err != nil {
			b.Fatal(err)
		}
	}
}

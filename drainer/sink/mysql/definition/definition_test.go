package definition

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
)

// server is a downstream with the collations of a version.
func server(f Flavour, collations ...string) Server {
	s := Server{flavour: f, collations: map[string]bool{}}
	for _, c := range append(collations, "utf8mb4_bin", "utf8mb4_general_ci", "utf8_bin", "latin1_bin") {
		s.collations[c] = true
	}
	return s
}

// rowsOf reads rows of information_schema, written as "NAME=value|NAME=value"; \N is NULL.
func rowsOf(text string) (list []record) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		r := record{}
		for field := range strings.SplitSeq(strings.TrimSpace(line), "|") {
			name, value, _ := strings.Cut(field, "=")
			r[name] = sql.NullString{String: value, Valid: value != `\N`}
		}
		list = append(list, r)
	}
	return list
}

// columnOf is a column as a server of a flavour says it is.
func columnOf(f Flavour, text string) Column {
	r := reader{flavour: f}
	for _, row := range rowsOf("COLUMN_NAME=c|" + text) {
		r.column(row)
	}
	return r.table.Columns[0]
}

// TestColumns: what servers say of a column, and the upstream's column that it is or is not. The rows are
// those of MySQL 5.7 and 8.0, MariaDB 10.11 and TiDB 6.7 and 8.3.
func TestColumns(t *testing.T) {
	text := func(base string, length int) Type {
		return Type{Base: base, Length: length, Charset: "utf8mb4", Collation: "utf8mb4_bin"}
	}
	for _, c := range []struct {
		name string
		f    Flavour
		row  string
		want Column
		diff string // empty: equal
	}{
		{"width of 5.7", MySQL, "COLUMN_TYPE=int(11)|IS_NULLABLE=YES", Column{Type: Type{Base: "int"}, Null: true}, ""},
		{"no width in 8.0", MySQL, "COLUMN_TYPE=int unsigned|IS_NULLABLE=NO", Column{Type: Type{Base: "int", Unsigned: true}}, ""},
		{"bool", MySQL, "COLUMN_TYPE=tinyint(1)|IS_NULLABLE=YES|COLUMN_DEFAULT=1", Column{Type: Type{Base: "tinyint"}, Null: true, Default: Default{Literal, "1"}}, ""},
		{"sign", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=YES", Column{Type: Type{Base: "int", Unsigned: true}, Null: true}, "type"},
		{"year of 5.7", MySQL, "COLUMN_TYPE=year(4)|IS_NULLABLE=YES", Column{Type: Type{Base: "year"}, Null: true}, ""},
		{"decimal", MariaDB, "COLUMN_TYPE=decimal(10,2)|IS_NULLABLE=NO|COLUMN_DEFAULT=1.50", Column{Type: Type{Base: "decimal", Length: 10, Decimals: 2}, Default: Default{Literal, "1.5"}}, ""},
		{"decimals", MySQL, "COLUMN_TYPE=decimal(10,3)|IS_NULLABLE=NO", Column{Type: Type{Base: "decimal", Length: 10, Decimals: 2}}, "type"},
		{"float with digits", MySQL, "COLUMN_TYPE=float(7,3)|IS_NULLABLE=YES", Column{Type: Type{Base: "float"}, Null: true}, "type"},
		{"fractional seconds", TiDB, "COLUMN_TYPE=datetime(3)|IS_NULLABLE=YES", Column{Type: Type{Base: "datetime", Decimals: 6}, Null: true}, "type"},
		{"enum", MySQL, "COLUMN_TYPE=enum('a','it''s')|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_bin", Column{Type: Type{Base: "enum", Elements: []string{"a", "it's"}, Charset: "utf8mb4", Collation: "utf8mb4_bin"}, Null: true}, ""},
		{"another enum", MySQL, "COLUMN_TYPE=enum('a','b')|IS_NULLABLE=YES", Column{Type: Type{Base: "enum", Elements: []string{"a"}}, Null: true}, "type"},

		{"utf8mb3", MySQL, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb3|COLLATION_NAME=utf8mb3_bin", Column{Type: Type{Base: "varchar", Length: 20, Charset: "utf8", Collation: "utf8_bin"}, Null: true}, ""},
		{"collation", MySQL, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_general_ci", Column{Type: text("varchar", 20), Null: true}, "collation"},
		{"collation the server lacks", MariaDB, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_general_ci", Column{Type: Type{Base: "varchar", Length: 20, Charset: "utf8mb4", Collation: "utf8mb4_0900_ai_ci"}, Null: true}, ""},
		{"character set of a collation the server lacks", MariaDB, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=latin1|COLLATION_NAME=latin1_bin", Column{Type: Type{Base: "varchar", Length: 20, Charset: "utf8mb4", Collation: "utf8mb4_0900_ai_ci"}, Null: true}, "collation"},
		{"wider than latin1", MariaDB, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_bin", Column{Type: Type{Base: "varchar", Length: 20, Charset: "latin1", Collation: "latin1_bin"}, Null: true}, ""},
		{"wider than latin1, by another order", MariaDB, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_general_ci", Column{Type: Type{Base: "varchar", Length: 20, Charset: "latin1", Collation: "latin1_bin"}, Null: true}, "collation"},
		{"wider than latin1, on a TiDB", TiDB, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_bin", Column{Type: Type{Base: "varchar", Length: 20, Charset: "latin1", Collation: "latin1_bin"}, Null: true}, "collation"},
		{"length", MySQL, "COLUMN_TYPE=varchar(20)|IS_NULLABLE=YES", Column{Type: text("varchar", 21), Null: true}, "type"},

		{"TEXT(10)", MySQL, "COLUMN_TYPE=tinytext|IS_NULLABLE=YES", Column{Type: text("text", 10), Null: true}, ""},
		{"TEXT(10) of TiDB", TiDB, "COLUMN_TYPE=text(10)|IS_NULLABLE=YES", Column{Type: text("text", 10), Null: true}, ""},
		{"TEXT(100) in four bytes", MySQL, "COLUMN_TYPE=text|IS_NULLABLE=YES", Column{Type: text("tinytext", 100), Null: true}, ""},
		{"TEXT(1000), not TINYTEXT", MySQL, "COLUMN_TYPE=tinytext|IS_NULLABLE=YES", Column{Type: text("text", 1000), Null: true}, "type"},
		{"TEXT, not MEDIUMTEXT", MySQL, "COLUMN_TYPE=mediumtext|IS_NULLABLE=YES", Column{Type: text("text", 0), Null: true}, "type"},
		{"the default beside ON UPDATE", MariaDB, "COLUMN_TYPE=timestamp|IS_NULLABLE=NO|COLUMN_DEFAULT='0000-00-00 00:00:00'|EXTRA=on update current_timestamp()", Column{Type: Type{Base: "timestamp"}, OnUpdate: true}, ""},
		{"a zero default", MariaDB, "COLUMN_TYPE=timestamp|IS_NULLABLE=NO|COLUMN_DEFAULT='0000-00-00 00:00:00'", Column{Type: Type{Base: "timestamp"}}, "default"},
		{"JSON in MariaDB", MariaDB, "COLUMN_TYPE=longtext|IS_NULLABLE=YES|CHARACTER_SET_NAME=utf8mb4|COLLATION_NAME=utf8mb4_bin|COLUMN_DEFAULT=NULL", Column{Type: Type{Base: "json"}, Null: true}, ""},
		{"JSON in MySQL", MySQL, "COLUMN_TYPE=longtext|IS_NULLABLE=YES", Column{Type: Type{Base: "json"}, Null: true}, "type"},

		{"nullability", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=NO", Column{Type: Type{Base: "int"}, Null: true}, "NULL allowed"},
		{"no default", MySQL, `COLUMN_TYPE=int|IS_NULLABLE=NO|COLUMN_DEFAULT=\N`, Column{Type: Type{Base: "int"}}, ""},
		{"lost default", MySQL, `COLUMN_TYPE=int|IS_NULLABLE=NO|COLUMN_DEFAULT=\N`, Column{Type: Type{Base: "int"}, Default: Default{Literal, "0"}}, "default"},
		{"text NULL", MySQL, `COLUMN_TYPE=varchar(9)|IS_NULLABLE=YES|COLUMN_DEFAULT=NULL`, Column{Type: text("varchar", 9), Null: true, Default: Default{Literal, "NULL"}}, ""},
		{"text NULL in MariaDB", MariaDB, `COLUMN_TYPE=varchar(9)|IS_NULLABLE=YES|COLUMN_DEFAULT='NULL'`, Column{Type: text("varchar", 9), Null: true, Default: Default{Literal, "NULL"}}, ""},
		{"quotes of MariaDB", MariaDB, `COLUMN_TYPE=varchar(9)|IS_NULLABLE=YES|COLUMN_DEFAULT='it\'s \\ '`, Column{Type: text("varchar", 9), Null: true, Default: Default{Literal, `it's \ `}}, ""},
		{"negative in MariaDB", MariaDB, "COLUMN_TYPE=int(11)|IS_NULLABLE=NO|COLUMN_DEFAULT=-5", Column{Type: Type{Base: "int"}, Default: Default{Literal, "-5"}}, ""},
		{"bit", MySQL, "COLUMN_TYPE=bit(8)|IS_NULLABLE=YES|COLUMN_DEFAULT=b'101'", Column{Type: Type{Base: "bit", Length: 8}, Null: true, Default: Default{Literal, "5"}}, ""},
		{"padded binary of 8.0", MySQL, "COLUMN_TYPE=binary(4)|IS_NULLABLE=YES|COLUMN_DEFAULT=0x61000000", Column{Type: Type{Base: "binary", Length: 4}, Null: true, Default: Default{Literal, "a"}}, ""},
		{"now in MariaDB", MariaDB, "COLUMN_TYPE=datetime(3)|IS_NULLABLE=NO|COLUMN_DEFAULT=current_timestamp(3)|EXTRA=on update current_timestamp(3)", Column{Type: Type{Base: "datetime", Decimals: 3}, Default: Default{Kind: Now}, OnUpdate: true}, ""},
		{"now in 8.0", MySQL, "COLUMN_TYPE=timestamp|IS_NULLABLE=NO|COLUMN_DEFAULT=CURRENT_TIMESTAMP|EXTRA=DEFAULT_GENERATED on update CURRENT_TIMESTAMP", Column{Type: Type{Base: "timestamp"}, Default: Default{Kind: Now}}, "ON UPDATE CURRENT_TIMESTAMP"},
		{"date of a datetime", TiDB, "COLUMN_TYPE=datetime|IS_NULLABLE=NO|COLUMN_DEFAULT=2024-01-01 00:00:00", Column{Type: Type{Base: "datetime"}, Default: Default{Literal, "2024-01-01"}}, ""},
		{"zone of a timestamp in 8.0", MySQL, "COLUMN_TYPE=timestamp|IS_NULLABLE=NO|COLUMN_DEFAULT=2024-01-01 08:00:00", Column{Type: Type{Base: "timestamp"}, Default: Default{Literal, "2024-01-01 00:00:00"}}, ""},
		{"minutes of a timestamp in 8.0", MySQL, "COLUMN_TYPE=timestamp|IS_NULLABLE=NO|COLUMN_DEFAULT=2024-01-01 08:01:00", Column{Type: Type{Base: "timestamp"}, Default: Default{Literal, "2024-01-01 00:00:00"}}, "default"},
		{"zone of a timestamp in MariaDB", MariaDB, "COLUMN_TYPE=timestamp|IS_NULLABLE=NO|COLUMN_DEFAULT='2024-01-01 08:00:00'", Column{Type: Type{Base: "timestamp"}, Default: Default{Literal, "2024-01-01 00:00:00"}}, "default"},
		{"sequence's default", MySQL, `COLUMN_TYPE=bigint|IS_NULLABLE=NO|COLUMN_DEFAULT=\N`, Column{Type: Type{Base: "bigint"}, Default: Default{Expression, "nextval(`d`.`s`)"}}, ""},
		{"expression in 8.0", MySQL, "COLUMN_TYPE=varchar(36)|IS_NULLABLE=YES|COLUMN_DEFAULT=upper(_utf8mb4\\'x\\')|EXTRA=DEFAULT_GENERATED", Column{Type: text("varchar", 36), Null: true, Default: Default{Expression, "UPPER('x')"}}, ""},
		{"lost expression", MySQL, `COLUMN_TYPE=varchar(36)|IS_NULLABLE=YES|COLUMN_DEFAULT=\N`, Column{Type: text("varchar", 36), Null: true, Default: Default{Expression, "uuid()"}}, "default"},
		{"date of 8.0", MySQL, "COLUMN_TYPE=date|IS_NULLABLE=YES|COLUMN_DEFAULT=curdate()|EXTRA=DEFAULT_GENERATED", Column{Type: Type{Base: "date"}, Null: true, Default: Default{Kind: Now}}, ""},
		{"expression, not text", MariaDB, "COLUMN_TYPE=varchar(36)|IS_NULLABLE=YES|COLUMN_DEFAULT='uuid()'", Column{Type: text("varchar", 36), Null: true, Default: Default{Expression, "uuid()"}}, "default"},

		{"generated in 8.0", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=YES|EXTRA=STORED GENERATED|GENERATION_EXPRESSION=(`a` + json_extract(`j`,_utf8mb4\\'$.x\\'))", Column{Type: Type{Base: "int"}, Null: true, Generated: "`a` + json_extract(`j`, _utf8mb4'$.x')", Stored: true}, ""},
		{"generated from another column", MariaDB, "COLUMN_TYPE=int(11)|IS_NULLABLE=YES|EXTRA=VIRTUAL GENERATED|GENERATION_EXPRESSION=`b` + 1", Column{Type: Type{Base: "int"}, Null: true, Generated: "`a` + 1"}, "expression"},
		{"not stored", TiDB, "COLUMN_TYPE=int(11)|IS_NULLABLE=YES|EXTRA=VIRTUAL GENERATED|GENERATION_EXPRESSION=`a` + 1", Column{Type: Type{Base: "int"}, Null: true, Generated: "`a` + 1", Stored: true}, "stored"},
		{"cast", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=YES|EXTRA=VIRTUAL GENERATED|GENERATION_EXPRESSION=cast(`a` as char(10) charset utf8mb4)", Column{Type: Type{Base: "int"}, Null: true, Generated: "cast(`a` as char)"}, ""},

		{"auto_increment", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=NO|EXTRA=auto_increment", Column{Type: Type{Base: "int"}}, "AUTO_INCREMENT"},
		{"a year's text", MariaDB, "COLUMN_TYPE=year(4)|IS_NULLABLE=YES|COLUMN_DEFAULT=2000", Column{Type: Type{Base: "year"}, Null: true, Default: Default{Literal, "0"}}, ""},
		{"the year 0", MariaDB, "COLUMN_TYPE=year(4)|IS_NULLABLE=YES|COLUMN_DEFAULT=0000", Column{Type: Type{Base: "year"}, Null: true, Default: Default{Literal, "0"}}, "default"},
		{"a year of two digits", MariaDB, "COLUMN_TYPE=year(4)|IS_NULLABLE=YES|COLUMN_DEFAULT=1970", Column{Type: Type{Base: "year"}, Null: true, Default: Default{Literal, "70"}}, ""},
		{"what the old utf8 lacks, generated", MariaDB, `COLUMN_TYPE=varchar(9)|IS_NULLABLE=YES|EXTRA=VIRTUAL GENERATED|GENERATION_EXPRESSION=concat(` + "`v`" + `,_utf8mb4'\xF0\x9F\x98\x80')`, Column{Type: text("varchar", 9), Null: true, Generated: "concat(`v`, _utf8mb4'😀')"}, "expression"}, // MariaDB computes with what it prints
		{"auto_increment without a key", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=NO", Column{Type: Type{Base: "int"}, AutoIncrement: true}, ""},
		{"auto_increment without a key in TiDB", TiDB, "COLUMN_TYPE=int|IS_NULLABLE=NO", Column{Type: Type{Base: "int"}, AutoIncrement: true}, "AUTO_INCREMENT"},
		{"what the old utf8 lacks", MariaDB, "COLUMN_TYPE=enum('?','b')|IS_NULLABLE=YES|COLUMN_DEFAULT='?'|COLUMN_COMMENT=?", Column{Type: Type{Base: "enum", Elements: []string{"😀", "b"}}, Null: true, Default: Default{Literal, "😀"}, Comment: "😀"}, ""},
		{"what the old utf8 lacks, in TiDB", TiDB, "COLUMN_TYPE=int|IS_NULLABLE=NO|COLUMN_COMMENT=?", Column{Type: Type{Base: "int"}, Comment: "😀"}, "comment"},
		{"comment", MySQL, "COLUMN_TYPE=int|IS_NULLABLE=NO|COLUMN_COMMENT=x", Column{Type: Type{Base: "int"}, Comment: "y"}, "comment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Name = "C"
			want, got := &Table{Kind: BaseTable, Columns: []Column{c.want}}, &Table{Kind: BaseTable, Columns: []Column{columnOf(c.f, c.row)}}
			list := server(c.f).Compare(want, got)
			if c.diff == "" && len(list) > 0 || c.diff != "" && (len(list) != 1 || list[0].Aspect != c.diff) {
				t.Errorf("%v, want %q", list, c.diff)
			}
		})
	}
}

// TestSaidTwice: what a server says twice is there once.
func TestSaidTwice(t *testing.T) {
	r := reader{flavour: TiDB}
	for _, row := range rowsOf("COLUMN_NAME=a|COLUMN_TYPE=int\nCOLUMN_NAME=a|COLUMN_TYPE=int\nCOLUMN_NAME=b|COLUMN_TYPE=enum('x''y','b\\')") {
		r.column(row)
	}
	for _, seq := range []string{"1|COLUMN_NAME=a", "1|COLUMN_NAME=a", "2|COLUMN_NAME=b", "2|COLUMN_NAME=b"} {
		r.key(rowsOf("INDEX_NAME=k|NON_UNIQUE=1|SEQ_IN_INDEX=" + seq)[0])
	}
	if text := r.table.Keys[0].String(); len(r.table.Columns) != 2 || len(r.table.Keys) != 1 || text != "KEY `k` (`a`,`b`)" {
		t.Errorf("%d columns, %s", len(r.table.Columns), text)
	}
	if e := r.table.Columns[1].Type.Elements; !slices.Equal(e, []string{"x'y", `b\`}) {
		t.Errorf("%q", e)
	}
}

// TestObjects: keys, foreign keys, partitions and the table itself.
func TestObjects(t *testing.T) {
	a, b := Column{Name: "a", Type: Type{Base: "int"}}, Column{Name: "b", Type: Type{Base: "int"}}
	on := func(name string, columns ...string) Key {
		k := Key{Name: name}
		for _, c := range columns {
			k.Parts = append(k.Parts, Part{Column: c})
		}
		return k
	}
	fk := ForeignKey{Columns: []string{"a"}, RefSchema: "d", RefTable: "p", RefColumns: []string{"id"}}
	for _, c := range []struct {
		name      string
		want, got Table
		diff      string
	}{
		{"letter case", Table{Keys: []Key{on("K", "A")}}, Table{Keys: []Key{on("k", "a")}}, ""},
		{"a key's columns", Table{Keys: []Key{on("k", "a", "b")}}, Table{Keys: []Key{on("k", "b", "a")}}, "key `k`: definition is KEY `k` (`a`,`b`) upstream, KEY `k` (`b`,`a`) downstream"},
		{"primary key", Table{Keys: []Key{{Name: "PRIMARY", Primary: true, Unique: true, Parts: []Part{{Column: "a"}}}}}, Table{}, "the primary key is missing downstream: PRIMARY KEY (`a`)"},
		{"expression", Table{Keys: []Key{{Name: "k", Parts: []Part{{Expression: "lower(`a`)"}}}}}, Table{Keys: []Key{{Name: "k", Parts: []Part{{Expression: "LOWER( `a` )"}}}}}, ""},
		{"expression the server cannot have", Table{Keys: []Key{{Name: "k", Parts: []Part{{Expression: "lower(`a`)"}}}}}, Table{plain: true}, ""},
		{"expression it could have", Table{Keys: []Key{{Name: "k", Parts: []Part{{Expression: "lower(`a`)"}}}}}, Table{}, "key `k` is missing downstream: KEY `k` ((lower(`a`)))"},
		{"foreign key's own key", Table{ForeignKeys: []ForeignKey{fk}}, Table{ForeignKeys: []ForeignKey{fk}, Keys: []Key{on("x", "a")}}, ""},
		{"foreign key's key, replaced", Table{ForeignKeys: []ForeignKey{fk}, Keys: []Key{on("f", "a"), on("k", "a", "b")}}, Table{ForeignKeys: []ForeignKey{fk}, Keys: []Key{on("k", "a", "b")}}, ""},
		{"another key on its column", Table{ForeignKeys: []ForeignKey{fk}}, Table{ForeignKeys: []ForeignKey{fk}, Keys: []Key{on("x", "a", "b")}}, "key `x` is only downstream: KEY `x` (`a`,`b`)"},
		{"foreign key that TiDB only noted", Table{ForeignKeys: []ForeignKey{{Columns: []string{"a"}, inert: true}}}, Table{}, ""},
		{"foreign key's rule", Table{ForeignKeys: []ForeignKey{fk}}, Table{ForeignKeys: []ForeignKey{{Columns: fk.Columns, RefSchema: "d", RefTable: "p", RefColumns: fk.RefColumns, OnDelete: "CASCADE"}}}, "foreign key on (`a`) is missing downstream"},
		{"bounds", Table{Partitioning: &Partitioning{"RANGE", "`a`", []Partition{{"p0", "10"}, {"p1", "MAXVALUE"}}}}, Table{Partitioning: &Partitioning{"RANGE", "a", []Partition{{"p0", "10"}, {"p1", "MAXVALUE"}}}}, ""},
		{"other bounds", Table{Partitioning: &Partitioning{"RANGE", "`a`", []Partition{{"p0", "10"}}}}, Table{Partitioning: &Partitioning{"RANGE", "`a`", []Partition{{"p0", "-10"}}}}, "partitioning: partitions is"},
		{"bounds of columns", Table{Partitioning: &Partitioning{"RANGE", "`a`,`b`", []Partition{{"p0", "'2024-01-01',5"}}}}, Table{Partitioning: &Partitioning{"RANGE", "`a`,`b`", []Partition{{"p0", "'2024-01-01 00:00:00',5"}}}}, ""},
		{"list with NULL", Table{Partitioning: &Partitioning{"LIST", "`a`", []Partition{{"p0", "4,5,NULL"}}}}, Table{Partitioning: &Partitioning{"LIST", "`a`", []Partition{{"p0", "NULL,4,5"}}}}, ""},
		{"list of texts", Table{Partitioning: &Partitioning{"LIST", "`a`", []Partition{{"p0", "'x','y'"}}}}, Table{Partitioning: &Partitioning{"LIST", "`a`", []Partition{{"p0", "_utf8mb4'y',_utf8mb4'x'"}}}}, ""},
		{"list of numbers for texts", Table{Partitioning: &Partitioning{"LIST", "`a`", []Partition{{"p0", "7,-44"}}}}, Table{Partitioning: &Partitioning{"LIST", "`a`", []Partition{{"p0", "'-44','7'"}}}}, ""},
		{"lost partition", Table{Partitioning: &Partitioning{"HASH", "`a`", []Partition{{"p0", ""}, {"p1", ""}}}}, Table{Partitioning: &Partitioning{"LINEAR HASH", "`a`", []Partition{{"p0", ""}}}}, "partitioning: partitions"},
		{"partitioned by another column", Table{Partitioning: &Partitioning{"HASH", "`a`", nil}}, Table{Partitioning: &Partitioning{"HASH", "`b`", nil}}, "partitioning: method"},
		{"not partitioned", Table{Partitioning: &Partitioning{"HASH", "`a`", nil}}, Table{}, "partitioning is missing downstream"},
		{"partitioned without effect", Table{inertPartitions: true}, Table{Partitioning: &Partitioning{"HASH", "`a`", nil}}, ""},
		{"expression as a default in 5.7", Table{Columns: []Column{{Name: "c", Default: Default{Expression, "uuid()"}}}}, Table{Columns: []Column{{Name: "c"}}, plain: true}, ""},
		{"engine", Table{}, Table{Engine: "MyISAM"}, "the table: engine is InnoDB upstream, MyISAM downstream"},
		{"view", Table{Kind: View}, Table{}, "the table: kind is view upstream, table downstream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, x := range []*Table{&c.want, &c.got} {
				x.Columns = append(x.Columns, a, b)
				if x.Kind == "" {
					x.Kind = BaseTable
				}
			}
			list := server(MySQL).Compare(&c.want, &c.got)
			if c.diff == "" && len(list) > 0 || c.diff != "" && (len(list) == 0 || !strings.Contains(list[0].String(), c.diff)) {
				t.Errorf("%v, want %q", list, c.diff)
			}
		})
	}
}

// TestJudge: whether a statement has been run shows in what it changes, whatever else differs.
func TestJudge(t *testing.T) {
	s := server(MySQL)
	table := func(columns ...string) *Table {
		x := &Table{Kind: BaseTable}
		for _, c := range columns {
			name, base, _ := strings.Cut(c, " ")
			x.Columns = append(x.Columns, Column{Name: name, Type: Type{Base: base}})
		}
		return x
	}
	for _, c := range []struct {
		name               string
		before, after, now *Table
		want               Verdict
	}{
		{"not run", table("a int"), table("a int", "b int"), table("a int"), NotRun},
		{"run", table("a int"), table("a int", "b int"), table("a int", "b int"), Run},
		{"run, with a column of its own", table("a int"), table("a int", "b int"), table("a int", "b int", "own int"), Run},
		{"not run, with a column of its own", table("a int"), table("a int", "b int"), table("a bigint", "own int"), NotRun},
		{"half", table("a int"), table("a int", "b int", "c int"), table("a int", "b int"), Mixed},
		{"neither", table("a int"), table("a bigint"), table("a date"), Mixed},
		{"nothing shows", table("a int"), table("a int"), table("a int"), Silent},
		{"made", nil, table("a int"), table("a int"), Run},
		{"not made", nil, table("a int"), nil, NotRun},
		{"another made", nil, table("a int"), table("a date"), Mixed},
		{"removed", table("a int"), nil, nil, Run},
		{"not removed", table("a int"), nil, table("a date"), NotRun},
		{"never there", nil, nil, nil, Silent},
	} {
		if got := s.Judge(c.before, c.after, c.now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if Run.And(Silent) != Run || Silent.And(NotRun) != NotRun || Run.And(NotRun) != Mixed || Run.And(Run) != Run {
		t.Error("verdicts do not add up")
	}
}

// FuzzEssence: whatever a server prints is taken apart without a fault, and the same twice.
func FuzzEssence(f *testing.F) {
	for _, seed := range []string{"`a` + 1", `_utf8mb4\'x\'`, "x'41' 0x4", "'", "1e", "((", ".5.", "cast(a as char(", "-1,'2024-01-01'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		isColumn := func(s string) bool { return len(s) == 1 }
		if !slices.Equal(essence(text, isColumn), essence(text, isColumn)) {
			t.Error("not the same twice")
		}
		values(text, false)
		parseType(text)
		number(text)
	})
}

package replication

import "math"

// keyTables have every shape of key, partitions, and names that must be quoted.
func keyTables() []*table {
	value := column{"v", "varchar(60)" + bin + " null", text(unicod, 60).or(8)}
	number := column{"n", "int null", key(100000).or(8)}
	shape := func(name string, rest string, columns ...column) *table {
		return &table{db: "shapes", name: name, columns: append(columns, value, number), rest: rest}
	}
	tables := []*table{
		shape("pk_int", ", unique key (u)",
			column{"id", "int not null primary key", key(300)}, column{"u", "int null", key(400).or(4)}),
		shape("pk_int_nonclustered", ", primary key (id) /*T![clustered_index] NONCLUSTERED */",
			column{"id", "int not null", key(300)}),
		shape("pk_negative", "", column{"id", "bigint not null primary key", integer(math.MinInt64, math.MaxInt64)}),
		shape("pk_unsigned", "", column{"id", "bigint unsigned not null primary key", huge(300)}),
		shape("pk_string", ", primary key (id) /*T![clustered_index] CLUSTERED */",
			column{"id", "varchar(30)" + bin + " not null", word(20)}),
		shape("pk_string_ci", ", primary key (id) /*T![clustered_index] CLUSTERED */, unique key (u)",
			column{"id", "varchar(30)" + ci + " not null", word(20)}, column{"u", "varchar(20)" + ci, word(30).or(4)}),
		shape("pk_binary", ", primary key (id) /*T![clustered_index] CLUSTERED */",
			column{"id", "varbinary(3) not null", bytesOf(1)}),
		shape("pk_decimal", "", column{"id", "decimal(20,5) not null primary key", fixed(50, 1)}),
		shape("pk_time", ", primary key (id) /*T![clustered_index] CLUSTERED */",
			column{"id", "datetime(3) not null", datetime(0)}),
		shape("pk_enum", ", primary key (e, id)",
			column{"id", "int not null", key(60)}, column{"e", "enum('a','b','c')" + bin + " not null", oneOf("'a'", "'b'", "'c'")}),
		shape("pk_composite", ", primary key (b, a, c) /*T![clustered_index] CLUSTERED */",
			column{"a", "int not null", key(10)}, column{"b", "varchar(20)" + ci + " not null", word(1)},
			column{"c", "date not null", oneOf("'2024-01-01'", "'2024-01-02'")}),
		shape("pk_composite_nonclustered", ", primary key (a, b) /*T![clustered_index] NONCLUSTERED */",
			column{"a", "int not null", key(10)}, column{"b", "varchar(20)" + bin + " not null", word(1)}),
		shape("uk_only", ", unique key x (a), unique key y (b, c)",
			column{"a", "int not null", key(300)}, column{"b", "int not null", key(20)}, column{"c", "varchar(20)" + bin + " not null", word(1)}),
		shape("uk_null", ", unique key x (a, b)",
			column{"a", "int null", key(40).or(3)}, column{"b", "varchar(20)" + bin + " null", word(1).or(3)}),
		shape("uk_prefix", ", unique key x (s(3))",
			column{"s", "varchar(200)" + bin + " null", word(1000).or(5)}),
		shape("no_key", "", column{"a", "int null", key(4).or(4)}, column{"b", "double null", oneOf("1.5", "0.1", "NULL", "1e300")},
			column{"j", "json null", oneOf("NULL", `'{"a": 1}'`, "'[1.5]'")}, column{"f", "float null", source(single).or(2)}),
		shape("no_key_few", "", column{"a", "int null", key(3)}),
		shape("auto_increment", "", column{"id", "bigint not null auto_increment primary key", nil}),
		shape("auto_random", "", column{"id", "bigint not null primary key /*T![auto_rand] AUTO_RANDOM(5) */", nil}),
		shape("child", ", key (parent), constraint fk foreign key (parent) references shapes.pk_int (id) on delete cascade on update cascade",
			column{"id", "int not null primary key", key(300)}, column{"parent", "int null", key(300).or(4)}),
		{db: "we`ird \"名\"'s", name: "Tä\"b'l`e %s ?", rest: ", unique key `ke``y` (`se``lect`)", columns: []column{
			{"ID", "int not null primary key", key(300)}, {"se`lect", "int null", key(400).or(5)},
			{"名 \"'", "varchar(50)" + bin, text(unicod, 50)}, {"UPPER", "int default '7'", key(100)}}},
	}
	for _, t := range partitioned() {
		t.db, t.columns = "shapes", append(t.columns, value, number)
		tables = append(tables, t)
	}
	return tables
}

func partitioned() []*table {
	id := column{"id", "int not null", key(300)}
	return []*table{
		{name: "part_range", columns: []column{id}, rest: ", primary key (id)",
			options: "partition by range (id) (partition p0 values less than (100), partition p1 values less than (200), partition p2 values less than maxvalue)"},
		{name: "part_hash", columns: []column{id, {"h", "int not null", key(50)}}, rest: ", primary key (id, h)",
			options: "partition by hash (h) partitions 4"},
		{name: "part_list", columns: []column{id, {"l", "int not null", key(6)}}, rest: ", unique key (id, l)",
			options: "partition by list (l) (partition a values in (0,1,2), partition b values in (3,4,5))"},
		{name: "part_columns", columns: []column{id, {"d", "date not null", date}},
			options: "partition by range columns (d) (partition old values less than ('2000-01-01'), partition new values less than (maxvalue))"},
	}
}

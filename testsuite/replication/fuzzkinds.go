package replication

import (
	"fmt"
	"strings"
)

// fuzzKind is a kind of DDL, by the name of TiDB's job where it has one. make gives the statements of
// one step, the last of which is what it is about; none: nothing there fits. The kinds of
// drainer/schema's actions that no statement makes are left out: CREATE TABLES (only BR's), adding
// and dropping several columns or indexes (before 6.2), repairing tables, TiFlash's own reports,
// and FLASHBACK CLUSTER, which takes the upstream to another past than the downstream's.
type fuzzKind struct {
	name  string
	make  func(f *Fuzz, s *session) []string
	alone bool // no other session writes rows at the same time: see the package comment
	// reuses: a table gets the name that another had. Who writes rows at the same time knows the columns of
	// either, so it keeps to values that columns of both can have.
	reuses bool
	year   int  // only in TiDBs of this year and later
	tidb   bool // only for a TiDB downstream
}

// fuzzKinds are all of them.
var fuzzKinds = append(append(objectFuzz, alterFuzz...), partitionFuzz...)

// objectFuzz makes, drops and renames databases, tables, views, sequences and what is TiDB's own.
var objectFuzz = []fuzzKind{
	{name: "create schema", make: func(f *Fuzz, s *session) []string {
		name := f.fresh("Fuzzd")
		options := one(f, []string{"", "", " character set utf8mb4", " collate utf8mb4_general_ci", " default charset = latin1", " character set utf8", " charset gbk", " collate = 'utf8mb4_bin'"})
		return []string{"create " + one(f, []string{"database ", "schema ", "database if not exists "}) + s.quote(name) + options,
			"create table " + f.path(s, name, "t", false) + " (id int primary key, v varchar(20), " + f.columns(2) + ")",
			"insert into " + f.path(s, name, "t", true) + " (id, v) values (1, 'a')"}
	}},
	{name: "drop schema", alone: true, make: func(f *Fuzz, s *session) []string {
		if name := f.extraDatabase(); name != "" {
			return []string{"drop database " + f.maybe(2, "if exists ") + f.column(s, name)}
		}
		return nil
	}},
	{name: "modify schema charset and collate", make: func(f *Fuzz, s *session) []string {
		name := one(f, f.state.databases)
		set := one(f, []string{"character set utf8mb4", "collate utf8mb4_general_ci", "character set utf8mb4 collate utf8mb4_unicode_ci", "collate utf8mb4_bin", "charset latin1"})
		return []string{"alter database " + f.column(s, name) + " " + set,
			"create table " + f.path(s, name, f.fresh("t"), false) + " (id int, v varchar(20), w char(3) character set utf8mb4, t text)"}
	}},
	{name: "create table", make: func(f *Fuzz, s *session) []string { return f.createTable(s, "") }},
	{name: "create table, options", make: func(f *Fuzz, s *session) []string {
		return f.createTable(s, " "+one(f, []string{"engine = MyISAM", "engine=InnoDB row_format=compressed key_block_size=8", "auto_increment = 100", "comment 'a ''table'' \"q\"'", "checksum = 1 delay_key_write = 1",
			"avg_row_length = 100 max_rows = 1000 min_rows = 1", "pack_keys = 1 stats_persistent = 0", "charset latin1", "collate utf8mb4_general_ci", "default character set = utf8",
			"compression = 'zlib'", "connection = 'x'", "insert_method = no", "stats_auto_recalc = 1 stats_sample_pages = 10", "engine = aria", "default charset = binary"}))
	}},
	{name: "create table, TiDB's options", make: func(f *Fuzz, s *session) []string {
		return []string{"create table " + f.place(s) + one(f, []string{
			" (id bigint auto_random primary key, v int)", " (id bigint /*T![auto_rand] auto_random(5) */ primary key, v varchar(9)) auto_random_base = 1000",
			" (id int primary key nonclustered, v int) shard_row_id_bits = 2 pre_split_regions = 1", " (id int, v int) /*T! shard_row_id_bits = 3 */",
			" (id bigint auto_increment primary key, v int) auto_id_cache 1", " (id int primary key, t datetime) ttl = t + interval 100 year ttl_enable = 'OFF'",
			" (id int, v int, key k (v) invisible)", " (id varchar(20), v int, primary key (id) clustered)",
			" (id int primary key, v int) stats_buckets = 10", " (a int not null, b varchar(9) not null, primary key (a, b(3)) nonclustered)"})}
	}},
	{name: "create table, checks that are not enforced", make: func(f *Fuzz, s *session) []string {
		at := f.place(s)
		return []string{"create table " + at + " (id int primary key, v int check (v > 1000), constraint c check (id < 0))", "insert into " + at + " values (1, 1), (2, 2)"}
	}},
	{name: "create table like", make: func(f *Fuzz, s *session) []string {
		if t := f.pick(anyTable); t != nil {
			return []string{"create table " + f.maybe(3, "if not exists ") + f.place(s) + " like " + f.table(s, t)}
		}
		return nil
	}},
	{name: "create table, foreign key", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return t.clustered && t.partitioned == "" && f.parentColumn(t) != "" })
		if t == nil {
			return nil
		}
		return []string{"create table " + f.place(s) + " (id int primary key, p " + f.parentType(t) + ", key (p), constraint " + s.quote(f.fresh("fk")) + " foreign key (p) references " + f.table(s, t) + " (" + f.column(s, f.parentColumn(t)) + ")" +
			one(f, []string{"", " on delete cascade", " on update cascade on delete set null", " on delete restrict", " on update no action"}) + ")"}
	}},
	{name: "drop table", reuses: true, make: func(f *Fuzz, s *session) []string {
		t := f.pick(notReferred)
		u := f.pick(notReferred)
		if t == nil || len(f.state.base()) < 6 {
			return nil
		}
		switch f.r.IntN(4) {
		case 0:
			if t != u {
				return []string{"drop table " + f.table(s, t) + ", " + f.table(s, u)}
			}
		case 1:
			return []string{"drop table if exists " + f.place(s) + ", " + f.table(s, t)}
		case 2:
			name := t.schema
			return []string{"drop table " + f.table(s, t), "create table " + f.path(s, name, t.name, false) + " (other varchar(9))"}
		}
		return []string{"drop table " + f.table(s, t) + f.maybe(3, " restrict")}
	}},
	{name: "truncate table", make: func(f *Fuzz, s *session) []string {
		if t := f.pick(notReferred); t != nil {
			return []string{"truncate " + f.maybe(2, "table ") + f.table(s, t)}
		}
		return nil
	}},
	{name: "rename table", make: func(f *Fuzz, s *session) []string {
		t := f.pick(anyTable)
		if t == nil {
			return nil
		}
		if f.r.IntN(2) == 0 {
			return []string{"alter table " + f.table(s, t) + " rename " + one(f, []string{"", "to ", "as "}) + f.place(s)}
		}
		return []string{"rename table " + f.table(s, t) + " to " + f.place(s)}
	}},
	{name: "rename table, letter case", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool {
			return t.name != strings.ToUpper(t.name) && notReferred(t) && !(t.viewed && !f.ToTiDB)
		})
		if t == nil {
			return nil
		}
		aside := f.fresh("aside")
		return []string{"rename table " + f.table(s, t) + " to " + f.path(s, t.schema, aside, false) + ", " + f.path(s, t.schema, aside, true) + " to " + f.path(s, t.schema, ascii7(strings.ToUpper, t.name), false)}
	}},
	{name: "rename tables", reuses: true, make: func(f *Fuzz, s *session) []string {
		t, u := f.pick(notReferred), f.pick(notReferred)
		if t == nil || t == u {
			return nil
		}
		if f.Year < 2024 && t.schema != u.schema && strings.EqualFold(t.schema, s.database) {
			return nil // see fuzzexcluded.go
		}
		aside := f.fresh("aside")
		return []string{fmt.Sprintf("rename table %s to %s, %s to %s, %s to %s", f.table(s, t), f.path(s, t.schema, aside, false), f.table(s, u), f.path(s, t.schema, t.name, false),
			f.path(s, t.schema, aside, true), f.path(s, u.schema, u.name, false))}
	}},
	{name: "create view", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return len(t.columns) > 1 })
		if t == nil {
			return nil
		}
		a, b := f.column(s, t.columns[0].name), f.column(s, t.columns[1].name)
		head := "create " + f.maybe(3, "or replace ") + f.maybe(3, "algorithm = merge ") + f.maybe(4, "sql security invoker ") + "view " + f.place(s)
		return []string{head + one(f, []string{" as select " + a + ", " + b + " from " + f.table(s, t), " (x, y) as select " + b + ", " + a + " from " + f.table(s, t),
			" as select count(*) as `n ``q`, max(" + a + ") as m from " + f.table(s, t), " as select t." + a + " as `A`, u." + b + " as `B` from " + f.table(s, t) + " t join " + f.table(s, t) + " u on t." + a + " = u." + a})}
	}},
	{name: "drop view", make: func(f *Fuzz, s *session) []string {
		views := f.state.which(func(t *subject) bool { return t.kind == "VIEW" })
		if len(views) == 0 {
			return nil
		}
		return []string{"drop view " + f.maybe(3, "if exists ") + f.table(s, one(f, views))}
	}},
	{name: "recover table", alone: true, make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return !t.referred && len(t.foreign) == 0 })
		if t == nil {
			return nil
		}
		switch f.r.IntN(3) {
		case 0:
			return []string{"drop table " + f.table(s, t), "recover table " + f.path(s, t.schema, t.name, true)}
		case 1:
			return []string{"drop table " + f.table(s, t), "flashback table " + f.path(s, t.schema, t.name, true) + f.maybe(2, " to "+s.quote(f.fresh("back")))}
		}
		return []string{"truncate table " + f.table(s, t), "flashback table " + f.path(s, t.schema, t.name, true) + " to " + s.quote(f.fresh("back"))}
	}},
	{name: "flashback schema", alone: true, make: func(f *Fuzz, s *session) []string {
		name := f.extraDatabase()
		if name == "" {
			return nil
		}
		return []string{"drop database " + f.column(s, name), "flashback database " + f.column(s, name) + f.maybe(2, " to "+s.quote(f.fresh("Fuzzd")))}
	}},
	{name: "create sequence", make: func(f *Fuzz, s *session) []string {
		return []string{"create sequence " + f.place(s) + one(f, []string{"", " start 10 increment by 5 cache 3", " start with 100 maxvalue 200 cycle nocache", " increment = -1 minvalue = -1000"})}
	}},
	{name: "alter sequence", make: func(f *Fuzz, s *session) []string {
		if q := f.sequence(); q != nil {
			return []string{"alter sequence " + f.table(s, q) + one(f, []string{" increment = 7", " restart with 40", " cache 9", " maxvalue 100000"})}
		}
		return nil
	}},
	{name: "use a sequence", make: func(f *Fuzz, s *session) []string {
		q := f.sequence()
		if q == nil {
			return nil
		}
		at := f.place(s)
		return []string{"create table " + at + " (id bigint primary key default nextval(" + f.table(s, q) + "), v int default 5)", "insert into " + at + " (v) values (1), (2)",
			"insert into " + at + " values (nextval(" + f.table(s, q) + "), 3)"}
	}},
	{name: "set a sequence", make: func(f *Fuzz, s *session) []string {
		if q := f.sequence(); q != nil {
			return []string{fmt.Sprintf("do setval(%s, %d)", f.table(s, q), 100+f.r.IntN(1000))}
		}
		return nil
	}},
	{name: "drop sequence", make: func(f *Fuzz, s *session) []string {
		if q := f.sequence(); q != nil {
			return []string{"drop sequence " + f.table(s, q)}
		}
		return nil
	}},
	{name: "placement", make: func(f *Fuzz, s *session) []string {
		p, at := s.quote(f.fresh("policy")), f.place(s)
		return []string{"create placement policy " + p + " followers=2", "alter placement policy " + p + " followers=1", "create table " + at + " (a int primary key) placement policy=" + p, "insert into " + at + " values (1)",
			"alter table " + at + " placement policy=default", "alter database " + s.quote(s.database) + " placement policy=" + p, "alter database " + s.quote(s.database) + " placement policy=default", "drop placement policy " + p}
	}},
	{name: "placement of partitions", make: func(f *Fuzz, s *session) []string {
		p, at := s.quote(f.fresh("policy")), f.place(s)
		return []string{"create placement policy " + p + " followers=1", "create table " + at + " (a int) partition by range (a) (partition p0 values less than (10), partition p1 values less than (20) placement policy=" + p + ")",
			"insert into " + at + " values (1), (11)", "alter table " + at + " partition p0 placement policy=" + p, "alter table " + at + " partition p0 placement policy=default", "alter table " + at + " add column b int",
			"alter table " + at + " partition p0 placement policy=default"}
	}},
	{name: "resource group", make: func(f *Fuzz, s *session) []string {
		g := s.quote(fmt.Sprintf("group%d", f.r.Uint32()))
		return []string{"create resource group " + g + " ru_per_sec = 1000", "alter resource group " + g + " ru_per_sec = 2000", "drop resource group " + g}
	}},
	{name: "temporary table", make: func(f *Fuzz, s *session) []string {
		at := s.quote(s.database) + "." + s.quote(f.fresh("temp_"))
		return []string{"create global temporary table " + at + " (a int primary key) on commit delete rows", "insert into " + at + " values (1)", "drop table " + at}
	}},
	{name: "text and quotes", make: func(f *Fuzz, s *session) []string {
		at := f.path(s, s.database, f.fresh("t 'x' %s "), false)
		return []string{"create table " + at + " (" + s.quote("a `b\" 'c'") + " varchar(30) default 'it''s' comment 'c''d', e enum('x''y','b') default 'x''y', " + s.quote("select") + " int comment '-- /* */ ; # ?') comment='50% ''off'''",
			"insert into " + at + " values (default, default, 1)", "alter table " + at + " rename column " + s.quote("select") + " to " + s.quote("from")}
	}},
}

func (f *Fuzz) extraDatabase() string {
	var list []string
	for _, d := range f.state.databases {
		if strings.HasPrefix(d, "Fuzzd") {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return one(f, list)
}

func (f *Fuzz) sequence() *subject {
	list := f.state.which(func(t *subject) bool { return t.kind == "SEQUENCE" })
	if len(list) == 0 {
		return nil
	}
	return one(f, list)
}

// place is a path of a new table, in any of the databases.
func (f *Fuzz) place(s *session) string {
	schema := one(f, fuzzDatabases)
	if f.r.IntN(2) == 0 {
		schema = s.database
	}
	return f.path(s, schema, f.fresh(one(f, []string{"t", "T", "Tab"})), false)
}

// parentColumn is a column of whole numbers that a foreign key can refer to.
func (f *Fuzz) parentColumn(t *subject) string {
	key := t.column(func(c *subjectColumn) bool { return c.key == "PRI" })
	if len(key) == 1 && strings.Contains(key[0].kind, "int") {
		return key[0].name
	}
	return ""
}

func (f *Fuzz) parentType(t *subject) string {
	return t.column(func(c *subjectColumn) bool { return c.key == "PRI" })[0].full
}

// fuzzTypes are types with defaults that they take.
var fuzzTypes = []struct {
	def      string
	defaults []string
}{
	{"tinyint", []string{"7", "'-1'"}}, {"tinyint unsigned", []string{"0"}}, {"smallint", []string{"5"}}, {"mediumint unsigned", nil}, {"int", []string{"1", "-5"}}, {"int(8) unsigned zerofill", []string{"3"}},
	{"bigint", []string{"9"}}, {"bigint unsigned", []string{"18446744073709551615"}}, {"decimal(10,2)", []string{"1.5", "-0.05"}}, {"decimal(20,0) unsigned", nil}, {"numeric", nil},
	{"float", []string{"0.5"}}, {"double", []string{"1e3", "-0.25"}}, {"float(8,2)", []string{"1.25"}}, {"real", nil}, {"bit(7)", []string{"b'101'"}}, {"bit", nil}, {"bool", []string{"true"}},
	{"varchar(20)", []string{"'d'", "''", "'it''s'", "'中'"}}, {"varchar(30) character set latin1", []string{"'é'"}}, {"varchar(25) collate utf8mb4_general_ci", nil}, {"char(6)", []string{"'c'"}}, {"text", nil},
	{"mediumtext", nil}, {"tinyblob", nil}, {"varbinary(20)", []string{"'bin'"}}, {"binary(4)", nil}, {"varchar(10) character set gbk", nil}, {"varchar(10) character set utf8 collate utf8_bin", nil},
	{"char(5) binary", nil}, {"text character set ascii", nil}, {"longblob", nil}, {"nchar(4)", nil}, {"varchar(15) charset binary", nil},
	{"date", []string{"'2020-02-29'"}}, {"datetime", []string{"'2020-01-02 03:04:05'"}}, {"datetime(3)", []string{"'2020-01-02 03:04:05.678'"}}, {"timestamp null", []string{"'2020-06-07 08:09:10'"}},
	{"timestamp", []string{"'2020-06-07 08:09:10'"}}, {"timestamp(2)", []string{"'2020-06-07 08:09:10.12'"}}, {"time", []string{"'11:12:13'"}}, {"time(3)", nil}, {"year", []string{"2024"}},
	{"enum('a','b','ü')", []string{"'a'"}}, {"set('x','y')", []string{"'x,y'"}}, {"json", nil},
}

// columnType is a type with options, of which rows that are there can have a value.
func (f *Fuzz) columnType() string {
	t := one(f, fuzzTypes)
	def := t.def
	fixed := len(t.defaults) > 0 && f.r.IntN(2) == 0
	if !strings.HasSuffix(def, "null") && f.r.IntN(3) == 0 && (fixed || !strings.Contains("date datetime datetime(3) timestamp timestamp(2) json", def)) {
		def += " not null"
	}
	if fixed {
		def += " default " + one(f, t.defaults)
	}
	return def + f.maybe(5, " comment 'of a ''column'''")
}

// columns are definitions of n columns.
func (f *Fuzz) columns(n int) string {
	var list []string
	for range n {
		list = append(list, quote(strings.ReplaceAll(f.fresh("c"), "`", "_"))+" "+f.columnType())
	}
	return strings.Join(list, ", ")
}

// createTable makes a table with keys of any kind, and a few rows.
func (f *Fuzz) createTable(s *session, options string) []string {
	at := f.place(s)
	body := one(f, []string{
		"id int primary key, ", "id int not null auto_increment primary key, ", "id bigint unsigned not null, primary key (id), ", "id int, ", "id int unique, ", "id int not null, unique key (id), ",
		"id varchar(20) not null, primary key (id) /*T![clustered_index] CLUSTERED */, ", "id int not null, k int not null, primary key (k, id), ", "id int not null, primary key (id) /*T![clustered_index] NONCLUSTERED */, ",
		"id int not null, n bigint as (id + 1) stored, m varchar(20) as (concat(id, '-')) virtual, ", "id int, at timestamp not null default current_timestamp on update current_timestamp, ",
		"id int, at datetime(3) default now(3), key (at), ",
	})
	columns := f.columns(2 + f.r.IntN(4))
	extra := one(f, []string{"", "", ", key k (id)", ", key " + s.quote(f.fresh("k")) + " (id desc) comment 'an index'", ", index using btree (id)"})
	return []string{"create table " + f.maybe(3, "if not exists ") + at + " (" + body + columns + extra + ")" + options}
}

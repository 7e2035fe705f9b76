package replication

import (
	"fmt"
	"slices"
	"strings"
)

// alter is a kind that changes a random table by one ALTER TABLE, for which change gives what
// follows the table's name; empty: it has nothing for this table.
func alter(name string, change func(f *Fuzz, s *session, t *subject) string) fuzzKind {
	return fuzzKind{name: name, make: func(f *Fuzz, s *session) []string {
		for range 10 { // until there is a table that fits
			t := f.pick(anyTable)
			if t == nil {
				return nil
			}
			if text := change(f, s, t); text != "" {
				return []string{"alter table " + f.table(s, t) + " " + text}
			}
		}
		return nil
	}}
}

// alterFuzz changes tables, but for their partitions.
var alterFuzz = []fuzzKind{
	alter("add column", func(f *Fuzz, s *session, t *subject) string { return f.addColumn(s, t) }),
	alter("add column, a default of its own time", func(f *Fuzz, s *session, t *subject) string {
		return "add column " + quote(f.columnName()) + one(f, []string{" timestamp default current_timestamp", " datetime not null default now()", " timestamp(3) not null default current_timestamp(3) on update current_timestamp(3)", " datetime(2) default localtime(2)"})
	}),
	alter("add column, generated", func(f *Fuzz, s *session, t *subject) string {
		// TiDB's CONCAT leaves out the zeros of ZEROFILL (docs/limits.md).
		of := t.column(func(c *subjectColumn) bool {
			return strings.HasSuffix(c.kind, "int") && !strings.Contains(c.full, "zerofill") && !c.generated && !c.auto
		})
		if len(of) == 0 {
			return ""
		}
		name := f.column(s, one(f, of).name)
		return "add column " + quote(f.columnName()) + one(f, []string{" bigint as (" + name + " + 1) virtual", " varchar(40) generated always as (concat(" + name + ", '-x')) virtual", " bigint as (" + name + " div 4 + (" + name + " div 8 + 3))"})
	}),
	alter("drop column", func(f *Fuzz, s *session, t *subject) string {
		free := t.free()
		if len(free) == 0 || len(t.columns) < 3 {
			return ""
		}
		return "drop " + f.maybe(2, "column ") + f.column(s, one(f, free).name)
	}),
	alter("modify column", func(f *Fuzz, s *session, t *subject) string { return f.modify(s, t) }),
	{name: "modify column, datetime and timestamp", alone: true, make: func(f *Fuzz, s *session) []string {
		is := func(c *subjectColumn) bool {
			return (c.kind == "datetime" || c.kind == "timestamp") && c.key == "" && c.null
		}
		t := f.pick(func(t *subject) bool { return t.partitioned == "" && len(t.column(is)) > 0 })
		if t == nil {
			return nil
		}
		c := t.column(is)[0]
		name := f.column(s, c.name)
		return []string{"update " + f.table(s, t) + " set " + name + " = '2024-07-01 12:34:56'", // what both types can have
			"alter table " + f.table(s, t) + " modify column " + name + " " + map[string]string{"datetime": "timestamp(6) null", "timestamp": "datetime(6)"}[c.kind]}
	}},
	alter("change column", func(f *Fuzz, s *session, t *subject) string {
		free := t.free()
		if len(free) == 0 {
			return ""
		}
		c := one(f, free)
		def := f.wider(c)
		if def == "" {
			return ""
		}
		return "change " + f.column(s, c.name) + " " + quote(f.columnName()) + " " + def
	}),
	alter("rename column", func(f *Fuzz, s *session, t *subject) string {
		free := t.column(func(c *subjectColumn) bool { return t.partitioned == "" })
		if len(free) == 0 {
			return ""
		}
		return "rename column " + f.column(s, one(f, free).name) + " to " + quote(f.columnName())
	}),
	alter("set default value", func(f *Fuzz, s *session, t *subject) string {
		c := one(f, t.column(func(*subjectColumn) bool { return true }))
		switch {
		case f.r.IntN(3) == 0:
			return "alter column " + f.column(s, c.name) + " drop default"
		case strings.HasSuffix(c.kind, "int"):
			return "alter " + f.column(s, c.name) + fmt.Sprintf(" set default %d", f.r.IntN(100))
		case strings.HasSuffix(c.kind, "char"):
			return "alter column " + f.column(s, c.name) + " set default " + one(f, []string{"''", "'q''q'", "null"})
		case c.kind == "timestamp", c.kind == "datetime":
			return "alter column " + f.column(s, c.name) + " set default '2022-03-04 05:06:07'"
		}
		return ""
	}),
	alter("add index", func(f *Fuzz, s *session, t *subject) string { return f.addIndex(s, t) }),
	{name: "create index", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return len(t.indexes) < 8 })
		if t == nil {
			return nil
		}
		parts := f.indexParts(s, t)
		if parts == "" {
			return nil
		}
		return []string{"create " + f.maybe(3, "unique ") + "index " + f.maybe(3, "if not exists ") + s.quote(f.fresh("i")) + " on " + f.table(s, t) + " (" + parts + ")" + one(f, []string{"", " comment 'c'", " using btree", " algorithm = inplace", " lock = none", " key_block_size = 4"})}
	}},
	alter("add index, expression", func(f *Fuzz, s *session, t *subject) string {
		c := t.column(func(c *subjectColumn) bool { return strings.HasSuffix(c.kind, "int") && !c.generated })
		if len(c) == 0 || t.partitioned != "" {
			return ""
		}
		return "add index " + s.quote(f.fresh("x")) + " ((" + f.column(s, one(f, c).name) + " + 1))"
	}),
	alter("add index, invisible", func(f *Fuzz, s *session, t *subject) string {
		parts := f.indexParts(s, t)
		if parts == "" {
			return ""
		}
		return "add index " + s.quote(f.fresh("inv")) + " (" + parts + ") invisible"
	}),
	alter("alter index visibility", func(f *Fuzz, s *session, t *subject) string {
		if x := f.index(t); x != nil {
			return "alter index " + f.column(s, x.name) + one(f, []string{" invisible", " visible"})
		}
		return ""
	}),
	{name: "drop index", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return len(t.indexes) > 0 })
		if t == nil {
			return nil
		}
		name := f.column(s, one(f, t.indexes).name)
		return []string{one(f, []string{"drop index " + name + " on " + f.table(s, t), "alter table " + f.table(s, t) + " drop key " + name})}
	}},
	alter("rename index", func(f *Fuzz, s *session, t *subject) string {
		if x := f.index(t); x != nil {
			return "rename " + one(f, []string{"index ", "key "}) + f.column(s, x.name) + " to " + s.quote(f.fresh("r"))
		}
		return ""
	}),
	alter("add primary key", func(f *Fuzz, s *session, t *subject) string {
		c := t.column(func(c *subjectColumn) bool {
			return !c.generated && !c.null && !strings.Contains(c.kind, "text") && !strings.Contains(c.kind, "blob") && c.kind != "json"
		})
		if t.primary || len(c) == 0 || t.partitioned != "" {
			return ""
		}
		return "add primary key (" + f.column(s, c[0].name) + ")" + f.maybe(2, " nonclustered")
	}),
	alter("drop primary key", func(f *Fuzz, s *session, t *subject) string {
		if !t.primary || t.clustered || t.referred {
			return ""
		}
		return "drop primary key"
	}),
	{name: "add foreign key", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return t.clustered && t.partitioned == "" && f.parentColumn(t) != "" })
		if t == nil {
			return nil
		}
		u := f.pick(func(u *subject) bool {
			return u != t && u.partitioned == "" && len(u.column(func(c *subjectColumn) bool { return c.full == f.parentType(t) && c.null && !c.generated })) > 0
		})
		if u == nil {
			return nil
		}
		c := u.column(func(c *subjectColumn) bool { return c.full == f.parentType(t) && c.null && !c.generated })[0]
		return []string{"delete from " + f.table(s, u), "alter table " + f.table(s, u) + " add constraint " + s.quote(f.fresh("fk")) + " foreign key (" + f.column(s, c.name) + ") references " + f.table(s, t) + " (" + f.column(s, f.parentColumn(t)) + ")" + f.maybe(2, " on delete set null")}
	}},
	alter("drop foreign key", func(f *Fuzz, s *session, t *subject) string {
		if len(t.foreign) == 0 {
			return ""
		}
		return "drop foreign key " + f.column(s, one(f, t.foreign))
	}),
	alter("rebase auto_increment ID", func(f *Fuzz, s *session, t *subject) string {
		if len(t.column(func(c *subjectColumn) bool { return c.auto })) == 0 {
			return ""
		}
		return fmt.Sprintf("auto_increment = %d", 1000+f.r.IntN(100000))
	}),
	alter("modify auto id cache", func(f *Fuzz, s *session, t *subject) string { return "auto_id_cache 100" }),
	alter("shard row ID", func(f *Fuzz, s *session, t *subject) string {
		if t.clustered {
			return ""
		}
		return fmt.Sprintf("shard_row_id_bits = %d", 1+f.r.IntN(4))
	}),
	{name: "rebase auto_random ID", make: func(f *Fuzz, s *session) []string {
		at := f.place(s)
		return []string{"create table " + at + " (id bigint primary key auto_random, v int)", "insert into " + at + " (v) values (1), (2)", "alter table " + at + " auto_random_base = 5000"}
	}},
	alter("modify table comment", func(f *Fuzz, s *session, t *subject) string {
		return "comment " + one(f, []string{"'it''s'", "= 'new'", "''", `'"x"'`})
	}),
	alter("modify table charset and collate", func(f *Fuzz, s *session, t *subject) string {
		return one(f, []string{"default character set utf8mb4 collate utf8mb4_general_ci", "collate utf8mb4_bin", "convert to character set utf8mb4", "convert to character set utf8mb4 collate utf8mb4_general_ci", "charset utf8mb4"})
	}),
	alter("options that TiDB takes and ignores", func(f *Fuzz, s *session, t *subject) string {
		return one(f, []string{"engine = MyISAM", "row_format = compressed", "enable keys", "disable keys", "force", "order by " + f.column(s, t.columns[0].name), "algorithm = inplace", "lock = none", "checksum = 1", "with validation",
			"key_block_size = 8", "stats_persistent = 1", "add column " + quote(f.columnName()) + " int, engine = MyISAM", "comment 'c', algorithm = copy, lock = shared", "add column " + quote(f.columnName()) + " int, algorithm = instant"})
	}),
	alter("add check constraint", func(f *Fuzz, s *session, t *subject) string {
		return "add constraint " + s.quote(f.fresh("chk")) + " check (" + f.column(s, t.columns[0].name) + " is null)" + f.maybe(3, " not enforced")
	}),
	alter("attributes", func(f *Fuzz, s *session, t *subject) string {
		return one(f, []string{"attributes 'merge_option=allow'", "attributes default"})
	}),
	alter("set TiFlash replica", func(f *Fuzz, s *session, t *subject) string { return "set tiflash replica 0" }),
	{name: "TTL", make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool {
			return !t.referred && len(t.column(func(c *subjectColumn) bool { return c.kind == "datetime" || c.kind == "timestamp" || c.kind == "date" })) > 0
		})
		if t == nil {
			return nil
		}
		c := t.column(func(c *subjectColumn) bool { return c.kind == "datetime" || c.kind == "timestamp" || c.kind == "date" })[0]
		at := f.table(s, t)
		return []string{"alter table " + at + " ttl = " + f.column(s, c.name) + " + interval 1000 year ttl_enable = 'OFF'", "alter table " + at + " ttl_job_interval = '2h'", "alter table " + at + " remove ttl"}
	}},
	{name: "cache", alone: true, make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool { return t.partitioned == "" })
		if t == nil {
			return nil
		}
		at := s.quote(t.schema) + "." + s.quote(t.name)
		return []string{"alter table " + at + " cache", "alter table " + at + " nocache"}
	}},
	{name: "lock and unlock", alone: true, make: func(f *Fuzz, s *session) []string {
		if t := f.pick(anyTable); t != nil {
			return []string{"lock tables " + s.quote(t.schema) + "." + s.quote(t.name) + " write", "unlock tables"}
		}
		return nil
	}},
	alter("multi-schema change", func(f *Fuzz, s *session, t *subject) string { return f.several(s, t) }),
	alter("multi-schema change", func(f *Fuzz, s *session, t *subject) string { return f.several(s, t) }),
}

func (f *Fuzz) columnName() string { return strings.ReplaceAll(f.fresh("c"), "`", "_") }

func (f *Fuzz) addColumn(s *session, t *subject) string {
	if len(t.columns) > 12 {
		return ""
	}
	def := "add " + f.maybe(2, "column ") + f.maybe(6, "if not exists ") + quote(f.columnName()) + " " + f.columnType()
	return def + one(f, []string{"", "", " first", " after " + f.column(s, one(f, t.columns).name)})
}

// wider is a type that a column's values can be kept in, with the same text downstream.
func (f *Fuzz) wider(c *subjectColumn) string {
	kinds := map[string][]string{
		"tinyint": {"int", "bigint"}, "smallint": {"int", "bigint", "decimal(25,3)"}, "mediumint": {"bigint"}, "int": {"bigint", "decimal(30,2)", "varchar(40)"}, "bigint": {"decimal(40,0)", "varchar(50)"},
		"decimal": {"decimal(40,10)"}, "bit": {"bit(60)"}, "year": {"int"},
		"varchar": {"varchar(100)", "varchar(300)", "text", "longtext"}, "char": {"char(30)", "varchar(60)"}, "tinytext": {"text"}, "text": {"mediumtext"}, "mediumtext": {"longtext"},
		"tinyblob": {"blob", "mediumblob"}, "blob": {"longblob"}, "varbinary": {"varbinary(300)", "blob"},
		"date": {"datetime"}, "datetime": {"datetime(6)"}, "timestamp": {"timestamp(6) null"}, "time": {"time(6)"}, "enum": {"enum('a','b','ü','n')"}, "set": {"set('x','y','z')"},
	}[c.kind]
	if len(kinds) == 0 {
		return ""
	}
	def := one(f, kinds)
	if c.charset != "" && c.charset != "utf8mb4" && strings.Contains(c.kind+c.full, "char") {
		def += " character set " + c.charset
	}
	if strings.Contains(c.full, "unsigned") && (strings.HasSuffix(def, "int") || strings.HasPrefix(def, "decimal")) {
		def += " unsigned"
	}
	if !c.null && !strings.HasSuffix(def, "null") {
		def += " not null"
	}
	return def + f.maybe(4, " comment 'modified'")
}

func (f *Fuzz) modify(s *session, t *subject) string {
	free := t.free()
	if len(free) == 0 {
		return ""
	}
	c := one(f, free)
	def := f.wider(c)
	if f.r.IntN(3) == 0 { // the same type
		def = c.full + one(f, []string{" null", " null", " not null", " null comment 'only a comment'"})
		if c.charset != "" && strings.Contains(c.kind, "char") {
			def = c.full + " character set " + c.charset + " null"
		}
	}
	if def == "" {
		return ""
	}
	other := one(f, t.columns).name
	if other == c.name {
		return "modify column " + f.column(s, c.name) + " " + def + f.maybe(3, " first")
	}
	return "modify " + f.maybe(2, "column ") + f.column(s, c.name) + " " + def + one(f, []string{"", "", " first", " after " + f.column(s, other)})
}

// index is a random one that is not on an expression.
func (f *Fuzz) index(t *subject) *subjectIndex {
	list := slices.DeleteFunc(slices.Clone(t.indexes), func(x subjectIndex) bool { return x.expression || x.unique })
	if len(list) == 0 {
		return nil
	}
	x := one(f, list)
	return &x
}

// indexParts are one or two columns, with prefixes where the type needs one.
func (f *Fuzz) indexParts(s *session, t *subject) string {
	var parts []string
	for _, i := range f.r.Perm(len(t.columns)) {
		c := &t.columns[i]
		switch {
		case c.kind == "json", c.generated:
			continue
		case strings.HasSuffix(c.kind, "text"), strings.HasSuffix(c.kind, "blob"):
			parts = append(parts, f.column(s, c.name)+"(5)")
		case c.kind == "varchar":
			parts = append(parts, f.column(s, c.name)+f.maybe(2, "(3)")+f.maybe(5, " desc"))
		default:
			parts = append(parts, f.column(s, c.name)+f.maybe(6, " asc"))
		}
		if len(parts) == 1+f.r.IntN(2) {
			break
		}
	}
	return strings.Join(parts, ", ")
}

func (f *Fuzz) addIndex(s *session, t *subject) string {
	parts := f.indexParts(s, t)
	if parts == "" || len(t.indexes) > 8 {
		return ""
	}
	return "add " + one(f, []string{"index ", "key ", "key if not exists ", "unique ", "unique index "}) + s.quote(f.fresh("i")) + " (" + parts + ")" + f.maybe(4, " comment 'c'")
}

// several is two to four changes of one statement.
func (f *Fuzz) several(s *session, t *subject) string {
	var list []string
	used := map[string]bool{}
	for range 2 + f.r.IntN(3) {
		free := slices.DeleteFunc(t.free(), func(c *subjectColumn) bool { return used[c.name] })
		switch n := f.r.IntN(8); {
		case n < 3:
			list = append(list, "add column "+quote(f.columnName())+" "+f.columnType()+f.maybe(4, " first"))
		case n == 3 && len(free) > 1 && len(t.columns) > 4:
			used[free[0].name] = true
			list = append(list, "drop column "+f.column(s, free[0].name))
		case n == 4 && len(free) > 0:
			if def := f.wider(free[len(free)-1]); def != "" {
				used[free[len(free)-1].name] = true
				list = append(list, "modify column "+f.column(s, free[len(free)-1].name)+" "+def)
			}
		case n == 5 && len(free) > 0:
			used[free[0].name] = true
			list = append(list, "rename column "+f.column(s, free[0].name)+" to "+quote(f.columnName()))
		case n == 6:
			name := f.columnName()
			list = append(list, "add column "+quote(name)+" int", "add index "+s.quote(f.fresh("i"))+" ("+quote(name)+")")
		default:
			if x := f.index(t); x != nil && !used[x.name] {
				used[x.name] = true
				list = append(list, "drop index "+f.column(s, x.name))
			}
		}
	}
	if len(list) < 2 {
		return ""
	}
	return strings.Join(list, ", ")
}

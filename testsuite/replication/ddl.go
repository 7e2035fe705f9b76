package replication

import "fmt"

// ddlKind is a kind of DDL. make gives statements for the table, and what has changed when
// all of them have succeeded.
type ddlKind struct {
	kind string
	make func(e *evolution, c *client, t *evolving) (list []string, done func())
}

// always is a kind that has nothing to do with the table. %s is a new name.
func always(kind string, formats ...string) ddlKind {
	return ddlKind{kind, func(e *evolution, c *client, t *evolving) (list []string, done func()) {
		name := e.fresh("n")
		for _, f := range formats {
			list = append(list, replace(f, name))
		}
		return list, nil
	}}
}

func replace(format, name string) string {
	out := ""
	for i := 0; i < len(format); i++ {
		if format[i] == '@' {
			out += name
			continue
		}
		out += string(format[i])
	}
	return out
}

// alterKinds change the evolving tables, in an order in which each finds something to change.
var alterKinds = []ddlKind{
	{"add column", addColumn}, {"add column first", addColumnFirst}, {"add column with default", addDefault}, {"add column", addColumn},
	{"add column", addColumn}, {"add column with default", addDefault},
	{"modify column", modifyColumn}, {"modify column", modifyColumn}, {"modify column", modifyColumn},
	{"change column", changeColumn}, {"rename column", renameColumn}, {"set default", setDefault},
	{"add index", addIndex}, {"add index", addIndex}, {"rename index", renameIndex}, {"drop index", dropIndex},
	{"drop column", dropColumn}, {"drop column", dropColumn},
	{"multi-schema change", multiChange}, {"multi-schema change", multiChange},
	{"rename table", renameTable}, {"rename tables in a ring", swapTables},
	{"truncate table", truncateTable}, {"unique index that fails", failingUnique},
}

// partitionKinds are about partitions and what has nothing to do with rows.
var partitionKinds = []ddlKind{
	always("table options", "alter table evolve.e0 comment = 'it''s @'", "alter table evolve.e1 auto_increment = 1000",
		"alter table evolve.e2 default character set utf8mb4 collate utf8mb4_bin"),
	always("partition", "alter table evolve.parted add partition (partition p300 values less than (300))", "insert into evolve.parted values (250, 1), (50, 2), (150, 3)",
		"update evolve.parted set id = id + 100 where id < 100 limit 3",
		"alter table evolve.parted truncate partition p100", "insert into evolve.parted values (9, 9)",
		"alter table evolve.parted drop partition p300", "insert into evolve.parted values (199, 1)"),
	always("list partition", "alter table evolve.listed add partition (partition l2 values in (6, 7))", "insert into evolve.listed values (6, 1), (1, 1), (3, 4)",
		"alter table evolve.listed truncate partition l0", "alter table evolve.listed drop partition l2"),
	always("exchange partition", "delete from evolve.plain where id >= 100", "alter table evolve.parted exchange partition p100 with table evolve.plain",
		"insert into evolve.plain values (3, 4), (5, 6)", "insert into evolve.parted values (7, 8), (107, 8)", "update evolve.plain set v = v + 1 limit 2"),
	always("exchange partition with a copy", "create table scratch.parts_@ (id int not null, gone int, v int) partition by range (id) (partition p100 values less than (100), partition p200 values less than (200))",
		"alter table scratch.parts_@ drop column gone", "create table scratch.model_@ (id int not null, gone int, v int)", "alter table scratch.model_@ drop column gone",
		"create table scratch.copy_@ like scratch.model_@", "insert into scratch.parts_@ values (1, 1), (150, 2)", "alter table scratch.parts_@ exchange partition p100 with table scratch.copy_@"),
	always("attributes", "alter table evolve.e0 attributes 'merge_option=allow'", "create table scratch.cached_@ (a int)", "alter table scratch.cached_@ cache",
		"alter table scratch.cached_@ nocache", "insert into scratch.cached_@ values (1)"),
}

// objectKinds make and drop databases, tables, views and what only TiDB has.
var objectKinds = []ddlKind{
	always("database", "create database `db-@` character set utf8mb4 collate utf8mb4_bin", "create table `db-@`.t (a int primary key, b varchar(9))",
		"insert into `db-@`.t values (1, 'x'), (2, 'y')", "alter database `db-@` character set utf8mb4 collate utf8mb4_general_ci",
		"create table `db-@`.u (a int, c varchar(20))", "insert into `db-@`.u values (1, 'Ä')"),
	always("drop database", "create database `gone-@`", "create table `gone-@`.t (a int primary key)", "insert into `gone-@`.t values (1)", "drop database `gone-@`"),
	always("table", "create table scratch.@ (a int not null, b varchar(20) default 'd', key (b))", "insert into scratch.@ (a) values (1), (2)",
		"create table scratch.like_@ like scratch.@", "insert into scratch.like_@ values (3, 'x')",
		"alter table scratch.@ add primary key (a)", "update scratch.@ set b = 'new' where a = 1", "alter table scratch.@ drop primary key", "delete from scratch.@ where a = 2"),
	always("drop table", "create table scratch.gone_@ (a int)", "insert into scratch.gone_@ values (1)", "drop table scratch.gone_@",
		"create table scratch.gone_@ (b varchar(5))", "insert into scratch.gone_@ values ('again')"),
	always("view", "create or replace view scratch.w as select id, v from evolve.plain", "create view scratch.view_@ as select v, count(*) as n from evolve.plain group by v",
		"drop view scratch.view_@"),
	always("sequence", "create sequence scratch.seq_@ cache 5", "create table scratch.ids_@ (id bigint primary key)",
		"insert into scratch.ids_@ values (nextval(scratch.seq_@)), (nextval(scratch.seq_@))", "drop sequence scratch.seq_@"),
	always("placement", "create placement policy policy_@ followers=2", "create table scratch.placed_@ (a int primary key) placement policy=policy_@",
		"insert into scratch.placed_@ values (1)", "alter table scratch.placed_@ placement policy=default", "drop placement policy policy_@"),
	always("temporary table", "create global temporary table scratch.temp_@ (a int primary key) on commit delete rows", "insert into scratch.temp_@ values (1)"),
	always("text", "create table scratch.`txt_@ ``q`` %s` (`a ``b` varchar(30) default 'it''s \"q\" \\\\ 中' comment 'c''d \\\\', e enum('x''y','b\\\\') default 'x''y')",
		"insert into scratch.`txt_@ ``q`` %s` values (default, default)", "alter table scratch.`txt_@ ``q`` %s` rename column `a ``b` to `select`"),
}

func addColumn(e *evolution, c *client, t *evolving) ([]string, func()) {
	x, def := e.column(c)
	return []string{"alter table " + t.name + " add column " + def}, func() { t.extra = append(t.extra, x) }
}

func addColumnFirst(e *evolution, c *client, t *evolving) ([]string, func()) {
	x, def := e.column(c)
	place := []string{" first", " after id"}[c.r.IntN(2)]
	return []string{"alter table " + t.name + " add column " + def + place}, func() { t.extra = append(t.extra, x) }
}

// addDefault adds a column that old rows have a value in.
func addDefault(e *evolution, c *client, t *evolving) ([]string, func()) {
	defaults := []struct {
		line int
		def  string
	}{
		{0, "not null default 7"}, {1, "default -5"}, {2, "not null default 'd''x'"}, {2, "default ''"}, {3, "default 'ab'"},
		{4, "default '2020-01-02 03:04:05'"}, {5, "not null default '2020-02-29'"}, {6, "default 'bin'"}, {7, "default 'b'"},
		{8, "not null default 'a,b'"}, {9, "not null default 1.5"}, {10, "default 0.25"}, {12, "not null default b'101'"}, {13, "default 2024"},
		{0, "not null"}, {2, "not null"},
	}
	d := defaults[c.r.IntN(len(defaults))]
	x := extra{name: e.fresh("d"), line: d.line}
	return []string{"alter table " + t.name + " add column " + quote(x.name) + " " + growth[x.line][0].def + " " + d.def},
		func() { t.extra = append(t.extra, x) }
}

// growing picks a column that can become another type.
func growing(c *client, t *evolving) *extra {
	for _, i := range c.r.Perm(len(t.extra)) {
		if x := &t.extra[i]; x.step+1 < len(growth[x.line]) {
			return x
		}
	}
	return nil
}

func modifyColumn(e *evolution, c *client, t *evolving) ([]string, func()) {
	x := growing(c, t)
	if x == nil {
		return addColumn(e, c, t)
	}
	return []string{"alter table " + t.name + " modify column " + quote(x.name) + " " + growth[x.line][x.step+1].def}, func() { x.step++ }
}

func changeColumn(e *evolution, c *client, t *evolving) ([]string, func()) {
	x := growing(c, t)
	if x == nil {
		return addColumn(e, c, t)
	}
	to := e.fresh("x")
	return []string{"alter table " + t.name + " change column " + quote(x.name) + " " + quote(to) + " " + growth[x.line][x.step+1].def + " comment 'changed'"},
		func() { x.name = to; x.step++ }
}

func (t *evolving) any(c *client) *extra {
	if len(t.extra) == 0 {
		return nil
	}
	return &t.extra[c.r.IntN(len(t.extra))]
}

func renameColumn(e *evolution, c *client, t *evolving) ([]string, func()) {
	x := t.any(c)
	if x == nil {
		return addColumn(e, c, t)
	}
	to := e.fresh("r`")
	return []string{"alter table " + t.name + " rename column " + quote(x.name) + " to " + quote(to)}, func() { x.name = to }
}

func setDefault(e *evolution, c *client, t *evolving) ([]string, func()) {
	id := c.r.IntN(1000)
	return []string{
		fmt.Sprintf("alter table %s alter column v set default %d", t.name, id),
		fmt.Sprintf("insert into %s (id) values (%d)", t.name, 1000+e.serial),
		fmt.Sprintf("alter table %s alter column v drop default", t.name),
		fmt.Sprintf("alter table %s alter column v set default 5", t.name),
	}, func() { e.serial++ }
}

func addIndex(e *evolution, c *client, t *evolving) ([]string, func()) {
	name := e.fresh("i")
	return []string{"alter table " + t.name + " add index " + name + " (v, id)"}, func() { t.indexes = append(t.indexes, name) }
}

func renameIndex(e *evolution, c *client, t *evolving) ([]string, func()) {
	if len(t.indexes) == 0 {
		return addIndex(e, c, t)
	}
	to := e.fresh("k")
	return []string{"alter table " + t.name + " rename index " + t.indexes[0] + " to " + to}, func() { t.indexes[0] = to }
}

func dropIndex(e *evolution, c *client, t *evolving) ([]string, func()) {
	if len(t.indexes) == 0 {
		return addIndex(e, c, t)
	}
	return []string{"drop index " + t.indexes[0] + " on " + t.name}, func() { t.indexes = t.indexes[1:] }
}

func dropColumn(e *evolution, c *client, t *evolving) ([]string, func()) {
	if len(t.extra) == 0 {
		return addColumn(e, c, t)
	}
	x := t.extra[0]
	return []string{"alter table " + t.name + " drop column " + quote(x.name)}, func() { t.extra = t.extra[1:] }
}

// multiChange is several changes in one statement.
func multiChange(e *evolution, c *client, t *evolving) ([]string, func()) {
	a, first := e.column(c)
	b, second := e.column(c)
	index := e.fresh("m")
	q := "alter table " + t.name + " add column " + first + ", add column " + second + " first, add index " + index + " (v)"
	drop := len(t.extra) > 2
	if drop {
		q += ", drop column " + quote(t.extra[0].name)
	}
	return []string{q}, func() {
		if drop {
			t.extra = t.extra[1:]
		}
		t.extra = append(t.extra, a, b)
		t.indexes = append(t.indexes, index)
	}
}

// renameTable renames and back: other clients write to the old name.
func renameTable(e *evolution, c *client, t *evolving) ([]string, func()) {
	to := "scratch." + e.fresh("moved_")
	return []string{"rename table " + t.name + " to " + to,
		fmt.Sprintf("insert into %s (id, v) values (%d, 1)", to, 100000+e.serial),
		"alter table " + to + " rename to " + t.name}, nil
}

// swapTables lets two tables change names, in one statement.
func swapTables(e *evolution, c *client, t *evolving) ([]string, func()) {
	other := e.tables[c.r.IntN(len(e.tables))]
	if other == t {
		return addIndex(e, c, t)
	}
	return []string{fmt.Sprintf("rename table %s to evolve.aside, %s to %s, evolve.aside to %s", t.name, other.name, t.name, other.name)}, func() {
		t.extra, other.extra = other.extra, t.extra
		t.indexes, other.indexes = other.indexes, t.indexes
	}
}

func truncateTable(e *evolution, c *client, t *evolving) ([]string, func()) {
	return []string{"truncate table " + t.name}, nil
}

// failingUnique is a job that TiDB rolls back, for there are duplicates.
func failingUnique(e *evolution, c *client, t *evolving) ([]string, func()) {
	name := e.fresh("dup_")
	return []string{"create table scratch." + name + " (a int)", "insert into scratch." + name + " values (1), (1)",
		"insert into scratch." + name + " values (2)", "alter table scratch." + name + " add unique index u (a)"}, nil
}

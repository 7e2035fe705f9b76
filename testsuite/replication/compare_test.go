package replication

import (
	"strings"
	"testing"

	"pumphouse/testsuite/mariadbtest"
)

// TestCompare: every kind of difference is found, and told so that one can find it.
func TestCompare(t *testing.T) {
	a, b := mariadbtest.Start(t), mariadbtest.Start(t)
	setup := []string{"create database d", "create database empty",
		"create table d.t (id int primary key, v varchar(20), f float, g double, e enum('a','b'), z datetime)",
		"create table d.k (a int, b varbinary(10))", "create view d.w as select a from d.k",
		"create table d.def (id int not null primary key, u int unsigned default 5, s varchar(20) character set utf8mb4 collate utf8mb4_bin default 'it''s', n decimal(10,2) not null default 1.5, " +
			"ts timestamp(2) null, g int as (id + 1) stored, e enum('a','b') comment 'c', p int not null default 0, key k (s(5), u), unique key uk (u, p))",
		"create table d.part (id int not null, v int) partition by range (id) (partition p0 values less than (100), partition p1 values less than maxvalue)",
		"create table d.parent (id int primary key)", "create table d.child (id int primary key, p int, key p (p), constraint fk foreign key (p) references parent (id) on delete cascade)",
		"insert into d.t values (1, 'x', 0.1, 0.1, 'a', '2020-01-02 03:04:05'), (2, null, null, null, null, null), (3, '', 1, 1, 'b', '0000-00-00')",
		"insert into d.k values (1, x'00'), (1, x'00'), (2, null)"}
	for _, s := range []*mariadbtest.Server{a, b} {
		db := s.Open()
		db.SetMaxOpenConns(1)
		for _, q := range append([]string{"set sql_mode = ''"}, setup...) {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
	want, got := a.Open(), b.Open()
	check := func(what, differs string) {
		t.Helper()
		c, err := Compare(t.Context(), want, got)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(c.Differences, "\n")
		switch {
		case differs == "" && all != "":
			t.Errorf("%s: %s", what, all)
		case differs != "" && !strings.Contains(all, differs):
			t.Errorf("%s: found %q, not %q", what, all, differs)
		}
		if c.Tables == 0 {
			t.Errorf("%s: nothing was compared", what)
		}
	}
	check("the same", "")
	for _, c := range []struct{ change, back, differs string }{
		{"update d.t set v = 'X' where id = 1", "update d.t set v = 'x' where id = 1", `v="x", downstream v="X"`},
		{"update d.t set v = 'x ' where id = 1", "update d.t set v = 'x' where id = 1", `v="x", downstream v="x "`},
		{"update d.t set v = '' where id = 2", "update d.t set v = null where id = 2", `v=NULL, downstream v=""`},
		{"update d.t set f = 0.10000001 where id = 1", "update d.t set f = 0.1 where id = 1", "f=0.1, downstream f=0.10000001"},
		{"update d.t set g = 0.10000000000000002 where id = 1", "update d.t set g = 0.1 where id = 1", "g=0.1, downstream g=0.10000000000000002"},
		{"update d.t set z = '0000-00-00 00:00:01' where id = 3", "update d.t set z = 0 where id = 3", "0000-00-00 00:00:01"},
		{"delete from d.k where a = 1 limit 1", "insert into d.k values (1, x'00')", `missing a=1 | b="\x00"`},
		{"insert into d.k values (2, null)", "delete from d.k where a = 2 limit 1", "too much a=2 | b=NULL"},
		{"update d.k set b = x'0000' where a = 1 limit 1", "update d.k set b = x'00' where a = 1", `b="\x00\x00"`},
		{"alter table d.k add column c int", "alter table d.k drop column c", "`d`.`k` has the columns"},
		{"alter table d.k modify column a bigint", "alter table d.k modify column a int", "`d`.`k` has the columns"},
		{"alter table d.k modify column a int after b", "alter table d.k modify column a int first", "`d`.`k` has the columns"},
		{"create table d.more (a int)", "drop table d.more", "`d`.`more` is downstream only"},
		{"rename table d.t to d.u", "rename table d.u to d.t", "`d`.`t` is missing downstream"},
		{"drop view d.w", "create view d.w as select a from d.k", "`d`.`w` is missing downstream"},
		{"drop database empty", "create database empty", "database empty"},
		{"rename table d.part to d.Part", "rename table d.Part to d.part", "`d`.`part` is called `d`.`Part` downstream"},
		{"alter database empty collate utf8mb4_bin", "alter database empty collate utf8mb4_general_ci", "database empty"},
		// Definitions, without any difference of rows.
		{"alter table d.def modify u int default 5", "alter table d.def modify u int unsigned default 5", "int(10) unsigned default 5"},
		{"alter table d.def modify u int unsigned default 6", "alter table d.def modify u int unsigned default 5", "default 6"},
		{"alter table d.def modify u int unsigned", "alter table d.def modify u int unsigned default 5", "default 5"},
		{"alter table d.def modify s varchar(21) character set utf8mb4 collate utf8mb4_bin default 'it''s'", "alter table d.def modify s varchar(20) character set utf8mb4 collate utf8mb4_bin default 'it''s'", "varchar(21)"},
		{"alter table d.def modify s varchar(20) character set utf8mb4 collate utf8mb4_general_ci default 'it''s'", "alter table d.def modify s varchar(20) character set utf8mb4 collate utf8mb4_bin default 'it''s'", "utf8mb4_bin"},
		{"alter table d.def modify s varchar(20) character set latin1 collate latin1_bin default 'it''s'", "alter table d.def modify s varchar(20) character set utf8mb4 collate utf8mb4_bin default 'it''s'", "latin1"},
		{"alter table d.def modify s varchar(20) character set utf8mb4 collate utf8mb4_bin default ''", "alter table d.def modify s varchar(20) character set utf8mb4 collate utf8mb4_bin default 'it''s'", `default ""`},
		{"alter table d.def modify n decimal(10,3) not null default 1.5", "alter table d.def modify n decimal(10,2) not null default 1.5", "decimal(10,3)"},
		{"alter table d.def modify n decimal(10,2) default 1.5", "alter table d.def modify n decimal(10,2) not null default 1.5", "not null default 3/2"},
		{"alter table d.def modify ts timestamp(3) null", "alter table d.def modify ts timestamp(2) null", "timestamp(3)"},
		{"alter table d.def modify ts timestamp(2) null default current_timestamp(2)", "alter table d.def modify ts timestamp(2) null", "default now(2)"},
		{"alter table d.def modify ts timestamp(2) null on update current_timestamp(2)", "alter table d.def modify ts timestamp(2) null", "on update"},
		{"alter table d.def modify g int as (id + 2) stored", "alter table d.def modify g int as (id + 1) stored", "(`id`+2)"},
		{"alter table d.def drop column g, add column g int as (id + 1) virtual after ts", "alter table d.def drop column g, add column g int as (id + 1) stored after ts", "virtual generated"},
		{"alter table d.def modify e enum('a','c') comment 'c'", "alter table d.def modify e enum('a','b') comment 'c'", "enum('a','c')"},
		{"alter table d.def modify e enum('a','b') comment 'd'", "alter table d.def modify e enum('a','b') comment 'c'", `comment "d"`},
		{"alter table d.def modify p int not null auto_increment, add key i (p)", "alter table d.def modify p int not null default 0, drop key i", "auto_increment"},
		{"alter table d.def add key more (n)", "alter table d.def drop key more", "index `more` (`n`) unique false"},
		{"alter table d.def add unique key more (n)", "alter table d.def drop key more", "index `more` (`n`) unique true"},
		{"alter table d.def drop key k, add key k (s(6), u)", "alter table d.def drop key k, add key k (s(5), u)", "(`s`(6), `u`)"},
		{"alter table d.def drop key k, add key k (u, s(5))", "alter table d.def drop key k, add key k (s(5), u)", "(`u`, `s`(5))"},
		{"alter table d.def drop key uk, add key uk (u, p)", "alter table d.def drop key uk, add unique key uk (u, p)", "unique false"},
		{"alter table d.def drop key uk, add unique key uk (u desc, p)", "alter table d.def drop key uk, add unique key uk (u, p)", "(`u` desc, `p`)"},
		{"alter table d.def rename key uk to ul", "alter table d.def rename key ul to uk", "index `ul`"},
		{"alter table d.def drop primary key, add primary key (id, p)", "alter table d.def drop primary key, add primary key (id)", "index `PRIMARY` (`id`, `p`)"},
		{"alter table d.def alter key k ignored", "alter table d.def alter key k not ignored", "ignored yes"},
		{"alter table d.def comment 'of the table'", "alter table d.def comment ''", `comment "of the table"`},
		{"alter table d.def collate utf8mb4_unicode_ci", "alter table d.def collate utf8mb4_general_ci", "table collation utf8mb4_unicode_ci"},
		{"alter table d.def add constraint c check (id > 0)", "alter table d.def drop constraint c", "check `c` (`id`>0)"},
		{"alter table d.part reorganize partition p1 into (partition p1 values less than (200), partition p2 values less than maxvalue)",
			"alter table d.part reorganize partition p1, p2 into (partition p1 values less than maxvalue)", "partition 2 `p1` by range `id` values 200"},
		{"alter table d.part remove partitioning", "alter table d.part partition by range (id) (partition p0 values less than (100), partition p1 values less than maxvalue)", "partition 1 `p0`"},
		{"alter table d.child drop foreign key fk", "alter table d.child add constraint fk foreign key (p) references d.parent (id) on delete cascade", "references `d`.`parent` (`id`) on delete cascade"},
		{"alter table d.child drop foreign key fk, add constraint fk2 foreign key (p) references d.parent (id) on update set null", "alter table d.child drop foreign key fk2, add constraint fk foreign key (p) references d.parent (id) on delete cascade", "on update set null"},
		{"create or replace sql security invoker view d.w as select a from d.k", "create or replace view d.w as select a from d.k", "view security INVOKER"},
	} {
		b.Exec("set global sql_mode = ''", c.change)
		check(c.change, c.differs)
		b.Exec(c.back)
		check(c.back, "")
	}
}

// TestDocuments: JSON is compared by what it means.
func TestDocuments(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a": 1, "b": [1.0, "x"]}`, `{"b":[1,"x"],"a":1e0}`, true},
		{`18446744073709551615`, `18446744073709551615.0`, true},
		{`18446744073709551615`, `18446744073709551614`, false},
		{`0.1`, `0.10000000000000001`, false},
		{`"\u4e2d"`, `"中"`, true},
		{`"1"`, `1`, false},
		{`[1, 2]`, `[2, 1]`, false},
		{`null`, `"null"`, false},
		{`{"a": null}`, `{}`, false},
		{`not JSON`, `not  JSON`, false},
	} {
		if same := plain([]byte(c.a), true) == plain([]byte(c.b), true); same != c.same {
			t.Errorf("%s and %s: same is %v", c.a, c.b, same)
		}
	}
}

// TestSameDefinition: words for one thing are one, words for different things are not.
func TestSameDefinition(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"`a` + `b`", "(`a`+`b`)", true},
		{"`a` + `b` * 2", "(`a` + `b`) * 2", false},
		{"concat(`c`, _utf8mb4'-', `a`)", "concat(`c`,'-',`a`)", true},
		{"concat(`c`, '-')", "concat(`c`, '_')", false},
		{"upper(`c`)", "ucase(`c`)", true},
		{"upper(`c`)", "lcase(`c`)", false},
		{"YEAR(`d`)", "year(`D`)", true},
		{"1,2", "1, 2", true},
		{"1,2", "2,1", false},
		{"MAXVALUE", "maxvalue", true},
	} {
		if same := expression(c.a) == expression(c.b); same != c.same {
			t.Errorf("%q is %q and %q is %q: same is %v", c.a, expression(c.a), c.b, expression(c.b), same)
		}
	}
	for _, c := range []struct {
		tidb, mariadb, kind string
		same                bool
	}{
		{"5", "5", "int", true}, {"1.50", "1.5", "decimal", true}, {"5", "6", "int", false},
		{"it's", "'it''s'", "varchar", true}, {`a\b`, `'a\\b'`, "varchar", true}, {"", "''", "varchar", true}, {"x", "'X'", "varchar", false},
		{"CURRENT_TIMESTAMP(2)", "current_timestamp(2)", "timestamp", true}, {"CURRENT_TIMESTAMP", "current_timestamp()", "datetime", true},
		{"CURRENT_TIMESTAMP", "current_timestamp(3)", "datetime", false}, {"CURRENT_TIMESTAMP", "'CURRENT_TIMESTAMP'", "varchar", true},
		{"b'101'", "b'101'", "bit", true}, {"b'101'", "b'00000101'", "bit", true}, {"b'101'", "b'1'", "bit", false},
	} {
		a, b := definer{content: &content{tidb: true}}.initial(c.tidb, c.kind), definer{content: &content{}}.initial(c.mariadb, c.kind)
		if (a == b) != c.same {
			t.Errorf("%s %q and %q: %q and %q", c.kind, c.tidb, c.mariadb, a, b)
		}
	}
}

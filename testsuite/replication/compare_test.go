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

package applier

import (
	"fmt"
	"testing"
)

// What a statement in a file is about, and whether a MySQL has anything of it.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE DATABASE `a``b`;":                                                  "[a`b] false a`b",
		"use `a``b`; create table t (id int);":                                     "[a`b.t] false a`b",
		"use `a`; create table b.t like s;":                                        "[b.t] false a",
		"use `a`; rename table x to b.x, y to z;":                                  "[a.x b.x a.y a.z] false a",
		"use `a`; alter table x exchange partition p with table b.y;":              "[a.x b.y] false a",
		"use `a`; alter table x set tiflash replica 1;":                            "[a.x] true a",
		"use `a`; alter table x add column c int, add index (c);":                  "[a.x] false a",
		"use `a`; DROP TABLE x, b.y;":                                              "[a.x b.y] false a",
		"use `a`; create sequence s;":                                              "[a.s] true a",
		"use `a`; create view v as select * from b.t;":                             "[a.v] false a",
		"use `a`; truncate table t;":                                               "[a.t] false a",
		"use `a`; create global temporary table t (id int) on commit delete rows;": "[a.t] true a",
		"CREATE PLACEMENT POLICY p FOLLOWERS=1;":                                   "[] true ",
		"use `a`; this is no statement;":                                           "[a] false a",
	} {
		st, err := parse("", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprint(st.named, st.ddl.OnlyTiDB, " ", st.ddl.Schema); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Each of the records of one statement drops one table.
func TestOnly(t *testing.T) {
	st, err := parse("", "use `a`; drop table if exists x, b.y;")
	if err != nil || len(st.drops) != 2 {
		t.Fatal(st, err)
	}
	st.only(name{"b", "y"})
	if st.query != "DROP TABLE IF EXISTS `b`.`y`" || fmt.Sprint(st.named) != "[b.y]" {
		t.Errorf("%s about %v", st.query, st.named)
	}
}

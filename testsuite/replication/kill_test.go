package replication

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// killed are DDLs during which a drainer dies. Their effect can be seen to have come once: not at all,
// in part and twice each make another table.
var killed = []struct {
	name        string
	before, run []string // before is downstream before the drainer is to be killed
	// change is of killed.a, before what is run; early is run while that is under way, and refused until it has come far enough.
	change string
	early  []string
}{
	{name: "create like", before: []string{"create table killed.a (id int primary key, v varchar(10) default 'd', key k (v))", "insert into killed.a values (1, 'x')"},
		run: []string{"create table killed.b like killed.a", "insert into killed.b (id) values (7)"}},
	{name: "add, drop and index in one statement", before: []string{"create table killed.a (id int primary key, gone int, v int)", "insert into killed.a values (1, 2, 3)"},
		run: []string{"alter table killed.a add column c int not null default 5, drop column gone, add index i (v)", "insert into killed.a values (2, 3, 4)"}},
	{name: "rename in a ring", before: []string{"create table killed.a (id int primary key)", "create table killed.b (id int primary key)", "insert into killed.a values (1)", "insert into killed.b values (2)"},
		run: []string{"rename table killed.a to killed.c, killed.b to killed.a, killed.c to killed.b", "insert into killed.a values (3)"}},
	{name: "truncate", before: []string{"create table killed.a (id int primary key)", "insert into killed.a values (1), (2)"},
		run: []string{"truncate table killed.a", "insert into killed.a values (2), (3)"}},
	{name: "exchange a partition", before: []string{"create table killed.p (id int) partition by range (id) (partition p0 values less than (10))", "create table killed.a (id int)", "insert into killed.p values (1)", "insert into killed.a values (2)"},
		run: []string{"alter table killed.p exchange partition p0 with table killed.a", "insert into killed.p values (3)", "insert into killed.a values (4)"}},
	{name: "drop and create again", before: []string{"create table killed.a (id int primary key)", "insert into killed.a values (1)"},
		run: []string{"drop table killed.a", "create table killed.a (id varchar(9) primary key)", "insert into killed.a values ('new')"}},
	{name: "drop a column", before: []string{"create table killed.a (id int primary key, gone int, v int)", "insert into killed.a values (1, 2, 3)"},
		run: []string{"alter table killed.a drop column gone", "insert into killed.a values (2, 3)"}},
	{name: "modify a column", before: []string{"create table killed.a (id int primary key, v int)", "insert into killed.a values (1, 2)"},
		run: []string{"alter table killed.a modify column v varchar(20) not null default '7' comment 'm'", "insert into killed.a (id) values (2)"}},
	{name: "drop a partition", before: []string{"create table killed.p (id int) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20))", "insert into killed.p values (1), (11)"},
		run: []string{"alter table killed.p drop partition p0", "alter table killed.p add partition (partition p0 values less than (30))", "insert into killed.p values (2), (22)"}},
	{name: "drop a unique key", before: []string{"create table killed.a (k int not null, v int, unique key u (k))", "insert into killed.a values (1, 1), (2, 2)"},
		change: "drop key u", early: []string{"insert into killed.a values (1, 10)", "insert into killed.a values (2, 20)", "update killed.a set v = 11 where v = 10"}, run: []string{"delete from killed.a where v = 2", "insert into killed.a values (1, 12)"}},
	{name: "drop keys and columns and add one", before: []string{"create table killed.a (k int, l int, v int, w int, unique key u (k), unique key x (l))", "insert into killed.a values (1, 1, 1, 1)"},
		change: "drop key u, drop column l, add column c int not null default 5", early: []string{"insert into killed.a (k, v, w) values (1, 10, 10)", "update killed.a set v = 11 where v = 10"}, run: []string{"insert into killed.a (k, v, c) values (1, 12, 6)"}},
	{name: "comment and default", before: []string{"create table killed.a (id int primary key, v int)", "insert into killed.a values (1, 2)"},
		run: []string{"alter table killed.a alter column v set default 4", "alter table killed.a comment 'c'", "insert into killed.a (id) values (2)"}},
	{name: "views and databases", before: []string{"create table killed.a (id int primary key, v int)", "insert into killed.a values (1, 2)", "create view killed.w as select v from killed.a"},
		run: []string{"create or replace view killed.w as select id, v from killed.a", "create database killed_more", "create table killed_more.t (id int)", "insert into killed_more.t values (5)"}},
}

// TestDDLKilled: the drainer is killed at each of its steps in a DDL, before the downstream gets a
// command or when it has answered and the drainer does not know; the next one brings the downstream to
// what TiDB is. The long form has every step of every statement, as many statements at a time as -parallel
// says, each in a cluster of its own: most of the time is spent waiting.
func TestDDLKilled(t *testing.T) {
	if form.Long() {
		for i := range killed {
			t.Run(killed[i].name, func(t *testing.T) {
				t.Parallel()
				k := startKilling(t)
				for _, after := range []bool{false, true} {
					for step := 1; k.round(i, step, after); step++ {
						if step%10 == 0 {
							t.Logf("statement %d of %d: step %d, after %t", i+1, len(killed), step, after)
						}
					}
				}
				k.end()
			})
		}
		return
	}
	r := rand.New(rand.NewPCG(form.Seed(t), 8))
	k := startKilling(t)
	for range 12 {
		k.round(r.IntN(len(killed)), 1+r.IntN(25), r.IntN(2) == 0) // about 30 steps are there
	}
	k.end()
}

// killing kills the drainer of a cluster, which reaches its downstream through a proxy.
type killing struct {
	t        *testing.T
	c        *Cluster
	p        *Proxy
	up, down *sql.DB
	kills    int
}

func startKilling(t *testing.T) *killing {
	t.Helper()
	c := Start(t, Options{})
	k := &killing{t: t, c: c, p: StartProxy(t, c.downstreamAddr()), up: c.Open(""), down: c.Downstream()}
	t.Cleanup(func() { k.up.Close() })
	c.startDrainer("", k.p.Addr)
	return k
}

// round kills the drainer at one step. false: the statement takes fewer, or the test has failed.
func (k *killing) round(i, step int, after bool) (killedThere bool) {
	k.t.Helper()
	name := fmt.Sprintf("%s, step %d, after %t", killed[i].name, step, after)
	killedThere = killAt(k.t, k.c, k.p, k.up, i, step, after)
	if killedThere {
		k.kills++
		if err := k.c.Drainer.TryStart(); err != nil {
			k.t.Fatalf("%s: %v", name, err)
		}
	}
	if err := k.c.Apply(k.t.Context()); err != nil {
		k.t.Fatalf("%s: %v", name, err)
	}
	sameKilled(k.t, k.c, k.up, k.down, name)
	return killedThere && !k.t.Failed()
}

func (k *killing) end() {
	k.t.Helper()
	k.t.Logf("%d kills", k.kills)
	if k.kills == 0 {
		k.t.Error("the drainer was never killed")
	}
}

// killAt runs a statement and kills the drainer at a step of it. false: it took fewer.
func killAt(t *testing.T, c *Cluster, p *Proxy, db *sql.DB, i, step int, after bool) bool {
	t.Helper()
	prepare(t, c, db, killed[i].before)
	done := p.At(step, after, c.Drainer.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if killed[i].change != "" {
		if err := loosen(ctx, db, "killed.a", killed[i].change, killed[i].early); err != nil {
			t.Fatalf("%s: %v", killed[i].name, err)
		}
	}
	execAll(t, db, killed[i].run)
	caughtUp := make(chan error, 1)
	go func() { caughtUp <- c.CatchUp(ctx) }()
	select {
	case <-done:
		cancel()
		<-caughtUp
		return true
	case err := <-caughtUp:
		if p.Never() { // it is just being killed
			<-done
			return true
		}
		if err != nil {
			t.Fatalf("%s: %v", killed[i].name, err)
		}
		return false
	}
}

func execAll(t *testing.T, db *sql.DB, list []string) {
	t.Helper()
	for _, q := range list {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// prepare makes the databases anew, downstream too.
func prepare(t *testing.T, c *Cluster, db *sql.DB, list []string) {
	t.Helper()
	execAll(t, db, append([]string{"drop database if exists killed", "drop database if exists killed_more", "create database killed"}, list...))
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func sameKilled(t *testing.T, c *Cluster, up, down *sql.DB, name string) {
	t.Helper()
	got, err := Comparison{Databases: []string{"killed", "killed_more"}}.Compare(t.Context(), up, down)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, d := range got.Differences {
		t.Errorf("%s: %s", name, d)
	}
	if got.Tables == 0 {
		t.Errorf("%s: nothing was compared", name)
	}
}

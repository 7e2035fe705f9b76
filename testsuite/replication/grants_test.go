package replication

import (
	"strings"
	"testing"
)

// TestDownstreamRights: with the rights that docs/downstream-user.md has for one database, every kind of DDL
// and of rows arrives in it, the checkpoint is kept, and drainer -compare finds no difference; what the filters
// leave out asks for no rights.
func TestDownstreamRights(t *testing.T) {
	c := Start(t, Options{OneDatabase: true})
	c.StartDrainer("replicate-do-db = [\"shop\"]")
	db := c.Open("")
	defer db.Close()
	for _, q := range strings.Split(`create database shop
create database elsewhere
create table elsewhere.t (id int primary key)
insert into elsewhere.t values (1)
create table shop.customers (id int primary key, name varchar(20) not null)
create table shop.orders (id int primary key auto_increment, customer int, amount decimal(10,2), key (customer), constraint fk foreign key (customer) references shop.customers (id))
insert into shop.customers values (1, 'a'), (2, 'b')
insert into shop.orders (customer, amount) values (1, 10.5), (2, 7), (2, 8)
update shop.orders set amount = amount + 1 where id = 1
delete from shop.orders where id = 2
alter table shop.orders add column note varchar(100) default 'none'
alter table shop.orders modify column note varchar(200)
alter table shop.orders drop column note
create index amounts on shop.orders (amount)
alter table shop.orders drop index amounts
create table shop.parts (id int primary key, v int) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20))
insert into shop.parts values (1, 1), (11, 11)
alter table shop.parts truncate partition p0
create table shop.other (id int primary key, v int)
alter table shop.parts exchange partition p1 with table shop.other
alter table shop.parts add partition (partition p2 values less than (30))
alter table shop.parts drop partition p0
rename table shop.other to shop.another
create view shop.large as select id, amount from shop.orders where amount > 7
create view shop.dropped as select 1 as one
drop view shop.dropped
create table shop.gone (id int primary key)
insert into shop.gone values (1)
truncate table shop.gone
drop table shop.gone
alter database shop character set utf8mb4
insert into shop.customers values (3, 'c')`, "\n") {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	var views, rows int
	if err := c.Downstream().QueryRowContext(t.Context(), "select (select count(*) from information_schema.views where table_schema = 'shop'), (select count(*) from shop.customers)").Scan(&views, &rows); err != nil || views != 1 || rows != 3 {
		t.Errorf("%d views, %d customers, %v", views, rows, err)
	}
	if err := c.Drainer.Stop(); err != nil {
		t.Fatal(err)
	}
	code, out, errs, err := c.compareCommand(t.Context())
	if err != nil || code != 0 || !strings.Contains(out, "all are equal") {
		t.Errorf("compare: exit code %d, %v\n%s\n%s", code, err, out, errs)
	}
}

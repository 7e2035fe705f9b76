package replication

// otherwiseCases are statements that other servers run otherwise than TiDB, or refuse.
var otherwiseCases = []statements{
	{"fewer digits of a second", nil, []string{
		"create table d.t (id int primary key, a datetime(3), b time(2), c varchar(30), e timestamp(6) null)",
		"insert into d.t values (1, '1999-12-31 23:59:59.999', '11:12:13.55', '1999-12-31 23:59:59.999', '1999-12-31 23:59:59.999999'), (2, '2020-01-01 00:00:00.499', '-01:00:00.2', null, null)",
		"alter table d.t modify a datetime", "alter table d.t modify b time", "alter table d.t modify c datetime", "alter table d.t modify e timestamp null"}},
	{"CONVERT TO of a TEXT", nil, []string{
		"create table d.t (id int primary key, a text, b tinytext, c varchar(20), e enum('x'), f text charset utf8mb4) charset utf8", "insert into d.t values (1, '中', 'b', 'c', 'x', 'f')",
		"alter table d.t convert to character set utf8mb4", "insert into d.t (id, a) values (2, '😀')", "alter table d.t convert to character set utf8mb4 collate utf8mb4_general_ci"}},
	{"years of few digits", nil, []string{"create table d.t (id int primary key, a year default 0, b year default '0', c year default 5, e year default 99, f year default '0000')", "insert into d.t (id) values (1)",
		"insert into d.t (id) select if(a = 2000 and b = 2000 and c = 2005 and e = 1999, 2, null) from d.t" /* it is refused if TiDB has other years */, "alter table d.t alter column c set default 0", "insert into d.t (id) values (3)"}},
	{"comments beyond U+FFFF", nil, []string{
		"create table d.t (id int comment 'a 😀', e enum('😀', 'b') default '😀', v varchar(9) default '😀', key (id) comment '😀')", "insert into d.t (id) values (1)",
		"alter table d.t modify id bigint comment '😀😀'", "insert into d.t (id) values (2)"}},
	{"bounds beyond a signed number", nil, []string{
		"create table d.t (a bigint unsigned) partition by range (a) (partition p0 values less than (10), partition p1 values less than (18446744073709551615))", "insert into d.t values (5), (18446744073709551614)",
		"alter table d.t truncate partition p0"}},
	{"AUTO_INCREMENT without a key of its own", nil, []string{
		"create table d.a (a int, id bigint auto_increment, v int, key (id), primary key (a, id))", "insert into d.a (a, v) values (1, 1), (1, 2)", "alter table d.a drop key id", "insert into d.a (a, v) values (1, 3)",
		"create index k on d.a (id)"}},
}

// lastVersionCases are such that TiDB has since 2024.
var lastVersionCases = []statements{
	{"AUTO_INCREMENT without a key", nil, []string{
		"create table d.a (a int, id bigint auto_increment, primary key (a, id))", "create table d.t (id bigint auto_increment, v int)", "insert into d.t (v) values (1)", "alter table d.t add column x int first",
		"alter table d.t modify id bigint auto_increment comment 'x'", "create table d.l like d.t", "insert into d.l (v) values (1)",
		"create table d.n (id bigint auto_increment primary key nonclustered, v int)", "drop index `primary` on d.n", "insert into d.n (v) values (3)"}},
	{"CURRENT_DATE", nil, []string{"create table d.t (id int primary key, d date default (current_date))", "insert into d.t (id) values (1)", "alter table d.t alter column d drop default", "create table d.l like d.t", "insert into d.l (id, d) values (2, '2020-01-01')"}},
	{"the partition of all other values", nil, []string{
		"create table d.a (id int, v int) partition by list (id) (partition p0 values in (1, 2), partition p1 values in (default))", "insert into d.a values (1, 1), (99, 2), (null, 3)",
		"alter table d.a reorganize partition p1 into (partition p2 values in (5, 6), partition p1 values in (default))", "insert into d.a values (5, 5)", "alter table d.a truncate partition p1",
		"create table d.b (id int, v varchar(10)) partition by list columns (v) (partition p0 values in ('a'), partition p1 values in ('b', default))", "insert into d.b values (1, 'a'), (2, 'zzz'), (3, 'b')",
		"alter table d.b drop partition p1"}},
	{"CHECK that is enforced", nil, []string{
		"create table d.a (id int primary key, v int, constraint c1 check (v > 0), check (id < 1000))", "insert into d.a values (1, 1), (2, null)", "alter table d.a add constraint c2 check (v < 100)",
		"alter table d.a add check (id <> 500) not enforced", "insert into d.a values (500, 1)", "alter table d.a alter constraint c1 not enforced", "insert into d.a values (3, -5)",
		"alter table d.a drop constraint c2", "alter table d.a drop constraint a_chk_1", "insert into d.a values (1001, 101)", "delete from d.a where id = 3", "alter table d.a alter constraint c1 enforced",
		"insert into d.a values (5, 5)"}}, // no LIKE: TiDB then says that CHECKs of the first table have the names of the second
}

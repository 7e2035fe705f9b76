-- Runs on a fresh TiDB with binlog enabled. One statement ends with a semicolon at the end of a line.

set time_zone = '+00:00';
set cte_max_recursion_depth = 100000;
set sql_mode = 'STRICT_TRANS_TABLES';

create database types;
use types;

-- Every column type in one row.
create table every (
  id bigint primary key,
  c_bool bool, c_tiny tinyint, c_utiny tinyint unsigned, c_small smallint, c_usmall smallint unsigned,
  c_medium mediumint, c_umedium mediumint unsigned, c_int int, c_uint int unsigned, c_zint int(8) unsigned zerofill,
  c_big bigint, c_ubig bigint unsigned,
  c_float float, c_ufloat float unsigned, c_double double, c_udouble double unsigned, c_double2 double(12,3),
  c_dec decimal(10,0), c_dec2 decimal(65,30), c_dec3 decimal(20,4) unsigned,
  c_bit1 bit(1), c_bit24 bit(24), c_bit64 bit(64),
  c_date date, c_datetime datetime, c_datetime6 datetime(6), c_ts timestamp null, c_ts3 timestamp(3) null,
  c_time time, c_time6 time(6), c_year year,
  c_char char(10), c_charbin char(10) character set binary, c_varchar varchar(255), c_ci varchar(64) collate utf8mb4_general_ci,
  c_uca varchar(64) collate utf8mb4_unicode_ci, c_utf8 varchar(64) character set utf8, c_latin1 varchar(64) character set latin1, c_ascii varchar(64) character set ascii,
  c_gbk varchar(64) character set gbk,
  c_binary binary(8), c_varbinary varbinary(255),
  c_tinytext tinytext, c_text text, c_mediumtext mediumtext, c_longtext longtext,
  c_tinyblob tinyblob, c_blob blob, c_mediumblob mediumblob, c_longblob longblob,
  c_enum enum('red','green','blau ü','') , c_set set('a','b','c','d d','e'), c_json json
);
insert into every values (1,
  true, -128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, 42,
  -9223372036854775808, 18446744073709551615,
  -1.5, 3.4e38, -1.7976931348623157e308, 2.5e-308, 123456789.125,
  -9999999999, -12345678901234567890123456789012345.123456789012345678901234567890, 9999999999999999.9999,
  b'1', b'101010101010101010101010', b'1111111111111111111111111111111111111111111111111111111111111111',
  '9999-12-31', '9999-12-31 23:59:59', '2024-02-29 12:34:56.789012', '2038-01-19 03:14:07', '1970-01-01 00:00:01.001',
  '-838:59:59', '12:34:56.000001', 2155,
  'char', 'bin\0', 'ünïcödé 🦆', 'MiXeD', 'Straße', 'utf8 é', 'latin é', 'ascii', '中文',
  x'00ff00', x'00010203fffefd',
  'tinytext', 'text', 'mediumtext', 'longtext', x'00', x'ff00', x'deadbeef', x'c0ffee',
  'green', 'a,c', '{"a": [1, -2, 3.5, true, false, null, "s", {"n": 18446744073709551615}]}');
insert into every values (2,
  false, 127, 0, 32767, 0, 8388607, 0, 2147483647, 0, 0, 9223372036854775807, 0,
  0, 0, 0, 0, 0, 0, 0, 0, b'0', 0, 0,
  '1000-01-01', '1000-01-01 00:00:00', '1000-01-01 00:00:00.000001', '1970-01-01 00:00:01', '2038-01-19 03:14:07.999',
  '838:59:59', '-00:00:00.000001', 1901, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '[]');
insert into every (id) values (3);
set sql_mode = '';
insert into every (id, c_date, c_datetime, c_ts, c_time, c_year, c_enum, c_set) values (4, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '00:00:00', 0, '', '');
insert into every (id, c_date, c_datetime) values (5, '2020-00-00', '2020-01-00 00:00:00');
set sql_mode = 'STRICT_TRANS_TABLES';
insert into every (id, c_json) values
  (10, 'null'), (11, 'true'), (12, '0'), (13, '-1'), (14, '18446744073709551615'), (15, '1.0'), (16, '1e300'), (17, '"text \\u00fc \\" \\\\"'),
  (18, '{}'), (19, '{"z":1,"a":{"b":[[],{}]}}'), (20, cast(cast('2024-02-29 12:34:56.789' as datetime(3)) as json)),
  (21, cast(cast('2024-02-29' as date) as json)), (22, cast(cast('-12:34:56.5' as time(1)) as json)),
  (23, json_object('blob', x'00ff', 'dec', 1.25, 'dt', cast('2000-01-01 00:00:00' as datetime), 't', cast('01:02:03' as time)));
insert into every (id, c_json, c_longtext, c_longblob) values (30, json_array(repeat('x', 300), repeat('y', 70000)), repeat('long ', 20000), repeat(x'0001', 5000));
insert into every (id, c_float, c_double, c_dec2) values (31, 0.1, 0.1, 0.000000000000000000000000000001), (32, 1e-45, 5e-324, -0.5), (33, 16777217, 9007199254740993, 1);
insert into every (id, c_ts, c_ts3, c_datetime6) values (34, '2024-03-31 01:30:00', '2024-10-27 02:30:00.125', '2024-10-27 02:30:00.5');
set time_zone = '+05:30';
insert into every (id, c_ts, c_ts3, c_datetime6) values (35, '2024-03-31 01:30:00', '2024-10-27 02:30:00.125', '2024-10-27 02:30:00.5');
set time_zone = '+00:00';
update every set c_varchar = 'changed', c_int = null, c_json = json_set(c_json, '$.new', 1) where id in (1, 19);
update every set id = 100 where id = 2;
delete from every where id in (10, 11);

-- Keys and handles.
create database handles;
use handles;
create table int_pk (id int primary key, v varchar(20));
create table int_pk_last (v varchar(20), id int, primary key (id));
create table uint_pk (id bigint unsigned primary key, v varchar(20));
create table auto_inc (id bigint auto_increment primary key, v varchar(20), unique key uv (v));
create table auto_rand (id bigint auto_random primary key, v varchar(20));
create table int_pk_non (id int primary key nonclustered, v varchar(20));
create table clustered2 (a int, b varchar(20), c int, d decimal(10,2), primary key (b, a) clustered);
create table clustered_ci (name varchar(20) collate utf8mb4_general_ci, v int, primary key (name) clustered);
create table clustered_mixed (a varbinary(10), b datetime(3), c decimal(20,5), d enum('x','y'), e bit(9), v int, primary key (c, b, a, d, e) clustered);
create table clustered_prefix (a varchar(100), v int, primary key (a(5)) clustered);
create table nonclustered2 (a int, b varchar(20), c int, primary key (a, b) nonclustered);
create table no_key (a int, b varchar(20));
create table uniq_null (a int, b int, c varchar(10), unique key uab (a, b), key kc (c));
create table shard (a int, b int) shard_row_id_bits = 4;
create table gen (id int primary key, a int, b int, s int as (a + b) stored, v int as (a * b) virtual, key ks (s), unique key kv (v));
create table expr_index (id int primary key, s varchar(20), key kl ((lower(s))));
create table defaults (id int primary key, a int default 5, b varchar(10) default 'x', c timestamp default current_timestamp on update current_timestamp, d datetime(6) default current_timestamp(6));
create table `weird ``name` (`select` int primary key, `a b` text, `ü` int, unique (`ü`));

insert into int_pk values (1, 'a'), (-5, 'b'), (2147483647, 'c');
insert into int_pk_last values ('a', 1), ('b', -2147483648);
insert into uint_pk values (18446744073709551615, 'max'), (0, 'zero'), (9223372036854775808, 'half');
insert into auto_inc (v) values ('x'), ('y'), (null), (null);
insert into auto_rand (v) values ('r1'), ('r2'), ('r3');
insert into int_pk_non values (3, 'three'), (4, 'four');
insert into clustered2 values (1, 'one', 1, 1.25), (2, 'two', 2, -2.50), (1, 'TWO', 3, null);
insert into clustered_ci values ('Alpha', 1), ('beta', 2), ('Ärger ', 3);
insert into clustered_mixed values (x'00ff', '2024-02-29 00:00:00.125', -1.5, 'y', b'100000001', 1), ('', '1000-01-01', 99999.99999, 'x', 0, 2);
insert into clustered_prefix values ('abcdefgh', 1), ('abcd', 2);
insert into nonclustered2 values (1, 'one', 1), (2, 'two', 2);
insert into no_key values (1, 'a'), (1, 'a'), (null, null), (2, 'b');
insert into uniq_null values (1, 1, 'a'), (1, null, 'b'), (1, null, 'b'), (null, null, null);
insert into shard values (1, 1), (2, 2), (3, 3);
insert into gen (id, a, b) values (1, 2, 3), (2, 5, 7), (3, null, 1);
insert into expr_index values (1, 'AbC'), (2, 'DEF');
insert into defaults (id) values (1), (2);
insert into `weird ``name` values (1, 'text', 10), (2, null, null);

-- Updates and deletes on each of them, of keys too.
update int_pk set v = 'A' where id = 1;
update int_pk set id = 6 where id = -5;
delete from int_pk where id = 2147483647;
update int_pk_last set id = id + 10;
update uint_pk set v = 'MAX' where id = 18446744073709551615;
delete from uint_pk where id = 9223372036854775808;
update auto_inc set v = 'z' where v = 'y';
delete from auto_inc where v is null limit 1;
update auto_rand set v = concat(v, '!');
update int_pk_non set id = 5 where id = 4;
update clustered2 set c = 10 where b = 'one';
update clustered2 set b = 'three', a = 3 where b = 'two';
delete from clustered2 where b = 'TWO';
update clustered_ci set v = 11 where name = 'ALPHA';
update clustered_ci set name = 'BETA' where name = 'beta';
delete from clustered_ci where v = 3;
update clustered_mixed set v = 20, d = 'y' where v = 2;
delete from clustered_mixed where v = 1;
update clustered_prefix set a = 'xyz12345' where v = 1;
delete from clustered_prefix where v = 2;
update nonclustered2 set b = 'zwei' where a = 2;
delete from nonclustered2 where a = 1;
update no_key set b = 'c' where a = 1 limit 1;
delete from no_key where a is null;
update uniq_null set b = 2 where a = 1 and b = 1;
delete from uniq_null where a is null;
update shard set b = 22 where a = 2;
update gen set a = 20 where id = 1;
delete from gen where id = 3;
update expr_index set s = 'xYz' where id = 1;
update defaults set a = 6 where id = 1;
update `weird ``name` set `a b` = 'changed', `ü` = 11 where `select` = 1;

-- Statements that make more than one kind of change.
insert into int_pk values (1, 'dup'), (7, 'new') on duplicate key update v = concat(v, '+');
replace into int_pk values (1, 'replaced'), (8, 'eight');
replace into auto_inc values (1, 'z');
insert ignore into int_pk values (1, 'ignored'), (9, 'nine');
update int_pk p join int_pk_non n on p.id = n.id - 2 set p.v = 'joined', n.v = 'joined too';
delete p, n from int_pk p join nonclustered2 n on p.id = n.a + 5;
insert into no_key select id, v from int_pk;

-- Transactions.
begin;
insert into int_pk values (20, 'twenty');
update int_pk set v = 'TWENTY' where id = 20;
update int_pk set id = 21 where id = 20;
insert into clustered2 values (20, 'twenty', 0, 0);
delete from int_pk where id = 21;
insert into int_pk values (21, 'again');
update no_key set b = 'txn' where a = 2;
commit;
begin;
insert into int_pk values (30, 'rolled back');
rollback;
begin;
insert into int_pk values (31, 'kept');
/*fails*/ savepoint s;
insert into int_pk values (33, 'kept');
commit;
begin;
select * from int_pk for update;
commit;
begin;
insert into int_pk values (40, 'there and gone');
delete from int_pk where id = 40;
commit;
begin optimistic;
update int_pk set v = 'loses' where id = 8;
/*c2*/ update handles.int_pk set v = 'wins' where id = 8;
/*fails*/ commit;
begin optimistic;
insert into int_pk values (50, 'mine');
/*c2*/ insert into handles.int_pk values (50, 'yours');
/*fails*/ commit;
/*fails*/ insert into int_pk values (1, 'duplicate');

-- Partitions.
create database parts;
use parts;
create table by_range (id int, v varchar(20), primary key (id)) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20), partition p2 values less than (30));
create table by_hash (id int, v varchar(20)) partition by hash (id) partitions 3;
create table by_list (id int, v varchar(20), unique key (id)) partition by list (id) (partition p0 values in (1, 2, 3), partition p1 values in (4, 5, null));
create table by_cols (a varchar(10), b int, c int, primary key (a, b) clustered) partition by range columns (a) (partition p0 values less than ('m'), partition p1 values less than (maxvalue));
create table by_key (a varchar(10) primary key, b int) partition by key (a) partitions 2;
insert into by_range values (1, 'one'), (11, 'eleven'), (21, 'twenty-one'), (2, 'two');
insert into by_hash values (1, 'a'), (2, 'b'), (3, 'c'), (null, 'n');
insert into by_list values (1, 'a'), (4, 'd'), (null, 'n');
insert into by_cols values ('alpha', 1, 1), ('zulu', 2, 2);
insert into by_key values ('k1', 1), ('k2', 2), ('k3', 3);
update by_range set id = 12 where id = 1;
update by_range set v = 'x' where id = 11;
update by_cols set a = 'nova' where b = 1;
update by_hash set id = 5 where id = 3;
delete from by_list where id = 4;
alter table by_range add partition (partition p3 values less than (40));
insert into by_range values (31, 'thirty-one');
alter table by_range truncate partition p1;
insert into by_range values (13, 'thirteen');
alter table by_range drop partition p2;
create table swap (id int, v varchar(20), primary key (id));
insert into swap values (5, 'five'), (6, 'six');
alter table by_range exchange partition p0 with table swap;
insert into by_range values (7, 'seven');
insert into swap values (3, 'three');
update swap set v = 'SWAP' where id = 2;

-- Schema changes under rows.
create database ddls character set utf8mb4;
use ddls;
create table t (id int primary key, a int, b varchar(20));
insert into t values (1, 10, 'a'), (2, 20, 'b');
alter table t add column c int;
insert into t values (3, 30, 'c', 300);
alter table t add column d varchar(10) not null default 'def' after id;
insert into t (id, a) values (4, 40);
alter table t add column e timestamp default '2020-02-02 02:02:02', add column f bit(8) default b'101', add column g enum('x','y') default 'y';
update t set c = 1 where id = 1;
insert into t (id) values (5);
alter table t drop column c;
update t set a = 11 where id = 1;
alter table t modify column a bigint;
insert into t (id, a) values (6, 9223372036854775807);
update t set b = id * 10 where id <> 4;
alter table t modify column b int first;
/*fails*/ alter table t modify column d int;
/*fails*/ update t set b = 'not a number' where id = 1;
update t set b = 5 where id = 5;
delete from t where b is null;
alter table t change column d dd varchar(30) character set utf8mb4 collate utf8mb4_general_ci default 'new';
insert into t (id) values (7);
alter table t add index ia (a), add unique index ub (b);
alter table t rename index ia to ia2;
alter table t drop index ub;
alter table t alter column a set default 99;
insert into t (id) values (8);
insert into t (id, a) values (9, 99);
/*fails*/ alter table t add unique index ua (a);
alter table t comment = 'a comment', auto_increment = 1000;
alter table t drop column e, add column h json, rename column f to ff;
insert into t (id, h) values (10, '{"h": 1}');
rename table t to t2;
insert into t2 (id) values (11);
create table u like t2;
insert into u (id) values (1);
rename table t2 to t3, u to t2, t3 to u;
insert into t2 (id) values (2);
insert into u (id) values (12);
truncate table t2;
insert into t2 (id) values (3);
create table gone (a int);
insert into gone values (1);
drop table gone;
create table back (a int primary key);
insert into back values (1);
drop table back;
create table back (a int primary key, b int);
insert into back values (1, 2);
create table no_pk (a int, b int);
insert into no_pk values (1, 1), (2, 2);
alter table no_pk add primary key (a) nonclustered;
insert into no_pk values (3, 3);
alter table no_pk drop primary key;
insert into no_pk values (3, 4);
alter table no_pk convert to character set utf8mb4 collate utf8mb4_unicode_ci;
alter table no_pk add column vg int as (a + b) virtual;
insert into no_pk (a, b) values (5, 6);
create view vw as select id, a from u;
create sequence sq start with 10 increment by 5;
create table from_seq (id bigint default next value for sq primary key, v int);
insert into from_seq (v) values (1), (2);
create global temporary table gtemp (a int primary key) on commit delete rows;
insert into gtemp values (1);
create temporary table ltemp (a int primary key);
insert into ltemp values (1);
drop temporary table ltemp;
create table parent (id int primary key);
create table child (id int primary key, pid int, foreign key fk (pid) references parent (id) on delete cascade on update cascade);
insert into parent values (1), (2);
insert into child values (10, 1), (20, 2);
delete from parent where id = 1;
update parent set id = 3 where id = 2;
create placement policy pp followers = 1;
alter table child placement policy = 'pp';
alter table child attributes 'merge_option=allow';
create table expires (id int primary key, at datetime) ttl = at + interval 1 year ttl_enable = 'OFF';
insert into expires values (1, '2030-01-01');
create table cached (a int primary key);
insert into cached values (1);
alter table cached cache;
alter table cached nocache;
insert into cached values (2);
-- Rows that change while their table is being changed: binlogs of every schema state in between.
create table reorg (id int primary key auto_increment, v varchar(20), w int default 1, x int, y varchar(30));
insert into reorg (v, x, y) with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000) select i, i, concat('y', i) from n;
/*bg*/ alter table ddls.reorg modify column v int;
/*during*/ insert into reorg (v, x) values ('7', 7);
/*during*/ update reorg set w = w + 1, v = w where id = 5;
/*during*/ delete from reorg where v is not null order by id limit 1;
/*bg*/ alter table ddls.reorg add column z int default 5 after id;
/*during*/ insert into reorg (v, x) values (8, 8);
/*during*/ update reorg set w = w + 1 where id = 1000;
/*bg*/ alter table ddls.reorg drop column w;
/*during*/ insert into reorg (v, x) values (9, 9);
/*during*/ update reorg set v = v + 1 where id = 1001;
/*during*/ delete from reorg where v is not null order by id limit 1;
/*bg*/ alter table ddls.reorg add unique index (id, v);
/*during*/ update reorg set v = v + 1 where id = 1002;
/*during*/ insert into reorg (v, x) values (10, 10);
/*bg*/ alter table ddls.reorg drop column x, modify column y varchar(40) first, add column u bigint unsigned not null, add index (v);
/*during*/ insert into reorg (v) values (11);
/*during*/ update reorg set v = v + 1 where id = 1003;
/*during*/ delete from reorg where v is not null order by id limit 1;
/*bg*/ alter table ddls.reorg modify column v bigint not null, modify column z varchar(5);
/*during*/ insert into reorg (v) values (12);
/*during*/ update reorg set v = v + 1, z = 77 where id = 1004;
update reorg set v = 13 where id = 1005;

drop view vw;
alter database ddls character set utf8mb4 collate utf8mb4_unicode_ci;
create table uca (s varchar(10) primary key, v int);
insert into uca values ('a', 1), ('É', 2);
create database dropped;
create table dropped.t (a int);
insert into dropped.t values (1);
drop database dropped;
create user someone identified by 'secret';
grant select on types.* to someone;

-- Large transactions.
create database large;
use large;
create table big (id int primary key, a int, s varchar(100), d datetime default '2024-01-01', key ka (a));
insert into big (id, a, s) with recursive n (i) as (select 1 union all select i + 1 from n where i < 5000) select i, i % 7, concat('row number ', i) from n;
update big set s = concat(s, ' changed') where a = 3;
delete from big where a = 5;
begin;
update big set a = a + 1 where id <= 1000;
delete from big where id between 1001 and 1500;
insert into big (id, a, s) with recursive n (i) as (select 6001 union all select i + 1 from n where i < 6500) select i, 0, 'second wave' from n;
commit;

package replication

import (
	"fmt"
	"slices"
	"strings"
)

// partitionFuzz makes and changes partitions. Nobody writes rows at the same time: see the package
// comment.
var partitionFuzz = []fuzzKind{
	{name: "create table, partitions", make: func(f *Fuzz, s *session) []string {
		at := f.place(s)
		c := f.columnName()
		return []string{"create table " + at + " " + one(f, []string{
			"(id int not null, v varchar(20), " + quote(c) + " " + f.columnType() + ") partition by range (id) (partition p0 values less than (100) comment 'first', partition p1 values less than (200), partition p2 values less than (300))",
			"(id int primary key, v int) partition by range (id) (partition p0 values less than (50), partition p1 values less than (100), partition p2 values less than maxvalue)",
			"(id int not null, d date not null, v int, key (d)) partition by range columns (d) (partition p0 values less than ('2000-01-01'), partition p1 values less than ('2010-01-01'), partition p2 values less than (maxvalue))",
			"(id int not null, ts timestamp not null, v int) partition by range (unix_timestamp(ts)) (partition p0 values less than (unix_timestamp('2000-01-01 00:00:00')), partition p1 values less than (unix_timestamp('2020-01-01 00:00:00')), partition p2 values less than maxvalue)",
			"(id int not null, d datetime not null, v int) partition by range (to_days(d)) (partition p0 values less than (to_days('2000-01-01')), partition p1 values less than maxvalue)",
			"(id int not null, l int not null, v int, unique key (id, l)) partition by list (l) (partition p0 values in (0, 1, 2), partition p1 values in (3, 4, 5, null))",
			"(id int not null, l varchar(9) collate utf8mb4_bin, v int) partition by list columns (l) (partition p0 values in ('a', 'b'), partition p1 values in ('c', ''))",
			"(id int not null, a int, b varchar(9), v int) partition by range columns (a, b) (partition p0 values less than (10, 'm'), partition p1 values less than (maxvalue, maxvalue))",
			"(id int not null, v int, primary key (id)) partition by hash (id) partitions 4", "(id int not null, d date) partition by hash (year(d)) partitions 3",
			"(id int not null primary key, v int) partition by key () partitions 3", "(id int, s varchar(20), v int) partition by key (s) partitions 2",
		})}
	}},
	changePartitions("add table partition", "RANGE", func(f *Fuzz, s *session, t *subject) []string {
		name := f.columnName()
		if strings.HasSuffix(t.partitioned, "COLUMNS") || slices.Contains(t.partitions, "p2") && strings.Contains(t.expression, "(") {
			return nil
		}
		if strings.Contains(t.expression, "(") {
			return []string{"add partition (partition " + quote(name) + " values less than (unix_timestamp('2037-01-01 00:00:00')))"}
		}
		return []string{fmt.Sprintf("add partition (partition %s values less than (%d) comment 'added')", quote(name), 300+f.serial*10)}
	}),
	changePartitions("add table partition, list", "LIST", func(f *Fuzz, s *session, t *subject) []string {
		return []string{fmt.Sprintf("add partition (partition %s values in (%d, %d))", quote(f.columnName()), 6+2*f.serial, 7+2*f.serial)}
	}),
	changePartitions("drop partition", "", func(f *Fuzz, s *session, t *subject) []string {
		if len(t.partitions) < 2 || !strings.HasPrefix(t.partitioned, "RANGE") && !strings.HasPrefix(t.partitioned, "LIST") {
			return nil
		}
		return []string{"drop partition " + f.maybe(5, "if exists ") + f.column(s, one(f, t.partitions))}
	}),
	changePartitions("truncate partition", "", func(f *Fuzz, s *session, t *subject) []string {
		if !f.ToTiDB && (t.partitioned == "HASH" || t.partitioned == "KEY") {
			return nil
		}
		list := f.column(s, one(f, t.partitions))
		if f.r.IntN(3) == 0 && len(t.partitions) > 1 {
			list = f.column(s, t.partitions[0]) + ", " + f.column(s, t.partitions[1])
		}
		return []string{"truncate partition " + list}
	}),
	changePartitions("truncate all partitions", "", func(f *Fuzz, s *session, t *subject) []string { return []string{"truncate partition all"} }),
	{name: "exchange partition", alone: true, make: func(f *Fuzz, s *session) []string {
		t := f.pick(func(t *subject) bool {
			return t.partitioned != "" && len(t.foreign) == 0 && !t.referred && (f.ToTiDB || t.partitioned != "HASH" && t.partitioned != "KEY")
		})
		if t == nil {
			return nil
		}
		at, plain := f.table(s, t), f.place(s)
		// TiDB 2023 copies partitions with LIKE, so they have to go first.
		p := f.column(s, one(f, t.partitions))
		list := []string{"create table " + plain + " like " + at, "alter table " + plain + " remove partitioning", "alter table " + at + " exchange partition " + p + " with table " + plain}
		if f.Year < 2024 {
			list = f.exchange2023(s)
		}
		return list
	}},
	changePartitions("reorganize partition", "RANGE", func(f *Fuzz, s *session, t *subject) []string {
		if t.partitioned != "RANGE" || strings.Contains(t.expression, "(") || len(t.partitions) < 2 {
			return nil
		}
		a, b := quote(f.columnName()), quote(f.columnName())
		return []string{fmt.Sprintf("reorganize partition %s into (partition %s values less than (%d), partition %s values less than (%d))", f.column(s, t.partitions[0]), a, 10+f.r.IntN(30), b, one(f, []int{50, 100})),
			"reorganize partition " + f.column(s, t.partitions[0]) + ", " + f.column(s, t.partitions[1]) + " into (partition " + a + fmt.Sprintf(" values less than (%d))", one(f, []int{100, 200}))}
	}),
	changePartitions("partition attributes", "", func(f *Fuzz, s *session, t *subject) []string {
		return []string{"partition " + f.column(s, t.partitions[0]) + " attributes 'merge_option=allow'"}
	}),
	later(changePartitions("reorganize partition, hash", "", func(f *Fuzz, s *session, t *subject) []string {
		if t.partitioned != "HASH" && t.partitioned != "KEY" {
			return nil
		}
		return []string{one(f, []string{"add partition partitions 1", "coalesce partition 1"})}
	})),
	later(changePartitions("alter table partition by", "", func(f *Fuzz, s *session, t *subject) []string {
		if strings.Contains(t.expression, "(") || strings.HasSuffix(t.partitioned, "COLUMNS") {
			return nil
		}
		column := t.expression
		if t.partitioned == "KEY" {
			if !t.primary {
				return nil // the same without a column, which is an error to MySQL
			}
			return []string{"partition by key () partitions 5"}
		}
		return []string{"partition by hash (" + column + ") partitions 3", "partition by key (" + column + ") partitions 2", "partition by range (" + column + ") (partition p0 values less than (60), partition p1 values less than maxvalue)"}
	})),
	later(changePartitions("alter table remove partitioning", "", func(f *Fuzz, s *session, t *subject) []string { return []string{"remove partitioning"} })),
}

// later is a kind that TiDB has since 2024 only.
func later(k fuzzKind) fuzzKind {
	k.year = 2024
	return k
}

// changePartitions is a kind that changes a table with partitions of a method (empty: any), in one of
// the ways that changes gives.
func changePartitions(name, method string, changes func(f *Fuzz, s *session, t *subject) []string) fuzzKind {
	return fuzzKind{name: name, alone: true, make: func(f *Fuzz, s *session) []string {
		for range 5 {
			t := f.pick(func(t *subject) bool {
				return t.partitioned != "" && strings.HasPrefix(t.partitioned, method) && !t.referred
			})
			if t == nil {
				return nil
			}
			if all := changes(f, s, t); len(all) > 0 {
				return []string{"alter table " + f.table(s, t) + " " + one(f, all)}
			}
		}
		return nil
	}}
}

// exchange2023 makes both tables: a copy of a table with partitions could not be had without them.
func (f *Fuzz) exchange2023(s *session) []string {
	parted, plain := f.place(s), f.place(s)
	columns := " (id int not null, v varchar(20), t timestamp null, key k (v))"
	return []string{"create table " + parted + columns + " partition by range (id) (partition p0 values less than (10), partition p1 values less than (20))", "create table " + plain + columns,
		"insert into " + parted + " values (1, 'a', null), (11, 'b', '2020-01-01 00:00:00')", "insert into " + plain + " values (2, 'c', '2024-07-01 12:00:00'), (3, 'd', null)",
		"alter table " + parted + " exchange partition p0 with table " + plain, "insert into " + plain + " values (4, 'e', null)", "insert into " + parted + " values (5, 'f', null)",
		"delete from " + plain, "insert into " + plain + " values (12, 'g', null)", "alter table " + parted + " exchange partition p1 with table " + plain + " without validation"}
}

package rewrite_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql/rewrite"
	"pumphouse/nodes"
)

// Servers of the tables of tests.
var (
	mysql57   = rewrite.ParseServer("5.7.44-log")
	mysql8    = rewrite.ParseServer("8.0.36")
	mariaDB   = rewrite.ParseServer("10.11.6-MariaDB-0+deb12u1")
	mariaDB10 = rewrite.ParseServer("5.5.5-10.3.39-MariaDB")
	tidb      = rewrite.ParseServer("8.0.11-TiDB-v8.1.0")
)

// text is a column of text.
func text(name, collation string) schema.Column {
	ft := types.NewFieldType(mysql.TypeVarchar)
	set, _, _ := strings.Cut(collation, "_")
	ft.SetCharset(set)
	ft.SetCollate(collation)
	ft.SetFlen(9)
	return schema.Column{Name: name, Type: *ft, Public: true}
}

// typed is a column of a type; flags are mysql's.
func typed(name string, tp byte, flags uint, value any) schema.Column {
	ft := types.NewFieldType(tp)
	ft.SetFlag(flags)
	return schema.Column{Name: name, Type: *ft, Public: true, Default: value}
}

// table is a definition with what Info has beside the columns.
func table(info schema.TableInfo, columns ...schema.Column) *schema.Table {
	return &schema.Table{Schema: "d", Name: "t", Info: &info, Columns: columns}
}

func plan(t *testing.T, query string, d schema.DDL, to rewrite.Server) *rewrite.Plan {
	t.Helper()
	d.Schema = "d"
	if d.Table == "" {
		d.Table = "t"
	}
	if d.Job == nil {
		d.Job = &schema.Job{}
	}
	p, err := rewrite.Statement(query, &d, 0, to, rewrite.Options{})
	if err != nil {
		t.Fatalf("%s, on %s: %v", query, to, err)
	}
	return p
}

// TestClauses: what TiDB accepts without doing it is not in the statement, whatever the downstream;
// what a downstream cannot have is left out with a warning.
func TestClauses(t *testing.T) {
	expr := schema.Column{Name: "_V$_x_0", Hidden: true, GeneratedExpr: "lower(`s`)"}
	indexed := table(schema.TableInfo{
		Indices: []schema.IndexInfo{{Name: ast.NewCIStr("x"), Columns: []schema.IndexColumn{{Offset: 1}}},
			{Name: ast.NewCIStr("i"), Columns: []schema.IndexColumn{{Offset: 0}}}},
	}, text("s", "utf8mb4_bin"), expr)
	public := func(enforced bool) *schema.Table {
		return table(schema.TableInfo{Checks: []schema.Check{{Name: ast.NewCIStr("c"), Enforced: enforced, Expr: "`a` > 0", State: schema.StatePublic}}})
	}
	none := table(schema.TableInfo{})
	checked, unchecked := schema.DDL{Before: none, After: public(true)}, schema.DDL{Before: public(true), After: none}
	loosened, both := schema.DDL{Before: public(true), After: public(false)}, schema.DDL{Before: indexed, After: indexed}
	const nothing = ""
	for _, c := range []struct {
		query string
		d     schema.DDL
		want  map[rewrite.Server]string
		warns bool // on every server with an own text but a TiDB
	}{
		{query: "CREATE TABLE t (a INT) ENGINE = MyISAM COMPRESSION='zlib' CHECKSUM=1 STATS_PERSISTENT=DEFAULT ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 COMMENT='x' AUTO_INCREMENT=7",
			want: map[rewrite.Server]string{mariaDB: "CREATE TABLE `d`.`t` (`a` INT) COMMENT = 'x' AUTO_INCREMENT = 7"}},
		{query: "CREATE TABLE t (a INT) ENGINE = RocksDB", want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` INT)", tidb: "CREATE TABLE `d`.`t` (`a` INT)"}},
		{query: "CREATE TABLE t (a INT) SHARD_ROW_ID_BITS=4 AUTO_ID_CACHE=1 PRE_SPLIT_REGIONS=2",
			want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` INT)",
				tidb: "CREATE TABLE `d`.`t` (`a` INT) /*T! SHARD_ROW_ID_BITS = 4 */ /*T![auto_id_cache] AUTO_ID_CACHE = 1 */ /*T! PRE_SPLIT_REGIONS = 2 */"}},
		{query: "CREATE TABLE t (a INT) PLACEMENT POLICY=p", want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` INT)", tidb: "CREATE TABLE `d`.`t` (`a` INT)"}},
		{query: "CREATE TABLE t (a DATETIME) TTL = a + INTERVAL 1 DAY TTL_ENABLE = 'ON'",
			want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` DATETIME)",
				tidb: "CREATE TABLE `d`.`t` (`a` DATETIME) /*T![ttl] TTL = `a` + INTERVAL 1 DAY */ /*T![ttl] TTL_ENABLE = 'OFF' */"}},
		{query: "ALTER TABLE t TTL_ENABLE = 'ON'", want: map[rewrite.Server]string{mysql8: nothing, tidb: nothing}},
		{query: "ALTER TABLE t TTL = a + INTERVAL 2 DAY", want: map[rewrite.Server]string{mysql8: nothing, tidb: "ALTER TABLE `d`.`t` /*T![ttl] TTL = `a` + INTERVAL 2 DAY */ /*T![ttl] TTL_ENABLE = 'OFF' */"}},
		{query: "CREATE TABLE t (a BIGINT AUTO_RANDOM(5) PRIMARY KEY CLUSTERED)",
			want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` BIGINT PRIMARY KEY)",
				tidb: "CREATE TABLE `d`.`t` (`a` BIGINT /*T![auto_rand] AUTO_RANDOM(5) */ PRIMARY KEY /*T![clustered_index] CLUSTERED */)"}},
		{query: "CREATE TABLE t (a INT REFERENCES x(a), b INT CHECK(b>0), c INT COLUMN_FORMAT FIXED STORAGE DISK, CHECK(a>0))",
			want: map[rewrite.Server]string{mariaDB: "CREATE TABLE `d`.`t` (`a` INT,`b` INT,`c` INT)"}},
		{query: "CREATE TABLE t (a INT, FULLTEXT KEY f(a), KEY k(a DESC) USING HASH KEY_BLOCK_SIZE=4 COMMENT 'k')",
			want: map[rewrite.Server]string{mariaDB: "CREATE TABLE `d`.`t` (`a` INT,INDEX `k`(`a`) COMMENT 'k')"}},
		{query: "CREATE TABLE t (s INT, KEY x((s+1)), KEY i(s))",
			want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`s` INT,INDEX `x`((`s`+1)),INDEX `i`(`s`))", mysql57: "CREATE TABLE `d`.`t` (`s` INT,INDEX `i`(`s`))",
				mariaDB: "CREATE TABLE `d`.`t` (`s` INT,INDEX `i`(`s`))"}},
		{query: "CREATE TABLE t (a INT) PARTITION BY LINEAR HASH (a) PARTITIONS 2", want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` INT) PARTITION BY HASH (`a`) PARTITIONS 2"}},
		{query: "CREATE TABLE t (a INT) PARTITION BY RANGE (a) SUBPARTITION BY HASH (a) SUBPARTITIONS 2 (PARTITION p VALUES LESS THAN (5) ENGINE=InnoDB COMMENT='c' MAX_ROWS=5)",
			want: map[rewrite.Server]string{mysql8: "CREATE TABLE `d`.`t` (`a` INT) PARTITION BY RANGE (`a`) (PARTITION `p` VALUES LESS THAN (5) COMMENT = 'c')"}},
		{query: "ALTER TABLE t MODIFY COLUMN a BIGINT, ALGORITHM = INPLACE, LOCK = NONE",
			want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` MODIFY COLUMN `a` BIGINT", tidb: "ALTER TABLE `d`.`t` MODIFY COLUMN `a` BIGINT"}},
		{query: "ALTER TABLE t ADD INDEX j(a), ALGORITHM = INSTANT", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` ADD INDEX `j`(`a`)"}},
		{query: "ALTER TABLE t ADD INDEX j(a) INVISIBLE",
			want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` ADD INDEX `j`(`a`) INVISIBLE", mariaDB: "ALTER TABLE `d`.`t` ADD INDEX `j`(`a`) IGNORED",
				tidb: "ALTER TABLE `d`.`t` ADD INDEX `j`(`a`) INVISIBLE"}},
		{query: "ALTER TABLE t ADD INDEX j(a) INVISIBLE", warns: true, want: map[rewrite.Server]string{mysql57: "ALTER TABLE `d`.`t` ADD INDEX `j`(`a`)", mariaDB10: "ALTER TABLE `d`.`t` ADD INDEX `j`(`a`)"}},
		{query: "ALTER TABLE t ALTER INDEX i INVISIBLE", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` ALTER INDEX `i` INVISIBLE", mariaDB: "ALTER TABLE `d`.`t` ALTER INDEX `i` IGNORED"}},
		{query: "ALTER TABLE t ALTER INDEX i VISIBLE", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` ALTER INDEX `i` VISIBLE", mariaDB: "ALTER TABLE `d`.`t` ALTER INDEX `i` NOT IGNORED"}},
		{query: "ALTER TABLE t ALTER INDEX i INVISIBLE", warns: true, want: map[rewrite.Server]string{mysql57: nothing}},
		{query: "ALTER TABLE t COMMENT ' INVISIBLE'", want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` COMMENT = ' INVISIBLE'"}},
		{query: "CREATE INDEX j ON t (a) COMMENT 'INVISIBLE' LOCK=NONE ALGORITHM=INPLACE", want: map[rewrite.Server]string{mariaDB: "CREATE INDEX `j` ON `d`.`t` (`a`) COMMENT 'INVISIBLE'"}},
		{query: "CREATE INDEX j ON t ((lower(s)))", warns: true, want: map[rewrite.Server]string{mariaDB: nothing, mysql57: nothing}},
		{query: "DROP INDEX x ON t LOCK=NONE", d: both, want: map[rewrite.Server]string{mariaDB: nothing, mysql8: "DROP INDEX `x` ON `d`.`t`"}},
		{query: "DROP INDEX i ON t", d: both, want: map[rewrite.Server]string{mariaDB: "DROP INDEX `i` ON `d`.`t`"}},
		{query: "DROP INDEX IF EXISTS gone ON t", d: both, want: map[rewrite.Server]string{mariaDB: nothing}},
		{query: "ALTER TABLE t DROP INDEX x, DROP INDEX i", d: both, want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` DROP INDEX `i`", mysql8: "ALTER TABLE `d`.`t` DROP INDEX `x`, DROP INDEX `i`"}},
		{query: "ALTER TABLE t RENAME INDEX x TO y", d: both, want: map[rewrite.Server]string{mariaDB: nothing}},
		{query: "ALTER TABLE t ADD CONSTRAINT c CHECK(a>0)", want: map[rewrite.Server]string{mariaDB: nothing, mysql8: nothing, tidb: nothing}},
		{query: "ALTER TABLE t ADD CONSTRAINT c CHECK(a>0)", d: checked, want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` ADD CONSTRAINT `c` CHECK(`a`>0) ",
			mysql8: "ALTER TABLE `d`.`t` ADD CONSTRAINT `c` CHECK(`a`>0) ENFORCED", mysql57: nothing, tidb: "ALTER TABLE `d`.`t` ADD CONSTRAINT `c` CHECK(`a`>0) ENFORCED"}},
		{query: "ALTER TABLE t ADD CONSTRAINT other CHECK(a>0)", d: both, want: map[rewrite.Server]string{mariaDB: nothing, tidb: nothing}},
		{query: "CREATE TABLE t (a INT CHECK(a>0))", d: schema.DDL{After: public(true)}, want: map[rewrite.Server]string{mariaDB: "CREATE TABLE `d`.`t` (`a` INT,CONSTRAINT `c` CHECK(`a`>0) )",
			mysql8: "CREATE TABLE `d`.`t` (`a` INT,CONSTRAINT `c` CHECK(`a`>0) ENFORCED)", mysql57: "CREATE TABLE `d`.`t` (`a` INT)"}},
		{query: "CREATE TABLE t (a INT CHECK(a>0) NOT ENFORCED)", d: schema.DDL{After: public(false)}, want: map[rewrite.Server]string{mariaDB: "CREATE TABLE `d`.`t` (`a` INT)"}},
		{query: "ALTER TABLE t ADD COLUMN x INT CHECK(a>0)", d: checked, want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` ADD COLUMN `x` INT, ADD CONSTRAINT `c` CHECK(`a`>0) "}},
		{query: "ALTER TABLE t DROP COLUMN a", d: unchecked, want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` DROP CONSTRAINT `c`, DROP COLUMN `a`"}},
		{query: "ALTER TABLE t DROP CHECK c", d: unchecked, want: map[rewrite.Server]string{mariaDB: "ALTER TABLE `d`.`t` DROP CONSTRAINT `c`", mysql8: "ALTER TABLE `d`.`t` DROP CHECK `c`", mysql57: nothing}},
		{query: "ALTER TABLE t DROP CHECK other", d: both, want: map[rewrite.Server]string{mariaDB: nothing, mysql8: nothing}},
		{query: "ALTER TABLE t ALTER CHECK c NOT ENFORCED", d: loosened, want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` ALTER CHECK `c` NOT ENFORCED", mariaDB: "ALTER TABLE `d`.`t` DROP CONSTRAINT `c`"}},
		{query: "ALTER TABLE t COMPRESSION = 'zlib'", want: map[rewrite.Server]string{mysql8: nothing}},
		{query: "ALTER TABLE t ENGINE = InnoDB, COMMENT = 'x'", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` COMMENT = 'x'"}},
		{query: "ALTER TABLE t FORCE AUTO_INCREMENT = 5", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` AUTO_INCREMENT = 5", tidb: "ALTER TABLE `d`.`t` /*T![force_inc] FORCE  */AUTO_INCREMENT = 5"}},
		{query: "ALTER TABLE t ORDER BY a", want: map[rewrite.Server]string{mysql8: nothing, tidb: nothing}},
		{query: "ALTER TABLE t SECONDARY_LOAD", want: map[rewrite.Server]string{mysql8: nothing}},
		{query: "ALTER TABLE t DISABLE KEYS, ADD COLUMN b INT, WITH VALIDATION", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` ADD COLUMN `b` INT"}},
		{query: "ALTER TABLE t SET TIFLASH REPLICA 1", want: map[rewrite.Server]string{mysql8: nothing, tidb: nothing}},
		{query: "ALTER TABLE t PLACEMENT POLICY=p", want: map[rewrite.Server]string{mysql8: nothing, tidb: nothing}},
		{query: "ALTER TABLE t PARTITION p PLACEMENT POLICY=p", want: map[rewrite.Server]string{mysql8: nothing, tidb: nothing}},
		{query: "ALTER TABLE t ATTRIBUTES 'merge_option=allow'", want: map[rewrite.Server]string{mysql8: nothing, tidb: "ALTER TABLE `d`.`t` ATTRIBUTES='merge_option=allow'"}},
		{query: "ALTER TABLE t CACHE", want: map[rewrite.Server]string{mysql8: nothing, tidb: "ALTER TABLE `d`.`t` CACHE"}},
		{query: "ALTER TABLE t REMOVE TTL", want: map[rewrite.Server]string{mysql8: nothing, tidb: "ALTER TABLE `d`.`t` /*T![ttl] REMOVE TTL */"}},
		{query: "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u WITHOUT VALIDATION",
			want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` EXCHANGE PARTITION `p` WITH TABLE `d`.`u` WITHOUT VALIDATION", mariaDB: "ALTER TABLE `d`.`t` EXCHANGE PARTITION `p` WITH TABLE `d`.`u`"}},
		{query: "CREATE DATABASE d PLACEMENT POLICY=p", want: map[rewrite.Server]string{mysql8: "CREATE DATABASE `d` CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin", tidb: "CREATE DATABASE `d` CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin"}},
		{query: "CREATE DATABASE D CHARSET latin1", want: map[rewrite.Server]string{mysql8: "CREATE DATABASE `d` CHARACTER SET = latin1 COLLATE = latin1_bin"}},
		{query: "CREATE DATABASE d COLLATE utf8mb4_0900_ai_ci", want: map[rewrite.Server]string{mysql8: "CREATE DATABASE `d` CHARACTER SET = utf8mb4 COLLATE = utf8mb4_0900_ai_ci"}},
		{query: "CREATE DATABASE d COLLATE utf8mb4_0900_ai_ci", warns: true, want: map[rewrite.Server]string{mariaDB: "CREATE DATABASE `d` CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin"}},
		{query: "ALTER DATABASE d PLACEMENT POLICY=p", want: map[rewrite.Server]string{mysql8: nothing, tidb: nothing}},
		{query: "ALTER DATABASE CHARACTER SET latin1", want: map[rewrite.Server]string{mysql8: "ALTER DATABASE `d` CHARACTER SET = latin1 COLLATE = latin1_bin"}},
		{query: "CREATE PLACEMENT POLICY p FOLLOWERS=1", want: map[rewrite.Server]string{tidb: nothing}},
		{query: "DROP TABLE a, b", want: map[rewrite.Server]string{mysql8: "DROP TABLE `d`.`t`"}},
		{query: "DROP VIEW a, b", want: map[rewrite.Server]string{mysql8: "DROP VIEW `d`.`t`"}},
		{query: "TRUNCATE TABLE T", want: map[rewrite.Server]string{mysql8: "TRUNCATE TABLE `d`.`t`"}},
		{query: "RECOVER TABLE t", want: map[rewrite.Server]string{tidb: "RECOVER TABLE `d`.`t`"}},
		{query: "select setval(`d`.`s`, 5)", want: map[rewrite.Server]string{tidb: "SELECT SETVAL(`d`.`s`, 5)"}},
		{query: `ALTER TABLE t COMMENT = 'a\b'`, want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` COMMENT = 'a\b'"}},
		{query: "ALTER TABLE `t` COMMENT = 'a\\b';", want: map[rewrite.Server]string{mysql8: "ALTER TABLE `d`.`t` COMMENT = 'a\\b'"}},
	} {
		for to, want := range c.want {
			p := plan(t, c.query, c.d, to)
			if p.Text != want {
				t.Errorf("%s, on %s:\n\t%s\nwant\n\t%s", c.query, to, p.Text, want)
			}
			if (p.Text == "") != (p.Why != "") {
				t.Errorf("%s, on %s: why %q", c.query, to, p.Why)
			}
			if c.warns && len(p.Warnings) != 1 {
				t.Errorf("%s, on %s: warnings %q", c.query, to, p.Warnings)
			}
			if escaped := strings.Contains(p.Mode, "NO_BACKSLASH_ESCAPES"); escaped != strings.Contains(p.Text, `\`) {
				t.Errorf("%s: mode %s", p.Text, p.Mode)
			}
		}
	}
}

// TestKeyNames: an index without a name gets the one that the upstream has given it.
func TestKeyNames(t *testing.T) {
	index := func(name string, unique bool, at ...int) schema.IndexInfo {
		x := schema.IndexInfo{Name: ast.NewCIStr(name), Unique: unique, State: schema.StatePublic}
		for _, i := range at {
			x.Columns = append(x.Columns, schema.IndexColumn{Offset: i})
		}
		return x
	}
	columns := []schema.Column{typed("a", mysql.TypeLong, 0, nil), typed("b", mysql.TypeLong, 0, nil)}
	before := table(schema.TableInfo{Indices: []schema.IndexInfo{index("a_2", false, 0)}}, columns...)
	after := table(schema.TableInfo{Indices: []schema.IndexInfo{index("a_2", false, 0), index("a_3", false, 0), index("a", false, 0, 1), index("b", true, 1)}}, columns...)
	for _, c := range []struct {
		query, want string
		d           schema.DDL
	}{
		{"CREATE TABLE t (a INT, b INT, PRIMARY KEY (a), KEY (A), INDEX (a), INDEX (a, b), UNIQUE (b))",
			"(`a` INT,`b` INT,PRIMARY KEY(`a`),INDEX `a_2`(`A`),INDEX `a_3`(`a`),INDEX `a`(`a`, `b`),UNIQUE `b`(`b`))", schema.DDL{After: after}},
		{"CREATE TABLE t (a INT, b INT, KEY a_2 (a), INDEX (a))", "(`a` INT,`b` INT,INDEX `a_2`(`a`),INDEX `a_3`(`a`))", schema.DDL{After: after}},
		{"CREATE TABLE t (a INT, b INT UNIQUE)", "(`a` INT,`b` INT UNIQUE KEY)", schema.DDL{After: after}},
		{"CREATE TABLE t (a INT, b INT UNIQUE, INDEX (b))", "(`a` INT,`b` INT,INDEX `b`(`b`),UNIQUE `b_2`(`b`))",
			schema.DDL{After: table(schema.TableInfo{Indices: []schema.IndexInfo{index("b", false, 1), index("b_2", true, 1)}}, columns...)}},
		{"ALTER TABLE t ADD INDEX (a), ADD UNIQUE (b)", " ADD INDEX `a_3`(`a`), ADD UNIQUE `b`(`b`)", schema.DDL{Before: before, After: after}},
	} {
		if p := plan(t, c.query, c.d, mariaDB); !strings.HasSuffix(p.Text, "`t`"+c.want) && !strings.HasSuffix(p.Text, "`t` "+c.want) {
			t.Errorf("%s:\n\t%s\nwant\n\t%s", c.query, p.Text, c.want)
		}
	}
}

// TestOnUpdate: servers other than TiDB forget ON UPDATE with a new default, so the whole column is said.
func TestOnUpdate(t *testing.T) {
	updated := func(value any) schema.Column {
		return typed("c", mysql.TypeTimestamp, mysql.NotNullFlag|mysql.OnUpdateNowFlag, value)
	}
	for _, c := range []struct {
		query  string
		column schema.Column
		to     rewrite.Server
		want   string
	}{
		{"SET DEFAULT 'x'", updated("2020-01-01 00:00:00"), mariaDB, "MODIFY COLUMN `c` TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP()"},
		{"DROP DEFAULT", updated(nil), mysql8, "MODIFY COLUMN `c` TIMESTAMP NOT NULL ON UPDATE CURRENT_TIMESTAMP()"},
		{"DROP DEFAULT", updated(nil), tidb, "ALTER COLUMN `c` DROP DEFAULT"},
		{"DROP DEFAULT", typed("c", mysql.TypeTimestamp, mysql.NotNullFlag, nil), mariaDB, "ALTER COLUMN `c` DROP DEFAULT"},
	} {
		p := plan(t, "ALTER TABLE t ALTER c "+c.query, schema.DDL{After: table(schema.TableInfo{}, c.column)}, c.to)
		if want := "ALTER TABLE `d`.`t` " + c.want; p.Text != want {
			t.Errorf("%s, on %s:\n\t%s\nwant\n\t%s", c.query, c.to, p.Text, want)
		}
	}
}

// TestColumns: a column is what the definition says, not what the text says in a session that is not
// ours.
func TestColumns(t *testing.T) {
	sum := typed("c", mysql.TypeLong, 0, nil)
	sum.Generated, sum.GeneratedExpr = true, "concat(`a`, `b`)"
	sum.Type.SetFlag(mysql.NotNullFlag)
	seq := typed("c", mysql.TypeLonglong, mysql.NotNullFlag, "nextval(`d`.`s`)")
	seq.DefaultIsExpr = true
	id := typed("c", mysql.TypeVarchar, 0, "uuid()")
	id.DefaultIsExpr = true
	id.Type.SetFlen(36)
	id.Type.SetCharset("utf8mb4")
	id.Type.SetCollate("utf8mb4_bin")
	bytes := typed("c", mysql.TypeString, 0, "a\x00")
	bytes.Type.SetCharset("binary")
	bytes.Type.SetFlen(2)
	commented := text("c", "utf8mb4_bin")
	commented.Comment, commented.Default = "it's", `x\y`
	emoji := text("c", "utf8mb4_bin")
	emoji.Comment, emoji.Default = "😀", "😀"
	bit := typed("c", mysql.TypeBit, mysql.UnsignedFlag, "\x01\x02")
	bit.Type.SetFlen(10)
	fsp := typed("c", mysql.TypeTimestamp, mysql.NotNullFlag|mysql.OnUpdateNowFlag, "CURRENT_TIMESTAMP")
	fsp.Type.SetDecimal(3)
	year := typed("c", mysql.TypeYear, mysql.UnsignedFlag|mysql.ZerofillFlag, "2024")
	year.Type.SetFlen(4)
	blob := typed("c", mysql.TypeBlob, 0, nil)
	blob.Type.SetFlen(65535)
	blob.Type.SetCharset("binary")
	double := typed("c", mysql.TypeDouble, 0, nil)
	double.Type.SetFlen(22)
	enum := typed("c", mysql.TypeEnum, mysql.NotNullFlag, "a")
	enum.Type.SetElems([]string{"a"})
	enum.Type.SetCharset("utf8mb4")
	enum.Type.SetCollate("utf8mb4_general_ci")
	for _, c := range []struct {
		column schema.Column
		to     rewrite.Server
		want   string
		warns  int
	}{
		{typed("c", mysql.TypeTimestamp, 0, nil), mysql57, "TIMESTAMP NULL", 0},
		{typed("c", mysql.TypeTimestamp, mysql.NotNullFlag, "2020-01-01 00:00:00"), mariaDB, "TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'", 0},
		{fsp, mariaDB, "TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)", 0},
		{typed("c", mysql.TypeDatetime, 0, "CURRENT_TIMESTAMP"), mysql8, "DATETIME DEFAULT CURRENT_TIMESTAMP()", 0},
		{sum, mysql8, "INT GENERATED ALWAYS AS(CONCAT(`a`, `b`)) VIRTUAL NOT NULL", 0},
		{sum, mariaDB, "INT GENERATED ALWAYS AS(CONCAT(`a`, `b`)) VIRTUAL", 0},
		{seq, tidb, "BIGINT NOT NULL DEFAULT NEXTVAL(`d`.`s`)", 0},
		{seq, mysql8, "BIGINT NOT NULL", 1},
		{seq, mariaDB, "BIGINT NOT NULL", 1},
		{id, mysql8, "VARCHAR(36) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin DEFAULT (UUID())", 0},
		{id, mysql57, "VARCHAR(36) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin", 1},
		{bytes, mysql8, "BINARY(2) DEFAULT x'6100'", 0},
		{commented, mysql8, `VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin DEFAULT 'x\y' COMMENT 'it''s'`, 0},
		{bit, mysql8, "BIT(10) DEFAULT b'100000010'", 0},
		{year, mysql8, "YEAR DEFAULT '2024'", 0},
		{typed("c", mysql.TypeDate, 0, "CURRENT_DATE"), mariaDB, "DATE DEFAULT (CURRENT_DATE())", 0},
		{typed("c", mysql.TypeDate, 0, "CURRENT_DATE"), mysql57, "DATE", 1},
		{emoji, mariaDB, "VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin DEFAULT '😀' COMMENT '?'", 0},
		{emoji, tidb, "VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin DEFAULT '😀' COMMENT '😀'", 0},
		{blob, mysql8, "BLOB", 0},
		{double, mysql8, "DOUBLE", 0},
		{enum, mysql8, "ENUM('a') COLLATE utf8mb4_general_ci NOT NULL DEFAULT 'a'", 0},
		{enum, tidb, "ENUM('a') COLLATE utf8mb4_general_ci NOT NULL DEFAULT 'a'", 0},
		{typed("c", mysql.TypeFloat, 0, nil), mysql8, "FLOAT", 0},
		{typed("c", mysql.TypeLonglong, mysql.NotNullFlag|mysql.AutoIncrementFlag, nil), tidb, "BIGINT NOT NULL AUTO_INCREMENT", 0},
		{typed("c", mysql.TypeLonglong, mysql.NotNullFlag|mysql.AutoIncrementFlag, nil), mysql8, "BIGINT NOT NULL", 1}, // no key
		{text("c", "utf8mb4_0900_ai_ci"), mysql8, "VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_0900_ai_ci", 0},
		{text("c", "utf8mb4_0900_ai_ci"), mariaDB, "VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin", 1},
	} {
		d := schema.DDL{After: table(schema.TableInfo{}, c.column)}
		p := plan(t, "ALTER TABLE t ADD COLUMN C INT DEFAULT 5 UNIQUE FIRST", d, c.to)
		want := "ALTER TABLE `d`.`t` ADD COLUMN `c` " + c.want + " UNIQUE KEY FIRST"
		if p.Text != want || len(p.Warnings) != c.warns {
			t.Errorf("on %s:\n\t%s\nwant\n\t%s\nwarnings %q", c.to, p.Text, want, p.Warnings)
		}
	}
}

// TestCollations: statements say the collations that the upstream has.
func TestCollations(t *testing.T) {
	after := &schema.Table{Schema: "d", Name: "t", Columns: []schema.Column{ // as from a relay log
		text("a", "utf8mb4_bin"), text("g", "utf8mb4_general_ci"), text("n", "utf8mb4_0900_ai_ci"), text("b", "binary"),
	}}
	for _, c := range []struct {
		query, text string
		to          rewrite.Server
	}{
		{"CREATE TABLE t (a VARCHAR(9) NOT NULL DEFAULT 'x\\\\y', g ENUM('1'), i INT)",
			"CREATE TABLE `d`.`t` (`a` VARCHAR(9) COLLATE utf8mb4_bin NOT NULL DEFAULT _UTF8MB4'x\\y',`g` ENUM('1') COLLATE utf8mb4_general_ci,`i` INT)", mariaDB},
		{"CREATE TABLE t (a TEXT) CHARSET=utf8mb4", "CREATE TABLE `d`.`t` (`a` TEXT COLLATE utf8mb4_bin) DEFAULT CHARACTER SET = UTF8MB4 DEFAULT COLLATE = UTF8MB4_BIN", mysql8},
		{"CREATE TABLE t (a TEXT) CHARSET=utf8mb4", "CREATE TABLE `d`.`t` (`a` TEXT) DEFAULT CHARACTER SET = UTF8MB4", tidb},
		{"CREATE TABLE t (i INT, b BLOB, j JSON)", "CREATE TABLE `d`.`t` (`i` INT,`b` BLOB,`j` JSON)", mariaDB},
		{"ALTER TABLE t ADD COLUMN n CHAR(1)", "ALTER TABLE `d`.`t` ADD COLUMN `n` CHAR(1) COLLATE utf8mb4_bin", mariaDB},
		{"ALTER TABLE t ADD COLUMN n CHAR(1)", "ALTER TABLE `d`.`t` ADD COLUMN `n` CHAR(1) COLLATE utf8mb4_0900_ai_ci", mysql8},
		{"ALTER TABLE t ADD COLUMN s VARCHAR(10) COLLATE utf8mb4_0900_ai_ci", "ALTER TABLE `d`.`t` ADD COLUMN `s` VARCHAR(10) COLLATE utf8mb4_bin", mariaDB},
		{"ALTER TABLE t ADD COLUMN gone CHAR(1) CHARACTER SET latin1", "ALTER TABLE `d`.`t` ADD COLUMN `gone` CHAR(1) CHARACTER SET LATIN1 COLLATE latin1_bin", mariaDB},
		{"ALTER TABLE t CONVERT TO CHARACTER SET utf8", "ALTER TABLE `d`.`t` CONVERT TO CHARACTER SET UTF8 COLLATE UTF8_BIN", mariaDB},
		{"ALTER TABLE t CHARACTER SET utf8 COLLATE utf8_unicode_ci", "ALTER TABLE `d`.`t` CHARACTER SET UTF8 COLLATE UTF8_UNICODE_CI", mariaDB},
	} {
		if p := plan(t, c.query, schema.DDL{After: after}, c.to); p.Text != c.text {
			t.Errorf("%s, on %s:\n\t%s\nwant\n\t%s", c.query, c.to, p.Text, c.text)
		}
	}
}

// TestLatin1: a latin1 column whose default or members have other characters is utf8mb4, but on a TiDB; a
// statement does not make one latin1 that is wider downstream.
func TestLatin1(t *testing.T) {
	with := func(value any) schema.Column {
		c := text("c", "latin1_bin")
		c.Default = value
		return c
	}
	member := typed("c", mysql.TypeEnum, 0, nil)
	member.Type.SetElems([]string{"é", "中"})
	member.Type.SetCharset("latin1")
	member.Type.SetCollate("latin1_bin")
	const latin1, wide = "VARCHAR(9) CHARACTER SET LATIN1 COLLATE latin1_bin", "VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin"
	for _, c := range []struct {
		query  string
		column schema.Column
		to     rewrite.Server
		want   string
		noted  bool
	}{
		{"ADD COLUMN c INT", with("€ é"), mariaDB, "ADD COLUMN `c` " + latin1 + " DEFAULT '€ é'", false},
		{"ADD COLUMN c INT", with("中"), mariaDB, "ADD COLUMN `c` " + wide + " DEFAULT '中'", false},
		{"ADD COLUMN c INT", with("中"), tidb, "ADD COLUMN `c` " + latin1 + " DEFAULT '中'", false},
		{"ADD COLUMN c INT", member, mysql8, "ADD COLUMN `c` ENUM('é','中') COLLATE utf8mb4_bin", false},
		{"ALTER c SET DEFAULT 'x'", with("中"), mysql8, "MODIFY COLUMN `c` " + wide + " DEFAULT '中'", false},
		{"ALTER c SET DEFAULT 'x'", with("中"), tidb, "ALTER COLUMN `c` SET DEFAULT '中'", false},
		{"ALTER c SET DEFAULT 'x'", with("x"), mysql8, "ALTER COLUMN `c` SET DEFAULT 'x'", false},
		{"MODIFY c TEXT", with(nil), mariaDB, "MODIFY COLUMN `c` " + latin1, true},
		{"CHANGE old c TEXT", with(nil), mariaDB, "CHANGE COLUMN `old` `c` " + latin1, true},
		{"CHANGE old c TEXT", with(nil), tidb, "CHANGE COLUMN `old` `c` " + latin1, false},
		{"CONVERT TO CHARACTER SET latin1", with(nil), mariaDB, "CHARACTER SET LATIN1 COLLATE LATIN1_BIN", false},
	} {
		p := plan(t, "ALTER TABLE t "+c.query, schema.DDL{After: table(schema.TableInfo{}, c.column)}, c.to)
		if want := "ALTER TABLE `d`.`t` " + c.want; p.Text != want || (len(p.Latin1) > 0) != c.noted {
			t.Errorf("%s, on %s:\n\t%s\nwant\n\t%s\n%d columns may be wider", c.query, c.to, p.Text, want, len(p.Latin1))
		}
		for _, l := range p.Latin1 {
			l.Widen()
			got, err := rewrite.Text(p.Nodes, c.to)
			if want := "ALTER TABLE `d`.`t` " + strings.ReplaceAll(c.want, latin1, wide); err != nil || got != want {
				t.Errorf("%s, wide:\n\t%s (%v)\nwant\n\t%s", c.query, got, err, want)
			}
			if old := map[bool]string{true: "old", false: "c"}[strings.HasPrefix(c.query, "CHANGE")]; l.Schema != "d" || l.Table != "t" || l.Name != old {
				t.Errorf("%s: %+v", c.query, l)
			}
		}
	}
}

// TestRoutes: a statement has the names of the downstream.
func TestRoutes(t *testing.T) {
	route := func(schema, table string) (string, string) {
		if table != "" {
			table = "to_" + table
		}
		return "to_" + schema, table
	}
	for query, want := range map[string]string{
		"CREATE DATABASE d":     "CREATE DATABASE `to_d` CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin",
		"DROP DATABASE d":       "DROP DATABASE `to_d`",
		"TRUNCATE TABLE t":      "TRUNCATE TABLE `to_d`.`to_t`",
		"RENAME TABLE t TO e.u": "RENAME TABLE `to_d`.`to_t` TO `to_e`.`to_u`",
		"CREATE VIEW v AS WITH w AS (SELECT 1) SELECT d.t.a FROM d.t, w": "CREATE ALGORITHM = UNDEFINED DEFINER = CURRENT_USER SQL SECURITY DEFINER VIEW `to_d`.`to_v` AS " +
			"WITH `w` AS (SELECT 1) SELECT `to_d`.`to_t`.`a` FROM (`to_d`.`to_t`) JOIN `w`",
	} {
		if p := plan(t, query, schema.DDL{Route: route}, mysql8); p.Text != want {
			t.Errorf("%s:\n\t%s\nwant\n\t%s", query, p.Text, want)
		}
	}
}

// TestLike: a TiDB copies the table that was copied upstream, another server gets the definition.
func TestLike(t *testing.T) {
	const query = "CREATE TABLE d.t (a INT)"
	d := schema.DDL{Like: [2]string{"e", "u"}}
	for to, want := range map[rewrite.Server]string{tidb: "CREATE TABLE `d`.`t` LIKE `e`.`u`", mariaDB: "CREATE TABLE `d`.`t` (`a` INT)"} {
		if p := plan(t, query, d, to); p.Text != want {
			t.Errorf("on %s: %s", to, p.Text)
		}
	}
	d.Route = func(schema, table string) (string, string) { return "all", table }
	if p := plan(t, query, d, tidb); p.Text != "CREATE TABLE `all`.`t` (`a` INT)" {
		t.Errorf("routed: %s", p.Text)
	}
}

// TestForeignKeys: a key's index is TiDB's, and a key that is dropped can get the name that the
// downstream has for it.
func TestForeignKeys(t *testing.T) {
	key := schema.ForeignKey{Name: ast.NewCIStr("fk_1"), Columns: []ast.CIStr{ast.NewCIStr("a")}, RefTable: ast.NewCIStr("U")}
	with := table(schema.TableInfo{ForeignKeys: []schema.ForeignKey{key},
		Indices: []schema.IndexInfo{{Name: ast.NewCIStr("fk_1"), State: schema.StatePublic, Columns: []schema.IndexColumn{{Offset: 0, Length: -1}}}}}, typed("a", mysql.TypeLong, 0, nil))
	for _, c := range []struct {
		query, want string
		before      *schema.Table
		to          rewrite.Server
	}{
		{"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (id)", "ALTER TABLE `d`.`t` ADD KEY `fk_1`(`a`), ADD CONSTRAINT FOREIGN KEY (`a`) REFERENCES `d`.`u`(`id`)", nil, mariaDB},
		{"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (id)", "ALTER TABLE `d`.`t` ADD CONSTRAINT FOREIGN KEY (`a`) REFERENCES `d`.`u`(`id`)", with, mariaDB},
		{"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (id)", "ALTER TABLE `d`.`t` ADD CONSTRAINT FOREIGN KEY (`a`) REFERENCES `d`.`u`(`id`)", nil, tidb},
		{"CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u (id))", "CREATE TABLE `d`.`t` (`a` INT,KEY `fk_1`(`a`),CONSTRAINT FOREIGN KEY (`a`) REFERENCES `d`.`u`(`id`))", nil, mysql8},
		{"CREATE TABLE t (a INT, KEY fk_1 (a), CONSTRAINT fk_1 FOREIGN KEY (a) REFERENCES u (id))", "CREATE TABLE `d`.`t` (`a` INT,INDEX `fk_1`(`a`),CONSTRAINT `fk_1` FOREIGN KEY (`a`) REFERENCES `d`.`u`(`id`))", nil, mysql8},
	} {
		if p := plan(t, c.query, schema.DDL{Before: c.before, After: with}, c.to); p.Text != c.want {
			t.Errorf("%s, on %s:\n\t%s\nwant\n\t%s", c.query, c.to, p.Text, c.want)
		}
	}
	p := plan(t, "ALTER TABLE t DROP FOREIGN KEY FK_1, ADD COLUMN b INT", schema.DDL{Before: with}, mysql8)
	if len(p.DroppedKeys) != 1 || p.DroppedKeys[0].Table != "t" || strings.Join(p.DroppedKeys[0].Columns, "") != "a" {
		t.Fatalf("%+v", p.DroppedKeys)
	}
	p.DroppedKeys[0].Rename("t_ibfk_1")
	if text, err := rewrite.Text(p.Nodes, mysql8); err != nil || text != "ALTER TABLE `d`.`t` DROP FOREIGN KEY `t_ibfk_1`, ADD COLUMN `b` INT" {
		t.Error(text, err)
	}
}

// TestPartitionsOfOthers: a partition that has other rows downstream is not emptied or exchanged.
func TestPartitionsOfOthers(t *testing.T) {
	parted := func(tp schema.PartitionType, n int, flags uint) *schema.Table {
		p := &schema.PartitionInfo{Type: tp, Expr: "year(`a`)", Enable: true}
		for i := range n {
			p.Definitions = append(p.Definitions, schema.Partition{Name: ast.NewCIStr("p" + string(rune('0'+i)))})
		}
		return table(schema.TableInfo{Partition: p}, typed("a", mysql.TypeDate, flags, nil))
	}
	const truncate, exchange = "ALTER TABLE t TRUNCATE PARTITION p0, p1", "ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE u"
	for _, c := range []struct {
		query string
		t     *schema.Table
		to    rewrite.Server
		ok    bool
	}{
		{truncate, parted(schema.PartitionKey, 4, mysql.NotNullFlag), mariaDB, false},
		{exchange, parted(schema.PartitionKey, 4, mysql.NotNullFlag), mysql8, false},
		{truncate, parted(schema.PartitionKey, 4, mysql.NotNullFlag), tidb, true},
		{truncate, parted(schema.PartitionKey, 2, mysql.NotNullFlag), mariaDB, true}, // all of them
		{"ALTER TABLE t TRUNCATE PARTITION ALL", parted(schema.PartitionKey, 4, 0), mariaDB, true},
		{truncate, parted(schema.PartitionHash, 3, 0), mariaDB, false},
		{exchange, parted(schema.PartitionHash, 3, 0), mariaDB, false},
		{truncate, parted(schema.PartitionHash, 3, mysql.NotNullFlag), mariaDB, true},
		{truncate, parted(schema.PartitionHash, 4, 0), mariaDB, true},
		{truncate, parted(schema.PartitionRange, 3, 0), mariaDB, true},
		{exchange, parted(schema.PartitionList, 3, 0), mariaDB, true},
	} {
		d := &schema.DDL{Schema: "d", Table: "t", Before: c.t, After: c.t, Job: &schema.Job{}}
		_, err := rewrite.Statement(c.query, d, 0, c.to, rewrite.Options{})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, rewrite.ErrImpossible) {
			t.Errorf("%s, %s with %d partitions on %s: %v", c.query, c.t.Info.Partition.Type, len(c.t.Info.Partition.Definitions), c.to, err)
		}
	}
}

// TestReorganizeLowersTheEnd: MySQL and MariaDB have no REORGANIZE that lowers the end of the last partition; they partition
// the table anew, as it is afterwards.
func TestReorganizeLowersTheEnd(t *testing.T) {
	const query, reorganize = "ALTER TABLE t REORGANIZE PARTITION b INTO (PARTITION c VALUES LESS THAN (%s))", "ALTER TABLE `d`.`t` REORGANIZE PARTITION `b` INTO (PARTITION `c` VALUES LESS THAN (%s))"
	const anew = "ALTER TABLE `d`.`t` PARTITION BY RANGE (`a`) (PARTITION `a` VALUES LESS THAN (9),PARTITION `c` VALUES LESS THAN (%s))"
	const columns = "ALTER TABLE `d`.`t` PARTITION BY RANGE COLUMNS (`a`) (PARTITION `a` VALUES LESS THAN (9),PARTITION `c` VALUES LESS THAN (%s))"
	parted := func(last, end string, columns bool) *schema.Table {
		p := &schema.PartitionInfo{Type: schema.PartitionRange, Expr: "`a`", Enable: true,
			Definitions: []schema.Partition{{Name: ast.NewCIStr("a"), LessThan: []string{"9"}}, {Name: ast.NewCIStr(last), LessThan: []string{end}}}}
		if columns {
			p.Expr, p.Columns = "", []ast.CIStr{ast.NewCIStr("a")}
		}
		return table(schema.TableInfo{Partition: p}, typed("a", mysql.TypeLong, 0, nil))
	}
	for _, c := range []struct {
		from, to, want string
		columns        bool
		server         rewrite.Server
	}{
		{"100", "99", anew, false, mariaDB},
		{"100", "99", anew, false, mysql8},
		{"100", "99", reorganize, false, tidb},
		{"100", "100", reorganize, false, mariaDB},
		{"100", "1000", reorganize, false, mariaDB},
		{"100", "MAXVALUE", reorganize, false, mariaDB},
		{"MAXVALUE", "1000", anew, false, mariaDB},
		{"18446744073709551615", "9223372036854775807", anew, false, mariaDB},
		{"'x'", "'y'", columns, true, mariaDB},
		{"'x'", "'x'", reorganize, true, mariaDB},
	} {
		d := schema.DDL{Before: parted("b", c.from, c.columns), After: parted("c", c.to, c.columns)}
		p := plan(t, fmt.Sprintf(query, c.to), d, c.server)
		if want := strings.ReplaceAll(c.want, "(%s)", "("+strings.Replace(c.to, "'", "_UTF8MB4'", 1)+")"); p.Text != want {
			t.Errorf("from %s to %s on %s:\n\t%s\nwant\n\t%s", c.from, c.to, c.server, p.Text, want)
		}
	}
}

// TestBounds: values of partitions by COLUMNS are of their column's kind, which TiDB does not ask for.
func TestBounds(t *testing.T) {
	day := typed("c", mysql.TypeDate, mysql.NotNullFlag, nil)
	n := typed("c", mysql.TypeLong, mysql.NotNullFlag, nil)
	for _, c := range []struct {
		column    schema.Column
		is, wants string
		to        rewrite.Server
	}{
		{text("c", "utf8mb4_bin"), "44, -5, 'x', NULL", "'44', '-5', 'x', NULL", mariaDB},
		{text("c", "utf8mb4_bin"), "44", "44", tidb},
		{n, "'44', '-5', 7, -8", "44, -5, 7, -8", mysql8},
		{day, "20200102, '2020-01-03'", "'20200102', '2020-01-03'", mysql8},
	} {
		info := schema.TableInfo{Partition: &schema.PartitionInfo{Type: schema.PartitionList, Enable: true, Columns: []ast.CIStr{ast.NewCIStr("c")},
			Definitions: []schema.Partition{{Name: ast.NewCIStr("other"), InValues: [][]string{{"1"}}}}}}
		p := plan(t, "ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN ("+c.is+"))", schema.DDL{After: table(info, c.column)}, c.to)
		if want := "ALTER TABLE `d`.`t` ADD PARTITION (PARTITION `p` VALUES IN (" + c.wants + "))"; p.Text != want {
			t.Errorf("on %s:\n\t%s\nwant\n\t%s", c.to, p.Text, want)
		}
	}
}

// TestImpossible: what a downstream cannot do is an error that says what to do.
func TestImpossible(t *testing.T) {
	for _, c := range []struct {
		query string
		to    rewrite.Server
		job   schema.Action
	}{
		{"RECOVER TABLE t", mysql8, schema.ActionRecoverTable},
		{"FLASHBACK TABLE t TO u", mariaDB, schema.ActionRecoverTable},
		{"FLASHBACK DATABASE d", mariaDB, schema.ActionRecoverSchema},
		{"RECOVER TABLE BY JOB 5", tidb, schema.ActionRecoverTable},
		{"nonsense", mysql8, schema.ActionCreateView},
		{"ALTER TABLE t RENAME COLUMN a TO b", mysql57, schema.ActionModifyColumn},
	} {
		d := &schema.DDL{Schema: "d", Table: "t", Job: &schema.Job{Type: c.job}}
		_, err := rewrite.Statement(c.query, d, 0, c.to, rewrite.Options{})
		if !errors.Is(err, rewrite.ErrImpossible) || !strings.Contains(err.Error(), "skip") {
			t.Errorf("%s: %v", c.query, err)
		}
	}
	// A text whose only name is the job's is run where the job was.
	d := &schema.DDL{Schema: "d", Table: "lag", Job: &schema.Job{Type: schema.ActionAddColumn}}
	p, err := rewrite.Statement("alter table lag add column x int", d, 0, mysql57, rewrite.Options{})
	if err != nil || p.Database != "d" || p.Text != "alter table lag add column x int" || len(p.Warnings) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestSession: the session has UTC, the upstream's time and the upstream's zone only where they
// count.
func TestSession(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	east := time.FixedZone("", 8*3600)
	job := func(mode mysql.SQLMode, l *schema.Location) *schema.Job {
		return &schema.Job{Reorg: &schema.Reorg{SQLMode: mode, Location: l}}
	}
	origin := func(name string, tp byte, value string) schema.Column {
		c := typed(name, tp, 0, "CURRENT_TIMESTAMP")
		c.OriginDefault = value
		return c
	}
	today := func(name, value string) schema.Column {
		c := typed(name, mysql.TypeDate, 0, "CURRENT_DATE")
		c.OriginDefault = value
		return c
	}
	stamp, clock := typed("a", mysql.TypeTimestamp, 0, nil), typed("a", mysql.TypeDatetime, 0, nil)
	at := nodes.MakeTSO(time.Unix(1700000000, 250e6), 0)
	for _, c := range []struct {
		name, query              string
		d                        schema.DDL
		zone                     *time.Location
		text, mode, session, now string
	}{
		{name: "a default of the definition is in UTC", query: "ALTER TABLE t ADD COLUMN a TIMESTAMP DEFAULT '2020-01-01 08:00:00'", zone: east,
			d:    schema.DDL{After: table(schema.TableInfo{}, typed("a", mysql.TypeTimestamp, 0, "2020-01-01 00:00:00"))},
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` TIMESTAMP NULL DEFAULT '2020-01-01 00:00:00'", session: "+00:00"},
		{name: "one of a text is in the zone", query: "ALTER TABLE t ADD COLUMN a TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'", zone: east,
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` TIMESTAMP NOT NULL DEFAULT '2019-12-31 16:00:00'", session: "+00:00"},
		{name: "zero has no zone", query: "ALTER TABLE t ADD COLUMN a TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00'", zone: east,
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` TIMESTAMP NOT NULL DEFAULT _UTF8MB4'0000-00-00 00:00:00'", session: "+00:00"},
		{name: "bounds are in the zone", query: "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01 00:00:00')))", zone: east,
			text: "ALTER TABLE `d`.`t` ADD PARTITION (PARTITION `p` VALUES LESS THAN (1577808000))", session: "+00:00"},
		{name: "bounds of the definition are numbers", query: "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01 00:00:00')))",
			d: schema.DDL{After: table(schema.TableInfo{Partition: &schema.PartitionInfo{Type: schema.PartitionRange, Expr: "unix_timestamp(`a`)", Enable: true,
				Definitions: []schema.Partition{{Name: ast.NewCIStr("P"), LessThan: []string{"1577808000"}}}}})},
			text: "ALTER TABLE `d`.`t` ADD PARTITION (PARTITION `p` VALUES LESS THAN (1577808000))", session: "+00:00"},
		{name: "TIMESTAMP to DATETIME", query: "ALTER TABLE t MODIFY COLUMN a DATETIME",
			d:    schema.DDL{Before: table(schema.TableInfo{}, stamp), After: table(schema.TableInfo{}, clock), Job: job(0, &schema.Location{Offset: -5400})},
			text: "ALTER TABLE `d`.`t` MODIFY COLUMN `a` DATETIME", session: "-01:30"},
		{name: "DATETIME to TIMESTAMP", query: "ALTER TABLE t MODIFY COLUMN a TIMESTAMP DEFAULT '2020-01-01 08:00:00'", zone: time.UTC,
			d: schema.DDL{Before: table(schema.TableInfo{}, clock), After: table(schema.TableInfo{}, typed("a", mysql.TypeTimestamp, 0, "2020-01-01 00:00:00")),
				Job: job(mysql.ModeStrictTransTables|mysql.ModeANSIQuotes, &schema.Location{Name: "Asia/Shanghai"})},
			text: "ALTER TABLE `d`.`t` MODIFY COLUMN `a` TIMESTAMP NULL DEFAULT '2020-01-01 08:00:00'", session: "Asia/Shanghai", mode: "STRICT_TRANS_TABLES,"},
		{name: "no conversion, no zone", query: "ALTER TABLE t MODIFY COLUMN a DATETIME(6)", zone: shanghai,
			d:    schema.DDL{Before: table(schema.TableInfo{}, clock), After: table(schema.TableInfo{}, clock)},
			text: "ALTER TABLE `d`.`t` MODIFY COLUMN `a` DATETIME", session: "+00:00"},
		{name: "the machine's zone is not told", query: "ALTER TABLE t MODIFY COLUMN a DATETIME", zone: east,
			d:    schema.DDL{Before: table(schema.TableInfo{}, stamp), After: table(schema.TableInfo{}, clock), Job: job(0, &schema.Location{Name: "System"})},
			text: "ALTER TABLE `d`.`t` MODIFY COLUMN `a` DATETIME", session: "+08:00"},
		{name: "now of a TIMESTAMP", query: "ALTER TABLE t ADD COLUMN a TIMESTAMP DEFAULT CURRENT_TIMESTAMP", zone: east,
			d:    schema.DDL{After: table(schema.TableInfo{}, origin("a", mysql.TypeTimestamp, "2023-11-14 22:13:20"))},
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP()", session: "+00:00", now: "1700000000.000000"},
		{name: "now of a DATETIME", query: "ALTER TABLE t ADD COLUMN a DATETIME DEFAULT NOW()", zone: east,
			d:    schema.DDL{After: table(schema.TableInfo{}, origin("a", mysql.TypeDatetime, "2023-11-15 06:13:20.5"))},
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` DATETIME DEFAULT CURRENT_TIMESTAMP()", session: "+00:00", now: "1700028800.500000"},
		{name: "now of both", query: "ALTER TABLE t ADD COLUMN a DATETIME DEFAULT NOW(), ADD COLUMN b TIMESTAMP DEFAULT NOW(), ADD COLUMN c TIMESTAMP DEFAULT '2020-01-01'",
			d: schema.DDL{After: table(schema.TableInfo{}, origin("a", mysql.TypeDatetime, "2023-11-15 06:13:20.25"), origin("b", mysql.TypeTimestamp, "2023-11-14 22:13:20"),
				typed("c", mysql.TypeTimestamp, 0, "2020-01-01 00:00:00"))},
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` DATETIME DEFAULT CURRENT_TIMESTAMP(), ADD COLUMN `b` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP(), " +
				"ADD COLUMN `c` TIMESTAMP NULL DEFAULT '2020-01-01 08:00:00'", session: "+08:00", now: "1700000000.250000"},
		{name: "today", query: "ALTER TABLE t ADD COLUMN a DATE DEFAULT (CURRENT_DATE)", zone: east, d: schema.DDL{After: table(schema.TableInfo{}, today("a", "2023-11-15"))},
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` DATE DEFAULT (CURRENT_DATE())", session: "+00:00", now: "1700006400.000000"},
		{name: "today beside a TIMESTAMP", query: "ALTER TABLE t ADD COLUMN a DATE DEFAULT (CURRENT_DATE), ADD COLUMN b TIMESTAMP DEFAULT NOW()", zone: east,
			d:    schema.DDL{After: table(schema.TableInfo{}, today("a", "2023-11-15"), origin("b", mysql.TypeTimestamp, "2023-11-14 22:13:20"))},
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` DATE DEFAULT (CURRENT_DATE()), ADD COLUMN `b` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP()", session: "+13:00", now: "1700000000.000000"},
		{name: "now of a text", query: "ALTER TABLE t ADD COLUMN a TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP", zone: east,
			text: "ALTER TABLE `d`.`t` ADD COLUMN `a` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP()", session: "+08:00", now: "1700000000.250000"},
		{name: "CREATE TABLE has no rows", query: "CREATE TABLE t (a TIMESTAMP DEFAULT CURRENT_TIMESTAMP)", text: "CREATE TABLE `d`.`t` (`a` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP())", session: "+00:00"},
	} {
		d := c.d
		d.Schema, d.Table = "d", "t"
		p, err := rewrite.Statement(c.query, &d, at, mysql8, rewrite.Options{Zone: c.zone})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if p.Text != c.text || p.Zone != c.session || p.Time != c.now || !strings.HasPrefix(p.Mode, c.mode) || strings.Contains(p.Mode, "ANSI") {
			t.Errorf("%s:\n\t%s\nwant\n\t%s\nzone %s, want %s; time %s, want %s; mode %s", c.name, p.Text, c.text, p.Zone, c.session, p.Time, c.now, p.Mode)
		}
	}
}

// +14:00 is a zone of TiDB and of MySQL 8; others have it by its name.
func TestOffsetsOutOfRange(t *testing.T) {
	stamp, clock := typed("a", mysql.TypeTimestamp, 0, nil), typed("a", mysql.TypeDatetime, 0, nil)
	for offset, want := range map[int][2]string{14: {"+14:00", "Etc/GMT-14"}, 13: {"+13:00", "+13:00"}, -12: {"-12:00", "-12:00"}} {
		d := schema.DDL{Schema: "d", Table: "t", Before: table(schema.TableInfo{}, stamp), After: table(schema.TableInfo{}, clock),
			Job: &schema.Job{Reorg: &schema.Reorg{Location: &schema.Location{Offset: offset * 3600}}}}
		for i, server := range []rewrite.Server{mysql8, mariaDB} {
			p, err := rewrite.Statement("ALTER TABLE t MODIFY COLUMN a DATETIME", &d, 0, server, rewrite.Options{})
			if err != nil || p.Zone != want[i] {
				t.Errorf("%+d hours at %s: %q, %v, want %q", offset, server, p.Zone, err, want[i])
			}
		}
	}
}

package rewrite_test

import (
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql/rewrite"
)

// TestConvert: CONVERT TO CHARACTER SET changes the columns that it changes upstream, to the types that they have there: others
// than TiDB make a MEDIUMTEXT of a TEXT.
func TestConvert(t *testing.T) {
	info := schema.TableInfo{Charset: "utf8mb4", Collate: "utf8mb4_bin"}
	blob := func(name, collation string) schema.Column {
		c := text(name, collation)
		c.Type.SetType(mysql.TypeBlob)
		c.Type.SetFlen(65535)
		return c
	}
	d := schema.DDL{
		Before: table(schema.TableInfo{Charset: "utf8", Collate: "utf8_bin"}, text("a", "utf8mb4_bin"), blob("b", "utf8_bin"), text("c", "utf8_bin"), typed("n", mysql.TypeLong, 0, nil)),
		After:  table(info, text("a", "utf8mb4_bin"), blob("b", "utf8mb4_bin"), text("c", "utf8mb4_bin"), typed("n", mysql.TypeLong, 0, nil)),
	}
	const query = "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	for to, want := range map[rewrite.Server]string{
		mariaDB: "ALTER TABLE `d`.`t` CHARACTER SET UTF8MB4 COLLATE UTF8MB4_BIN, MODIFY COLUMN `b` TEXT CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin, MODIFY COLUMN `c` VARCHAR(9) CHARACTER SET UTF8MB4 COLLATE utf8mb4_bin",
		tidb:    "ALTER TABLE `d`.`t` CONVERT TO CHARACTER SET UTF8MB4 COLLATE UTF8MB4_BIN",
	} {
		if p := plan(t, query, d, to); p.Text != want {
			t.Errorf("on %s:\n\t%s\nwant\n\t%s", to, p.Text, want)
		}
	}
}

// TestRounds: times that get fewer digits are rounded, as TiDB and MySQL do.
func TestRounds(t *testing.T) {
	d := schema.DDL{After: table(schema.TableInfo{}, typed("a", mysql.TypeDatetime, 0, nil))}
	for to, rounds := range map[rewrite.Server]bool{mariaDB: true, mariaDB10: false, mysql8: false, tidb: false} {
		if p := plan(t, "ALTER TABLE t MODIFY a DATETIME", d, to); strings.Contains(p.Mode, "TIME_ROUND_FRACTIONAL") != rounds {
			t.Errorf("on %s: the sql_mode %s", to, p.Mode)
		}
	}
}

// TestAutoIncrementAndItsKey: others than TiDB refuse to drop the last key that begins with an AUTO_INCREMENT column, which it is
// again when a new one does.
func TestAutoIncrementAndItsKey(t *testing.T) {
	id := typed("id", mysql.TypeLonglong, mysql.NotNullFlag|mysql.AutoIncrementFlag, nil)
	keys := []schema.IndexInfo{{Name: ast.NewCIStr("k"), Columns: []schema.IndexColumn{{Offset: 0}}, State: schema.StatePublic}}
	d := schema.DDL{Before: table(schema.TableInfo{Indices: keys}, id), After: table(schema.TableInfo{}, id)}
	const own = "ALTER TABLE `d`.`t` MODIFY COLUMN `id` BIGINT NOT NULL, DROP INDEX `k`"
	for _, query := range []string{"DROP INDEX k ON t", "ALTER TABLE t DROP INDEX k"} {
		if p := plan(t, query, d, mariaDB); p.Text != own || len(p.Warnings) != 1 {
			t.Errorf("%s: %s, %q", query, p.Text, p.Warnings)
		}
		if p := plan(t, query, d, tidb); strings.Contains(p.Text, "MODIFY") {
			t.Errorf("%s, on a TiDB: %s", query, p.Text)
		}
	}
	gained := schema.DDL{Before: d.After, After: d.Before}
	for query, want := range map[string]string{
		"ALTER TABLE t ADD INDEX k (id)":  "ALTER TABLE `d`.`t` ADD INDEX `k`(`id`), MODIFY COLUMN `id` BIGINT NOT NULL AUTO_INCREMENT",
		"CREATE UNIQUE INDEX k ON t (id)": "ALTER TABLE `d`.`t` ADD UNIQUE INDEX `k`(`id`), MODIFY COLUMN `id` BIGINT NOT NULL AUTO_INCREMENT",
	} {
		if p := plan(t, query, gained, mariaDB); p.Text != want {
			t.Errorf("%s: %s\nwant %s", query, p.Text, want)
		}
	}
	still := schema.DDL{Before: d.Before, After: d.Before}
	if p := plan(t, "ALTER TABLE t MODIFY id BIGINT AUTO_INCREMENT", still, mariaDB); !strings.HasSuffix(p.Text, "BIGINT NOT NULL AUTO_INCREMENT") {
		t.Errorf("with its key: %s", p.Text)
	}
}

// TestListDefault: MariaDB's partition of all other values lists none beside them.
func TestListDefault(t *testing.T) {
	by := &schema.PartitionInfo{Enable: true, Type: schema.PartitionList, Expr: "`a`", Definitions: []schema.Partition{
		{Name: ast.NewCIStr("p"), InValues: [][]string{{"1"}}}, {Name: ast.NewCIStr("q"), InValues: [][]string{{"2"}, {"DEFAULT"}}}}}
	d := schema.DDL{After: table(schema.TableInfo{Partition: by}, typed("a", mysql.TypeLong, 0, nil))}
	const query = "CREATE TABLE t (a INT) PARTITION BY LIST (a) (PARTITION p VALUES IN (1), PARTITION q VALUES IN (2, DEFAULT))"
	for to, want := range map[rewrite.Server]string{mariaDB: "PARTITION `q` DEFAULT)", tidb: "PARTITION `q` VALUES IN (2, DEFAULT))"} {
		if p := plan(t, query, d, to); !strings.HasSuffix(p.Text, want) {
			t.Errorf("on %s:\n\t%s\nwant it to end with\n\t%s", to, p.Text, want)
		}
		again := schema.DDL{Before: d.After, After: d.After}
		p := plan(t, "ALTER TABLE t REORGANIZE PARTITION q INTO (PARTITION q VALUES IN (2, DEFAULT))", again, to)
		if anew := strings.Contains(p.Text, "PARTITION BY LIST"); anew != (to == mariaDB) {
			t.Errorf("REORGANIZE on %s: %s", to, p.Text)
		}
	}
}

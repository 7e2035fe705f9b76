package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
)

// createTable is the CREATE TABLE that makes a table's definition: as TiDB would have to be told,
// with every collation, default and number of partitions spelled out. Its TIMESTAMP defaults are in
// UTC. Foreign keys are not in it: what is made so (by LIKE, by a restored backup) has none.
func createTable(t *Table) (ast.StmtNode, error) {
	if t.Info == nil {
		return nil, fmt.Errorf("the definition of %s is not known", t)
	}
	n := &ast.CreateTableStmt{Table: nameOf(t)}
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Public {
			continue
		}
		def, err := ColumnDef(c)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t, err)
		}
		if t.Info.AutoRandomBits > 0 && t.PrimaryKey() != nil && t.PrimaryKey().Columns[0] == i {
			def.Options = append(def.Options, &ast.ColumnOption{Tp: ast.ColumnOptionAutoRandom, AutoRandOpt: autoRandom(t.Info)})
		}
		n.Cols = append(n.Cols, def)
	}
	if t.Handle == IntHandle {
		n.Constraints = append(n.Constraints, &ast.Constraint{Tp: ast.ConstraintPrimaryKey,
			Keys: []*ast.IndexPartSpecification{part(t.Columns[t.HandleColumns[0].Column].Name, types.UnspecifiedLength)}, Option: &ast.IndexOption{PrimaryKeyTp: ast.PrimaryKeyTypeClustered}})
	}
	for i := range t.Info.Indices {
		if t.Info.Indices[i].State != StatePublic {
			continue
		}
		c, err := Index(t, &t.Info.Indices[i])
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t, err)
		}
		n.Constraints = append(n.Constraints, c)
	}
	for _, check := range t.Info.Checks {
		expr, err := ParseExpr(check.Expr)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t, err)
		}
		n.Constraints = append(n.Constraints, &ast.Constraint{Tp: ast.ConstraintCheck, Name: check.Name.O, Expr: expr, Enforced: check.Enforced})
	}
	n.Options = tableOptions(t.Info)
	var err error
	n.Partition, err = PartitionBy(t.Info.Partition)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t, err)
	}
	return n, nil
}

func autoRandom(info *TableInfo) ast.AutoRandomOption {
	o := ast.AutoRandomOption{ShardBits: int(info.AutoRandomBits), RangeBits: types.UnspecifiedLength}
	if info.AutoRandomRangeBits > 0 {
		o.RangeBits = int(info.AutoRandomRangeBits)
	}
	return o
}

func part(column string, length int) *ast.IndexPartSpecification {
	return &ast.IndexPartSpecification{Column: &ast.ColumnName{Name: ast.NewCIStr(column)}, Length: length}
}

// Index is an index of a table as CREATE TABLE says it.
func Index(t *Table, info *IndexInfo) (*ast.Constraint, error) {
	c := &ast.Constraint{Tp: ast.ConstraintKey, Name: info.Name.O, Option: &ast.IndexOption{Comment: info.Comment, Global: info.Global}}
	switch {
	case info.Primary:
		c.Tp, c.Name = ast.ConstraintPrimaryKey, ""
		if c.Option.PrimaryKeyTp = ast.PrimaryKeyTypeNonClustered; t.Info.IsCommonHandle {
			c.Option.PrimaryKeyTp = ast.PrimaryKeyTypeClustered
		}
	case info.Unique:
		c.Tp = ast.ConstraintUniqKey
	}
	if info.Invisible {
		c.Option.Visibility = ast.IndexVisibilityInvisible
	}
	for _, col := range info.Columns {
		if col.Offset < 0 || col.Offset >= len(t.Columns) {
			return nil, fmt.Errorf("%w: index %s has a column %d, there are %d", ErrBadJob, info.Name.O, col.Offset, len(t.Columns))
		}
		column := &t.Columns[col.Offset]
		if !column.Hidden {
			c.Keys = append(c.Keys, part(column.Name, col.Length))
			continue
		}
		expr, err := ParseExpr(column.GeneratedExpr)
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", info.Name.O, err)
		}
		c.Keys = append(c.Keys, &ast.IndexPartSpecification{Expr: expr, Length: types.UnspecifiedLength})
	}
	return c, nil
}

func tableOptions(info *TableInfo) (list []*ast.TableOption) {
	add := func(o ast.TableOption) { list = append(list, &o) }
	if info.Charset != "" {
		add(ast.TableOption{Tp: ast.TableOptionCharset, StrValue: info.Charset})
	}
	if info.Collate != "" {
		add(ast.TableOption{Tp: ast.TableOptionCollate, StrValue: info.Collate})
	}
	if info.Comment != "" {
		add(ast.TableOption{Tp: ast.TableOptionComment, StrValue: info.Comment})
	}
	if info.ShardRowIDBits > 0 {
		add(ast.TableOption{Tp: ast.TableOptionShardRowID, UintValue: info.ShardRowIDBits})
	}
	if info.PreSplitRegions > 0 {
		add(ast.TableOption{Tp: ast.TableOptionPreSplitRegion, UintValue: info.PreSplitRegions})
	}
	if info.AutoIDCache > 0 {
		add(ast.TableOption{Tp: ast.TableOptionAutoIdCache, UintValue: uint64(info.AutoIDCache)})
	}
	return list
}

// PartitionBy is a table's partitioning as a statement says it, with every partition named; nil
// when there is none.
func PartitionBy(p *PartitionInfo) (*ast.PartitionOptions, error) {
	if p == nil || !p.Enable {
		return nil, nil
	}
	by := "(" + p.Expr + ")"
	if p.Expr == "" {
		var names []string
		for _, c := range p.Columns {
			names = append(names, QuoteName(c.O))
		}
		by = "(" + strings.Join(names, ",") + ")"
		if p.Type == PartitionRange || p.Type == PartitionList {
			by = "COLUMNS " + by
		}
	}
	var defs []string
	for i := range p.Definitions {
		defs = append(defs, p.Definitions[i].text(p.Type))
	}
	text := "CREATE TABLE t (c INT) PARTITION BY " + p.Type.String() + " " + by + " (" + strings.Join(defs, ",") + ")"
	nodes, err := parseAs(text, mysql.ModeNoBackslashEscapes)
	if err != nil {
		return nil, fmt.Errorf("partitions: %w", err)
	}
	n, ok := nodes[0].(*ast.CreateTableStmt)
	if !ok || len(nodes) != 1 || n.Partition == nil {
		return nil, fmt.Errorf("partitions: %q says none", text)
	}
	return n.Partition, nil
}

// text is a partition as a statement defines it.
func (p *Partition) text(tp PartitionType) string {
	s := "PARTITION " + QuoteName(p.Name.O)
	switch tp {
	case PartitionRange:
		s += " VALUES LESS THAN (" + strings.Join(p.LessThan, ",") + ")"
	case PartitionList:
		var values []string
		for _, v := range p.InValues {
			one := strings.Join(v, ",")
			if len(v) > 1 {
				one = "(" + one + ")"
			}
			values = append(values, one)
		}
		if slices.Equal(values, []string{"DEFAULT"}) {
			s += " DEFAULT"
		} else {
			s += " VALUES IN (" + strings.Join(values, ",") + ")"
		}
	}
	if p.Comment != "" {
		s += " COMMENT '" + strings.ReplaceAll(p.Comment, "'", "''") + "'"
	}
	return s
}

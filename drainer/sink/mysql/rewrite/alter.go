package rewrite

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/charset"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/drainer/schema"
)

// alterTable leaves the changes that the server is to make.
func (r *rewriter) alterTable(n *ast.AlterTableStmt) (keep bool, err error) {
	var specs []*ast.AlterTableSpec
	var added []*ast.Constraint
	for _, s := range n.Specs {
		added = append(added, s.NewConstraints...)
		if s.Constraint != nil && s.Tp == ast.AlterTableAddConstraint {
			added = append(added, s.Constraint)
		}
	}
	r.nameKeys(added)
	for _, s := range n.Specs {
		ok, err := r.spec(s)
		if err != nil {
			return false, err
		}
		if ok && s.Tp == ast.AlterTableAddConstraint {
			own, err := r.keyIndex(s.Constraint, nil)
			if err != nil {
				return false, err
			}
			for _, c := range own {
				specs = append(specs, &ast.AlterTableSpec{Tp: ast.AlterTableAddConstraint, Constraint: c})
			}
		}
		if ok {
			specs = append(specs, s)
			r.mayBeWide(n, s)
		}
		if r.convertsTo(s) {
			own, err := r.converted()
			if err != nil {
				return false, err
			}
			for _, s := range own {
				r.mayBeWide(n, s)
			}
			specs = append(specs, own...)
		}
		if s.Tp == ast.AlterTableDropForeignKey && r.to.Kind != TiDB {
			r.plan.DroppedKeys = append(r.plan.DroppedKeys, r.droppedKey(n, s))
		}
	}
	first, last, err := r.changedChecks()
	if err != nil {
		return false, err
	}
	specs = slices.Concat(first, specs, last)
	if c := r.losesKey(); c != nil && len(specs) > 0 {
		s, err := r.modified(c)
		if err != nil {
			return false, err
		}
		specs = slices.Insert(specs, 0, s)
	}
	if c := r.gainsKey(); c != nil && len(specs) > 0 {
		s, err := r.modified(c)
		if err != nil {
			return false, err
		}
		specs = append(specs, s)
	}
	n.Specs = specs
	return len(specs) > 0, nil
}

// convertsTo reports whether a change is CONVERT TO CHARACTER SET and the columns that it changes are known. It then gives the table
// its character set alone: servers other than TiDB would make of a TEXT the type that takes all its characters.
func (r *rewriter) convertsTo(s *ast.AlterTableSpec) bool {
	if s.Tp != ast.AlterTableOption || r.to.Kind == TiDB || !r.known() || r.d.Before == nil {
		return false
	}
	i := slices.IndexFunc(s.Options, func(o *ast.TableOption) bool {
		return o.Tp == ast.TableOptionCharset && o.UintValue == ast.TableOptionCharsetWithConvertTo
	})
	if i < 0 {
		return false
	}
	s.Options[i].UintValue = ast.TableOptionCharsetWithoutConvertTo
	return true
}

// converted are the changes of the columns that have another character set or collation than before.
func (r *rewriter) converted() ([]*ast.AlterTableSpec, error) {
	var list []*ast.AlterTableSpec
	for i := range r.d.After.Columns {
		c := &r.d.After.Columns[i]
		was := column(r.d.Before, c.Name)
		if was == nil || !c.Public || c.Hidden || !isText(c.Type.GetType()) || was.Type.GetCharset() == c.Type.GetCharset() && was.Type.GetCollate() == c.Type.GetCollate() {
			continue
		}
		s, err := r.modified(c)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (r *rewriter) droppedKey(n *ast.AlterTableStmt, s *ast.AlterTableSpec) *DroppedKey {
	k := &DroppedKey{Schema: n.Table.Schema.O, Table: n.Table.Name.O, Name: s.Name, spec: s}
	if r.d.Before == nil || r.d.Before.Info == nil {
		return k
	}
	for _, fk := range r.d.Before.Info.ForeignKeys {
		if strings.EqualFold(fk.Name.O, s.Name) {
			for _, c := range fk.Columns {
				k.Columns = append(k.Columns, c.O)
			}
		}
	}
	return k
}

// spec makes a change one for the server, and reports whether it is to make it.
func (r *rewriter) spec(s *ast.AlterTableSpec) (keep bool, err error) {
	switch s.Tp {
	case ast.AlterTableOption:
		s.Options = r.tableOptions(s.Options, false)
		return len(s.Options) > 0, nil
	case ast.AlterTableAddColumns:
		return r.addColumns(s)
	case ast.AlterTableModifyColumn, ast.AlterTableChangeColumn:
		return r.modifyColumn(s)
	case ast.AlterTableAlterColumn:
		return true, r.alterColumn(s)
	case ast.AlterTableDropColumn:
		return !s.IfExists || r.d.Before == nil || column(r.d.Before, s.OldColumnName.Name.O) != nil, nil
	case ast.AlterTableRenameColumn:
		return true, r.renameColumn(s)
	case ast.AlterTableAddConstraint:
		return r.constraint(s.Constraint), nil
	case ast.AlterTableDropIndex:
		return !r.lacksIndex(s.Name, s.IfExists), nil
	case ast.AlterTableRenameIndex:
		return !r.lacksIndex(s.FromKey.O, false), nil
	case ast.AlterTableIndexInvisible:
		if !r.to.invisibleIndexes() {
			r.warn("index `%s` stays visible or not: %s has no invisible ones", s.IndexName.O, r.to)
			return false, nil
		}
		return !r.lacksIndex(s.IndexName.O, false), nil
	case ast.AlterTableDropCheck, ast.AlterTableAlterCheck:
		return false, nil // see changedChecks
	case ast.AlterTablePartition:
		s.Partition, err = r.partitionBy(s.Partition)
		return s.Partition != nil, err
	case ast.AlterTableAddPartitions:
		return true, r.partitions(s.PartDefinitions)
	case ast.AlterTableReorganizePartition:
		return true, r.reorganize(s)
	case ast.AlterTableDropFirstPartition, ast.AlterTableAddLastPartition, ast.AlterTableReorganizeFirstPartition, ast.AlterTableReorganizeLastPartition:
		return true, r.intervals(s)
	case ast.AlterTableTruncatePartition:
		return true, r.sameRows(r.d.Before, s)
	case ast.AlterTableExchangePartition:
		s.WithValidation = s.WithValidation || r.to.Kind == MariaDB
		return true, r.sameRows(r.d.After, s)
	case ast.AlterTableSetTiFlashReplica, ast.AlterTablePartitionOptions, // placement
		ast.AlterTableLock, ast.AlterTableAlgorithm, ast.AlterTableForce, ast.AlterTableOrderByColumns, ast.AlterTableEnableKeys, ast.AlterTableDisableKeys,
		ast.AlterTableWithValidation, ast.AlterTableWithoutValidation, ast.AlterTableSecondaryLoad, ast.AlterTableSecondaryUnload:
		return false, nil
	case ast.AlterTableAttributes, ast.AlterTablePartitionAttributes, ast.AlterTableCache, ast.AlterTableNoCache, ast.AlterTableRemoveTTL,
		ast.AlterTableStatsOptions, ast.AlterTableAddStatistics, ast.AlterTableDropStatistics, ast.AlterTableSplitIndex:
		return r.to.Kind == TiDB, nil
	}
	return true, nil
}

func (r *rewriter) addColumns(s *ast.AlterTableSpec) (keep bool, err error) {
	if s.IfNotExists && r.d.Before != nil {
		s.NewColumns = slices.DeleteFunc(s.NewColumns, func(def *ast.ColumnDef) bool { return column(r.d.Before, def.Name.Name.O) != nil })
	}
	for _, def := range s.NewColumns {
		if err := r.column(def); err != nil {
			return false, err
		}
		r.sawNow(def)
	}
	s.NewConstraints = slices.DeleteFunc(s.NewConstraints, func(c *ast.Constraint) bool { return !r.constraint(c) })
	return len(s.NewColumns)+len(s.NewConstraints) > 0, nil
}

// sawNow notes a column that is added with the time of the statement as its default.
func (r *rewriter) sawNow(def *ast.ColumnDef) {
	i := slices.IndexFunc(def.Options, isOption(ast.ColumnOptionDefaultValue))
	if i < 0 {
		return
	}
	call, ok := def.Options[i].Expr.(*ast.FuncCallExpr)
	if !ok || !slices.Contains([]string{"current_timestamp", "now", "localtime", "localtimestamp", "current_date", "curdate"}, call.FnName.L) {
		return
	}
	c := column(r.d.After, def.Name.Name.O)
	if c == nil || c.OriginDefault == nil {
		r.untold = true
		return
	}
	r.added = append(r.added, c)
}

func (r *rewriter) modifyColumn(s *ast.AlterTableSpec) (keep bool, err error) {
	def := s.NewColumns[0]
	old := def.Name
	if s.Tp == ast.AlterTableChangeColumn {
		old = s.OldColumnName
	}
	was := column(r.d.Before, old.Name.O)
	if s.IfExists && r.d.Before != nil && was == nil {
		return false, nil
	}
	if err := r.column(def); err != nil {
		return false, err
	}
	// A TIMESTAMP is a point in time, anything else is what a clock shows.
	is := def.Tp.GetType()
	if was != nil {
		r.converts = r.converts || (was.Type.GetType() == mysql.TypeTimestamp) != (is == mysql.TypeTimestamp)
	} else {
		r.converts = r.converts || is == mysql.TypeTimestamp || is == mysql.TypeDatetime || is == mysql.TypeDate || is == mysql.TypeDuration || isText(is)
	}
	return true, nil
}

// alterColumn takes a new default from the definition. Where the server would do something else, or something more, the whole
// column is written out: servers other than TiDB forget ON UPDATE with any new default, and with none.
func (r *rewriter) alterColumn(s *ast.AlterTableSpec) error {
	def := s.NewColumns[0]
	if !r.known() {
		return nil
	}
	c := column(r.d.After, def.Name.Name.O)
	if c == nil {
		return nil
	}
	if r.to.Kind != TiDB && mysql.HasOnUpdateNowFlag(c.Type.GetFlag()) {
		return r.modifyInstead(s, c)
	}
	if len(def.Options) != 1 {
		return nil
	}
	expr, err := schema.DefaultExpr(c)
	if err != nil {
		return err
	}
	if expr == nil {
		expr = ast.NewValueExpr(nil, "", "")
	}
	call, _ := expr.(*ast.FuncCallExpr)
	now := call != nil && strings.EqualFold(call.FnName.O, "current_timestamp") // SET DEFAULT takes no function in old servers
	text, _ := literal(expr)
	if r.to.Kind != TiDB && (now || c.Type.GetCharset() == charset.CharsetLatin1 && beyondLatin1(text)) {
		return r.modifyInstead(s, c)
	}
	def.Options[0].Expr = expr
	if c.Type.GetType() == mysql.TypeTimestamp {
		if c.LocalDefault {
			def.Options[0].Expr = moved(expr, r.zone, time.UTC)
		}
		r.literals = append(r.literals, def.Options[0])
	}
	return nil
}

// modified is a change that gives a column its definition.
func (r *rewriter) modified(c *schema.Column) (*ast.AlterTableSpec, error) {
	s := new(ast.AlterTableSpec)
	return s, r.modifyInstead(s, c)
}

// modifyInstead makes a change of a column one that says all of it.
func (r *rewriter) modifyInstead(s *ast.AlterTableSpec, c *schema.Column) error {
	own, err := schema.ColumnDef(c)
	if err != nil {
		return err
	}
	s.Tp, s.NewColumns, s.Position = ast.AlterTableModifyColumn, []*ast.ColumnDef{own}, &ast.ColumnPosition{Tp: ast.ColumnPositionNone}
	return r.column(own)
}

// renameColumn writes the whole column out where there is no RENAME COLUMN.
func (r *rewriter) renameColumn(s *ast.AlterTableSpec) error {
	if r.to.renamesColumns() {
		return nil
	}
	c := column(r.d.After, s.NewColumnName.Name.O)
	if !r.known() || c == nil {
		return fmt.Errorf("%w: %s has no RENAME COLUMN, and the column's definition is not known: use CHANGE COLUMN by hand, then skip the statement", ErrImpossible, r.to)
	}
	err := r.modifyInstead(s, c)
	s.Tp = ast.AlterTableChangeColumn
	return err
}

// lacksIndex reports whether the downstream has no such index: it could not have it, or IF EXISTS
// found none upstream.
func (r *rewriter) lacksIndex(name string, ifExists bool) bool {
	before := r.d.Before
	if before == nil || before.Info == nil || strings.EqualFold(name, "PRIMARY") {
		return false
	}
	i := slices.IndexFunc(before.Info.Indices, func(x schema.IndexInfo) bool { return strings.EqualFold(x.Name.O, name) })
	if i < 0 {
		return ifExists
	}
	if r.to.expressionIndexes() {
		return false
	}
	return slices.ContainsFunc(before.Info.Indices[i].Columns, func(c schema.IndexColumn) bool {
		return c.Offset >= 0 && c.Offset < len(before.Columns) && before.Columns[c.Offset].Hidden
	})
}

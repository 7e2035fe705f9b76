package rewrite

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/opcode"

	"pumphouse/drainer/schema"
)

// partitionBy makes the partitioning of a table one for the server; nil for none, which is also what
// TiDB makes of kinds that it does not have.
func (r *rewriter) partitionBy(p *ast.PartitionOptions) (*ast.PartitionOptions, error) {
	if p == nil {
		return nil, nil
	}
	if r.known() {
		info := r.d.After.Info.Partition
		if info == nil || !info.Enable {
			return nil, nil
		}
		if p.Interval != nil {
			var err error
			if p, err = schema.PartitionBy(info); err != nil {
				return nil, err
			}
		}
	}
	p.Interval, p.Sub, p.Linear, p.KeyAlgorithm = nil, nil, false, nil
	if r.to.Kind != TiDB {
		p.UpdateIndexes = nil
	}
	return p, r.partitions(p.Definitions)
}

// partitions makes definitions of partitions ones for the server: their bounds are those of the table's
// definition, where TiDB has evaluated them.
func (r *rewriter) partitions(list []*ast.PartitionDefinition) error {
	var defined []*ast.PartitionDefinition
	if r.known() && r.d.After.Info.Partition != nil {
		p, err := schema.PartitionBy(r.d.After.Info.Partition)
		if err != nil {
			return err
		}
		if p != nil {
			defined = p.Definitions
		}
	}
	for _, def := range list {
		if i := slices.IndexFunc(defined, func(p *ast.PartitionDefinition) bool { return p.Name.L == def.Name.L }); i >= 0 {
			def.Clause, def.Options = defined[i].Clause, defined[i].Options
		}
		def.Sub = nil
		def.Options = slices.DeleteFunc(def.Options, func(o *ast.TableOption) bool { return o.Tp != ast.TableOptionComment })
		for _, o := range def.Options {
			o.StrValue = r.comment(o.StrValue)
		}
		if c, ok := def.Clause.(*ast.PartitionDefinitionClauseLessThan); ok {
			for i := range c.Exprs {
				c.Exprs[i] = r.bound(i, evaluated(c.Exprs[i], r.zone))
			}
		}
		if c, ok := def.Clause.(*ast.PartitionDefinitionClauseIn); ok && r.to.Kind == MariaDB && slices.ContainsFunc(c.Values, isDefault) {
			c.Values = nil // DEFAULT alone, as MariaDB has it: what is listed beside it is in no other partition
		} else if ok {
			for _, v := range c.Values {
				for i := range v {
					v[i] = r.bound(i, evaluated(v[i], r.zone))
				}
			}
		}
	}
	return nil
}

// isDefault reports whether a value of a partition by LIST is DEFAULT.
func isDefault(v []ast.ExprNode) bool {
	if len(v) != 1 {
		return false
	}
	_, is := v[0].(*ast.DefaultExpr)
	return is
}

// reorganize makes REORGANIZE PARTITION one for the server. TiDB also lowers the end of the last partition by it, where no
// row lies above; MySQL and MariaDB do not (1520), but partition the table anew, as it is afterwards. So does MariaDB where a partition has
// all other values: by REORGANIZE its rows would come into another one (seen, 10.11).
func (r *rewriter) reorganize(s *ast.AlterTableSpec) error {
	if r.to.Kind == TiDB || !r.known() || !lowersEnd(r.d.Before, r.d.After) && !(r.to.Kind == MariaDB && hasDefault(r.d.After)) {
		return r.partitions(s.PartDefinitions)
	}
	p, err := schema.PartitionBy(r.d.After.Info.Partition)
	if err != nil {
		return err
	}
	p, err = r.partitionBy(p)
	*s = ast.AlterTableSpec{Tp: ast.AlterTablePartition, Partition: p}
	return err
}

// hasDefault reports whether a partition by LIST has all other values.
func hasDefault(t *schema.Table) bool {
	return t.Info.Partition != nil && slices.ContainsFunc(t.Info.Partition.Definitions, func(p schema.Partition) bool {
		return slices.ContainsFunc(p.InValues, func(v []string) bool { return len(v) == 1 && v[0] == "DEFAULT" })
	})
}

// lowersEnd reports whether partitions by RANGE end earlier in after than in before, or perhaps do: texts and times are
// not compared.
func lowersEnd(before, after *schema.Table) bool {
	from, to := lastBound(before), lastBound(after)
	switch {
	case len(from) == 0 || len(to) == 0 || slices.Equal(from, to) || to[0] == "MAXVALUE":
		return false
	case len(from) > 1 || len(to) > 1:
		return true
	}
	a, okA := new(big.Int).SetString(from[0], 10)
	b, okB := new(big.Int).SetString(to[0], 10)
	return !okA || !okB || b.Cmp(a) < 0
}

// lastBound is the end of the last partition by RANGE.
func lastBound(t *schema.Table) []string {
	if t == nil || t.Info == nil || t.Info.Partition == nil || t.Info.Partition.Type != schema.PartitionRange || len(t.Info.Partition.Definitions) == 0 {
		return nil
	}
	return t.Info.Partition.Definitions[len(t.Info.Partition.Definitions)-1].LessThan
}

// bound is a value of a partition in the form of its column where the partitions are by COLUMNS: TiDB takes
// numbers for text and text for numbers.
func (r *rewriter) bound(i int, expr ast.ExprNode) ast.ExprNode {
	if r.to.Kind == TiDB || !r.known() || r.d.After.Info.Partition == nil || i >= len(r.d.After.Info.Partition.Columns) {
		return expr
	}
	c := column(r.d.After, r.d.After.Info.Partition.Columns[i].O)
	value, sign := expr, ""
	if n, ok := value.(*ast.UnaryOperationExpr); ok && n.Op == opcode.Minus {
		value, sign = n.V, "-"
	}
	text, ok := literal(value)
	if c == nil || !ok {
		return expr
	}
	if !mysql.IsIntegerType(c.Type.GetType()) {
		return ast.NewValueExpr(sign+text, "", "")
	}
	if n, err := strconv.ParseInt(sign+text, 10, 64); err == nil {
		return ast.NewValueExpr(n, "", "")
	}
	return expr
}

// evaluated replaces UNIX_TIMESTAMP('…'), which depends on the session's zone, by its value.
func evaluated(expr ast.ExprNode, zone *time.Location) ast.ExprNode {
	n, ok := expr.Accept(unixTimes{zone})
	if e, is := n.(ast.ExprNode); ok && is {
		return e
	}
	return expr
}

type unixTimes struct{ zone *time.Location }

// Enter implements ast.Visitor.
func (unixTimes) Enter(n ast.Node) (ast.Node, bool) { return n, false }

// Leave implements ast.Visitor.
func (u unixTimes) Leave(n ast.Node) (ast.Node, bool) {
	call, ok := n.(*ast.FuncCallExpr)
	if !ok || call.FnName.L != "unix_timestamp" || len(call.Args) != 1 {
		return n, true
	}
	text, ok := literal(call.Args[0])
	if !ok {
		return n, true
	}
	t, ok := parseTime(text, u.zone)
	if !ok || t.Nanosecond() != 0 {
		return n, true
	}
	return ast.NewValueExpr(t.Unix(), "", ""), true
}

// sameRows is an error if a partition has other rows downstream than upstream: then it cannot be
// emptied or exchanged by its name. KEY distributes by another function; HASH brings NULL to another
// partition, unless their number is a power of two.
func (r *rewriter) sameRows(t *schema.Table, s *ast.AlterTableSpec) error {
	if r.to.Kind == TiDB || s.OnAllPartitions || t == nil || t.Info == nil || t.Info.Partition == nil {
		return nil
	}
	p := t.Info.Partition
	n := len(p.Definitions)
	if len(s.PartitionNames) == n && s.Tp == ast.AlterTableTruncatePartition {
		return nil
	}
	if p.Type != schema.PartitionKey && (p.Type != schema.PartitionHash || n&(n-1) == 0 || !canBeNull(t, p.Expr)) {
		return nil
	}
	return fmt.Errorf("%w: partitions by %s have other rows on a %s than on a TiDB, so this would not be done to the same rows: "+
		"make the rows of %s downstream what they are upstream at this commit TS (with tidb_snapshot), then skip the statement", ErrImpossible, p.Type, r.to.Kind, t)
}

// canBeNull reports whether an expression may be NULL: it has a column that may, or cannot be read.
func canBeNull(t *schema.Table, text string) bool {
	expr, err := schema.ParseExpr(text)
	if err != nil {
		return true
	}
	v := &nullable{t: t}
	expr.Accept(v)
	return v.found
}

type nullable struct {
	t     *schema.Table
	found bool
}

// Enter implements ast.Visitor.
func (v *nullable) Enter(n ast.Node) (ast.Node, bool) {
	if name, ok := n.(*ast.ColumnName); ok {
		c := column(v.t, name.Name.O)
		v.found = v.found || c == nil || !c.NotNull()
	}
	return n, false
}

// Leave implements ast.Visitor.
func (v *nullable) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// intervals makes ALTER TABLE … FIRST, LAST, MERGE FIRST and SPLIT MAXVALUE PARTITION, which only TiDB
// has, the statement that does the same: which partitions have gone, and which have come, is in the
// definitions.
func (r *rewriter) intervals(s *ast.AlterTableSpec) error {
	if !r.known() || r.d.Before == nil {
		return fmt.Errorf("%w: change partitions by their interval, as the definitions are not known: change them by hand, then skip the statement", ErrImpossible)
	}
	gone := without(r.d.Before.Partitions, r.d.After.Partitions)
	come := without(r.d.After.Partitions, r.d.Before.Partitions)
	info := *r.d.After.Info.Partition
	info.Definitions = come
	if len(come) > 0 {
		p, err := schema.PartitionBy(&info)
		if err != nil {
			return err
		}
		s.PartDefinitions = p.Definitions
	}
	for _, p := range gone {
		s.PartitionNames = append(s.PartitionNames, p.Name)
	}
	s.Partition = nil
	switch {
	case len(gone) == 0:
		s.Tp = ast.AlterTableAddPartitions
	case len(come) == 0:
		s.Tp = ast.AlterTableDropPartition
	default:
		s.Tp = ast.AlterTableReorganizePartition
	}
	return nil
}

// without gives the partitions of a that are not in b.
func without(a, b []schema.Partition) (list []schema.Partition) {
	for _, p := range a {
		if !slices.ContainsFunc(b, func(q schema.Partition) bool { return p.ID == q.ID }) {
			list = append(list, p)
		}
	}
	return list
}

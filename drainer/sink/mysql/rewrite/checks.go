package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
)

// A CHECK is downstream if the definition has it, which says that TiDB enforces it, and under the name that it has
// there: servers name those without one in ways of their own. MariaDB has none that is not enforced.

// checks are those of a definition that the server is to have.
func (r *rewriter) checks(t *schema.Table) []schema.Check {
	if t == nil || t.Info == nil || !r.to.enforcesChecks() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(t.Info.Checks), func(c schema.Check) bool {
		return c.State != schema.StatePublic || r.to.Kind == MariaDB && !c.Enforced
	})
}

// addedChecks are the CHECKs of the definition that the table did not have before.
func (r *rewriter) addedChecks() ([]*ast.Constraint, error) {
	var list []*ast.Constraint
	had := r.checks(r.d.Before)
	for _, c := range r.checks(r.d.After) {
		if named(had, c.Name.O) != nil {
			continue
		}
		expr, err := schema.ParseExpr(c.Expr)
		if err != nil {
			return nil, fmt.Errorf("CHECK `%s`: %w", c.Name.O, err)
		}
		list = append(list, &ast.Constraint{Tp: ast.ConstraintCheck, Name: c.Name.O, Expr: expr, Enforced: c.Enforced})
	}
	return list, nil
}

// changedChecks are the changes that make the table's CHECKs those of the definition: first comes what has to be done before
// columns go, last what needs columns that come.
func (r *rewriter) changedChecks() (first, last []*ast.AlterTableSpec, err error) {
	if !r.known() || r.d.Before == nil {
		return nil, nil, nil
	}
	has := r.checks(r.d.After)
	for _, c := range r.checks(r.d.Before) {
		now := named(has, c.Name.O)
		switch {
		case now == nil:
			first = append(first, &ast.AlterTableSpec{Tp: ast.AlterTableDropCheck, Constraint: &ast.Constraint{Name: c.Name.O}})
		case now.Enforced != c.Enforced:
			last = append(last, &ast.AlterTableSpec{Tp: ast.AlterTableAlterCheck, Constraint: &ast.Constraint{Name: c.Name.O, Enforced: now.Enforced}})
		}
	}
	added, err := r.addedChecks()
	for _, c := range added {
		last = append(last, &ast.AlterTableSpec{Tp: ast.AlterTableAddConstraint, Constraint: c})
	}
	return first, last, err
}

func named(list []schema.Check, name string) *schema.Check {
	i := slices.IndexFunc(list, func(c schema.Check) bool { return strings.EqualFold(c.Name.O, name) })
	if i < 0 {
		return nil
	}
	return &list[i]
}

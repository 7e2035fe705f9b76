package engine

import (
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/opcode"
)

// condition computes an expression as a condition: true, false, or unknown (NULL).
func (e *expr) condition(f *frame) (isTrue, known bool, err error) {
	v, err := e.eval(f)
	if err != nil {
		return false, false, err
	}
	isTrue, known = v.truth(f.warn)
	return isTrue, known, nil
}

// logic compiles AND, OR and XOR. Chains of AND or OR become one node, so that long ones
// do not nest.
func (c *compiler) logic(n *ast.BinaryOperationExpr) (*expr, error) {
	if n.Op == opcode.LogicXor {
		return c.xor(n)
	}
	var parts []ast.ExprNode
	node := ast.ExprNode(n)
	for {
		b, ok := node.(*ast.BinaryOperationExpr)
		if !ok || b.Op != n.Op {
			break
		}
		parts = append(parts, b.R)
		node = b.L
	}
	parts = append(parts, node)
	args := make([]*expr, len(parts))
	for i, p := range parts {
		e, err := c.compile(p)
		if err != nil {
			return nil, err
		}
		args[len(parts)-1-i] = numeric(e)
	}
	decides := n.Op == opcode.LogicOr // the value that settles the chain
	t := boolType().orNull(anyNull(args...))
	return &expr{typ: t, fixed: allConst(args...), eval: func(f *frame) (Value, error) {
		unknown := false
		for _, a := range args {
			is, known, err := a.condition(f)
			if err != nil {
				return Null(), err
			}
			if known && is == decides {
				return Bool(decides), nil
			}
			unknown = unknown || !known
		}
		if unknown {
			return Null(), nil
		}
		return Bool(!decides), nil
	}}, nil
}

func (c *compiler) xor(n *ast.BinaryOperationExpr) (*expr, error) {
	args, err := c.compileAll([]ast.ExprNode{n.L, n.R})
	if err != nil {
		return nil, err
	}
	return operands(boolType().orNull(anyNull(args...)), numeric(args[0]), numeric(args[1]), func(f *frame, a, b Value) (Value, error) {
		x, _ := a.truth(f.warn)
		y, _ := b.truth(f.warn)
		return Bool(x != y), nil
	}), nil
}

func not(v *expr) *expr {
	v = numeric(v)
	return strict(boolType(), []*expr{v}, func(f *frame, a []Value) (Value, error) {
		is, _ := a[0].truth(f.warn)
		return Bool(!is), nil
	})
}

// negated wraps an expression in NOT if asked to.
func negated(e *expr, yes bool) *expr {
	if yes {
		return not(e)
	}
	return e
}

func (c *compiler) isNull(n *ast.IsNullExpr) (*expr, error) {
	v, err := c.compile(n.Expr)
	if err != nil {
		return nil, err
	}
	return &expr{typ: boolType(), fixed: v.fixed, eval: func(f *frame) (Value, error) {
		val, err := v.eval(f)
		if err != nil {
			return Null(), err
		}
		return Bool(val.IsNull() != n.Not), nil
	}}, nil
}

func (c *compiler) isTruth(n *ast.IsTruthExpr) (*expr, error) {
	v, err := c.compile(n.Expr)
	if err != nil {
		return nil, err
	}
	v = numeric(v)
	return &expr{typ: boolType(), fixed: v.fixed, eval: func(f *frame) (Value, error) {
		is, known, err := v.condition(f)
		if err != nil {
			return Null(), err
		}
		return Bool((known && is == (n.True != 0)) != n.Not), nil
	}}, nil
}

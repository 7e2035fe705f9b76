package replication

import (
	"strings"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	// The parser needs an implementation of literals; this one knows nothing but them.
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"
)

// expression is an expression, or several, in one form for both servers: with brackets around
// every operation and no others, and without character sets of literals.
func expression(text string) string {
	p := parser.New()
	nodes, _, err := p.ParseSQL("select " + text)
	if err != nil || len(nodes) != 1 {
		return strings.ToLower(text)
	}
	query, ok := nodes[0].(*ast.SelectStmt)
	if !ok || query.Fields == nil {
		return strings.ToLower(text)
	}
	var all []string
	for _, f := range query.Fields.Fields {
		if f.Expr == nil {
			return strings.ToLower(text)
		}
		n, _ := f.Expr.Accept(bracketing{})
		var b strings.Builder
		flags := format.RestoreStringSingleQuotes | format.RestoreNameBackQuotes | format.RestoreNameLowercase | format.RestoreKeyWordLowercase | format.RestoreStringWithoutCharset
		if err := n.Restore(format.NewRestoreCtx(flags, &b)); err != nil {
			return strings.ToLower(text)
		}
		all = append(all, b.String())
	}
	return strings.Join(all, ", ")
}

// bracketing puts every operation in brackets, and gives functions one name.
type bracketing struct{}

// Enter implements ast.Visitor.
func (bracketing) Enter(n ast.Node) (ast.Node, bool) { return n, false }

// Leave implements ast.Visitor.
func (bracketing) Leave(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.ParenthesesExpr:
		return n.Expr, true
	case *ast.BinaryOperationExpr, *ast.UnaryOperationExpr:
		return &ast.ParenthesesExpr{Expr: n.(ast.ExprNode)}, true
	case *ast.FuncCallExpr:
		for from, to := range map[string]string{"ucase": "upper", "lcase": "lower", "octet_length": "length"} {
			if n.FnName.L == from {
				n.FnName = ast.NewCIStr(to)
			}
		}
	}
	return n, true
}

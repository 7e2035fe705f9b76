package schema

import (
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the literals of the parser's trees
)

// ParseStatements reads the text of a DDL binlog: mostly one statement, several for CREATE TABLE
// of many. The text is TiDB's own (restored, with backslashes as they are), or, where TiDB could not
// parse it in the default sql_mode, the client's. An error says that the parser does not know it.
func ParseStatements(text string) ([]ast.StmtNode, error) {
	nodes, err := parseAs(text, mysql.ModeNoBackslashEscapes)
	if err == nil {
		if !strings.Contains(text, `\`) {
			return nodes, nil
		}
		if again, err := RestoreStatements(nodes); err == nil && bare(again) == bare(text) {
			return nodes, nil
		}
	}
	nodes, again := parseClient(text)
	if again != nil && strings.Contains(text, resourceGroup) {
		return ParseStatements(strings.ReplaceAll(text, resourceGroup, "/*T! "))
	}
	return nodes, again
}

// resourceGroup begins what TiDB marks as an option of resource groups; the parser skips it as a feature
// that it does not know, though it reads the options.
const resourceGroup = "/*T![resource_group] "

// clientModes are the sql_modes in which a client's text may be one: TiDB leaves it as it is when it
// cannot read it in the default mode, which is the first.
var clientModes = [...]mysql.SQLMode{
	mysql.ModeNone, mysql.ModeANSIQuotes | mysql.ModePipesAsConcat, mysql.ModeNoBackslashEscapes,
	mysql.ModeANSIQuotes | mysql.ModePipesAsConcat | mysql.ModeNoBackslashEscapes,
}

// parseClient reads a text as a client has written it.
func parseClient(text string) ([]ast.StmtNode, error) {
	var first error
	for _, mode := range clientModes {
		nodes, err := parseAs(text, mode)
		if err == nil {
			return nodes, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func parseAs(text string, mode mysql.SQLMode) (nodes []ast.StmtNode, err error) {
	defer func() { // the parser panics on a few malformed texts
		if r := recover(); r != nil {
			err = fmt.Errorf("parse %.200q: %v", text, r)
		}
	}()
	p := parser.New()
	p.SetSQLMode(mode)
	nodes, _, err = p.ParseSQL(text)
	if err != nil {
		return nil, fmt.Errorf("parse %.200q: %w", text, err)
	}
	return nodes, nil
}

// bare is a text without what versions of the parser print differently.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n();", r) {
			return -1
		}
		return r
	}, strings.ToUpper(text))
}

// RestoreStatements gives the text of statements as TiDB writes it into binlogs: what only TiDB
// knows in special comments, backslashes as they are.
func RestoreStatements(nodes []ast.StmtNode) (text string, err error) {
	defer func() { // of nodes that a malformed definition has left out
		if r := recover(); r != nil {
			err = fmt.Errorf("restore a statement: %v", r)
		}
	}()
	const flags = format.RestoreNameBackQuotes | format.RestoreKeyWordUppercase | format.RestoreStringSingleQuotes
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteString("; ")
		}
		if err := n.Restore(format.NewRestoreCtx(flags|SpecialComments(n), &b)); err != nil {
			return "", fmt.Errorf("restore a statement: %w", err)
		}
	}
	return b.String(), nil
}

// SpecialComments is the flag with which a statement is restored so that what only TiDB knows is in comments.
// Statements about resource groups would be one comment, which TiDB and the parser skip.
func SpecialComments(n ast.StmtNode) format.RestoreFlags {
	switch n.(type) {
	case *ast.CreateResourceGroupStmt, *ast.AlterResourceGroupStmt, *ast.DropResourceGroupStmt:
		return 0
	}
	return format.RestoreTiDBSpecialComment
}

// QuoteName is a name as an identifier of SQL.
func QuoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// ParseExpr reads an expression that TiDB has written into a definition.
func ParseExpr(text string) (ast.ExprNode, error) {
	nodes, err := parseAs("SELECT "+text, mysql.ModeNoBackslashEscapes)
	if err != nil {
		return nil, err
	}
	sel, ok := nodes[0].(*ast.SelectStmt)
	if !ok || len(nodes) != 1 || sel.Fields == nil || len(sel.Fields.Fields) != 1 || sel.Fields.Fields[0].Expr == nil {
		return nil, fmt.Errorf("parse %.200q: it is not an expression", text)
	}
	return sel.Fields.Fields[0].Expr, nil
}

package engine

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
)

// Parse runs the parser on a text from a client. The literals of the parser's own driver
// panic on some input (a number of more than 81 digits); that becomes error 1064 here.
// Whoever parses what a client sent should do it through this function.
func Parse(p *parser.Parser, sql string, params ...parser.ParseParam) (stmts []ast.StmtNode, warns []error, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			stmts, warns = nil, nil
			err = &Error{Code: 1064, State: "42000",
				Message: fmt.Sprintf("You have an error in your SQL syntax; the parser cannot read a literal of this statement, perhaps a number of more than %d digits", maxDecimalPrecision)}
		}
	}()
	return p.ParseSQL(sql, params...)
}

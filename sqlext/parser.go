package sqlext

import (
	"sort"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// Parser reads texts of statements. It is for one goroutine at a time: a session keeps
// one of its own.
type Parser struct {
	mode mysql.SQLMode
	// tidb is made when it is first needed, and dropped after a large text, whose
	// buffers it would hold on to.
	tidb *parser.Parser
}

// keepTiDB is the length, in bytes, of the largest text after which the buffers of
// TiDB's parser are worth keeping.
const keepTiDB = 64 << 10

// New gives a parser in TiDB's default sql_mode.
func New() *Parser {
	mode, err := mysql.GetSQLMode(mysql.DefaultSQLMode)
	if err != nil {
		mode = mysql.ModeNone // not reached: the constant is well-formed
	}
	return &Parser{mode: mode}
}

// SetSQLMode sets the sql_mode of the texts to come. ANSI_QUOTES,
// NO_BACKSLASH_ESCAPES, PIPES_AS_CONCAT, HIGH_NOT_PRECEDENCE and IGNORE_SPACE change
// what a text means.
func (p *Parser) SetSQLMode(mode mysql.SQLMode) { p.mode = mode }

// Parse reads a text, in UTF-8, of any number of statements separated by semicolons.
// charset and collation are those of the connection and become those of string
// literals; "" is utf8mb4 and utf8mb4_bin.
//
// The error is an [*Error] with MySQL's number and text (errors.As); the
// warnings are [*Error] values.
func (p *Parser) Parse(sql, charset, collation string) (stmts []Statement, warns []error, err error) {
	s := survey{foreign: true}
	if len(sql) > MaxStatementTokens || mayManage(sql) {
		if s, err = look(sql, p.mode); err != nil {
			return nil, nil, err
		}
	}
	if !s.foreign {
		return ownStatements(sql, s.managed), nil, nil
	}
	if len(sql) > keepTiDB {
		defer func() { p.tidb = nil }()
	}
	c := call{p: p, text: sql, charset: charset, collation: collation, managed: s.managed}
	return c.run()
}

// errWithin says that a statement of ours stands within another statement, where TiDB's
// parser refuses what stands in its place; so nobody has seen this error.
var errWithin = coded(mysql.ErrParse, syntaxErrorPrefix+"(a management statement must stand alone)")

// call is one Parse for which TiDB's parser is needed.
type call struct {
	p                        *Parser
	text, charset, collation string
	managed                  []managed
}

func (c *call) run() ([]Statement, []error, error) {
	rewritten := c.text
	if len(c.managed) > 0 {
		rewritten = rewrite(c.text, c.managed)
	}
	nodes, warnings, err := c.tidb(rewritten)
	if err != nil {
		return nil, asErrors(warnings), asError(c.blame(rewritten, err))
	}
	stmts, err := c.statements(nodes)
	if err != nil {
		return nil, nil, err
	}
	return stmts, asErrors(warnings), nil
}

// tidb hands a text to TiDB's parser. A panic in there is an error of this text and of
// nothing else.
func (c *call) tidb(text string) (nodes []ast.StmtNode, warns []error, err error) {
	if c.p.tidb == nil {
		c.p.tidb = parser.New()
	}
	defer func() {
		if r := recover(); r != nil {
			c.p.tidb = nil
			err = panicked(text, c.p.mode, r)
		}
	}()
	c.p.tidb.SetSQLMode(c.p.mode)
	return c.p.tidb.Parse(text, c.charset, c.collation)
}

// blame gives the error of the text, given that of the rewritten text: the same, except
// that it quotes the text from the mistake on, where our statements must stand as they
// were sent. So those after the mistake, which did not matter to it, are left as they
// are, and the text is parsed once more.
func (c *call) blame(rewritten string, err error) error {
	before := sort.Search(len(c.managed), func(i int) bool {
		_, _, err := c.tidb(rewritten[:c.managed[i].head()])
		return err != nil
	})
	if before == len(c.managed) {
		return err
	}
	if _, _, original := c.tidb(rewrite(c.text, c.managed[:before])); original != nil {
		return original
	}
	return err
}

// statements gives the text's statements, given the nodes of the rewritten text.
func (c *call) statements(nodes []ast.StmtNode) ([]Statement, error) {
	stmts := make([]Statement, len(nodes))
	cut := cutter{text: c.text}
	rest := c.managed
	for i, n := range nodes {
		stmts[i].Text = cut.length(len(n.OriginalText()))
		if len(rest) == 0 || rest[0].head() >= cut.from {
			stmts[i].Node = n
			stmts[i].Params = numberParams(n, stmts[i].Text)
			continue
		}
		if !rest[0].become(&stmts[i], n) {
			return nil, errWithin
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return nil, errWithin
	}
	return stmts, nil
}

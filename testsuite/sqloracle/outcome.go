package sqloracle

import (
	"errors"
	"fmt"
	"strings"

	oldparser "github.com/pingcap/tidb/parser"
	oldast "github.com/pingcap/tidb/parser/ast"
	oldformat "github.com/pingcap/tidb/parser/format"
	oldmysql "github.com/pingcap/tidb/parser/mysql"
	_ "github.com/pingcap/tidb/parser/test_driver" // literals for the old parser
	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"

	"pumphouse/sqlext"
)

// outcome is what a parser makes of a text.
type outcome struct {
	err   string // without what a server puts before it; "" = accepted
	stmts []statement
}

// statement is what is compared of a statement.
type statement struct {
	text       string
	form       string // SHOW PUMP, CHANGE DRAINER …, or the ordinary statement's type
	ours       bool
	state, id  string
	like, cond string // restored
	params     int    // ? in the place of a literal of CHANGE, new parser only
}

func (s statement) String() string {
	return fmt.Sprintf("%s state %q id %q like %s where %s text %q", s.form, s.state, s.id, s.like, s.cond, s.text)
}

func (o outcome) String() string {
	if o.err != "" {
		return "error " + o.err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d statements", len(o.stmts))
	for _, s := range o.stmts {
		b.WriteString("\n      " + s.String())
	}
	return b.String()
}

// pair is the two parsers under one sql_mode.
type pair struct {
	old *oldparser.Parser
	new *sqlext.Parser
	raw *parser.Parser // today's parser without our statements

	noBackslashEscapes bool
}

func newPair(mode mysql.SQLMode) *pair {
	p := &pair{old: oldparser.New(), new: sqlext.New(), raw: parser.New()}
	p.old.SetSQLMode(oldmysql.SQLMode(mode))
	p.new.SetSQLMode(mode)
	p.raw.SetSQLMode(mode)
	p.noBackslashEscapes = mode.HasNoBackslashEscapesMode()
	return p
}

// oldOutcome asks the old grammar.
func (p *pair) oldOutcome(text string) outcome {
	// Its scanner remembers from one text to the next whether the last name had a dot
	// after it, and then misreads a number.
	if _, _, err := p.old.Parse("do x", "", ""); err != nil {
		return outcome{err: err.Error()}
	}
	nodes, _, err := p.old.Parse(text, "", "")
	if err != nil {
		return outcome{err: err.Error()}
	}
	var o outcome
	for _, n := range nodes {
		s := statement{text: n.OriginalText(), form: typeName(n)}
		switch n := n.(type) {
		case *oldast.ChangeStmt:
			s.ours = true
			s.form = "CHANGE " + n.NodeType
			s.state, s.id = n.State, n.NodeID
		case *oldast.ShowStmt:
			if n.Tp != oldast.ShowPumpStatus && n.Tp != oldast.ShowDrainerStatus {
				break
			}
			s.ours = true
			s.form = "SHOW PUMP"
			if n.Tp == oldast.ShowDrainerStatus {
				s.form = "SHOW DRAINER"
			}
			if n.Pattern != nil {
				s.like = oldRestored(n.Pattern.Pattern)
			}
			if n.Where != nil {
				s.cond = oldRestored(n.Where)
			}
		}
		o.stmts = append(o.stmts, s)
	}
	return o
}

// newOutcome asks sqlext.
func (p *pair) newOutcome(text string) outcome {
	stmts, _, err := p.new.Parse(text, "", "")
	if err != nil {
		return outcome{err: serverless(err)}
	}
	var o outcome
	for _, st := range stmts {
		s := statement{text: st.Text}
		switch {
		case st.Show != nil:
			s.ours = true
			s.form = "SHOW " + st.Show.Kind.String()
			if st.Show.Pattern != nil {
				s.like = restored(st.Show.Pattern.Pattern)
			}
			if st.Show.Where != nil {
				s.cond = restored(st.Show.Where)
			}
		case st.Change != nil:
			s.ours = true
			s.form = "CHANGE " + st.Change.Kind.String()
			s.state, s.id, s.params = st.Change.State.Value, st.Change.NodeID.Value, st.Params
		default:
			s.form = typeName(st.Node)
		}
		o.stmts = append(o.stmts, s)
	}
	return o
}

// rawOutcome asks today's TiDB parser, which does not know our statements, for its
// error alone.
func rawOutcome(p *parser.Parser, text string) outcome {
	if _, _, err := p.Parse(text, "", ""); err != nil {
		return outcome{err: err.Error()}
	}
	return outcome{}
}

// syntaxErrorPrefix is what a server says before the parser's text.
const syntaxErrorPrefix = "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the right syntax to use "

// serverless gives an error of sqlext as the bare parser words it.
func serverless(err error) string {
	if detail, ok := strings.CutPrefix(err.Error(), syntaxErrorPrefix); ok {
		return detail
	}
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error() // [parser:1367]…
	}
	return err.Error()
}

func typeName(n any) string { return strings.TrimPrefix(fmt.Sprintf("%T", n), "*ast.") }

type oldRestorer interface {
	Restore(*oldformat.RestoreCtx) error
}

func oldRestored(n oldRestorer) string {
	var b strings.Builder
	if err := n.Restore(oldformat.NewRestoreCtx(oldformat.DefaultRestoreFlags, &b)); err != nil {
		return "error " + err.Error()
	}
	return b.String()
}

type restorer interface {
	Restore(*format.RestoreCtx) error
}

func restored(n restorer) string {
	var b strings.Builder
	if err := n.Restore(format.NewRestoreCtx(format.DefaultRestoreFlags, &b)); err != nil {
		return "error " + err.Error()
	}
	return b.String()
}

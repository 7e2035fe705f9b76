package session

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/catalog"
	"pumphouse/server/session/result"
)

// runExplain carries out DESCRIBE table and EXPLAIN SELECT.
func (s *Session) runExplain(ctx context.Context, n *ast.ExplainStmt) (*engine.Result, error) {
	if show, ok := n.Stmt.(*ast.ShowStmt); ok {
		return s.runShow(ctx, show)
	}
	columns, err := explainColumns(n)
	if err != nil {
		return nil, err
	}
	query := n.Stmt.(ast.ResultSetNode)
	if _, err := s.exec.Describe(ctx, query); err != nil {
		return nil, err // what cannot run has no plan
	}
	r := result.New(columns...)
	if len(columns) == 1 {
		r.Rows = [][]engine.Value{{engine.String(planJSON(plan(query)))}}
		return r, nil
	}
	for i, p := range plan(query) {
		null := engine.Null()
		access, extra := engine.String("ALL"), null
		if p.table == "" {
			access, extra = null, engine.String("No tables used")
		}
		r.Rows = append(r.Rows, []engine.Value{engine.Int(int64(p.block)), engine.String(p.kind), result.OrNull(p.table), null, access, null, null,
			null, null, null, null, extra})
		if i == maxPlan {
			break
		}
	}
	return r, nil
}

// maxPlan bounds the rows of a plan.
const maxPlan = 1000

// explainColumns are those of a plan; there are none of statements that are no query.
func explainColumns(n *ast.ExplainStmt) ([]engine.Column, error) {
	switch n.Stmt.(type) {
	case *ast.SelectStmt, *ast.SetOprStmt:
	default:
		return nil, result.NotSupported("EXPLAIN of this statement")
	}
	if n.Analyze {
		return nil, result.NotSupported("EXPLAIN ANALYZE")
	}
	switch strings.ToLower(n.Format) {
	case "json":
		return []engine.Column{result.Text("EXPLAIN", 16383)}, nil
	case "", "row", "traditional", "brief":
	default:
		return nil, result.NotSupported("EXPLAIN FORMAT = " + n.Format)
	}
	return []engine.Column{result.Number("id"), result.Text("select_type", 19), result.NullText("table", 64), result.NullText("partitions", 1024),
		result.NullText("type", 10), result.NullText("possible_keys", 4096), result.NullText("key", 64), result.NullText("key_len", 4096),
		result.NullText("ref", 1024), result.NullNumber("rows"), result.NullNumber("filtered"), result.NullText("Extra", 255)}, nil
}

// planStep is a table that a query reads, all of it: there are no indexes.
type planStep struct {
	block int    // which SELECT, counted from 1
	kind  string // select_type
	table string // its alias; "" = none
}

// plan lists what a query reads, in the order of the text.
func plan(n ast.ResultSetNode) []planStep {
	p := &planner{}
	n.Accept(p)
	if p.blocks == 1 {
		for i := range p.steps {
			p.steps[i].kind = "SIMPLE"
		}
	}
	return p.steps
}

// planner collects the steps of a plan.
type planner struct {
	steps  []planStep
	open   []int // the blocks around the node, innermost last
	kinds  []string
	blocks int
	union  bool
}

// Enter implements [ast.Visitor].
func (p *planner) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.SetOprSelectList:
		p.union = true
	case *ast.SelectStmt:
		p.blocks++
		kind := "PRIMARY"
		switch {
		case len(p.open) > 0:
			kind = "SUBQUERY"
		case p.union && p.blocks > 1:
			kind = "UNION"
		}
		p.open, p.kinds = append(p.open, p.blocks), append(p.kinds, kind)
		if n.From == nil {
			p.steps = append(p.steps, planStep{p.blocks, kind, ""})
		}
	case *ast.TableSource:
		if t, ok := n.Source.(*ast.TableName); ok && len(p.open) > 0 {
			alias := n.AsName.O
			if alias == "" {
				alias = t.Name.O
			}
			last := len(p.open) - 1
			p.steps = append(p.steps, planStep{p.open[last], p.kinds[last], alias})
		}
	}
	return n, false
}

// Leave implements [ast.Visitor].
func (p *planner) Leave(n ast.Node) (ast.Node, bool) {
	if _, ok := n.(*ast.SelectStmt); ok {
		p.open, p.kinds = p.open[:len(p.open)-1], p.kinds[:len(p.kinds)-1]
	}
	return n, true
}

// checkTables is CHECK, CHECKSUM, ANALYZE, OPTIMIZE and REPAIR TABLE: a line a table that
// says that there is nothing to do.
func (s *Session) checkTables(op string, names []string) (*engine.Result, error) {
	if op == "checksum" {
		return s.checksums(names)
	}
	r := result.New(result.Text("Table", 128), result.Text("Op", 10), result.Text("Msg_type", 10), result.Text("Msg_text", 16383))
	for _, full := range names {
		db, tab := splitName(full)
		t, err := s.findTable(db, tab)
		add := func(level, message string) {
			r.Rows = append(r.Rows, []engine.Value{engine.String(s.fullName(db, tab)), engine.String(op), engine.String(level), engine.String(message)})
		}
		switch {
		case isNoDB(err):
			return nil, err
		case err != nil:
			add("Error", err.Error())
			add("status", "Operation failed")
		case op == "check" || op == "analyze" || t == nil:
			add("status", "OK")
		default:
			add("note", "The storage engine for the table doesn't support "+op)
		}
	}
	return r, nil
}

func tableNames(list []*ast.TableName) []string {
	var names []string
	for _, t := range list {
		full := result.QuoteName(t.Name.O)
		if t.Schema.O != "" {
			full = result.QuoteName(t.Schema.O) + "." + full
		}
		names = append(names, full)
	}
	return names
}

// checksums is CHECKSUM TABLE: what is read live has none.
func (s *Session) checksums(names []string) (*engine.Result, error) {
	r := result.New(result.Text("Table", 128), result.NullNumber("Checksum"))
	for _, full := range names {
		db, tab := splitName(full)
		if _, err := s.findTable(db, tab); err != nil {
			if isNoDB(err) {
				return nil, err
			}
			s.diag.Add(result.Error, result.ErrUnknownTable, err.Error())
		}
		r.Rows = append(r.Rows, []engine.Value{engine.String(s.fullName(db, tab)), engine.Null()})
	}
	return r, nil
}

// jsonText is a text as JSON writes it.
func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // every text can be written
	}
	return string(b)
}

func isNoDB(err error) bool {
	e, ok := err.(*engine.Error)
	return ok && e.Code == result.ErrNoDB
}

// fullName is db.table as results show it.
func (s *Session) fullName(db, tab string) string {
	if db == "" {
		db = s.db
	}
	if known := catalog.Schema(db); known != "" {
		db = known
	}
	return db + "." + tab
}

// splitName takes `db`.`table` apart; db is "" if it is not named.
func splitName(s string) (db, tab string) {
	first, rest := cutName(s)
	if rest == "" || rest[0] != '.' {
		return "", first
	}
	second, _ := cutName(rest[1:])
	return first, second
}

// cutName takes one identifier off the front of a text.
func cutName(s string) (name, rest string) {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '`' {
		end := strings.IndexAny(s, ". ,;")
		if end < 0 {
			return s, ""
		}
		return s[:end], strings.TrimSpace(s[end:])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '`' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '`' {
			b.WriteByte('`')
			i++
			continue
		}
		return b.String(), strings.TrimSpace(s[i+1:])
	}
	return b.String(), ""
}

// planJSON is a plan as FORMAT = JSON shows it.
func planJSON(steps []planStep) string {
	var b strings.Builder
	b.WriteString(`{"query_block": {"select_id": 1, "nested_loop": [`)
	for i, p := range steps {
		if i > 0 {
			b.WriteString(", ")
		}
		if p.table == "" {
			b.WriteString(`{"message": "No tables used"}`)
			continue
		}
		b.WriteString(`{"table": {"table_name": ` + jsonText(p.table) + `, "access_type": "ALL"}}`)
	}
	b.WriteString(`]}}`)
	return b.String()
}

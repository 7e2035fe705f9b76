package session

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
)

// runExplain carries out DESCRIBE table and EXPLAIN SELECT.
func (s *Session) runExplain(ctx context.Context, n *ast.ExplainStmt) (*engine.Result, error) {
	if show, ok := n.Stmt.(*ast.ShowStmt); ok {
		return s.schema.Show(ctx, show)
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

// jsonText is a text as JSON writes it.
func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // every text can be written
	}
	return string(b)
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

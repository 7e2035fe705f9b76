package infoschema

import (
	"context"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
)

// showConditions is SHOW WARNINGS, SHOW ERRORS and their counts.
func (s *Schema) showConditions(n *ast.ShowStmt) *showing {
	onlyErrors := n.Tp == ast.ShowErrors
	if n.CountWarningsOrErrors {
		warnings, errors := s.own.Diag.Counts()
		name, count := "@@session.warning_count", warnings+errors
		if onlyErrors {
			name, count = "@@session.error_count", errors
		}
		return &showing{
			columns: []engine.Column{result.Number(name)},
			fill: func(_ context.Context, add func(...engine.Value)) error {
				add(engine.Int(int64(count)))
				return nil
			},
		}
	}
	return &showing{
		columns: []engine.Column{result.Text("Level", 7), result.Number("Code"), result.Text("Message", 512)},
		fill: func(ctx context.Context, add func(...engine.Value)) error {
			var list []result.Condition
			for _, c := range s.own.Diag.Conditions() {
				if !onlyErrors || c.Level == result.Error {
					list = append(list, c)
				}
			}
			from, to, err := s.limitRange(ctx, n.Limit, len(list))
			if err != nil {
				return err
			}
			for _, c := range list[from:to] {
				add(str(string(c.Level)), engine.Int(int64(c.Code)), str(c.Message))
			}
			return nil
		},
	}
}

// limitRange gives the part of n rows that a LIMIT asks for.
func (s *Schema) limitRange(ctx context.Context, l *ast.Limit, n int) (from, to int, err error) {
	if l == nil {
		return 0, n, nil
	}
	read := func(e ast.ExprNode, none int) (int, error) {
		if e == nil {
			return none, nil
		}
		v, err := s.own.Exec.Eval(ctx, e)
		if err != nil {
			return 0, err
		}
		switch v.Kind() {
		case engine.KindInt, engine.KindUint:
			return int(min(v.Uint(), uint64(n))), nil
		}
		return 0, result.Errorf(result.ErrWrongArguments, "Incorrect arguments to LIMIT")
	}
	if from, err = read(l.Offset, 0); err != nil {
		return 0, 0, err
	}
	count, err := read(l.Count, n)
	if err != nil {
		return 0, 0, err
	}
	return from, min(from+count, n), nil
}

// showBinlogStatus is SHOW MASTER STATUS and SHOW BINARY LOG STATUS.
func (s *Schema) showBinlogStatus() *showing {
	return &showing{
		columns: []engine.Column{result.Text("File", 64), result.Number("Position"), result.Text("Binlog_Do_DB", 64),
			result.Text("Binlog_Ignore_DB", 64), result.Text("Executed_Gtid_Set", 64)},
		fill: func(ctx context.Context, add func(...engine.Value)) error {
			ts, err := s.own.Nodes.Position(ctx)
			if err == nil && ts != 0 {
				add(str("tidb-binlog"), engine.Int(int64(ts)), str(""), str(""), str(""))
			}
			return err
		},
	}
}

// showVariables is SHOW [GLOBAL | SESSION] VARIABLES. PD is asked only if log_bin is
// among the rows; if it cannot be asked, that row alone is empty and a warning says
// why, unless log_bin was all that was asked for.
func (s *Schema) showVariables(n *ast.ShowStmt) *showing {
	return &showing{
		columns: []engine.Column{result.Text("Variable_name", 64), result.NullText("Value", 1024)},
		matched: true,
		fill: func(ctx context.Context, add func(...engine.Value)) error {
			match, err := s.own.Exec.Matcher(ctx, n.Pattern)
			if err != nil {
				return err
			}
			var vars []*sysvar.Var
			for _, v := range sysvar.All() {
				if match(v.Name) && (v.Global || !n.GlobalScope) {
					vars = append(vars, v)
				}
			}
			for _, v := range vars {
				value, err := s.own.Vars.Text(ctx, v, n.GlobalScope)
				if err != nil {
					if len(vars) == 1 {
						return err
					}
					s.own.Diag.Warn("the value of %s is not known: %v", v.Name, err)
				}
				add(str(v.Name), str(value))
			}
			return nil
		},
	}
}

// showStatus is SHOW [GLOBAL | SESSION] STATUS: the server's counters and what TLS the
// connection has, sorted by name.
func (s *Schema) showStatus() *showing {
	return &showing{
		columns: []engine.Column{result.Text("Variable_name", 64), result.Text("Value", 1024)},
		fill:    s.eachStatus,
	}
}

// shortInfo is how much of a statement SHOW PROCESSLIST shows without FULL, in bytes.
const shortInfo = 100

// showProcessList is SHOW [FULL] PROCESSLIST. A monitor sees its own user's connections.
func (s *Schema) showProcessList(n *ast.ShowStmt) *showing {
	return &showing{
		columns: []engine.Column{
			result.Number("Id"), result.Text("User", 32), result.Text("Host", 261), result.NullText("db", 64), result.Text("Command", 16),
			result.Number("Time"), result.NullText("State", 64), result.NullText("Info", 1024),
		},
		fill: func(_ context.Context, add func(...engine.Value)) error { return s.eachProcess(n.Full, add) },
	}
}

// showGrants is SHOW GRANTS: the role in MySQL's words. Others' are an admin's business,
// and the console does not tell them: its users stand in its configuration.
func (s *Schema) showGrants(n *ast.ShowStmt) (*showing, error) {
	user := s.own.Account.Name
	if n.User != nil && !n.User.CurrentUser && n.User.Username != user {
		return nil, result.Errorf(result.ErrNoSuchGrant, "There is no such grant defined for user '%s' on host '%s'",
			n.User.Username, n.User.Hostname)
	}
	return &showing{
		columns: []engine.Column{result.Text("Grants for "+user+"@%", 1024)},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			add(str("GRANT " + strings.Join(s.own.Account.Privileges(), ", ") + " ON *.* TO " + s.own.Account.Grantee()))
			return nil
		},
	}, nil
}

package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
)

// showConditions is SHOW WARNINGS, SHOW ERRORS and their counts.
func (s *Session) showConditions(n *ast.ShowStmt) *showing {
	onlyErrors := n.Tp == ast.ShowErrors
	if n.CountWarningsOrErrors {
		name, count := "@@session.warning_count", s.diag.warns+s.diag.errs
		if onlyErrors {
			name, count = "@@session.error_count", s.diag.errs
		}
		return &showing{
			columns: []engine.Column{number(name)},
			fill: func(_ context.Context, add func(...engine.Value)) error {
				add(engine.Int(int64(count)))
				return nil
			},
		}
	}
	return &showing{
		columns: []engine.Column{text("Level", 7), number("Code"), text("Message", 512)},
		fill: func(ctx context.Context, add func(...engine.Value)) error {
			var list []condition
			for _, c := range s.diag.conditions() {
				if !onlyErrors || c.level == levelError {
					list = append(list, c)
				}
			}
			from, to, err := s.limitRange(ctx, n.Limit, len(list))
			if err != nil {
				return err
			}
			for _, c := range list[from:to] {
				add(str(string(c.level)), engine.Int(int64(c.code)), str(c.message))
			}
			return nil
		},
	}
}

// limitRange gives the part of n rows that a LIMIT asks for.
func (s *Session) limitRange(ctx context.Context, l *ast.Limit, n int) (from, to int, err error) {
	if l == nil {
		return 0, n, nil
	}
	read := func(e ast.ExprNode, none int) (int, error) {
		if e == nil {
			return none, nil
		}
		v, err := s.exec.Eval(ctx, e)
		if err != nil {
			return 0, err
		}
		switch v.Kind() {
		case engine.KindInt, engine.KindUint:
			return int(min(v.Uint(), uint64(n))), nil
		}
		return 0, errf(errWrongArguments, "Incorrect arguments to LIMIT")
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

// showVariables is SHOW [GLOBAL | SESSION] VARIABLES. PD is asked only if log_bin is
// among the rows; if it cannot be asked, that row alone is empty and a warning says
// why, unless log_bin was all that was asked for.
func (s *Session) showVariables(n *ast.ShowStmt) *showing {
	return &showing{
		columns: []engine.Column{text("Variable_name", 64), nullText("Value", 1024)},
		matched: true,
		fill: func(ctx context.Context, add func(...engine.Value)) error {
			match, err := s.matcher(ctx, n.Pattern)
			if err != nil {
				return err
			}
			var vars []*sysVar
			for _, v := range sysVars().sorted {
				if match(v.name) && (v.global || !n.GlobalScope) {
					vars = append(vars, v)
				}
			}
			for _, v := range vars {
				value, err := s.varText(ctx, v, n.GlobalScope)
				if err != nil {
					if len(vars) == 1 {
						return err
					}
					s.diag.add(levelWarning, errUnknown, fmt.Sprintf("the value of %s is not known: %v", v.name, err))
				}
				add(str(v.name), str(value))
			}
			return nil
		},
	}
}

// showStatus is SHOW [GLOBAL | SESSION] STATUS: the server's counters and what TLS the
// connection has, sorted by name.
func (s *Session) showStatus() *showing {
	return &showing{
		columns: []engine.Column{text("Variable_name", 64), text("Value", 1024)},
		fill:    s.eachStatus,
	}
}

// shortInfo is how much of a statement SHOW PROCESSLIST shows without FULL, in bytes.
const shortInfo = 100

// showProcessList is SHOW [FULL] PROCESSLIST. A monitor sees its own user's connections.
func (s *Session) showProcessList(n *ast.ShowStmt) *showing {
	return &showing{
		columns: []engine.Column{
			number("Id"), text("User", 32), text("Host", 261), nullText("db", 64), text("Command", 16),
			number("Time"), nullText("State", 64), nullText("Info", 1024),
		},
		fill: func(_ context.Context, add func(...engine.Value)) error { return s.eachProcess(n.Full, add) },
	}
}

func orNull(s string) engine.Value {
	if s == "" {
		return engine.Null()
	}
	return engine.String(s)
}

// showGrants is SHOW GRANTS: the role in MySQL's words. Others' are an admin's business,
// and the console does not tell them: its users stand in its configuration.
func (s *Session) showGrants(n *ast.ShowStmt) (*showing, error) {
	user := s.acc.Name
	if n.User != nil && !n.User.CurrentUser && n.User.Username != user {
		return nil, errf(errNoSuchGrant, "There is no such grant defined for user '%s' on host '%s'",
			n.User.Username, n.User.Hostname)
	}
	return &showing{
		columns: []engine.Column{text("Grants for "+user+"@%", 1024)},
		fill: func(_ context.Context, add func(...engine.Value)) error {
			add(str("GRANT " + strings.Join(s.privileges(), ", ") + " ON *.* TO " + s.grantee()))
			return nil
		},
	}, nil
}

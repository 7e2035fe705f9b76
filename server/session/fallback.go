package session

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/server/engine"
	"pumphouse/server/session/infoschema"
	"pumphouse/server/session/result"
)

// fallback is a MySQL statement that TiDB's grammar does not have but clients send. It is known
// by its first words, and only looked for when a text did not parse. All of them only read.
type fallback struct {
	words  string // "A|B C": the words the statement starts with, with their alternatives
	whole  bool   // nothing may follow
	answer func(ctx context.Context, s *Session, rest string) (*engine.Result, error)
	is     func(rest string) bool // what follows the words is of this statement; nil = always
}

var fallbacks = []fallback{
	{"SHOW WARNINGS LIMIT", false, limitedConditions(ast.ShowWarnings), nil},
	{"SHOW ERRORS LIMIT", false, limitedConditions(ast.ShowErrors), nil},
	{"SHOW MASTER|BINARY LOGS", true, func(context.Context, *Session, string) (*engine.Result, error) {
		return nil, result.Errorf(result.ErrNoBinlog, "You are not using binary logging")
	}, nil},
	{"SHOW SLAVE HOSTS", true, noReplicas("Server_id", "Master_id", "Slave_UUID"), nil},
	{"SHOW REPLICAS", true, noReplicas("Server_Id", "Source_Id", "Replica_UUID"), nil},
	{"SHOW ENGINE", false, func(_ context.Context, _ *Session, rest string) (*engine.Result, error) {
		name, _, _ := strings.Cut(rest, " ")
		return nil, result.Errorf(1286, "Unknown storage engine '%s'", name)
	}, nil},
	{"SHOW STORAGE ENGINES", true, func(ctx context.Context, s *Session, _ string) (*engine.Result, error) {
		return s.schema.Show(ctx, &ast.ShowStmt{Tp: ast.ShowEngines})
	}, nil},
	{"SET PASSWORD", false, unsupported("SET PASSWORD"), nil},
	{"CHECK TABLE|TABLES", false, tableChecks("check"), nil},
	{"CHECKSUM TABLE|TABLES", false, tableChecks("checksum"), nil},
	{"REPAIR TABLE|TABLES", false, tableChecks("repair"), nil},
	{"ANALYZE TABLE|TABLES", false, tableChecks("analyze"), nil},
	{"OPTIMIZE TABLE|TABLES", false, tableChecks("optimize"), nil},
	{"DESCRIBE|DESC|EXPLAIN", false, describeLike, isDescribeLike},
	{"SHOW ALL SLAVES|REPLICAS STATUS", false, noReplication, nil},
	{"SHOW SLAVE|REPLICA STATUS", false, noReplication, nil},
	{"CHANGE MASTER|REPLICATION", false, unsupported("Replication by MySQL"), nil},
	{"START|STOP|RESET SLAVE|REPLICA|MASTER|GROUP_REPLICATION", false, unsupported("Replication by MySQL"), nil},
	{"PURGE BINARY|MASTER LOGS", false, unsupported("PURGE"), nil},
	{"RESET QUERY CACHE", true, unsupported("RESET QUERY CACHE"), nil},
	{"XA BEGIN|START|END|PREPARE|COMMIT|ROLLBACK|RECOVER", false, unsupported("XA"), nil},
	{"INSTALL|UNINSTALL PLUGIN|COMPONENT", false, unsupported("INSTALL"), nil},
	{"HANDLER", false, unsupported("HANDLER"), nil},
	{"CREATE|DROP FUNCTION|TRIGGER|EVENT|SERVER", false, unsupported("CREATE and DROP"), nil},
}

func unsupported(what string) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(context.Context, *Session, string) (*engine.Result, error) { return nil, result.NotSupported(what) }
}

// tableChecks carries out what maintains tables: the names stand before any option.
func tableChecks(op string) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(ctx context.Context, s *Session, rest string) (*engine.Result, error) {
		var names []string
		for part := range strings.SplitSeq(rest, ",") {
			part = strings.TrimSpace(part)
			if part == "" {
				return nil, result.Errorf(result.ErrParse, "You have an error in your SQL syntax near '%s'", result.Clip(rest, 80))
			}
			names = append(names, part)
		}
		return s.schema.CheckTables(op, names)
	}
}

// describeLike is DESCRIBE table 'pattern'.
func describeLike(ctx context.Context, s *Session, rest string) (*engine.Result, error) {
	db, tab, pattern := cutDescribe(rest)
	return s.schema.Show(ctx, &ast.ShowStmt{Tp: ast.ShowColumns,
		Table:  &ast.TableName{Schema: ast.NewCIStr(db), Name: ast.NewCIStr(tab)},
		Column: &ast.ColumnName{Name: ast.NewCIStr(pattern[1 : len(pattern)-1])}})
}

// isDescribeLike reports whether a pattern in quotes ends the text; EXPLAIN of a query is another statement.
func isDescribeLike(rest string) bool {
	_, _, pattern := cutDescribe(rest)
	n := len(pattern)
	return n >= 2 && pattern[0] == pattern[n-1] && (pattern[0] == '\'' || pattern[0] == '"')
}

// cutDescribe takes [db.]table 'pattern' apart; the pattern keeps its quotes.
func cutDescribe(rest string) (db, tab, pattern string) {
	tab, pattern = infoschema.CutName(rest)
	if strings.HasPrefix(pattern, ".") {
		db = tab
		tab, pattern = infoschema.CutName(pattern[1:])
	}
	return db, tab, pattern
}

func noReplication(ctx context.Context, s *Session, _ string) (*engine.Result, error) {
	return s.schema.Show(ctx, &ast.ShowStmt{Tp: ast.ShowReplicaStatus})
}

// noReplicas is SHOW REPLICAS under its new or its old name, which has columns of other names.
func noReplicas(server, source, uuid string) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(context.Context, *Session, string) (*engine.Result, error) {
		return result.New(result.Number(server), result.Text("Host", 255), result.Number("Port"), result.Number(source), result.Text(uuid, 36)), nil
	}
}

// limitedConditions is SHOW WARNINGS LIMIT [from,] count.
func limitedConditions(tp ast.ShowStmtType) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(ctx context.Context, s *Session, rest string) (*engine.Result, error) {
		first, second, two := strings.Cut(rest, ",")
		from, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 31)
		count, err2 := from, error(nil)
		if two {
			count, err2 = strconv.ParseUint(strings.TrimSpace(second), 10, 31)
		} else {
			from = 0
		}
		if err1 != nil || err2 != nil {
			return nil, result.Errorf(result.ErrParse, "You have an error in your SQL syntax near LIMIT %s", rest)
		}
		r, err := s.schema.Show(ctx, &ast.ShowStmt{Tp: tp})
		if err != nil {
			return nil, err
		}
		n := uint64(len(r.Rows))
		from = min(from, n)
		r.Rows = r.Rows[from:min(from+count, n)]
		return r, nil
	}
}

var (
	executable = regexp.MustCompile(`/\*!\d*|\*/`)
	comment    = regexp.MustCompile(`(?s)/\*[^!].*?\*/|(?:#|-- )[^\n]*`)
)

// maxFallback is the length in bytes up to which a text is looked at.
const maxFallback = 512

// parseFallback finds the statement that a text is which TiDB's grammar does not have; false = none.
func parseFallback(sql string) (statement, bool) {
	if len(sql) > maxFallback {
		return statement{}, false
	}
	words := strings.Fields(executable.ReplaceAllString(comment.ReplaceAllString(sql, " "), " "))
	if n := len(words); n > 0 {
		words[n-1] = strings.TrimRight(words[n-1], ";")
	}
	for i := range fallbacks {
		f := &fallbacks[i]
		n := f.matches(words)
		if n == 0 {
			continue
		}
		rest := strings.Join(words[n:], " ")
		return statement{fallback: f, rest: rest}, f.is == nil || f.is(rest)
	}
	return statement{}, false
}

// matches gives how many words the statement's name takes, 0 if it is another one.
func (f *fallback) matches(words []string) int {
	want := strings.Fields(f.words)
	if len(words) < len(want) || f.whole && len(words) > len(want) {
		return 0
	}
	for i, w := range want {
		word := words[i]
		if i == len(want)-1 { // SET PASSWORD='x'
			word, _, _ = strings.Cut(word, "=")
		}
		if !oneOf(w, word) {
			return 0
		}
	}
	return len(want)
}

func oneOf(alternatives, word string) bool {
	for a := range strings.SplitSeq(alternatives, "|") {
		if strings.EqualFold(a, word) {
			return true
		}
	}
	return false
}

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
	words  string                 // "A|B C": the words the statement starts with, with their alternatives
	is     func(rest string) bool // reports whether what follows them is of this statement
	answer answerFunc
}

// answerFunc carries out a fallback; rest is what follows its words.
type answerFunc func(ctx context.Context, s *Session, rest string) (*engine.Result, error)

func anything(string) bool { return true }

func nothing(rest string) bool { return rest == "" }

var fallbacks = []fallback{
	{"SHOW WARNINGS LIMIT", anything, limitedConditions(ast.ShowWarnings)},
	{"SHOW ERRORS LIMIT", anything, limitedConditions(ast.ShowErrors)},
	{"SHOW MASTER|BINARY LOGS", nothing, func(context.Context, *Session, string) (*engine.Result, error) {
		return nil, result.Errorf(result.ErrNoBinlog, "You are not using binary logging")
	}},
	{"SHOW SLAVE HOSTS", nothing, noReplicas("Server_id", "Master_id", "Slave_UUID")},
	{"SHOW REPLICAS", nothing, noReplicas("Server_Id", "Source_Id", "Replica_UUID")},
	{"SHOW ENGINE", anything, func(_ context.Context, _ *Session, rest string) (*engine.Result, error) {
		name, _, _ := strings.Cut(rest, " ")
		return nil, result.Errorf(1286, "Unknown storage engine '%s'", name)
	}},
	{"SHOW STORAGE ENGINES", nothing, func(ctx context.Context, s *Session, _ string) (*engine.Result, error) {
		return s.schema.Show(ctx, &ast.ShowStmt{Tp: ast.ShowEngines})
	}},
	{"SET PASSWORD", anything, unsupported("SET PASSWORD")},
	{"CHECK TABLE|TABLES", anything, tableChecks("check")},
	{"CHECKSUM TABLE|TABLES", anything, tableChecks("checksum")},
	{"REPAIR TABLE|TABLES", anything, tableChecks("repair")},
	{"ANALYZE TABLE|TABLES", anything, tableChecks("analyze")},
	{"OPTIMIZE TABLE|TABLES", anything, tableChecks("optimize")},
	{"DESCRIBE|DESC|EXPLAIN", isDescribeLike, describeLike},
	{"SHOW ALL SLAVES|REPLICAS STATUS", anything, noReplication},
	{"SHOW SLAVE|REPLICA STATUS", anything, noReplication},
	{"CHANGE MASTER|REPLICATION", anything, unsupported("Replication by MySQL")},
	{"START|STOP|RESET SLAVE|REPLICA|MASTER|GROUP_REPLICATION", anything, unsupported("Replication by MySQL")},
	{"PURGE BINARY|MASTER LOGS", anything, unsupported("PURGE")},
	{"RESET QUERY CACHE", nothing, unsupported("RESET QUERY CACHE")},
	{"XA BEGIN|START|END|PREPARE|COMMIT|ROLLBACK|RECOVER", anything, unsupported("XA")},
	{"INSTALL|UNINSTALL PLUGIN|COMPONENT", anything, unsupported("INSTALL")},
	{"HANDLER", anything, unsupported("HANDLER")},
	{"CREATE|DROP FUNCTION|TRIGGER|EVENT|SERVER", anything, unsupported("CREATE and DROP")},
}

func unsupported(what string) answerFunc {
	return func(context.Context, *Session, string) (*engine.Result, error) { return nil, result.NotSupported(what) }
}

// tableChecks carries out what maintains tables: the names stand before any option.
func tableChecks(op string) answerFunc {
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
func noReplicas(server, source, uuid string) answerFunc {
	return func(context.Context, *Session, string) (*engine.Result, error) {
		return result.New(result.Number(server), result.Text("Host", 255), result.Number("Port"), result.Number(source), result.Text(uuid, 36)), nil
	}
}

// limitedConditions is SHOW WARNINGS LIMIT [from,] count.
func limitedConditions(tp ast.ShowStmtType) answerFunc {
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
		if rest := strings.Join(words[n:], " "); f.is(rest) {
			return statement{fallback: f, rest: rest}, true
		}
	}
	return statement{}, false
}

// matches gives how many words the statement's name takes, 0 if it is another one.
func (f *fallback) matches(words []string) int {
	want := strings.Fields(f.words)
	if len(words) < len(want) {
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

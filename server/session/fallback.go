package session

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"pumphouse/server/engine"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// MySQL statements that TiDB's grammar does not have but clients send. They are known
// by their first words, and only looked at when a text did not parse.

// beyond is one of them.
type beyond struct {
	words  string // "A|B C": the words the statement starts with, with their alternatives
	whole  bool   // nothing may follow
	answer func(ctx context.Context, s *Session, rest string) (*engine.Result, error)
}

// errNotBeyond says that a text only begins like the statement.
var errNotBeyond = errors.New("another statement")

var beyonds = []beyond{
	{"SHOW WARNINGS LIMIT", false, limitedConditions(ast.ShowWarnings)},
	{"SHOW ERRORS LIMIT", false, limitedConditions(ast.ShowErrors)},
	{"SHOW MASTER|BINARY LOGS", true, func(context.Context, *Session, string) (*engine.Result, error) {
		return nil, errf(errNoBinlog, "You are not using binary logging")
	}},
	{"SHOW SLAVE HOSTS", true, noReplicas("Server_id", "Master_id", "Slave_UUID")},
	{"SHOW REPLICAS", true, noReplicas("Server_Id", "Source_Id", "Replica_UUID")},
	{"SHOW ENGINE", false, func(_ context.Context, _ *Session, rest string) (*engine.Result, error) {
		name, _, _ := strings.Cut(rest, " ")
		return nil, errf(1286, "Unknown storage engine '%s'", name)
	}},
	{"SHOW STORAGE ENGINES", true, func(ctx context.Context, s *Session, _ string) (*engine.Result, error) {
		return s.runShow(ctx, &ast.ShowStmt{Tp: ast.ShowEngines})
	}},
	{"SET PASSWORD", false, refused("SET PASSWORD")},
	{"CHECK TABLE|TABLES", false, tableChecks("check")},
	{"CHECKSUM TABLE|TABLES", false, tableChecks("checksum")},
	{"REPAIR TABLE|TABLES", false, tableChecks("repair")},
	{"ANALYZE TABLE|TABLES", false, tableChecks("analyze")},
	{"OPTIMIZE TABLE|TABLES", false, tableChecks("optimize")},
	{"DESCRIBE|DESC|EXPLAIN", false, describeLike},
	{"SHOW ALL SLAVES|REPLICAS STATUS", false, noReplication},
	{"SHOW SLAVE|REPLICA STATUS", false, noReplication},
	{"CHANGE MASTER|REPLICATION", false, refused("Replication by MySQL")},
	{"START|STOP|RESET SLAVE|REPLICA|MASTER|GROUP_REPLICATION", false, refused("Replication by MySQL")},
	{"PURGE BINARY|MASTER LOGS", false, refused("PURGE")},
	{"RESET QUERY CACHE", true, refused("RESET QUERY CACHE")},
	{"XA BEGIN|START|END|PREPARE|COMMIT|ROLLBACK|RECOVER", false, refused("XA")},
	{"INSTALL|UNINSTALL PLUGIN|COMPONENT", false, refused("INSTALL")},
	{"HANDLER", false, refused("HANDLER")},
	{"CREATE|DROP FUNCTION|TRIGGER|EVENT|SERVER", false, refused("CREATE and DROP")},
}

func refused(what string) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(context.Context, *Session, string) (*engine.Result, error) { return nil, refuse(what) }
}

// tableChecks carries out what maintains tables: the names stand before any option.
func tableChecks(op string) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(ctx context.Context, s *Session, rest string) (*engine.Result, error) {
		var names []string
		for part := range strings.SplitSeq(rest, ",") {
			part = strings.TrimSpace(part)
			if part == "" {
				return nil, errf(errParse, "You have an error in your SQL syntax near '%s'", clip(rest, 80))
			}
			names = append(names, part)
		}
		return s.checkTables(op, names)
	}
}

// describeLike is DESCRIBE table 'pattern'.
func describeLike(ctx context.Context, s *Session, rest string) (*engine.Result, error) {
	first, tail := cutName(rest)
	db, tab := "", first
	if strings.HasPrefix(tail, ".") {
		db = first
		tab, tail = cutName(tail[1:])
	}
	n := len(tail)
	if n < 2 || tail[0] != tail[n-1] || tail[0] != '\'' && tail[0] != '"' {
		return nil, errNotBeyond
	}
	show := &ast.ShowStmt{Tp: ast.ShowColumns,
		Table:  &ast.TableName{Schema: ast.NewCIStr(db), Name: ast.NewCIStr(tab)},
		Column: &ast.ColumnName{Name: ast.NewCIStr(tail[1 : n-1])}}
	return s.runShow(ctx, show)
}

func noReplication(ctx context.Context, s *Session, _ string) (*engine.Result, error) {
	return s.runShow(ctx, &ast.ShowStmt{Tp: ast.ShowReplicaStatus})
}

// noReplicas is SHOW REPLICAS under its new or its old name, which has columns of other names.
func noReplicas(server, source, uuid string) func(context.Context, *Session, string) (*engine.Result, error) {
	return func(context.Context, *Session, string) (*engine.Result, error) {
		return table(number(server), text("Host", 255), number("Port"), number(source), text(uuid, 36)), nil
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
			return nil, errf(errParse, "You have an error in your SQL syntax near LIMIT %s", rest)
		}
		r, err := s.runShow(ctx, &ast.ShowStmt{Tp: tp})
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

// beyondGrammar finds the statement that a text which TiDB's grammar refuses is.
func beyondGrammar(sql string) (b *beyond, rest string) {
	if len(sql) > maxCachedText {
		return nil, ""
	}
	words := strings.Fields(executable.ReplaceAllString(comment.ReplaceAllString(sql, " "), " "))
	if n := len(words); n > 0 {
		words[n-1] = strings.TrimRight(words[n-1], ";")
	}
	for i := range beyonds {
		if n := beyonds[i].matches(words); n > 0 {
			return &beyonds[i], strings.Join(words[n:], " ")
		}
	}
	return nil, ""
}

// matches gives how many words the statement's name takes, 0 if it is another one.
func (b *beyond) matches(words []string) int {
	want := strings.Fields(b.words)
	if len(words) < len(want) || b.whole && len(words) > len(want) {
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

// runBeyond answers such a statement; known false = it is none.
func (s *Session) runBeyond(ctx context.Context, sql string, emit func(o *Outcome, more bool) error) (known bool, err error) {
	b, rest := beyondGrammar(sql)
	if b == nil {
		return false, nil
	}
	looks := strings.HasPrefix(b.words, "SHOW WARNINGS") || strings.HasPrefix(b.words, "SHOW ERRORS")
	if !looks {
		s.begin(nil)
	}
	ctx, stop := s.start(ctx, true)
	defer stop()
	r, rerr := b.answer(ctx, s, rest)
	if errors.Is(rerr, errNotBeyond) {
		return false, nil
	}
	if rerr != nil {
		return true, s.failed(sqlError(ctx, rerr))
	}
	o := &Outcome{Rows: r}
	s.finish(o, looks)
	return true, emit(o, false)
}

// describeBeyond gives the columns of such a statement's rows; ok false = it is none. All
// of them only read, so that carrying one out is a way to know.
func (s *Session) describeBeyond(ctx context.Context, sql string) (columns []engine.Column, ok bool, err error) {
	b, rest := beyondGrammar(sql)
	if b == nil {
		return nil, false, nil
	}
	ctx, stop := s.start(ctx, true)
	defer stop()
	r, err := b.answer(ctx, s, rest)
	switch {
	case errors.Is(err, errNotBeyond):
		return nil, false, nil
	case err != nil:
		return nil, true, err
	}
	return r.Columns, true, nil
}

// executeBeyond runs one that was prepared.
func (s *Session) executeBeyond(ctx context.Context, p *Prepared, args []engine.Value) (out *Outcome, err error) {
	if len(args) != 0 {
		return nil, s.failed(errf(errWrongArguments, "Incorrect arguments to EXECUTE"))
	}
	_, err = s.runBeyond(ctx, p.SQL, func(o *Outcome, _ bool) error {
		out = o
		return nil
	})
	return out, err
}

package sqlext

import (
	"errors"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

// seeds are forms a text takes: ours in every disguise, and what clients send.
var seeds = []string{
	"", ";", "show pump status", "SHOW DRAINER STATUS LIKE 'd%';", "show pump status where state = ? and nodeid like '_'",
	"change pump to node_state ='paused' for node_id 'pump1';", "change drainer to node_state = ? for node_id ?",
	"/*! change pump to */ node_state = 'x' for node_id 'y'", "/*!50000 show pump status */; select 1",
	"/*T![auto_rand] show */ pump /*T![x] y */ status", "show/**/pump#\nstatus--\nlike--", "show pump", "change", "change pump to timestamp 'x'",
	"change pump to node_state = 'a\\'b''c' for node_id \"\\\"\"", "show pump status like 'a' 'b' collate utf8mb4_bin",
	"select 1;\n show pump status;\n\nchange pump x", "foo; show pump status", "create procedure p() begin select 1; show pump status; end",
	"select 'a;b', `c;d`, \"e;f\", @`g;h`, x'41', 0b1, .5e3", "select pump.status, a.1b from drainer.pump", "show pump.status", "explain show pump status",
	"/*!40101 SET @OLD_SQL_MODE := @@SQL_MODE, @@SQL_MODE := '' */", "/*M!100100 SET WAIT_TIMEOUT=DEFAULT */", "LOCK TABLES `pumps` READ /*!32311 LOCAL */",
	"SET NAMES utf8mb4", "select @@version_comment limit 1", "SHOW VARIABLES LIKE 'log_bin'", "KILL 99999", "DESCRIBE `mysql`.`pumps` '%'",
	"select /*+ max_execution_time(10) */ 1", "show pump status /*+ x */", "select 1e999", "select 99999999999999999999999999999999999999999999999999999999999999999999999999999999999999",
	"pause pump 'a' wait 10", "offline drainer ? wait ?", "pause pump 'a' wait '7'", "drop pump 'p'", "help ?", "show full drainer status where lag_seconds > ?",
	"pause", "pause pump", "offline pump 'x' wait", "offline pump 'x' wait 1.5", "drop pump", "drop pump p", "help ? ?", "/*! pause */ pump 'x' wait 1e3",
	"resolve transaction 470 on pump 'p' rollback", "resolve transaction ? on pump ? commit ?", "resolve transaction '4' on pump 'p' commit 471; resolve",
	"show\x85pump\xa0status", "show\u00a0pump status", "show pump status\x00", "\ufeffshow pump status",
}

// FuzzParse holds Parse to what it promises for every text.
func FuzzParse(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, uint8(i))
	}
	p := New()
	f.Fuzz(func(t *testing.T, text string, modes uint8) {
		mode := mysql.SQLMode(0)
		if modes&1 != 0 {
			mode |= ansi
		}
		if modes&2 != 0 {
			mode |= noEscape
		}
		if modes&4 != 0 {
			mode |= mysql.ModeIgnoreSpace
		}
		p.SetSQLMode(mode)
		stmts, _, err := p.Parse(text, "", "")
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code == 0 || len(e.State) != 5 || strings.Contains(e.Message, "TiDB's parser failed") {
				t.Fatalf("%q: error %#v", text, err)
			}
			return
		}
		rest := text
		for _, s := range stmts {
			rest = behind(t, rest, s.Text)
			checkStatement(t, s, mode)
		}
		if left, _, err := New().Parse(rest, "", ""); mode == 0 && (err != nil || len(left) != 0) {
			t.Fatalf("%q: %q belongs to no statement", text, rest)
		}
	})
}

// behind gives the text after a statement that starts it, a line break apart.
func behind(t *testing.T, text, statement string) string {
	t.Helper()
	for _, edge := range []string{"", "\n", "\n\n"} {
		if rest, ok := strings.CutPrefix(text, edge+statement); ok {
			return rest
		}
	}
	t.Fatalf("statement %q does not start the text %q", statement, text)
	return ""
}

func checkStatement(t *testing.T, s Statement, mode mysql.SQLMode) {
	t.Helper()
	set := 0
	for _, is := range []bool{s.Node != nil, s.Show != nil, s.Change != nil, s.Act != nil, s.Resolve != nil, s.Help != nil} {
		if is {
			set++
		}
	}
	if set != 1 || s.Params < 0 || s.Params > strings.Count(s.Text, "?") {
		t.Fatalf("bad statement %+v", s)
	}
	if s.Change == nil && s.Act == nil && s.Resolve == nil {
		return
	}
	// What is formatted parses to the same statement.
	again := parse(t, 0, canonical(s))
	if len(again) != 1 || again[0].Params != s.Params || canonical(again[0]) != canonical(s) ||
		s.Change != nil && *again[0].Change != *s.Change || s.Act != nil && *again[0].Act != *s.Act ||
		s.Resolve != nil && *again[0].Resolve != *s.Resolve {
		t.Fatalf("%q became %s, then %+v", s.Text, canonical(s), again)
	}
}

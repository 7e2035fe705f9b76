package sqlext

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

func TestParseActs(t *testing.T) {
	for _, c := range []struct {
		text string
		mode mysql.SQLMode
		want []string
	}{
		{text: "pause pump 'pump1'", want: []string{"PAUSE PUMP 'pump1'"}},
		{text: "PAUSE DRAINER 'd' WAIT 30;", want: []string{"PAUSE DRAINER 'd' WAIT 30"}},
		{text: "offline pump 'p' wait 0", want: []string{"OFFLINE PUMP 'p' WAIT 0"}},
		{text: "Offline Drainer 'd'", want: []string{"OFFLINE DRAINER 'd'"}},
		{text: "drop pump 'p'; drop drainer 'd'", want: []string{"DROP PUMP 'p'", "DROP DRAINER 'd'"}},
		{text: "pause pump 'p' wait '30'", want: []string{"PAUSE PUMP 'p' WAIT 30"}},
		{text: "pause pump 'p' wait 'soon'", want: []string{"PAUSE PUMP 'p' WAIT 'soon'"}},
		{text: "pause pump 'p'wait 99999999999999999999", want: []string{"PAUSE PUMP 'p' WAIT 99999999999999999999"}},
		{text: "/* c */ pause/**/pump -- x\n'p' /*! wait */ /*!50000 5 */", want: []string{"PAUSE PUMP 'p' WAIT 5"}},
		{text: `drop pump "a''b\"" `, want: []string{`DROP PUMP 'a''''b"'`}},
		{text: "select 1; pause pump 'p' wait 1; show status", want: []string{"SelectStmt", "PAUSE PUMP 'p' WAIT 1", "ShowStmt"}},

		{text: "show full pump status", want: []string{"SHOW FULL PUMP STATUS"}},
		{text: "show full drainer status like 'd%'", want: []string{"SHOW FULL DRAINER STATUS LIKE 'd%'"}},
		{text: "/*! show full */ pump status where Lag_Seconds > 5 or full = 1; select 1",
			want: []string{"SHOW FULL PUMP STATUS WHERE `Lag_Seconds`>5 OR `full`=1", "SelectStmt"}},

		{text: "help 'binlog'", want: []string{"HelpStmt"}},
		{text: "help ?", want: []string{"HELP ?"}},

		// What is another statement's stays so.
		{text: "show full tables; show full columns from pump; show full processlist", want: []string{"ShowStmt", "ShowStmt", "ShowStmt"}},
		{text: "drop table pump; drop table if exists drainer; drop view pump; drop user 'pump'",
			want: []string{"DropTableStmt", "DropTableStmt", "DropTableStmt", "DropUserStmt"}},
		{text: "select pause, offline, wait from pump.help as pause", want: []string{"SelectStmt"}},
		{text: "admin pause ddl jobs 1", want: []string{"AdminStmt"}},
		{text: "show master status", want: []string{"ShowStmt"}},
	} {
		var got []string
		for _, s := range parse(t, c.mode, c.text) {
			got = append(got, canonical(s))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
}

func TestActErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		mode mysql.SQLMode
		want string // after "… right syntax to use "
	}{
		{text: "pause", want: `line 1 column 5 near "" `},
		{text: "pause pump", want: `line 1 column 10 near "" `},
		{text: "pause pumps 'x'", want: `line 1 column 11 near "pumps 'x'" `},
		{text: "pause pump p", want: `line 1 column 12 near "p" `},
		{text: "pause pump `p`", want: "line 1 column 14 near \"`p`\" "},
		{text: "pause pump 'p' 'q'", want: `line 1 column 18 near "'q'" `},
		{text: "pause pump 'p' wait", want: `line 1 column 19 near "" `},
		{text: "pause pump 'p' wait soon", want: `line 1 column 24 near "soon" `},
		{text: "pause pump 'p' wait 1.5", want: `line 1 column 23 near "1.5" `},
		{text: "pause pump 'p' wait 1e3", want: `line 1 column 23 near "1e3" `},
		{text: "pause pump 'p' wait -1", want: `line 1 column 21 near "-1" `},
		{text: "pause pump 'p' wait 1 s", want: `line 1 column 23 near "s" `},
		{text: `pause pump "p"`, mode: ansi, want: `line 1 column 14 near ""p"" `},
		{text: "offline\npump;", want: "line 2 column 6 near \";\" "},
		{text: "drop pump", want: `line 1 column 9 near "" `},
		{text: "drop pump 'p' wait 5", want: `line 1 column 18 near "wait 5" `},
		{text: "drop pump if exists 'p'", want: `line 1 column 12 near "if exists 'p'" `},
		{text: "drop pumps 'p'", want: `line 1 column 10 near "pumps 'p'" `},
		{text: "show full pump", want: `line 1 column 14 near "" `},
		{text: "show full pumps status", want: `line 1 column 15 near "pumps status" `},
		{text: "show full pump status x", want: `line 1 column 23 near "x" `},
		{text: "show pump full status", want: `line 1 column 14 near "full status" `},
		{text: "help", want: `line 1 column 4 near "" `},
		{text: "help ? x", want: `line 1 column 8 near "x" `},
		{text: "explain pause pump 'p'", want: `line 1 column 22 near "'p'" `},
		{text: "explain drop pump 'p'", want: `line 1 column 12 near "drop pump 'p'" `},
		{text: "select 1;\npause pump 'p';\nfoo", want: "line 3 column 4 near \"foo\" "},
		{text: "drop pump;\nselect 1", want: "line 1 column 10 near \";\nselect 1\" "},
	} {
		p := New()
		p.SetSQLMode(c.mode)
		_, _, err := p.Parse(c.text, "", "")
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: error %v", c.text, err)
			continue
		}
		if e.Code != 1064 || e.State != "42000" || e.Message != syntaxErrorPrefix+c.want {
			t.Errorf("%q: %d (%s) %s\nwant %s", c.text, e.Code, e.State, e.Message, c.want)
		}
	}
}

func TestActParams(t *testing.T) {
	s := parse(t, 0, "offline pump ? wait ?")[0]
	if s.Params != 2 || s.Act.NodeID != (Literal{Param: 0}) || s.Act.Wait != (Literal{Param: 1}) || s.Act.String() != "OFFLINE PUMP ? WAIT ?" {
		t.Errorf("OFFLINE: %d parameters, %+v", s.Params, s.Act)
	}
	s = parse(t, 0, "pause pump '?' wait ?")[0]
	if s.Params != 1 || s.Act.NodeID != (Literal{Value: "?", Param: -1}) || s.Act.Wait != (Literal{Param: 0}) {
		t.Errorf("PAUSE: %d parameters, %+v", s.Params, s.Act)
	}
	s = parse(t, 0, "drop drainer ?")[0]
	if s.Params != 1 || s.Act.HasWait {
		t.Errorf("DROP: %d parameters, %+v", s.Params, s.Act)
	}
	s = parse(t, 0, "show full pump status where state = ? and lag_seconds > ?")[0]
	if s.Params != 2 || !s.Show.Full {
		t.Errorf("SHOW FULL: %d parameters, %+v", s.Params, s.Show)
	}
	s = parse(t, 0, "help ?")[0]
	if s.Params != 1 || s.Help.Topic != (Literal{Param: 0}) {
		t.Errorf("HELP: %d parameters, %+v", s.Params, s.Help)
	}
}

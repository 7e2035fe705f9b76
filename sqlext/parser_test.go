package sqlext

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

const (
	ansi     = mysql.ModeANSIQuotes
	noEscape = mysql.ModeNoBackslashEscapes
)

func parse(t *testing.T, mode mysql.SQLMode, text string) []Statement {
	t.Helper()
	p := New()
	p.SetSQLMode(mode)
	stmts, _, err := p.Parse(text, "", "")
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return stmts
}

// canonical gives a statement of ours as its String does, any other as its type.
func canonical(s Statement) string {
	switch {
	case s.Show != nil:
		return s.Show.String()
	case s.Change != nil:
		return s.Change.String()
	case s.Act != nil:
		return s.Act.String()
	case s.Resolve != nil:
		return s.Resolve.String()
	case s.Help != nil:
		return "HELP ?"
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", s.Node), "*ast.")
}

func TestParse(t *testing.T) {
	const change = "CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'"
	for _, c := range []struct {
		text string
		mode mysql.SQLMode
		want []string
	}{
		// The operations document's.
		{text: "show pump status;", want: []string{"SHOW PUMP STATUS"}},
		{text: "show drainer status;", want: []string{"SHOW DRAINER STATUS"}},
		{text: "change pump to node_state ='paused' for node_id 'pump1';", want: []string{change}},
		{text: "change drainer to node_state ='paused' for node_id 'drainer1';",
			want: []string{"CHANGE DRAINER TO NODE_STATE = 'paused' FOR NODE_ID 'drainer1'"}},

		{text: "", want: nil},
		{text: " ;; /* nothing */ -- at all", want: nil},
		{text: "ShOw\n\tPuMp\r\nsTaTuS", want: []string{"SHOW PUMP STATUS"}},
		{text: "show pump status like 'p%'", want: []string{"SHOW PUMP STATUS LIKE 'p%'"}},
		{text: "show pump status like concat('p', '%')", want: []string{"SHOW PUMP STATUS LIKE CONCAT('p', '%')"}},
		{text: "show drainer status where state = 'Online' and Max_Commit_Ts > 5",
			want: []string{"SHOW DRAINER STATUS WHERE `state`='Online' AND `Max_Commit_Ts`>5"}},

		// Among others.
		{text: "select 1; show pump status; use x; " + change + "; show drainer status like '_'",
			want: []string{"SelectStmt", "SHOW PUMP STATUS", "UseStmt", change, "SHOW DRAINER STATUS LIKE '_'"}},
		{text: "show status; show pump status where 1; show status like 'x'",
			want: []string{"ShowStmt", "SHOW PUMP STATUS WHERE 1", "ShowStmt"}},
		{text: "set @x = 'show pump status;'; select `;`, \";\" -- ;\n; show pump status", want: []string{"SetStmt", "SelectStmt", "SHOW PUMP STATUS"}},

		// Comments.
		{text: "/* c */ show # c\n pump -- c\n status --", want: []string{"SHOW PUMP STATUS"}},
		{text: "/*! show pump status */", want: []string{"SHOW PUMP STATUS"}},
		{text: "/*!50000 show */ pump /*!40101 status */;", want: []string{"SHOW PUMP STATUS"}},
		{text: "/*T! show pump */ status", want: []string{"SHOW PUMP STATUS"}},
		{text: "/*T![auto_rand] show */ /*T![unheard_of] foo */ pump status", want: []string{"SHOW PUMP STATUS"}},
		{text: "/*M! foo */ show pump status", want: []string{"SHOW PUMP STATUS"}},
		{text: "/*! change pump to */ node_state = 'paused' for node_id 'pump1'", want: []string{change}},
		{text: "/*/ show drainer status */ show pump status", want: []string{"SHOW PUMP STATUS"}},

		// Literals.
		{text: `change pump to node_state = "paused" for node_id "pump1"`, want: []string{change}},
		{text: `change pump to node_state = 'paused' for node_id 'a''b\'c\\d\n\%'`,
			want: []string{`CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'a''b''c\\d` + "\n" + `\\%'`}},
		{text: `change pump to node_state = 'paused' for node_id 'a\'`, mode: noEscape,
			want: []string{`CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'a\\'`}},
		{text: "change pump to node_state='paused'for node_id'pump1'", want: []string{change}},

		// Our words as names.
		{text: "select pump, drainer as node_id from pump.status where node_state = 1", want: []string{"SelectStmt"}},
		{text: "alter table pump change drainer node_id int", want: []string{"AlterTableStmt"}},
		{text: "desc pump status", want: []string{"ExplainStmt"}},
		{text: "prepare s from 'show pump status'", want: []string{"PrepareStmt"}},
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

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		mode mysql.SQLMode
		want string // after "… right syntax to use "
	}{
		{text: "show pump status x", want: `line 1 column 18 near "x" `},
		{text: "show pump", want: `line 1 column 9 near "" `},
		{text: "show pump;", want: `line 1 column 10 near ";" `},
		{text: "show pumps status", want: `line 1 column 10 near "pumps status" `},
		{text: "show `pump` status", want: "line 1 column 11 near \"`pump` status\" "},
		{text: "show pump.status", want: `line 1 column 9 near "pump.status" `},
		{text: "show pump replayer", want: `line 1 column 18 near "replayer" `},
		{text: "change", want: `line 1 column 6 near "" `},
		{text: "change master to master_host = 'x'", want: `line 1 column 13 near "master to master_host = 'x'" `},
		{text: "change pump to node_state := 'x' for node_id 'y'", want: `line 1 column 28 near ":= 'x' for node_id 'y'" `},
		{text: "change pump to node_state = _utf8'x' for node_id 'y'", want: `line 1 column 33 near "_utf8'x' for node_id 'y'" `},
		{text: "change pump to node_state = N'x' for node_id 'y'", want: `line 1 column 29 near "N'x' for node_id 'y'" `},
		{text: "change pump to node_state = x'41' for node_id 'y'", want: `line 1 column 33 near "x'41' for node_id 'y'" `},
		{text: "change pump to node_state = @s for node_id 'y'", want: `line 1 column 30 near "@s for node_id 'y'" `},
		{text: "change pump to node_state = 'a' 'b' for node_id 'y'", want: `line 1 column 35 near "'b' for node_id 'y'" `},
		{text: "change pump to node_state = 'x' for node_id 'y' foo", want: `line 1 column 51 near "foo" `},
		{text: `change pump to node_state = "x" for node_id 'y'`, mode: ansi, want: `line 1 column 31 near ""x" for node_id 'y'" `},
		{text: `change pump to node_state = 'x' for node_id 'y`, want: `line 1 column 46 near "'y" `},
		{text: "explain change pump to node_state = 'x' for node_id 'y'", want: `line 1 column 14 near "change pump to node_state = 'x' for node_id 'y'" `},
		{text: "explain show pump status", want: `line 1 column 12 near "show pump status" `},
		{text: "show pump status /* open", want: `near '/* open' at line 1`},

		// The text is quoted as it was sent, also where statements of ours follow.
		{text: "select 1 from;\nshow pump status;\nchange pump to node_state='a' for node_id 'b'",
			want: "line 1 column 14 near \";\nshow pump status;\nchange pump to node_state='a' for node_id 'b'\" "},
		{text: "show pump status;\nselect from;\nshow pump status", want: "line 2 column 12 near \"from;\nshow pump status\" "},
		{text: "show pump status;\nchange pump;\nshow pump status", want: "line 2 column 13 near \";\nshow pump status\" "},
		{text: "change pump to node_state='\n' for node_id 'b';\nfoo; show pump status", want: "line 3 column 4 near \"foo; show pump status\" "},
		// The first mistake counts.
		{text: "foo; change pump bar", want: `line 1 column 3 near "foo; change pump bar" `},
		{text: "change pump bar; foo", want: `line 1 column 15 near "bar; foo" `},
		// Not in a procedure.
		{text: "create procedure p() begin select 1; show pump status; end", want: `line 1 column 41 near "show pump status; end" `},
		{text: "create procedure p() begin select 1; change pump to node_state='a' for node_id 'b'; end",
			want: `line 1 column 43 near "change pump to node_state='a' for node_id 'b'; end" `},
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

// Errors that have a number of their own keep it.
func TestCodedErrors(t *testing.T) {
	for text, code := range map[string]uint16{
		"select 1 collate bar; show pump status":            1273,
		"show pump status where 1e999":                      1367,
		"show pump status where " + strings.Repeat("1", 99): 1367,
	} {
		_, _, err := New().Parse(text, "", "")
		var e *Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%q: error %v, want %d", text, err, code)
		}
	}
}

func TestStatementTexts(t *testing.T) {
	const text = " show pump status;;\nselect 1;\nchange pump to node_state='a'\nfor node_id 'b' ; show drainer status like 'x'\n"
	want := []string{" show pump status;", ";\nselect 1;", "change pump to node_state='a'\nfor node_id 'b' ;", " show drainer status like 'x'"}
	var got []string
	for _, s := range parse(t, 0, text) {
		got = append(got, s.Text)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("texts %q, want %q", got, want)
	}
	// The same cuts without TiDB's parser.
	own := parse(t, 0, "\n\n show pump status;;\nshow drainer status\n\n")
	if len(own) != 2 || own[0].Text != "\n show pump status;" || own[1].Text != ";\nshow drainer status\n" {
		t.Errorf("texts %+v", own)
	}
}

// Statements stay as they are when the parser goes on.
func TestStatementsOutliveTheText(t *testing.T) {
	p := New()
	first, _, err := p.Parse("show pump status like 'first'; select 'first'", "", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := p.Parse("show drainer status where state = 'second'; select 'second'", "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := canonical(first[0]); got != "SHOW PUMP STATUS LIKE 'first'" || !strings.Contains(first[1].Text, "first") {
		t.Errorf("the first text's statements became %s and %q", got, first[1].Text)
	}
}

func TestWarnings(t *testing.T) {
	_, warns, err := New().Parse("show pump status where /*+ hint */ 1", "", "")
	if err != nil || len(warns) != 1 {
		t.Fatalf("warnings %v, error %v", warns, err)
	}
	var e *Error
	if !errors.As(warns[0], &e) || e.Code != 8066 {
		t.Errorf("warning %v", warns[0])
	}
}

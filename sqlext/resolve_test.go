package sqlext

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/mysql"
)

func TestParseResolve(t *testing.T) {
	const rollback, commit = "RESOLVE TRANSACTION 470 ON PUMP 'p' ROLLBACK", "RESOLVE TRANSACTION 470 ON PUMP 'p' COMMIT 471"
	for _, c := range []struct {
		text string
		want []string
	}{
		{"resolve transaction 470 on pump 'p' rollback", []string{rollback}},
		{"Resolve Transaction 470 On Pump 'p' Commit 471;", []string{commit}},
		{"resolve transaction '470' on pump \"p\" commit '471'", []string{commit}},
		{"resolve transaction 'x' on pump 'p' rollback", []string{"RESOLVE TRANSACTION 'x' ON PUMP 'p' ROLLBACK"}},
		{"/*! resolve */ transaction 470 -- c\non pump'p'/**/rollback", []string{rollback}},
		{"select 1; " + commit + "; rollback; " + rollback, []string{"SelectStmt", commit, "RollbackStmt", rollback}},
		// The words stay free for names.
		{"select resolve, transaction from pump.resolve as resolve; commit", []string{"SelectStmt", "CommitStmt"}},
	} {
		var got []string
		for _, s := range parse(t, 0, c.text) {
			got = append(got, canonical(s))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
	s := parse(t, 0, "resolve transaction ? on pump ? commit ?")[0]
	if s.Params != 3 || s.Resolve.StartTS.Param != 0 || s.Resolve.Pump.Param != 1 || !s.Resolve.Commit || s.Resolve.CommitTS.Param != 2 ||
		s.Resolve.String() != "RESOLVE TRANSACTION ? ON PUMP ? COMMIT ?" {
		t.Errorf("%d parameters, %+v", s.Params, s.Resolve)
	}
}

func TestResolveErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		mode mysql.SQLMode
		want string // after "… right syntax to use "
	}{
		{text: "resolve", want: `line 1 column 7 near "" `},
		{text: "resolve 470", want: `line 1 column 11 near "470" `},
		{text: "resolve transaction", want: `line 1 column 19 near "" `},
		{text: "resolve transaction x on pump 'p' rollback", want: `line 1 column 21 near "x on pump 'p' rollback" `},
		{text: "resolve transaction -1 on pump 'p' rollback", want: `line 1 column 21 near "-1 on pump 'p' rollback" `},
		{text: "resolve transaction 470 on drainer 'd' rollback", want: `line 1 column 34 near "drainer 'd' rollback" `},
		{text: "resolve transaction 470 on pump p rollback", want: `line 1 column 33 near "p rollback" `},
		{text: "resolve transaction 470 on pump 'p'", want: `line 1 column 35 near "" `},
		{text: "resolve transaction 470 on pump 'p' commit", want: `line 1 column 42 near "" `},
		{text: "resolve transaction 470 on pump 'p' commit rollback", want: `line 1 column 51 near "rollback" `},
		{text: "resolve transaction 470 on pump 'p' rollback 471", want: `line 1 column 48 near "471" `},
		{text: "resolve transaction 470 on pump \"p\" rollback", mode: ansi, want: `line 1 column 35 near ""p" rollback" `},
		{text: "explain resolve transaction 1 on pump 'p' rollback", want: `line 1 column 29 near "1 on pump 'p' rollback" `},
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

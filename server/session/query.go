package session

import (
	"context"
	"strings"

	"pumphouse/server/engine"
	"pumphouse/server/session/result"
	"pumphouse/sqlext"
)

// Query runs a text of one or more statements (COM_QUERY). As in TiDB the whole text
// is parsed first, so a syntax error anywhere runs nothing; then the statements run in
// order until one fails. emit gets every outcome; more tells that another statement
// follows. An error of emit ends the text and is returned as it is; every other error
// is an *engine.Error.
func (s *Session) Query(ctx context.Context, sql string, emit func(o *Outcome, more bool) error) error {
	defer s.exec.Release()
	stmts, warns, err := s.parse(sql)
	if err != nil {
		st, ok := parseFallback(sql)
		if !ok {
			return s.rejected(err)
		}
		o, err := s.run(ctx, st, nil, nil)
		if err != nil {
			return err
		}
		return emit(o, false)
	}
	if len(stmts) == 0 {
		return s.emptyText(sql, emit)
	}
	parsed := s.exec.Taken()
	for i := range stmts {
		if stmts[i].Params > 0 {
			return s.rejected(result.Errorf(result.ErrParse, "You have an error in your SQL syntax: a ? stands for a value in prepared "+
				"statements only, near '%s'", result.Clip(stmts[i].Text, 80)))
		}
		o, err := s.run(ctx, statement{Statement: stmts[i]}, nil, warns)
		if err != nil {
			return err
		}
		if err := emit(o, i+1 < len(stmts)); err != nil {
			return err
		}
		s.exec.ReleaseTo(parsed)
		warns = nil
	}
	return nil
}

// emptyText answers a text without a statement. As in MySQL one that holds a comment is
// fine: dump tools send /*!999999 … */ that way.
func (s *Session) emptyText(sql string, emit func(o *Outcome, more bool) error) error {
	if strings.Trim(sql, " \t\r\n\v\f;\x00") == "" {
		return s.rejected(result.Errorf(result.ErrEmptyQuery, "Query was empty"))
	}
	s.diag.Begin()
	return emit(s.ok(), false)
}

// rejected starts the diagnostics of a text that never became a statement.
func (s *Session) rejected(err *engine.Error) error {
	s.diag.Begin()
	s.diag.Fail(err)
	return err
}

// parse gives the statements of a text, from memory if it ran a moment ago.
func (s *Session) parse(sql string) ([]sqlext.Statement, []error, *engine.Error) {
	if stmts := s.texts.get(sql); stmts != nil {
		return stmts, nil, nil
	}
	size := s.parsedSize(sql)
	if err := s.exec.Take(size); err != nil {
		return nil, nil, outOfMemory(err)
	}
	if s.parser == nil {
		s.parser = sqlext.New()
	}
	s.parser.SetSQLMode(s.vars.Mode)
	stmts, warns, err := s.parser.Parse(sql, s.vars.ConnCharset, s.vars.ConnCollation)
	if err != nil {
		return nil, nil, s.unparsed(sql, err)
	}
	if len(stmts) > 1 && !s.multi {
		return nil, nil, result.Errorf(result.ErrParse, "You have an error in your SQL syntax: the client has not asked for several "+
			"statements in one text (CLIENT_MULTI_STATEMENTS), near '%s'", result.Clip(stmts[1].Text, 80))
	}
	if len(warns) == 0 {
		s.texts.put(sql, stmts, size)
	}
	return stmts, warns, nil
}

// run carries out one statement and keeps what it leaves behind. Its error is an
// *engine.Error.
func (s *Session) run(ctx context.Context, st statement, params []engine.Value, warns []error) (*Outcome, error) {
	looks := st.looks()
	ctx, stop := s.start(ctx, s.onlyReads(&st), looks)
	defer stop()
	if !looks {
		s.warnOfParsing(warns)
	}
	s.exec.Params = params
	defer func() { s.exec.Params = nil }()
	o, err := s.dispatch(ctx, st)
	if err != nil {
		if looks {
			s.diag.Begin()
		}
		s.affected = -1
		return nil, s.failed(ctx, err)
	}
	s.finish(o, looks)
	return o, nil
}

// start begins a statement, by whatever command it comes: its instant, its view of the nodes, its
// diagnostics (one that only looks leaves those of the last), and, where it only reads, its time limit.
func (s *Session) start(ctx context.Context, reads, looks bool) (context.Context, context.CancelFunc) {
	s.vars.Start(s.opts.Now())
	s.nodes.Seen = nil
	if !looks {
		s.diag.Begin()
	}
	if s.vars.MaxExecution > 0 && reads {
		return context.WithTimeout(ctx, s.vars.MaxExecution)
	}
	return ctx, func() {}
}

// failed keeps the error of a statement that was started.
func (s *Session) failed(ctx context.Context, err error) *engine.Error {
	e := result.FromError(ctx, err)
	s.diag.Fail(e)
	return e
}

// warnOfParsing keeps what the parser had to say.
func (s *Session) warnOfParsing(warns []error) {
	for _, w := range warns {
		e := parseError(w)
		s.diag.Add(result.Warning, e.Code, e.Message)
	}
}

// finish fills in the parts of an outcome that all statements share.
func (s *Session) finish(o *Outcome, looks bool) {
	o.Status = s.Status()
	s.affected = int64(o.Affected)
	if o.Rows != nil {
		s.affected = -1
		s.found = int64(len(o.Rows.Rows))
	}
	o.Warnings = s.diag.Finish(looks)
}

// ok is an outcome without rows.
func (s *Session) ok() *Outcome { return &Outcome{Status: s.Status()} }

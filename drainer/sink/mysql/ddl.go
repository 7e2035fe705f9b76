package mysql

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/sink/mysql/definition"
)

// applyDDL runs a transaction's statements of DDL, if it has any. What is to be run is written
// down first; that is removed with the transaction's record: see the package comment.
func (w *worker) applyDDL(j *job) error {
	in := w.record.intent
	if in != nil && in.CommitTS != j.txn.CommitTS {
		in = nil
	}
	for n, s := range j.ddl {
		var before *intent // of this statement
		switch {
		case in == nil || in.Number < n:
		case in.Number > n || in.Executed && !in.Differs:
			continue // it has been run before a crash
		default:
			before = in
		}
		st, err := prepare(s, j.txn.CommitTS, w.server.kind, w.opts)
		if err != nil {
			return &StatementError{CommitTS: j.txn.CommitTS, Table: s.DDL.Name(), Statement: shorten([]byte(s.Query)), Err: err, program: w.opts.Program}
		}
		log := w.opts.Logger.WithFields(logrus.Fields{"commit_ts": j.txn.CommitTS, "query": shorten([]byte(s.Query))})
		for _, what := range st.lost {
			log.WithField("what", what).Warn("the downstream does not get all of this statement")
		}
		if st.text == "" {
			log.WithField("why", st.why).Info("this statement is not run downstream")
			continue
		}
		if err := w.retry(j, func() error { return w.fit(&st) }); err != nil {
			return fmt.Errorf("look at the tables of %s downstream: %w", shorten([]byte(st.text)), err)
		}
		st.leaves = expect(s.DDL, st.tables, w.server.flavour)
		st.database = databaseOf(s.DDL, st.tables)
		if err := w.runStatement(j, n, st, before); err != nil {
			return err
		}
	}
	return nil
}

// runStatement runs a transaction's statement number n. before is what was written down when
// that was begun before a crash; nil: nothing.
func (w *worker) runStatement(j *job, n int, st statement, before *intent) error {
	err := w.retry(j, func() error {
		err := w.tryDDL(j, n, st, &before)
		if err != nil {
			w.drop() // the next one begins with a session that nothing was changed in
		}
		return err
	})
	var differs *DefinitionError
	if err == nil || transient(err) || w.ctx.Err() != nil || errors.Is(err, ErrTakenOver) || errors.As(err, &differs) {
		return err
	}
	if code(err) != 0 && (before == nil || !before.Executed) {
		// It has not been run, and what an operator fixes now must not look like its effect.
		if err := w.unbegin(j, n); err != nil {
			w.opts.Logger.WithError(err).Error("a statement of DDL that was refused is still noted as begun: skip it when the downstream has been fixed by hand")
		}
	}
	return &StatementError{CommitTS: j.txn.CommitTS, Table: j.ddl[n].DDL.Name(), Statement: shorten([]byte(st.text)), Err: err, program: w.opts.Program}
}

// unbegin takes back what was written down of statement number n.
func (w *worker) unbegin(j *job, n int) error {
	of := fmt.Sprintf(" WHERE cluster_id=%d AND name='%s' AND value=%d", w.record.place.ClusterID, stateDDL, j.txn.CommitTS)
	q := "DELETE FROM " + w.record.place.state() + of
	if n > 0 {
		q = fmt.Sprintf(`UPDATE %s SET detail='{"number":%d,"executed":true}'`, w.record.place.state(), n-1) + of
	}
	_, err := w.server.db.ExecContext(w.ctx, q)
	return err
}

// ddlMode takes what a strict server refuses: zero dates, values that do not fit.
const ddlMode = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

// tryDDL runs a statement unless it has been run, and compares what it has left with the upstream.
// before is what was written down when it was tried first; nil: it was not.
func (w *worker) tryDDL(j *job, n int, st statement, before **intent) error {
	w.drop()
	c, err := dial(w.ctx, w.server.ddl)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", w.server.addr(), err)
	}
	w.conn = c
	defer w.drop() // it has no limit of time
	if err := w.ddlLock(); err != nil {
		return err
	}
	if *before != nil { // else intend looks
		if err := w.owns(j); err != nil {
			return err
		}
	}
	if *before == nil || !(*before).Executed {
		if err := w.runOnce(j, n, st, before); err != nil {
			return err
		}
	}
	ran := **before
	ran.Executed = true
	*before = &ran // from here on it is not run again
	if err := w.verify(j, st, ran.Standing); err != nil {
		var differs *DefinitionError
		if errors.As(err, &differs) {
			noted := ran
			noted.Differs = true
			err = errors.Join(err, w.intend(j, &noted))
		}
		return err
	}
	if n == len(j.ddl)-1 && j.txn.Rows() == 0 {
		return nil
	}
	// Rows, and what becomes of them, must not decide what is known of the statement.
	return w.intend(j, &intent{CommitTS: ran.CommitTS, Query: ran.Query, Definitions: ran.Definitions, Numbered: ran.Numbered, Number: n, Executed: true})
}

// runOnce runs a statement that has not been run, as far as can be told.
func (w *worker) runOnce(j *job, n int, st statement, before **intent) error {
	now, err := w.fingerprint(st)
	if err != nil {
		return fmt.Errorf("look at the definitions before DDL: %w", err)
	}
	there, err := w.look(st.leaves)
	if err != nil {
		return fmt.Errorf("look at the definitions before DDL: %w", err)
	}
	again := *before != nil
	if !again {
		now.CommitTS, now.Number, now.Query = j.txn.CommitTS, n, st.text
		now.Standing = w.standing(st.leaves, there)
		if err := w.intend(j, now); err != nil {
			return err
		}
		*before = now
	}
	if again || j.safe {
		switch done, err := w.wasRun(st, *before, now, there, again); {
		case err != nil:
			return err
		case done:
			w.opts.Logger.WithFields(logrus.Fields{"commit_ts": j.txn.CommitTS, "query": shorten([]byte(st.text))}).Warn(
				"this statement has been run already, as the definitions show")
			return nil
		}
	}
	return w.runDDL(st)
}

// wasRun finds out whether a statement has taken effect: one that was begun once before (again), or
// one that was perhaps run without our record of it. What the server says when it is run a second
// time is no evidence: it fails for many reasons, and some statements just take effect twice.
func (w *worker) wasRun(st statement, before, now *intent, there snapshot, again bool) (bool, error) {
	if st.database != nil {
		return w.databaseDone(st.database)
	}
	switch w.verdict(st.leaves, there) {
	case definition.Run:
		return true, nil
	case definition.NotRun:
		return false, nil
	}
	switch {
	case !again:
		return false, nil
	case before.Numbered != now.Numbered || st.swaps && !now.Numbered:
		if st.swaps {
			return false, ErrAmbiguousDDL
		}
		return false, nil // run again, it is refused if it has been
	}
	return before.Definitions != now.Definitions, nil
}

// intend writes down that a statement is about to be run.
func (w *worker) intend(j *job, in *intent) error {
	detail, err := json.Marshal(in)
	if err != nil {
		return err
	}
	p := w.record.place
	text := fmt.Appendf(nil, "REPLACE INTO %s (cluster_id, name, value, detail) SELECT %d,'%s',%d,", p.state(), p.ClusterID, stateDDL, in.CommitTS)
	text = appendQuoted(text, detail)
	text = fmt.Appendf(text, " FROM %s WHERE cluster_id=%d AND name='%s%d' AND value=%d FOR UPDATE", p.state(), p.ClusterID, stateEpoch, w.id, w.record.epoch)
	if err := w.conn.run(w.ctx, text); err != nil {
		return fmt.Errorf("write down a statement of DDL before it is run: %w", err)
	}
	return w.owns(j)
}

// owns gives [ErrTakenOver] when another process has taken the downstream over. Under the lock of ddlLock nobody else begins a
// statement after it was asked.
func (w *worker) owns(j *job) error {
	_, owner, err := w.record.verdict(w.ctx, w.server.db, w.id, j.txn.CommitTS)
	if err == nil && !owner {
		err = ErrTakenOver
	}
	return err
}

// runDDL runs a statement.
func (w *worker) runDDL(st statement) error {
	start := w.opts.Now()
	if err := w.conn.run(w.ctx, []byte(st.session)); code(err) == errUnknownZone {
		return fmt.Errorf("the statement converts values in the time zone %s, which the downstream does not know: load its time zone tables (mysql_tzinfo_to_sql): %w", st.zone, err)
	} else if err != nil {
		return err
	}
	err := w.conn.run(w.ctx, []byte(st.text))
	if f := w.opts.Metrics.DDL; f != nil && err == nil {
		f(w.opts.Now().Sub(start))
	}
	return err
}

// forget is the statement that removes what was written down of a transaction's DDL.
func (r *record) forget() string {
	return fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d AND name='%s'", r.place.state(), r.place.ClusterID, stateDDL)
}

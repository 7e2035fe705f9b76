package mysql

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql/definition"
	"pumphouse/nodes"
)

// Names of rows in the state table.
const (
	stateBase  = "base"       // applied rows exist for everything after this commit TS
	stateSafe  = "safe-until" // what is at or before it may be downstream without a record
	stateDDL   = "ddl"        // the statement of DDL that is being run: value is its commit TS
	stateOwner = "owner"      // which opening of the Store may save the checkpoint
	stateEpoch = "epoch/"     // and the worker's number: which opening of the sink owns it
)

// record is what the downstream itself knows of what is in it.
type record struct {
	place Place
	epoch int64

	applied   map[nodes.TSO]struct{} // after From
	safeUntil nodes.TSO
	intent    *intent // a statement of DDL that may have been run; nil: none
}

// intent is what is written down before a statement of DDL is run.
type intent struct {
	CommitTS nodes.TSO `json:"-"`
	Query    string    `json:"query"`
	// Definitions is the fingerprint of what the statement changes, as it was before.
	Definitions string `json:"definitions"`
	// Numbered: it includes the numbers servers give to tables, by which those that have
	// changed places are told apart.
	Numbered bool `json:"numbered"`
	// Number is that of the statement in its transaction; those before it have been run.
	Number int `json:"number,omitempty"`
	// Executed: it has been run, but not yet what the transaction has after it.
	Executed bool `json:"executed,omitempty"`
	// Differs: it has been run, and the downstream is not as the upstream after it.
	Differs bool `json:"differs,omitempty"`
	// Standing are differences between both sides that there were before it, by table.
	Standing map[string][]definition.Difference `json:"standing,omitempty"`
}

// createTables makes the tables of a place. columns are those of the checkpoint; "": that is elsewhere.
func createTables(ctx context.Context, db *sql.DB, p Place, columns string) error {
	list := []string{
		"CREATE DATABASE IF NOT EXISTS " + schema.QuoteName(p.Schema),
		"CREATE TABLE IF NOT EXISTS " + p.applied() + " (cluster_id BIGINT UNSIGNED NOT NULL, commit_ts BIGINT NOT NULL, " +
			"txns MEDIUMBLOB NOT NULL, PRIMARY KEY (cluster_id, commit_ts))",
		"CREATE TABLE IF NOT EXISTS " + p.state() + " (cluster_id BIGINT UNSIGNED NOT NULL, name VARCHAR(64) NOT NULL, " +
			"value BIGINT NOT NULL, detail MEDIUMTEXT, PRIMARY KEY (cluster_id, name))",
	}
	if columns != "" {
		list = append(list, "CREATE TABLE IF NOT EXISTS "+p.checkpoint()+" ("+columns+")")
	}
	for _, q := range list {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("make the tables of the checkpoint: %s: %w", q, err)
		}
	}
	return nil
}

// openRecord takes the downstream over from the drainer before and reads what it left. It
// waits until that one's last transactions have ended: they hold locks on the epochs' rows.
func openRecord(ctx context.Context, db *sql.DB, o Options) (*record, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // after a Commit it does nothing
	r := &record{place: o.Place, applied: map[nodes.TSO]struct{}{}}
	if err := r.takeOver(ctx, tx, o.Workers); err != nil {
		return nil, fmt.Errorf("take the downstream over: %w", err)
	}
	if err := r.read(ctx, tx, o); err != nil {
		return nil, fmt.Errorf("read what is applied, from %s: %w", o.Place.applied(), err)
	}
	return r, tx.Commit()
}

func (r *record) takeOver(ctx context.Context, tx *sql.Tx, workers int) error {
	q := "INSERT IGNORE INTO " + r.place.state() + " (cluster_id, name, value) VALUES "
	for i := range workers {
		q += fmt.Sprintf("(%d,'%s%d',0),", r.place.ClusterID, stateEpoch, i)
	}
	if _, err := tx.ExecContext(ctx, strings.TrimSuffix(q, ",")); err != nil {
		return err
	}
	of := fmt.Sprintf(" WHERE cluster_id=%d AND name LIKE '%s%%'", r.place.ClusterID, stateEpoch)
	rows, err := tx.QueryContext(ctx, "SELECT value FROM "+r.place.state()+of+" FOR UPDATE")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var epoch int64
		if err := rows.Scan(&epoch); err != nil {
			return err
		}
		r.epoch = max(r.epoch, epoch+1)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET value=%d", r.place.state(), r.epoch)+of)
	return err
}

// read reads the record and makes it fit o.From.
func (r *record) read(ctx context.Context, tx *sql.Tx, o Options) error {
	base, found, _, err := r.value(ctx, tx, stateBase)
	if err != nil {
		return err
	}
	safe, _, _, err := r.value(ctx, tx, stateSafe)
	if err != nil {
		return err
	}
	r.safeUntil = safe
	switch {
	case found && o.Foreign && o.From >= base:
		if err := r.takeBack(ctx, tx, o, base); err != nil {
			return err
		}
	case !found:
		r.safeUntil = o.SafeUntil
	case o.From < base:
		if err := r.rewind(ctx, tx, o, base); err != nil {
			return err
		}
	default:
		if err := r.load(ctx, tx, o.From); err != nil {
			return err
		}
		if err := r.readIntent(ctx, tx, o.From); err != nil {
			return err
		}
	}
	for name, ts := range map[string]nodes.TSO{stateBase: o.From, stateSafe: r.safeUntil} {
		if err := r.set(ctx, tx, name, ts); err != nil {
			return err
		}
	}
	return r.prune(ctx, tx, o.From)
}

// takeBack goes on from a checkpoint that another program has saved since this one ran: what that one
// applied after it is not in the record, and whether it ran the statement that was begun is unknown.
// While the checkpoint has not moved, it may as well be the one that this program began with.
func (r *record) takeBack(ctx context.Context, tx *sql.Tx, o Options, base nodes.TSO) error {
	r.safeUntil = max(r.safeUntil, o.SafeUntil)
	if err := r.load(ctx, tx, o.From); err != nil {
		return err
	}
	if o.From == base {
		return r.readIntent(ctx, tx, o.From)
	}
	o.Logger.WithFields(logrus.Fields{"commit_ts": o.From, "was": base, "safe_until": r.safeUntil}).Warn(
		"the checkpoint was saved by another drainer: transactions that it may have applied after that are applied again, in safe mode; rows of tables without a key may be there twice")
	q := fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d AND name='%s'", r.place.state(), r.place.ClusterID, stateDDL)
	_, err := tx.ExecContext(ctx, q)
	return err
}

// rewind forgets the record: somebody has set the checkpoint back, which is an order to
// apply again what is after it.
func (r *record) rewind(ctx context.Context, tx *sql.Tx, o Options, base nodes.TSO) error {
	var last sql.NullInt64
	q := fmt.Sprintf("SELECT MAX(commit_ts) FROM %s WHERE cluster_id=%d", r.place.applied(), r.place.ClusterID)
	if err := tx.QueryRowContext(ctx, q).Scan(&last); err != nil {
		return err
	}
	r.safeUntil = max(r.safeUntil, o.SafeUntil, base, nodes.TSO(last.Int64))
	o.Logger.WithFields(logrus.Fields{"commit_ts": o.From, "was": base, "safe_until": r.safeUntil}).Warn(
		"the checkpoint was set back: what was applied after it is applied again, in safe mode; rows of tables without a key will be there twice")
	for _, q := range []string{
		fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d", r.place.applied(), r.place.ClusterID),
		fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d AND name='%s'", r.place.state(), r.place.ClusterID, stateDDL),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) value(ctx context.Context, tx *sql.Tx, name string) (ts nodes.TSO, found bool, detail string, err error) {
	var text sql.NullString
	q := fmt.Sprintf("SELECT value, detail FROM %s WHERE cluster_id=%d AND name='%s'", r.place.state(), r.place.ClusterID, name)
	err = tx.QueryRowContext(ctx, q).Scan(&ts, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, "", nil
	}
	return ts, err == nil, text.String, err
}

func (r *record) set(ctx context.Context, tx *sql.Tx, name string, ts nodes.TSO) error {
	q := fmt.Sprintf("REPLACE INTO %s (cluster_id, name, value) VALUES (%d,'%s',%d)", r.place.state(), r.place.ClusterID, name, ts)
	_, err := tx.ExecContext(ctx, q)
	return err
}

// prune removes what a checkpoint makes needless. It deletes as many rows as there are: the
// server would look at, and wait for, the row after them too, which a worker is writing.
func (r *record) prune(ctx context.Context, tx *sql.Tx, upTo nodes.TSO) error {
	var n int
	of := fmt.Sprintf(" FROM %s WHERE cluster_id=%d AND commit_ts<=%d", r.place.applied(), r.place.ClusterID, upTo)
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*)"+of).Scan(&n); err != nil || n == 0 {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE%s ORDER BY commit_ts LIMIT %d", of, n))
	return err
}

func (r *record) load(ctx context.Context, tx *sql.Tx, from nodes.TSO) error {
	q := fmt.Sprintf("SELECT commit_ts, txns FROM %s WHERE cluster_id=%d AND commit_ts>%d", r.place.applied(), r.place.ClusterID, from)
	rows, err := tx.QueryContext(ctx, q)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var last nodes.TSO
		var others []byte
		if err := rows.Scan(&last, &others); err != nil {
			return err
		}
		list, err := decodeTxns(last, others)
		if err != nil {
			return err
		}
		for _, ts := range list {
			r.applied[ts] = struct{}{}
		}
	}
	return rows.Err()
}

func (r *record) readIntent(ctx context.Context, tx *sql.Tx, from nodes.TSO) error {
	ts, found, detail, err := r.value(ctx, tx, stateDDL)
	if err != nil || !found || ts <= from {
		return err
	}
	in := &intent{CommitTS: ts}
	if err := json.Unmarshal([]byte(detail), in); err != nil {
		return fmt.Errorf("the row '%s' of %s: %w", stateDDL, r.place.state(), err)
	}
	r.intent = in
	return nil
}

// applies is the statement with which every downstream transaction begins: it says which
// transactions are in it. It fails with errDupEntry when they are downstream already, and
// with errNotNull when the worker's epoch is over. The worker's row of the state table
// stays locked until the transaction has ended, so that whoever takes over waits for that.
func (r *record) applies(b []byte, worker int, jobs []*job) []byte {
	b = fmt.Appendf(b, "INSERT INTO %s VALUES (%d,%d,(SELECT IF(value=%d,_binary", r.place.applied(), r.place.ClusterID, jobs[len(jobs)-1].txn.CommitTS, r.epoch)
	b = appendQuoted(b, encodeTxns(jobs))
	return fmt.Appendf(b, ",NULL) FROM %s WHERE cluster_id=%d AND name='%s%d' FOR UPDATE))", r.place.state(), r.place.ClusterID, stateEpoch, worker)
}

// still gives [ErrTakenOver] when another sink has been opened since, and keeps others from that until tx ends.
func (r *record) still(ctx context.Context, tx *sql.Tx) error {
	var epoch int64
	q := fmt.Sprintf("SELECT value FROM %s WHERE cluster_id=%d AND name='%s0' FOR UPDATE", r.place.state(), r.place.ClusterID, stateEpoch)
	if err := tx.QueryRowContext(ctx, q).Scan(&epoch); err != nil {
		return fmt.Errorf("ask who writes to the downstream: %w", err)
	}
	if epoch != r.epoch {
		return ErrTakenOver
	}
	return nil
}

// encodeTxns keeps the commit TS before the last as distances, from the last backwards.
func encodeTxns(jobs []*job) []byte {
	var b []byte
	for i := len(jobs) - 1; i > 0; i-- {
		b = binary.AppendUvarint(b, uint64(jobs[i].txn.CommitTS-jobs[i-1].txn.CommitTS))
	}
	return b
}

func decodeTxns(last nodes.TSO, others []byte) ([]nodes.TSO, error) {
	list := []nodes.TSO{last}
	for b := others; len(b) > 0; {
		d, n := binary.Uvarint(b)
		if n <= 0 || d == 0 || d >= uint64(last) {
			return nil, fmt.Errorf("the row with commit_ts %s does not decode: %x", list[0], others)
		}
		last -= nodes.TSO(d)
		list = append(list, last)
		b = b[n:]
	}
	slices.Reverse(list)
	return list, nil
}

// verdict asks why a transaction could not begin.
func (r *record) verdict(ctx context.Context, db *sql.DB, worker int, last nodes.TSO) (applied, owner bool, err error) {
	var epoch int64
	var n int
	q := fmt.Sprintf("SELECT value, (SELECT COUNT(*) FROM %s WHERE cluster_id=%d AND commit_ts=%d) FROM %s WHERE cluster_id=%d AND name='%s%d'",
		r.place.applied(), r.place.ClusterID, last, r.place.state(), r.place.ClusterID, stateEpoch, worker)
	if err := db.QueryRowContext(ctx, q).Scan(&epoch, &n); err != nil {
		return false, false, fmt.Errorf("ask what is applied: %w", err)
	}
	return n > 0, epoch == r.epoch, nil
}

package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"pumphouse/drainer/checkpoint"
	"pumphouse/nodes"
)

// Store keeps a drainer's checkpoint in a table of the downstream, in the form of the
// field's drainers: a row for each cluster, with JSON in the column checkPoint.
//
// Two drainers do not save in turn: OpenStore makes the new Store the owner of the row, and what the
// one before saves afterwards is refused with [ErrTakenOver]. So a process that was suspended while
// another one took its place cannot set the checkpoint back.
type Store struct {
	server *server
	place  Place
	owner  int64 // which opening this is; 0: it is only read
}

var _ checkpoint.Store = (*Store)(nil)

// OpenStore connects to the server of a checkpoint and makes its tables if there are none.
func OpenStore(ctx context.Context, at Server, p Place) (*Store, error) {
	at, p = at.withDefaults(), p.withDefaults()
	srv, err := connect(ctx, at)
	if err != nil {
		return nil, known(fmt.Errorf("open the checkpoint: %w", err), at)
	}
	if err := createTables(ctx, srv.db, p, "clusterID BIGINT UNSIGNED PRIMARY KEY, checkPoint MEDIUMTEXT"); err != nil {
		return nil, errors.Join(known(fmt.Errorf("open the checkpoint at %s: %w", at.addr(), err), at), srv.close())
	}
	s := &Store{server: srv, place: p}
	if err := s.own(ctx); err != nil {
		return nil, errors.Join(known(fmt.Errorf("open the checkpoint at %s: %w", at.addr(), err), at), srv.close())
	}
	return s, nil
}

// own makes this the Store that may save.
func (s *Store) own(ctx context.Context) error {
	tx, err := s.server.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a Commit it does nothing
	q := fmt.Sprintf("INSERT INTO %s (cluster_id, name, value) VALUES (%d,'%s',1) ON DUPLICATE KEY UPDATE value=value+1", s.place.state(), s.place.ClusterID, stateOwner)
	if _, err := tx.ExecContext(ctx, q); err != nil {
		return err
	}
	if s.owner, err = s.ownerNow(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// ownerNow reads, and locks until tx ends, who may save.
func (s *Store) ownerNow(ctx context.Context, tx *sql.Tx) (owner int64, err error) {
	q := fmt.Sprintf("SELECT value FROM %s WHERE cluster_id=%d AND name='%s' FOR UPDATE", s.place.state(), s.place.ClusterID, stateOwner)
	err = tx.QueryRowContext(ctx, q).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("the row '%s' of %s is gone: start the drainer again", stateOwner, s.place.state())
	}
	return owner, err
}

// Close closes the connections.
func (s *Store) Close() error { return s.server.close() }

// String names the row.
func (s *Store) String() string {
	return fmt.Sprintf("the table %s at %s, row clusterID = %d", s.place.checkpoint(), s.server.addr(), s.place.ClusterID)
}

// contents is the JSON of a checkpoint. The upstream drainers know the first four keys.
type contents struct {
	Consistent    bool             `json:"consistent"`
	CommitTS      *int64           `json:"commitTS"`
	TSMap         map[string]int64 `json:"ts-map"`
	SchemaVersion int64            `json:"schema-version"`
	Reached       *[]int64         `json:"ddl-reached,omitempty"`
}

// Load implements checkpoint.Store.
func (s *Store) Load(ctx context.Context) (checkpoint.Position, error) {
	var text sql.NullString
	q := fmt.Sprintf("SELECT checkPoint FROM %s WHERE clusterID=%d", s.place.checkpoint(), s.place.ClusterID)
	err := s.server.db.QueryRowContext(ctx, q).Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return checkpoint.Position{}, fmt.Errorf("%s: %w", s, checkpoint.ErrNone)
	case err != nil:
		return checkpoint.Position{}, fmt.Errorf("read the checkpoint from %s: %w", s, s.missing(err))
	}
	p, err := parseCheckpoint(text.String)
	if err != nil {
		return checkpoint.Position{}, fmt.Errorf(`%s: %w: %w; set its checkPoint to {"commitTS": <the last commit TS that is downstream>}, `+
			"or delete the row to begin at -initial-commit-ts", s, checkpoint.ErrCorrupt, err)
	}
	p.ClusterID = s.place.ClusterID
	return p, nil
}

func parseCheckpoint(text string) (checkpoint.Position, error) {
	var c contents
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return checkpoint.Position{}, err
	}
	switch {
	case c.CommitTS == nil:
		return checkpoint.Position{}, errors.New("it has no commitTS")
	case *c.CommitTS < 0:
		return checkpoint.Position{}, fmt.Errorf("commitTS %d is negative", *c.CommitTS)
	}
	p := checkpoint.Position{CommitTS: nodes.TSO(*c.CommitTS)}
	if c.Reached != nil {
		p.Reached, p.Exact = *c.Reached, true
	}
	return p, nil
}

// Save implements checkpoint.Store. It also removes what a Sink of the same place has
// recorded up to there. The error is [ErrTakenOver] when another Store has been opened since.
func (s *Store) Save(ctx context.Context, p checkpoint.Position) error {
	ts := int64(p.CommitTS)
	c := contents{CommitTS: &ts, TSMap: map[string]int64{}}
	if p.Exact {
		reached := append([]int64{}, p.Reached...)
		c.Reached = &reached
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return known(savedBase(ctx, s.server.db, s.place, p.CommitTS, func(tx *sql.Tx) error {
		switch owner, err := s.ownerNow(ctx, tx); {
		case err != nil:
			return err
		case owner != s.owner:
			return ErrTakenOver
		}
		q := fmt.Sprintf("REPLACE INTO %s (clusterID, checkPoint) VALUES (%d,", s.place.checkpoint(), s.place.ClusterID)
		_, err := tx.ExecContext(ctx, string(appendQuoted([]byte(q), text))+")")
		return err
	}), s.server.Server)
}

// Forget removes the checkpoint and everything that a Sink of the same place has recorded, as if neither
// had been there. Transactions that such a Sink has not ended yet cannot commit any more once another is opened.
func (s *Store) Forget(ctx context.Context) error {
	p := s.place
	for _, q := range []string{
		fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d AND name NOT LIKE '%s%%' AND name<>'%s'", p.state(), p.ClusterID, stateEpoch, stateOwner),
		fmt.Sprintf("DELETE FROM %s WHERE cluster_id=%d", p.applied(), p.ClusterID),
		fmt.Sprintf("DELETE FROM %s WHERE clusterID=%d", p.checkpoint(), p.ClusterID),
	} {
		if _, err := s.server.db.ExecContext(ctx, q); err != nil {
			return known(err, s.server.Server)
		}
	}
	return nil
}

// savedBase moves the record's beginning to a checkpoint, in one transaction with first.
func savedBase(ctx context.Context, db *sql.DB, p Place, upTo nodes.TSO, first func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a Commit it does nothing
	if err := first(tx); err != nil {
		return err
	}
	r := &record{place: p}
	if err := r.set(ctx, tx, stateBase, upTo); err != nil {
		return err
	}
	if err := r.prune(ctx, tx, upTo); err != nil {
		return err
	}
	return tx.Commit()
}

package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"

	"pumphouse/drainer/checkpoint"
	"pumphouse/nodes"
)

// ArbiterStore keeps how far arbiter has come with a topic, in the table of upstream's arbiter: a row for each
// topic, with the commit TS up to which everything is downstream, and whether arbiter runs (or was killed).
// Beside it, in the sink's own table, is the offset of that place.
type ArbiterStore struct {
	server *server
	place  Place
	topic  string
}

// ArbiterPosition is how far arbiter has come.
type ArbiterPosition struct {
	CommitTS nodes.TSO
	// Offset is that of the last message at or before CommitTS that was read; -1: not known.
	Offset int64
	// Foreign: another program, or a person, has saved CommitTS. It is for Load alone.
	Foreign bool
	// Running: arbiter runs, or has not ended in order. Then some transactions after CommitTS may be downstream.
	Running bool
}

// The column status of the table.
const (
	arbiterEnded   = 0
	arbiterRunning = 1
)

// stateOffset is the row of the state table with the offset of a commit TS.
const stateOffset = "offset"

// ArbiterPlace is where the sink keeps its record for a topic.
func ArbiterPlace(topic string) Place {
	h := fnv.New64a()
	h.Write([]byte(topic)) // never fails
	return Place{Table: "arbiter_checkpoint", ClusterID: h.Sum64()}.withDefaults()
}

// OpenArbiterStore connects to the server and makes the tables if there are none.
func OpenArbiterStore(ctx context.Context, at Server, topic string) (*ArbiterStore, error) {
	at = at.withDefaults()
	srv, err := connect(ctx, at)
	if err != nil {
		return nil, known(fmt.Errorf("open the checkpoint: %w", err), at)
	}
	s := &ArbiterStore{server: srv, place: ArbiterPlace(topic), topic: topic}
	err = createTables(ctx, srv.db, s.place, "topic_name VARCHAR(255) PRIMARY KEY, ts BIGINT NOT NULL, status INT NOT NULL")
	if err != nil {
		return nil, errors.Join(known(fmt.Errorf("open the checkpoint at %s: %w", at.addr(), err), at), srv.close())
	}
	return s, nil
}

// Close closes the connections.
func (s *ArbiterStore) Close() error { return s.server.close() }

// String names the row.
func (s *ArbiterStore) String() string {
	return fmt.Sprintf("the table %s at %s, row topic_name = '%s'", s.place.checkpoint(), s.server.addr(), s.topic)
}

// Load reads the position. The error wraps [checkpoint.ErrNone] when there is none.
func (s *ArbiterStore) Load(ctx context.Context) (ArbiterPosition, error) {
	p := ArbiterPosition{Offset: -1, Foreign: true}
	var status int
	q := appendQuoted([]byte("SELECT ts, status FROM "+s.place.checkpoint()+" WHERE topic_name="), []byte(s.topic))
	switch err := s.server.db.QueryRowContext(ctx, string(q)).Scan(&p.CommitTS, &status); {
	case errors.Is(err, sql.ErrNoRows):
		return p, fmt.Errorf("%s: %w", s, checkpoint.ErrNone)
	case err != nil:
		return p, fmt.Errorf("read the checkpoint from %s: %w", s, err)
	}
	p.Running = status == arbiterRunning
	var ts nodes.TSO
	var detail []byte
	of := fmt.Sprintf("SELECT value, detail FROM %s WHERE cluster_id=%d AND name='%s'", s.place.state(), s.place.ClusterID, stateOffset)
	switch err := s.server.db.QueryRowContext(ctx, of).Scan(&ts, &detail); {
	case errors.Is(err, sql.ErrNoRows) || err == nil && ts != p.CommitTS:
		return p, nil
	case err != nil:
		return p, fmt.Errorf("read the offset of the checkpoint from %s: %w", s.place.state(), err)
	}
	p.Foreign = false
	if err := json.Unmarshal(detail, &p.Offset); err != nil {
		return p, fmt.Errorf("the row '%s' of %s: %w", stateOffset, s.place.state(), err)
	}
	return p, nil
}

// Save saves the position. What a sink of the same place has recorded up to there is removed.
func (s *ArbiterStore) Save(ctx context.Context, p ArbiterPosition) error {
	status := arbiterEnded
	if p.Running {
		status = arbiterRunning
	}
	err := savedBase(ctx, s.server.db, s.place, p.CommitTS, func(tx *sql.Tx) error {
		q := fmt.Sprintf("REPLACE INTO %s (topic_name, ts, status) VALUES (", s.place.checkpoint())
		text := appendQuoted([]byte(q), []byte(s.topic))
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("%s,%d,%d)", text, p.CommitTS, status)); err != nil {
			return err
		}
		q = fmt.Sprintf("REPLACE INTO %s (cluster_id, name, value, detail) VALUES (%d,'%s',%d,'%d')", s.place.state(), s.place.ClusterID, stateOffset, p.CommitTS, p.Offset)
		_, err := tx.ExecContext(ctx, q)
		return err
	})
	if err != nil {
		return known(fmt.Errorf("save the checkpoint in %s: %w", s, err), s.server.Server)
	}
	return nil
}

package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	mysqldriver "github.com/go-sql-driver/mysql"

	"pumphouse/drainer/checkpoint"
	"pumphouse/nodes"
)

// Pool gives connections to the server for those that only read: sessions are in UTC and have these
// variables beside, as SQL literals by name; they take several statements in one text. Nothing is sent yet. The caller closes it.
func (s Server) Pool(vars map[string]string) (*sql.DB, error) {
	s = s.withDefaults()
	all := map[string]string{"time_zone": "'+00:00'", "sql_mode": "''"}
	maps.Copy(all, vars)
	c := s.config(all)
	c.ConnectionAttributes = "program_name:pumphouse-drainer-compare"
	connector, err := mysqldriver.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.addr(), err)
	}
	return sql.OpenDB(connector), nil
}

// String is user@host:port.
func (s Server) String() string { return s.withDefaults().addr() }

// ReadStore is OpenStore for those that only read: tables that are not there are not made, and there is
// no checkpoint then.
func ReadStore(ctx context.Context, at Server, p Place) (*Store, error) {
	at, p = at.withDefaults(), p.withDefaults()
	srv, err := connect(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("open the checkpoint: %w", err)
	}
	return &Store{server: srv, place: p}, nil
}

// Trace is what sinks have left of themselves in a downstream.
type Trace struct {
	Epoch int64 // how often one has been opened
	Ahead int   // downstream transactions that are newer than the checkpoint
}

// Trace reads what sinks have left in a place; upTo is the checkpoint. When two of them are equal with
// nothing ahead, and the checkpoint is the same, no sink has been opened or has written in between. Where
// there never was a sink of ours it is empty.
func (p Place) Trace(ctx context.Context, db *sql.DB, upTo nodes.TSO) (Trace, error) {
	p = p.withDefaults()
	var t Trace
	q := fmt.Sprintf("SELECT COALESCE(MAX(value), 0), (SELECT COUNT(*) FROM %s WHERE cluster_id=%d AND commit_ts>%d) FROM %s WHERE cluster_id=%d AND name LIKE '%s%%'",
		p.applied(), p.ClusterID, upTo, p.state(), p.ClusterID, stateEpoch)
	err := db.QueryRowContext(ctx, q).Scan(&t.Epoch, &t.Ahead)
	if code(err) == errUnknownTable || code(err) == errUnknownDatabase {
		return t, nil
	}
	if err != nil {
		return t, fmt.Errorf("read what is applied, from %s: %w", p.applied(), err)
	}
	return t, nil
}

// Own reports whether a table is one that a sink or its store keeps in the downstream.
func (p Place) Own(schema, table string) bool {
	p = p.withDefaults()
	if IsMarkTable(schema, table) {
		return true
	}
	return schema == p.Schema && (table == p.Table || table == p.Table+"_applied" || table == p.Table+"_state")
}

// missing makes of an error that says that there is no such table that there is no checkpoint.
func (s *Store) missing(err error) error {
	if code(err) == errUnknownTable || code(err) == errUnknownDatabase {
		return errors.Join(checkpoint.ErrNone, err)
	}
	return err
}

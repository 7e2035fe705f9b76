package downstream

import (
	"context"

	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink/mysql"
)

// Server is where the database is.
func (m *MySQL) Server() mysql.Server { return m.server() }

// Place is where a drainer of a cluster keeps its own tables in it.
func (m *MySQL) Place(clusterID uint64) mysql.Place {
	return mysql.Place{Schema: m.Schema, Table: m.Table, ClusterID: clusterID}
}

// ReadCheckpoint opens the drainer's checkpoint for those that only read it: nothing is made. If the
// store is an io.Closer, the caller closes it.
func (m *MySQL) ReadCheckpoint(ctx context.Context, clusterID uint64, dataDir string) (checkpoint.Store, error) {
	at := m.server()
	switch {
	case m.CheckpointFile:
		return checkpoint.InDir(dataDir), nil
	case m.CheckpointServer != nil:
		at = *m.CheckpointServer
	}
	store, err := mysql.ReadStore(ctx, at, m.Place(clusterID))
	if err != nil {
		return nil, err // not a Store that is nil
	}
	return store, nil
}

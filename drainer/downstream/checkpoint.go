package downstream

import (
	"context"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/sink/mysql"
)

// CheckpointTable is a checkpoint in a table of a MySQL, MariaDB or TiDB.
type CheckpointTable struct {
	Server mysql.Server
	Schema string // "": tidb_binlog
	Table  string // "": checkpoint
}

// open opens the table, or for nil the file in the data directory.
func (c *CheckpointTable) open(ctx context.Context, site drainer.Site) (checkpoint.Store, error) {
	if c == nil {
		return checkpoint.InDir(site.DataDir), nil
	}
	store, err := mysql.OpenStore(ctx, c.Server, mysql.Place{Schema: c.Schema, Table: c.Table, ClusterID: site.ClusterID})
	if err != nil {
		return nil, err // not a Store that is nil
	}
	return store, nil
}

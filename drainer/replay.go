package drainer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/internal/disk"
)

// tryReplay is replay whose failure is not the start's: what is wrong comes again when the downstream is
// opened, and by then PD shows that the drainer is paused. Without PD it is all there is to say.
func (d *Drainer) tryReplay(ctx context.Context) error {
	if err := d.replay(ctx); err != nil {
		d.replayed = fmt.Errorf("apply the relay log: %w", err)
		d.Log.WithError(err).Error("the relay log cannot be applied now; this is retried when the downstream is opened")
	}
	return nil
}

// replay applies what the downstream's relay log has, before PD is needed for anything: with the
// upstream gone, that is all there will ever be. In a first life nobody knows the cluster, and
// there is nothing.
func (d *Drainer) replay(ctx context.Context) error {
	r, ok := d.opts.Downstream.(Replayer)
	if !ok {
		return nil
	}
	id, err := d.lastCluster()
	if err != nil || id == 0 {
		return err
	}
	site := d.site()
	site.ClusterID = id
	return r.Replay(ctx, site)
}

// clusterFile is where the data directory has the ID of the cluster, for a start without PD.
const clusterFile = ".cluster"

// lastCluster is the cluster of the drainer's last life, 0 if there was none.
func (d *Drainer) lastCluster() (uint64, error) {
	path := filepath.Join(d.opts.DataDir, clusterFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the cluster ID: %w", err)
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a cluster ID. Remove the file: the drainer takes the ID from PD", path, b)
	}
	return id, nil
}

// keepCluster keeps the cluster ID that PD gave.
func (d *Drainer) keepCluster() error {
	last, err := d.lastCluster()
	if err != nil || last == d.clusterID {
		return err
	}
	return disk.WriteFile(disk.OS{}, filepath.Join(d.opts.DataDir, clusterFile), fmt.Appendf(nil, "%d\n", d.clusterID), 0o644)
}

// again gives what of a transaction in a relay log goes downstream, nil if nothing does: what was
// decided when it was put there may have been decided otherwise since.
func (dec *decoder) again(t *sink.Txn) *sink.Txn {
	log := dec.log.WithField("commit_ts", t.CommitTS)
	if dec.ignored[t.CommitTS] {
		log.Warn("a transaction in the relay log is left out, as ignore-txn-commit-ts says")
		return nil
	}
	if d := t.DDL; d != nil {
		if dec.skipDDL || dec.skip(d.Schema, d.Table) || dec.migrate.rules.IgnoresDDL(d.Schema, d.Table, eventOf(one(t.Query)), t.Query) {
			log.WithField("query", t.Query).Info("a DDL in the relay log is left out, as sync-ddl or filter rules say")
			return nil
		}
		return t
	}
	if dec.migrate.rules.Routes() {
		return t // the names in the log are those downstream, which the filters do not know
	}
	out := *t
	out.Early = slices.DeleteFunc(slices.Clone(t.Early), func(s sink.Statement) bool { return dec.skipDDL || dec.skip(s.DDL.Schema, s.DDL.Table) })
	out.Changes = slices.DeleteFunc(slices.Clone(t.Changes), func(c *txn.Change) bool {
		m, err := dec.migrate.of(c.Table) // there are no routes with a relay log
		return dec.skip(c.Table.Schema, c.Table.Name) || err == nil && m.ignores[c.Op]
	})
	if out.Empty() {
		return nil
	}
	return &out
}

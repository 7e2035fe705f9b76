package pump

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// askCluster asks PD which cluster this is, and refuses data of another one: drainers
// would get its transactions among their own.
func (p *Pump) askCluster(ctx context.Context) error {
	id, err := p.opts.PD.ClusterID(ctx)
	if err != nil {
		return nodes.WithProblem(err, nodes.ProblemPDAway, "")
	}
	p.clusterID = id
	file := filepath.Join(p.opts.DataDir, ".cluster")
	kept, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := strings.TrimSpace(string(kept))
	if text == "" { // new, or a crash came before the ID was on disk
		return disk.WriteFile(disk.OS{}, file, fmt.Appendln(nil, id), 0o640)
	}
	if of, err := strconv.ParseUint(text, 10, 64); err != nil {
		return fmt.Errorf("%s holds no cluster ID: %w", file, err)
	} else if of != id {
		return nodes.WithProblem(fmt.Errorf("the data in %s are of cluster %d, but PD is of cluster %d: check -pd-urls, or give another -data-dir (if it is the same cluster with a new ID, remove %s)",
			p.opts.DataDir, of, id, file), nodes.ProblemClusterMismatch, "")
	}
	return nil
}

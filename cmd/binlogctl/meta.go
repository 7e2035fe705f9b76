package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"pumphouse/internal/disk"
	"pumphouse/nodes"
)

// generateMeta writes <data-dir>/savepoint, from which a new drainer starts.
func generateMeta(ctx context.Context, o options, stdout, _ io.Writer) error {
	var zone *time.Location
	if o.timeZone != "" {
		var err error
		if zone, err = time.LoadLocation(o.timeZone); err != nil {
			return fmt.Errorf("-time-zone %s: %w: use a name such as Asia/Shanghai, or Local", o.timeZone, err)
		}
	}
	c, err := connect(o)
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	ts, err := c.pd.TSO(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(o.dataDir, "savepoint")
	if err := writeSavepoint(file, ts, zone); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: commitTS = %d\n", file, ts)
	return err
}

// writeSavepoint replaces the file as a whole: a reader, or a crash, sees the old one
// or the new one.
func writeSavepoint(file string, ts nodes.TSO, zone *time.Location) error {
	text := fmt.Sprintf("commitTS = %d\n", ts)
	if zone != nil {
		text += fmt.Sprintf("# %s\n# %s\n", ts.Time(), ts.Time().In(zone))
	}
	if err := disk.MkdirAll(disk.OS{}, filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make -data-dir: %w", err)
	}
	return disk.WriteFile(disk.OS{}, file, []byte(text), 0o644)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// file prints how fast files are written.
func (b *drainerBench) file(ctx context.Context, s *site) error {
	_, u, err := s.onePump(ctx)
	if err != nil {
		return err
	}
	defer u.close()
	fmt.Print("### Drainer: into files\n\nbin/drainer with -dest-db-type file, from its start until all transactions that a pump holds are synced; raw: the same\n" +
		"bytes written to a file in pieces of 1 MiB, synced at the end.\n\n| transactions | MB of file | MB/s | raw MB/s | rows/s | CPU drainer µs a row | RSS MB |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for i, c := range []rowsCase{{name: "1,000,000 × 1 insert", txns: 1_000_000, per: 1}, {name: "10,000 × 50 inserts", txns: 10_000, per: 50}, {name: "20 × 25,000 inserts", txns: 20, per: 25_000}} {
		if !b.lines.MatchString(c.name) {
			continue
		}
		if err := b.fileOf(ctx, s, u, int64(200+i), c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	fmt.Println()
	return nil
}

func (b *drainerBench) fileOf(ctx context.Context, s *site, u *upstream, table int64, c rowsCase) error {
	origin, err := u.createTable(ctx, table)
	if err != nil {
		return err
	}
	rows := c.rows(0)
	last, err := u.load(ctx, c.txns, func(i int) []byte { return u.inserts(table, rows[i*c.per:(i+1)*c.per]...) })
	if err != nil {
		return err
	}
	type measured struct {
		mb, took, raw float64
		cpu           float64
		rss           int64
	}
	var all []measured
	for range b.rounds {
		dir := filepath.Join(s.dir, "files")
		d, err := s.startDrainer(u, fmt.Sprintf("dir = %q\n", dir), "-dest-db-type", "file", "-initial-commit-ts", origin.String())
		if err != nil {
			return err
		}
		own, began := d.cpu(), time.Now()
		err = reaches(ctx, d, last)
		m := measured{took: time.Since(began).Seconds(), cpu: micros(d.cpu()-own, len(rows))}
		m.rss, _ = d.peak()
		if err := errors.Join(err, d.stop()); err != nil {
			return err
		}
		size, err := dirBytes(dir)
		if err != nil {
			return err
		}
		m.mb = float64(size) / 1e6
		if m.raw, err = rawWrite(filepath.Join(s.dir, "raw"), size); err != nil {
			return err
		}
		all = append(all, m)
		if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(filepath.Join(s.dir, "drainer"))); err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(a, b measured) int { return int(a.took*1e6) - int(b.took*1e6) })
	m := all[len(all)/2]
	fmt.Printf("| %s | %.0f | %.0f | %.0f | %.0f | %.2f | %.0f |\n", c.name, m.mb, m.mb/m.took, m.mb/m.raw, float64(len(rows))/m.took, m.cpu, float64(m.rss)/1e6)
	return nil
}

// dirBytes is the size of the files in a directory.
func dirBytes(dir string) (size int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, err
}

// rawWrite is how many seconds it takes to write and sync so many bytes.
func rawWrite(name string, size int64) (float64, error) {
	began := time.Now()
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer os.Remove(name)
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	for left := size; left > 0; left -= int64(len(block)) {
		if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
			return 0, err
		}
	}
	err = f.Sync()
	return time.Since(began).Seconds(), err
}

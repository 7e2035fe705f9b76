package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/pump/takeover"
	old "pumphouse/testsuite/upstream"
)

// benchImport prints how fast the binlogs of an upstream pump are imported, in this process, beside a
// copy of the same bytes that syncs as often as an import does; only the sizes of a transaction that cells finds.
func benchImport(mib int, cells *regexp.Regexp) error {
	fmt.Print("### Pump: import of an upstream pump's data directory\n\npump/takeover, until the store is durable; copy: the same bytes by read and write, in files of 64 MiB that are\nsynced one by one, as the segments of an import are.\n\n" +
		"| a transaction | MiB | import MiB/s | copy MiB/s | ratio |\n|---|---:|---:|---:|---:|\n")
	for _, size := range []int{200, 1 << 10, 10 << 10} {
		if !cells.MatchString(strconv.Itoa(size)) {
			continue
		}
		if err := importOf(int64(mib)<<20, size); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func importOf(total int64, size int) (err error) {
	dir, err := os.MkdirTemp("", "bench-import")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	value := filepath.Join(dir, "value")
	if err := writeValueLog(value, total, size); err != nil {
		return err
	}
	began := time.Now()
	copied, err := copyAll(value, filepath.Join(dir, "copy"))
	if err != nil {
		return err
	}
	limit := float64(copied>>20) / time.Since(began).Seconds()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	began = time.Now()
	err = takeover.Run(context.Background(), takeover.Options{DataDir: dir, Store: storage.Options{Dir: filepath.Join(dir, "binlog"), Logger: quiet}, Logger: quiet})
	if err != nil {
		return err
	}
	speed := float64(copied>>20) / time.Since(began).Seconds()
	fmt.Printf("| %d B | %d | %.0f | %.0f | %.2f |\n", size, copied>>20, speed, limit, speed/limit)
	return nil
}

// writeValueLog writes transactions, each a prewrite and, eight later, its commit.
func writeValueLog(dir string, total int64, size int) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	l := &old.ValueLog{Dir: dir}
	ts := int64(nodes.MakeTSO(time.Now().Add(-24*time.Hour), 0))
	var open []int64
	for written := int64(0); written < total; {
		ts++
		payloads := [][]byte{old.Prewrite(ts, size)}
		if open = append(open, ts); len(open) > 8 {
			ts++
			payloads = append(payloads, old.Commit(open[0], ts))
			open = open[1:]
		}
		for _, p := range payloads {
			if _, err := l.Append(p); err != nil {
				return err
			}
			written += int64(len(p))
		}
	}
	for _, start := range open {
		ts++
		if _, err := l.Append(old.Commit(start, ts)); err != nil {
			return err
		}
	}
	return l.Stop()
}

// copyAll reads all files and writes what is in them to one that is synced, and begun anew, after each segment.
func copyAll(from, to string) (n int64, err error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		return 0, err
	}
	var in []io.Reader
	for _, e := range entries {
		f, err := os.Open(filepath.Join(from, e.Name()))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		in = append(in, f)
	}
	const segment = 64 << 20
	buf := make([]byte, 1<<20)
	for all := io.MultiReader(in...); ; {
		out, err := os.Create(to)
		if err != nil {
			return n, err
		}
		m, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{io.LimitReader(all, segment)}, buf)
		n += m
		if err := errors.Join(err, out.Sync(), out.Close(), os.Remove(to)); err != nil || m < segment {
			return n, err
		}
	}
}

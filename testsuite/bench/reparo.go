package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/file"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// benchReparo prints how fast bin/reparo brings rows from files into MariaDB.
func benchReparo(ctx context.Context, program string, rounds int, cells *regexp.Regexp, oneWays []time.Duration) error {
	b := restoreBench{oneWays: oneWays, rounds: rounds, cells: cells, table: 300, txnRows: 20}
	b.title = "reparo: rows from files into MariaDB\n\nFrom the start of bin/reparo to its end"
	b.apply = func(db *mariadbtest.Server, table int64, c rowsCase, round int, rows []row) (time.Duration, error) {
		return restoreRows(ctx, program, db, table, c, round, rows)
	}
	return b.run(ctx)
}

// restoreRows writes files and has them restored.
func restoreRows(ctx context.Context, program string, db *mariadbtest.Server, table int64, c rowsCase, round int, rows []row) (took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "bench-reparo")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := nodes.MakeTSO(time.Now(), 0)
	if err := writeBinlogFiles(ctx, dir, start, table, c, rows); err != nil {
		return 0, err
	}
	config := filepath.Join(dir, "reparo.toml")
	text := fmt.Sprintf("data-dir = %q\ndest-type = \"mysql\"\nlog-level = \"error\"\nstart-tso = %d\n[dest-db]\nhost = %q\nport = %d\n", dir, start, db.Host, db.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, err
	}
	began := time.Now()
	out, err := exec.CommandContext(ctx, program, "-config", config).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s, round %d: %w: %s", c.name, round, err, out)
	}
	return time.Since(began), nil
}

// writeBinlogFiles writes the transactions of a case as a drainer does.
func writeBinlogFiles(ctx context.Context, dir string, start nodes.TSO, table int64, c rowsCase, rows []row) error {
	s, err := file.New(file.Options{Dir: dir, From: start - 1})
	if err != nil {
		return err
	}
	defer s.Close()
	for _, x := range transactions(start, table, c, rows) {
		if err := s.Apply(ctx, sink.Batch{Txns: []*sink.Txn{x}, Passed: x.CommitTS}); err != nil {
			return err
		}
	}
	return s.Flush(ctx)
}

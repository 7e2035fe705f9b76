package compare

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"pumphouse/nodes"
)

// Options say what is compared. Upstream, Downstream and TS are required.
type Options struct {
	// Upstream is a TiDB; its sessions have tidb_snapshot set to TS. The sessions of both are in
	// UTC, and their sql_mode has neither ANSI_QUOTES nor NO_BACKSLASH_ESCAPES.
	Upstream, Downstream *sql.DB
	TS                   nodes.TSO

	// Skip reports whether an upstream table is not replicated; nil: all are.
	Skip func(schema, table string) bool
	// Route gives the names that an upstream table has downstream; nil: all have the same.
	Route func(schema, table string) (downSchema, downTable string, err error)
	// Partial: that one side has columns that the other has not is no difference (sync-mode = 2).
	Partial bool
	// Own reports whether a downstream table is the drainer's own; nil: none is.
	Own func(schema, table string) bool

	Threads   int // chunks at a time; default 4
	ChunkRows int // default 5,000

	// State is the file from which a comparison that was interrupted goes on; "": none does.
	State string
	// Servers names both servers and the rules in State: the comparison of other ones is not
	// continued.
	Servers string

	// Held gives an error when the downstream may have been written to since the comparison began. It
	// is called before the first table, after each, and at the end; nil: nobody writes.
	Held func(ctx context.Context) error
	// Progress is told how far the comparison is, from any goroutine but never at the same time;
	// nil: nobody is.
	Progress func(Progress)
}

// Progress says how far a comparison is.
type Progress struct {
	Table       string // being compared; several are: one of them
	Tables      int    // in all
	TablesDone  int
	Rows        int64 // compared
	RowsInAll   int64 // about, by the upstream's statistics; never less than Rows
	Differences int64 // rows found to differ
}

const (
	maxDiffering = 1000    // rows of a table that are looked at one by one
	maxListed    = 200_000 // keys or checksums of one chunk held in memory
	maxExamples  = 20      // rows of a table that the report names
)

func (o Options) withDefaults() (Options, error) {
	if o.Upstream == nil || o.Downstream == nil || o.TS <= 0 {
		return o, errors.New("compare: an upstream, a downstream and a commit TS are required")
	}
	if o.Threads == 0 {
		o.Threads = 4
	}
	if o.ChunkRows == 0 {
		o.ChunkRows = 5000
	}
	switch {
	case o.Threads < 1 || o.Threads > 256:
		return o, fmt.Errorf("threads %d: want 1 to 256", o.Threads)
	case o.ChunkRows < 2 || o.ChunkRows > 100_000:
		return o, fmt.Errorf("chunk-rows %d: want 2 to 100000", o.ChunkRows)
	}
	if o.Skip == nil {
		o.Skip = func(string, string) bool { return false }
	}
	if o.Route == nil {
		o.Route = func(schema, table string) (string, string, error) { return schema, table, nil }
	}
	if o.Own == nil {
		o.Own = func(string, string) bool { return false }
	}
	if o.Held == nil {
		o.Held = func(context.Context) error { return nil }
	}
	return o, nil
}

// system reports whether a database belongs to a server itself.
func system(schema string) bool {
	switch strings.ToLower(schema) {
	case "information_schema", "performance_schema", "metrics_schema", "inspection_schema", "mysql", "sys":
		return true
	}
	return false
}

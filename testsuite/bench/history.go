package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pingcap/tidb/pkg/parser/ast"

	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// history prints how long a drainer takes to start with a long DDL history before its checkpoint, for the first
// time and again.
func (b *drainerBench) history(_ context.Context, counts []int) error {
	fmt.Print("### Drainer: start with a long DDL history\n\nHalf of the jobs create a table, half alter one, all before the checkpoint; bin/drainer with -schema-dir, from its start until it is ready.\n\n" +
		"| jobs | first start s | CPU s | peak MB | restart s | CPU s then | peak MB then | file MB |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, n := range counts {
		if err := b.on(func(ctx context.Context, s *site) error { return b.historyOf(ctx, s, n) }); err != nil {
			return fmt.Errorf("history: %d jobs: %w", n, err)
		}
	}
	fmt.Println()
	return nil
}

func (b *drainerBench) historyOf(ctx context.Context, s *site, n int) error {
	pump, err := s.startPump("pump")
	if err != nil {
		return err
	}
	u, err := newUpstream(ctx, s, pump)
	if err != nil {
		return err
	}
	defer u.close()
	if err := u.past(n); err != nil {
		return err
	}
	line := fmt.Sprintf("| %d", n)
	for range 2 {
		d, err := s.startDrainer(u, fmt.Sprintf("dir = %q\n", filepath.Join(s.dir, "files")), "-dest-db-type", "file")
		if err != nil {
			return err
		}
		peak, err := d.peak()
		if err != nil {
			return err
		}
		line += fmt.Sprintf(" | %.2f | %.2f | %.0f", d.start.Seconds(), d.cpu().Seconds(), float64(peak)/1e6)
		if err := d.stop(); err != nil {
			return err
		}
	}
	size := int64(0)
	if info, err := os.Stat(filepath.Join(s.dir, "drainer", "schema-snapshot")); err == nil {
		size = info.Size()
	}
	fmt.Printf("%s | %.1f |\n", line, float64(size)/1e6)
	return nil
}

// past writes jobs that had ended before the origin.
func (u *upstream) past(n int) error {
	for i := range n {
		u.job++
		id := int64(1000 + i)
		job := schema.Job{ID: u.job, Type: schema.ActionCreateTable, State: schema.JobSynced, SchemaID: 1, SchemaName: "bench", TableID: id, TableName: tableName(id),
			Query: "create table " + tableName(id) + " " + createColumns}
		ended := u.origin - nodes.TSO(2*(n-i))
		job.StartTS, job.Result = ended-1, schema.Result{SchemaVersion: u.job, TableInfo: tableInfo(id), FinishedTS: ended}
		switch {
		case i == 0:
			job.Type, job.TableID, job.Result.TableInfo = schema.ActionCreateSchema, 0, nil
			job.Result.DBInfo = &schema.DBInfo{ID: 1, Name: ast.NewCIStr("bench")}
		case i > n/2:
			id -= int64(n / 2)
			job.Type, job.TableID, job.TableName, job.Query = schema.ActionAddIndex, id, tableName(id), "alter table "+tableName(id)+" add index k (k)"
			job.Result.TableInfo = tableInfo(id)
			job.Result.TableInfo.Indices = []schema.IndexInfo{{ID: 1, Name: ast.NewCIStr("k"), State: schema.StatePublic,
				Columns: []schema.IndexColumn{{Name: ast.NewCIStr("k"), Offset: 1, Length: -1}}}}
		}
		text, err := json.Marshal(job)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(u.jobs, fmt.Sprintf("%d.json", job.ID)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

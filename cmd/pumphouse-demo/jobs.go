package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/internal/disk"
)

// The writer's database and tables, as TiDB would number them.
const (
	shopSchema  = 100
	ordersTable = 101
	eventsTable = 102
)

// shopJobs are the DDL jobs of the writer, as TiDB keeps them in its history. A downstream may
// have the tables from an earlier demo.
func shopJobs() []*schema.Job {
	number, text := types.NewFieldType(mysql.TypeLonglong), types.NewFieldType(mysql.TypeVarchar)
	text.SetFlen(32)
	text.SetCharset("utf8mb4")
	text.SetCollate("utf8mb4_bin")
	key := number.Clone()
	key.AddFlag(mysql.PriKeyFlag | mysql.NotNullFlag)
	column := func(id int64, name string, tp *types.FieldType) schema.ColumnInfo {
		return schema.ColumnInfo{ID: id, Name: ast.NewCIStr(name), Offset: int(id - 1), Type: *tp, State: schema.StatePublic}
	}
	jobs := []*schema.Job{
		{Type: schema.ActionCreateSchema, Query: "CREATE DATABASE IF NOT EXISTS shop",
			Result: schema.Result{DBInfo: &schema.DBInfo{ID: shopSchema, Name: ast.NewCIStr("shop")}}},
		{Type: schema.ActionCreateTable, TableID: ordersTable, TableName: "orders",
			Query: "CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, customer VARCHAR(32), cents BIGINT)",
			Result: schema.Result{TableInfo: &schema.TableInfo{ID: ordersTable, Name: ast.NewCIStr("orders"), PKIsHandle: true,
				Columns: []schema.ColumnInfo{column(1, "id", key), column(2, "customer", text), column(3, "cents", number)}}}},
		{Type: schema.ActionCreateTable, TableID: eventsTable, TableName: "events",
			Query: "CREATE TABLE IF NOT EXISTS events (id BIGINT PRIMARY KEY, what VARCHAR(32))",
			Result: schema.Result{TableInfo: &schema.TableInfo{ID: eventsTable, Name: ast.NewCIStr("events"), PKIsHandle: true,
				Columns: []schema.ColumnInfo{column(1, "id", key), column(2, "what", text)}}}},
	}
	for i, job := range jobs {
		job.ID, job.State, job.SchemaID, job.SchemaName = int64(i+1), schema.JobSynced, shopSchema, "shop"
		job.Result.SchemaVersion = job.ID
	}
	return jobs
}

// define runs a job, if an earlier demo with the same data has not: its binlog, and a moment
// later the job itself in the history. False: it has to be tried again.
func (s *shop) define(ctx context.Context, job *schema.Job) bool {
	path := filepath.Join(s.d.jobs, fmt.Sprintf("%d.json", job.ID))
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err == nil
	}
	start, err := s.d.pd.TSO(ctx)
	if err != nil {
		return false
	}
	job.StartTS = start
	b := &binlogpb.Binlog{PrewriteKey: []byte("m"), DdlQuery: []byte(job.Query), DdlJobId: &job.ID, DdlSchemaState: ptr(int32(schema.StatePublic))}
	if !s.transact(ctx, b, true) {
		return false
	}
	if job.Result.FinishedTS, err = s.d.pd.TSO(context.WithoutCancel(ctx)); err != nil {
		return false
	}
	text, err := json.Marshal(job)
	if err == nil {
		err = disk.WriteFile(disk.OS{}, path, text, 0o640)
	}
	if err != nil {
		s.d.log.WithError(err).Error("the shop cannot keep its DDL job")
	}
	return err == nil
}

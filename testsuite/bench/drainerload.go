package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
	"google.golang.org/grpc"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/nodes/pd"
)

// upstream plays TiDB for a drainer: it writes transactions to pumps, with timestamps of PD,
// and the jobs of its DDL statements to a directory.
type upstream struct {
	pumps   []*grpc.ClientConn
	clock   *pd.Client
	cluster uint64
	jobs    string
	job     int64     // ID of the last one, and the schema version
	origin  nodes.TSO // everything is after it
}

// onePump starts a pump, and an upstream that has made its database there.
func (s *site) onePump(ctx context.Context) (*process, *upstream, error) {
	pump, err := s.startPump("pump")
	if err != nil {
		return nil, nil, err
	}
	u, err := newUpstreamDatabase(ctx, s, pump)
	return pump, u, err
}

// newUpstreamDatabase is an upstream that has made its database.
func newUpstreamDatabase(ctx context.Context, s *site, pumps ...*process) (*upstream, error) {
	u, err := newUpstream(ctx, s, pumps...)
	if err != nil {
		return nil, err
	}
	if err := u.createDatabase(ctx); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

func newUpstream(ctx context.Context, s *site, pumps ...*process) (*upstream, error) {
	u := &upstream{jobs: filepath.Join(s.dir, "jobs")}
	if err := os.Mkdir(u.jobs, 0o700); err != nil {
		return nil, err
	}
	var err error
	if u.clock, err = pd.New(pd.Options{Endpoints: []string{s.pdURL}}); err != nil {
		return nil, err
	}
	if u.cluster, err = u.clock.ClusterID(ctx); err != nil {
		return nil, err
	}
	if u.origin, err = u.clock.TSO(ctx); err != nil {
		return nil, err
	}
	for _, p := range pumps {
		conn, err := dial(lastField(p.line))
		if err != nil {
			return nil, err
		}
		u.pumps = append(u.pumps, conn)
	}
	return u, nil
}

func (u *upstream) close() {
	for _, c := range u.pumps {
		c.Close()
	}
	u.clock.Close()
}

func (u *upstream) send(ctx context.Context, pump int, b *binlogpb.Binlog) error {
	payload, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		return err
	}
	var resp binlogpb.WriteBinlogResp
	req := &binlogpb.WriteBinlogReq{ClusterID: u.cluster, Payload: payload}
	if err := u.pumps[pump].Invoke(ctx, binlogpb.Pump_WriteBinlog_FullMethodName, req, &resp); err != nil {
		return err
	}
	if resp.Errmsg != "" {
		return fmt.Errorf("refused: %s", resp.Errmsg)
	}
	return nil
}

// transact writes a transaction to a pump: b with timestamps, and its commit.
func (u *upstream) transact(ctx context.Context, pump int, b *binlogpb.Binlog) (nodes.TSO, error) {
	startTS, err := u.clock.TSO(ctx)
	if err != nil {
		return 0, err
	}
	b.Tp, b.StartTs, b.PrewriteKey = binlogpb.BinlogType_Prewrite.Enum(), (*int64)(&startTS), []byte("t_r_00000001")
	if err := u.send(ctx, pump, b); err != nil {
		return 0, err
	}
	commitTS, err := u.clock.TSO(ctx)
	if err != nil {
		return 0, err
	}
	return commitTS, u.send(ctx, pump, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: b.StartTs, CommitTs: (*int64)(&commitTS)})
}

// load writes count transactions, to the pumps in turn, and gives the last commit TS.
func (u *upstream) load(ctx context.Context, count int, value func(i int) []byte) (nodes.TSO, error) {
	list, err := u.loadEach(ctx, count, value)
	if err != nil {
		return 0, err
	}
	return slices.Max(list), nil
}

// loadEach is load for who wants all commit TSs.
func (u *upstream) loadEach(ctx context.Context, count int, value func(i int) []byte) ([]nodes.TSO, error) {
	var (
		next atomic.Int64
		wg   sync.WaitGroup
		once sync.Once
		fail error
		list = make([]nodes.TSO, count)
	)
	for range min(count, 128) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				ts, err := u.transact(ctx, i%len(u.pumps), &binlogpb.Binlog{PrewriteValue: value(i)})
				if err != nil {
					once.Do(func() { fail = err })
					return
				}
				list[i] = ts
			}
		})
	}
	wg.Wait()
	return list, fail
}

// The table is sysbench's, without its second index.
const (
	createColumns = "(id int primary key, k int not null, c char(120) not null, pad char(60) not null)"
	textC         = 119 // characters that sysbench puts into c
	textPad       = 59  // and into pad
)

func tableName(id int64) string { return fmt.Sprintf("sbtest%d", id) }

// createDatabase and createTable write the binlog of a statement and its job.
func (u *upstream) createDatabase(ctx context.Context) error {
	_, err := u.ddl(ctx, "create database bench", schema.Job{Type: schema.ActionCreateSchema,
		Result: schema.Result{DBInfo: &schema.DBInfo{ID: 1, Name: ast.NewCIStr("bench")}}})
	return err
}

func (u *upstream) createTable(ctx context.Context, id int64) (nodes.TSO, error) {
	return u.ddl(ctx, "create table "+tableName(id)+" "+createColumns,
		schema.Job{Type: schema.ActionCreateTable, TableID: id, TableName: tableName(id), Result: schema.Result{TableInfo: tableInfo(id)}})
}

func tableInfo(id int64) *schema.TableInfo {
	number := types.NewFieldType(mysql.TypeLong)
	number.AddFlag(mysql.NotNullFlag)
	key := number.Clone()
	key.AddFlag(mysql.PriKeyFlag)
	text := func(chars int) types.FieldType {
		t := types.NewFieldType(mysql.TypeString)
		t.SetFlen(chars)
		t.AddFlag(mysql.NotNullFlag)
		t.SetCharset("utf8mb4")
		t.SetCollate("utf8mb4_bin")
		return *t
	}
	info := &schema.TableInfo{ID: id, Name: ast.NewCIStr(tableName(id)), PKIsHandle: true, Columns: []schema.ColumnInfo{
		{Name: ast.NewCIStr("id"), Type: *key}, {Name: ast.NewCIStr("k"), Type: *number},
		{Name: ast.NewCIStr("c"), Type: text(120)}, {Name: ast.NewCIStr("pad"), Type: text(60)},
	}}
	for i := range info.Columns {
		c := &info.Columns[i]
		c.ID, c.Offset, c.State = int64(i+1), i, schema.StatePublic
	}
	return info
}

func (u *upstream) ddl(ctx context.Context, query string, job schema.Job) (nodes.TSO, error) {
	u.job++
	job.ID, job.Result.SchemaVersion = u.job, u.job
	job.Query, job.State, job.SchemaID, job.SchemaName = query, schema.JobSynced, 1, "bench"
	var err error
	if job.StartTS, err = u.clock.TSO(ctx); err != nil {
		return 0, err
	}
	state := int32(schema.StatePublic)
	ts, err := u.transact(ctx, 0, &binlogpb.Binlog{DdlQuery: []byte(query), DdlJobId: &job.ID, DdlSchemaState: &state})
	if err != nil {
		return 0, err
	}
	if job.Result.FinishedTS, err = u.clock.TSO(ctx); err != nil {
		return 0, err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return 0, err
	}
	return ts, os.WriteFile(filepath.Join(u.jobs, fmt.Sprintf("%d.json", job.ID)), text, 0o600)
}

// row is one row of the load: its texts are different in every row.
type row struct{ id, k int }

func (r row) c() string   { return digits(r.id*7+r.k, textC) }
func (r row) pad() string { return digits(r.id*11+r.k, textPad) }

// digits is a text of groups of digits, as sysbench makes them.
func digits(seed, n int) string {
	var b strings.Builder
	for x := uint64(seed)*2654435761 + 12345; b.Len() < n; x = x*6364136223846793005 + 1442695040888963407 {
		fmt.Fprintf(&b, "%011d-", x>>27)
	}
	return b.String()[:n]
}

// appendInt and appendText are values as TiDB encodes them in rows.
func appendInt(b []byte, v int) []byte { return binary.AppendVarint(append(b, 8), int64(v)) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendVarint(append(b, 2), int64(len(s))), s...)
}

// appendColumns appends all columns but the handle, with their IDs.
func (r row) appendColumns(b []byte) []byte {
	b = appendInt(appendInt(b, 2), r.k)
	b = appendText(appendInt(b, 3), r.c())
	return appendText(appendInt(b, 4), r.pad())
}

// inserts is the prewrite value of a transaction that inserts rows.
func (u *upstream) inserts(table int64, rows ...row) []byte {
	m := &binlogpb.TableMutation{TableId: &table}
	for _, r := range rows {
		m.InsertedRows = append(m.InsertedRows, r.appendColumns(appendInt(nil, r.id)))
		m.Sequence = append(m.Sequence, binlogpb.MutationType_Insert)
	}
	return u.value(m)
}

// update is the prewrite value of a transaction that updates a row.
func (u *upstream) update(table int64, from, to row) []byte {
	image := func(b []byte, r row) []byte { return r.appendColumns(appendInt(appendInt(b, 1), r.id)) }
	return u.value(&binlogpb.TableMutation{TableId: &table, UpdatedRows: [][]byte{image(image(nil, from), to)},
		Sequence: []binlogpb.MutationType{binlogpb.MutationType_Update}})
}

// remove is the prewrite value of a transaction that deletes a row.
func (u *upstream) remove(table int64, r row) []byte {
	image := r.appendColumns(appendInt(appendInt(nil, 1), r.id))
	return u.value(&binlogpb.TableMutation{TableId: &table, DeletedRows: [][]byte{image}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_DeleteRow}})
}

func (u *upstream) value(m *binlogpb.TableMutation) []byte {
	v, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &u.job, Mutations: []*binlogpb.TableMutation{m}})
	if err != nil {
		panic(err) // nothing in it can fail to encode
	}
	return v
}

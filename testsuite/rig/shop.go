package rig

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/nodes/pd"
	"pumphouse/pump"
	"pumphouse/testsuite/pdtest"
)

// Shop plays TiDB for drainers in this process: a PD, real pumps, and the DDL jobs in a
// directory.
type Shop struct {
	testing.TB
	Registry  *nodes.Registry
	PD        *pd.Client
	ClusterID uint64
	Jobs      string

	Mu    sync.Mutex
	Pumps map[string]*pump.Pump
	Conns map[string]*grpc.ClientConn
	job   int64 // ID of the last one, and the schema version
}

// The tables of a shop; the database is test. Each has an id, which is the primary key,
// and a text v.
const FirstTable = 100

func NewShop(t testing.TB) *Shop {
	t.Helper()
	v := pdtest.NewView(t)
	return NewShopAt(t, v.Registry, v.PD, v.ClusterID)
}

// NewShopAt is a shop whose PD is there already.
func NewShopAt(t testing.TB, registry *nodes.Registry, pd *pd.Client, clusterID uint64) *Shop {
	return &Shop{TB: t, Registry: registry, PD: pd, ClusterID: clusterID, Jobs: t.TempDir(),
		Pumps: make(map[string]*pump.Pump), Conns: make(map[string]*grpc.ClientConn)}
}

// PumpOptions are those of a pump that tests can afford.
func (u *Shop) PumpOptions(id string) pump.Options {
	return pump.Options{Options: life.Options{NodeID: id, Addr: "127.0.0.1:0", DataDir: u.TempDir(), Registry: u.Registry, PD: u.PD}, StopWriteAtAvailable: 1}
}

// Pump starts a pump, or starts it again.
func (u *Shop) Pump(o pump.Options) *pump.Pump {
	u.Helper()
	p, err := pump.New(o)
	if err != nil {
		u.Fatal(err)
	}
	if err := p.Open(context.Background()); err != nil {
		u.Fatal(err)
	}
	conn, err := grpc.NewClient(p.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		u.Fatal(err)
	}
	u.Cleanup(func() { conn.Close(); p.Close() })
	u.Mu.Lock()
	defer u.Mu.Unlock()
	u.Pumps[o.NodeID], u.Conns[o.NodeID] = p, conn
	return p
}

func (u *Shop) TSO() nodes.TSO {
	u.Helper()
	ts, err := u.PD.TSO(context.Background())
	if err != nil {
		u.Fatal(err)
	}
	return ts
}

// Send writes a binlog to a pump.
func (u *Shop) Send(id string, b *binlogpb.Binlog) error {
	payload, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		return err
	}
	u.Mu.Lock()
	conn := u.Conns[id]
	u.Mu.Unlock()
	_, err = binlogpb.NewPumpClient(conn).WriteBinlog(context.Background(), &binlogpb.WriteBinlogReq{ClusterID: u.ClusterID, Payload: payload})
	return err
}

// Transact writes a transaction to a pump and gives its commit TS.
func (u *Shop) Transact(id string, b *binlogpb.Binlog) nodes.TSO {
	u.Helper()
	start := u.TSO()
	b.Tp, b.StartTs, b.PrewriteKey = binlogpb.BinlogType_Prewrite.Enum(), proto.Int64(int64(start)), []byte("k")
	if err := u.Send(id, b); err != nil {
		u.Fatal(err)
	}
	commit := u.TSO()
	if err := u.Send(id, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: b.StartTs, CommitTs: proto.Int64(int64(commit))}); err != nil {
		u.Fatal(err)
	}
	return commit
}

// WriteJob puts a job into the history.
func (u *Shop) WriteJob(job *schema.Job) {
	u.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		u.Fatal(err)
	}
	tmp := filepath.Join(u.Jobs, "new")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		u.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(u.Jobs, fmt.Sprintf("%d.json", job.ID))); err != nil {
		u.Fatal(err)
	}
}

// DDL writes a statement's binlog and its job, which comes into the history a moment later.
func (u *Shop) DDL(pumpID, query string, job schema.Job) nodes.TSO {
	u.Helper()
	u.Mu.Lock()
	u.job++
	job.ID, job.Result.SchemaVersion = u.job, u.job
	u.Mu.Unlock()
	job.Query, job.State, job.SchemaID, job.SchemaName, job.StartTS = query, schema.JobSynced, 1, "test", u.TSO()
	ts := u.Transact(pumpID, &binlogpb.Binlog{DdlQuery: []byte(query), DdlJobId: &job.ID, DdlSchemaState: proto.Int32(int32(schema.StatePublic))})
	job.Result.FinishedTS = u.TSO()
	u.WriteJob(&job)
	return ts
}

func (u *Shop) CreateDatabase(pumpID string) nodes.TSO {
	u.Helper()
	return u.DDL(pumpID, "create database test", schema.Job{Type: schema.ActionCreateSchema,
		Result: schema.Result{DBInfo: &schema.DBInfo{ID: 1, Name: ast.NewCIStr("test")}}})
}

// CreateTable makes the table with an ID, t<ID>.
func (u *Shop) CreateTable(pumpID string, id int64) nodes.TSO {
	u.Helper()
	name := fmt.Sprintf("t%d", id)
	return u.DDL(pumpID, fmt.Sprintf("create table %s (id bigint primary key, v varchar(100))", name),
		schema.Job{Type: schema.ActionCreateTable, TableID: id, TableName: name, Result: schema.Result{TableInfo: TableInfo(id, name)}})
}

func TableInfo(id int64, name string) *schema.TableInfo {
	number := types.NewFieldType(mysql.TypeLonglong)
	number.AddFlag(mysql.PriKeyFlag | mysql.NotNullFlag)
	text := types.NewFieldType(mysql.TypeVarchar)
	text.SetFlen(100)
	text.SetCharset("utf8mb4")
	text.SetCollate("utf8mb4_bin")
	return &schema.TableInfo{ID: id, Name: ast.NewCIStr(name), PKIsHandle: true, Columns: []schema.ColumnInfo{
		{ID: 1, Name: ast.NewCIStr("id"), Offset: 0, Type: *number, State: schema.StatePublic},
		{ID: 2, Name: ast.NewCIStr("v"), Offset: 1, Type: *text, State: schema.StatePublic},
	}}
}

// Insert writes a transaction that inserts a row into a table.
func (u *Shop) Insert(pumpID string, table, id int64, v string) nodes.TSO {
	u.Helper()
	row := encodedInt(nil, id)
	row = encodedInt(row, 2)
	row = append(binary.AppendVarint(append(row, 2), int64(len(v))), v...)
	return u.InsertRow(pumpID, table, row)
}

func (u *Shop) InsertRow(pumpID string, table int64, row []byte) nodes.TSO {
	u.Helper()
	u.Mu.Lock()
	version := u.job
	u.Mu.Unlock()
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{
		{TableId: &table, InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}}})
	if err != nil {
		u.Fatal(err)
	}
	return u.Transact(pumpID, &binlogpb.Binlog{PrewriteValue: value})
}

// encodedInt is an integer as TiDB encodes it in values.
func encodedInt(b []byte, v int64) []byte { return binary.AppendVarint(append(b, 8), v) }

// Remove writes a transaction that deletes a row from a table.
func (u *Shop) Remove(pumpID string, table, id int64, v string) nodes.TSO {
	u.Helper()
	u.Mu.Lock()
	version := u.job
	u.Mu.Unlock()
	row := encodedInt(encodedInt(nil, 1), id)
	row = append(binary.AppendVarint(append(encodedInt(row, 2), 2), int64(len(v))), v...)
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{
		{TableId: &table, DeletedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_DeleteRow}}}})
	if err != nil {
		u.Fatal(err)
	}
	return u.Transact(pumpID, &binlogpb.Binlog{PrewriteValue: value})
}

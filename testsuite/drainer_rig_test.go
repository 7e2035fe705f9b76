package testsuite

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/file"
	"pumphouse/nodes"
	"pumphouse/nodes/pd"
	"pumphouse/pump"
	"pumphouse/testsuite/pdtest"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/types"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// shop plays TiDB for drainers in this process: a PD, real pumps, and the DDL jobs in a
// directory.
type shop struct {
	testing.TB
	registry *nodes.Registry
	pd       *pd.Client
	cluster  uint64
	jobs     string

	mu    sync.Mutex
	pumps map[string]*pump.Pump
	conns map[string]*grpc.ClientConn
	job   int64 // ID of the last one, and the schema version
}

// The tables of a shop; the database is test. Each has an id, which is the primary key,
// and a text v.
const firstTable = 100

func newShop(t testing.TB) *shop {
	t.Helper()
	v := pdtest.NewView(t)
	return &shop{TB: t, registry: v.Registry, pd: v.PD, cluster: v.ClusterID, jobs: t.TempDir(),
		pumps: make(map[string]*pump.Pump), conns: make(map[string]*grpc.ClientConn)}
}

// pumpOptions are those of a pump that tests can afford.
func (u *shop) pumpOptions(id string) pump.Options {
	return pump.Options{NodeID: id, Addr: "127.0.0.1:0", DataDir: u.TempDir(), Registry: u.registry, PD: u.pd, StopWriteAtAvailable: 1}
}

// pump starts a pump, or starts it again.
func (u *shop) pump(o pump.Options) *pump.Pump {
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
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pumps[o.NodeID], u.conns[o.NodeID] = p, conn
	return p
}

func (u *shop) tso() nodes.TSO {
	u.Helper()
	ts, err := u.pd.TSO(context.Background())
	if err != nil {
		u.Fatal(err)
	}
	return ts
}

// send writes a binlog to a pump.
func (u *shop) send(id string, b *binlogpb.Binlog) error {
	payload, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		return err
	}
	u.mu.Lock()
	conn := u.conns[id]
	u.mu.Unlock()
	_, err = binlogpb.NewPumpClient(conn).WriteBinlog(context.Background(), &binlogpb.WriteBinlogReq{ClusterID: u.cluster, Payload: payload})
	return err
}

// transact writes a transaction to a pump and gives its commit TS.
func (u *shop) transact(id string, b *binlogpb.Binlog) nodes.TSO {
	u.Helper()
	start := u.tso()
	b.Tp, b.StartTs, b.PrewriteKey = binlogpb.BinlogType_Prewrite.Enum(), proto.Int64(int64(start)), []byte("k")
	if err := u.send(id, b); err != nil {
		u.Fatal(err)
	}
	commit := u.tso()
	if err := u.send(id, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: b.StartTs, CommitTs: proto.Int64(int64(commit))}); err != nil {
		u.Fatal(err)
	}
	return commit
}

// writeJob puts a job into the history.
func (u *shop) writeJob(job *schema.Job) {
	u.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		u.Fatal(err)
	}
	tmp := filepath.Join(u.jobs, "new")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		u.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(u.jobs, fmt.Sprintf("%d.json", job.ID))); err != nil {
		u.Fatal(err)
	}
}

// ddl writes a statement's binlog and its job, which comes into the history a moment later.
func (u *shop) ddl(pumpID, query string, job schema.Job) nodes.TSO {
	u.Helper()
	u.mu.Lock()
	u.job++
	job.ID, job.Result.SchemaVersion = u.job, u.job
	u.mu.Unlock()
	job.Query, job.State, job.SchemaID, job.SchemaName, job.StartTS = query, schema.JobSynced, 1, "test", u.tso()
	ts := u.transact(pumpID, &binlogpb.Binlog{DdlQuery: []byte(query), DdlJobId: &job.ID, DdlSchemaState: proto.Int32(int32(schema.StatePublic))})
	job.Result.FinishedTS = u.tso()
	u.writeJob(&job)
	return ts
}

func (u *shop) createDatabase(pumpID string) nodes.TSO {
	u.Helper()
	return u.ddl(pumpID, "create database test", schema.Job{Type: schema.ActionCreateSchema,
		Result: schema.Result{DBInfo: &schema.DBInfo{ID: 1, Name: ast.NewCIStr("test")}}})
}

// createTable makes the table with an ID, t<ID>.
func (u *shop) createTable(pumpID string, id int64) nodes.TSO {
	u.Helper()
	name := fmt.Sprintf("t%d", id)
	return u.ddl(pumpID, fmt.Sprintf("create table %s (id bigint primary key, v varchar(100))", name),
		schema.Job{Type: schema.ActionCreateTable, TableID: id, TableName: name, Result: schema.Result{TableInfo: tableInfo(id, name)}})
}

func tableInfo(id int64, name string) *schema.TableInfo {
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

// insert writes a transaction that inserts a row into a table.
func (u *shop) insert(pumpID string, table, id int64, v string) nodes.TSO {
	u.Helper()
	row := encodedInt(nil, id)
	row = encodedInt(row, 2)
	row = append(binary.AppendVarint(append(row, 2), int64(len(v))), v...)
	return u.insertRow(pumpID, table, row)
}

func (u *shop) insertRow(pumpID string, table int64, row []byte) nodes.TSO {
	u.Helper()
	u.mu.Lock()
	version := u.job
	u.mu.Unlock()
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{
		{TableId: &table, InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}}})
	if err != nil {
		u.Fatal(err)
	}
	return u.transact(pumpID, &binlogpb.Binlog{PrewriteValue: value})
}

// encodedInt is an integer as TiDB encodes it in values.
func encodedInt(b []byte, v int64) []byte { return binary.AppendVarint(append(b, 8), v) }

// files is a drainer that writes files, with its data directory.
type files struct {
	u    *shop
	opts drainer.Options
	log  *lines
	*drainer.Drainer
}

// lines is a log that can be searched.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// drainer makes a drainer from the beginning of all binlogs; start starts it.
func (u *shop) drainer(id string) *files {
	f := &files{u: u, log: new(lines)}
	log := logrus.New()
	log.SetOutput(f.log)
	f.opts = drainer.Options{NodeID: id, Addr: "127.0.0.1:0", DataDir: u.TempDir(), Registry: u.registry, PD: u.pd,
		Schema: schema.Dir(u.jobs), Downstream: downstream.File{}, SaveEvery: 20 * time.Millisecond, Logger: log}
	return f
}

func (f *files) start() *files {
	f.u.Helper()
	d, err := drainer.New(f.opts)
	if err == nil {
		err = d.Open(context.Background())
	}
	if err != nil {
		f.u.Fatal(err)
	}
	f.Drainer = d
	f.u.Cleanup(func() { d.Close() })
	return f
}

// consumes waits until everything up to a commit TS is downstream for good.
func (f *files) consumes(ts nodes.TSO) {
	f.u.Helper()
	eventually(f.u, 20*time.Second, fmt.Sprintf("%s consumes %s", f.opts.NodeID, ts), func() (bool, string) {
		at := f.position()
		return at >= ts, at.String() + "\n" + f.log.String()
	})
}

// position is the drainer's checkpoint.
func (f *files) position() nodes.TSO {
	b, err := os.ReadFile(filepath.Join(f.opts.DataDir, "savepoint"))
	if err != nil {
		return 0
	}
	var ts int64
	fmt.Sscanf(string(b), "commitTS = %d", &ts)
	return nodes.TSO(ts)
}

// ends waits for the end of the drainer.
func (f *files) ends() error {
	f.u.Helper()
	over := make(chan error, 1)
	go func() { over <- f.Wait() }()
	select {
	case err := <-over:
		return err
	case <-time.After(20 * time.Second):
		f.u.Fatalf("the drainer does not end\n%s", f.log)
		return nil
	}
}

// written is one transaction in the files: its commit TS and what it does.
type written struct {
	ts   nodes.TSO
	what string
}

// written reads the files.
func (f *files) written() (all []written) {
	f.u.Helper()
	paths, err := file.Files(f.opts.DataDir)
	if err != nil {
		f.u.Fatal(err)
	}
	for _, path := range paths {
		err := file.Each(path, func(rec file.Record) error {
			b, err := rec.Decode()
			if err != nil {
				f.u.Fatal(err)
			}
			all = append(all, written{nodes.TSO(b.GetCommitTs()), summary(f.u, b)})
			return nil
		})
		var torn *file.DamageError // by a drainer that is writing
		if err != nil && !errors.As(err, &torn) {
			f.u.Fatal(err)
		}
	}
	return all
}

// summary is a transaction as tests write it: a statement, or table and text of each row.
func summary(t testing.TB, b *pbfile.Binlog) string {
	if b.GetTp() == pbfile.BinlogType_DDL {
		return string(b.GetDdlQuery())
	}
	var parts []string
	for _, e := range b.GetDmlData().GetEvents() {
		text := e.GetTableName()
		for _, raw := range e.GetRow() {
			var c pbfile.Column
			if err := proto.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			v, err := file.Value(c.GetValue())
			if err != nil {
				t.Fatal(err)
			}
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			text += fmt.Sprintf(" %v", v)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

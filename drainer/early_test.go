package drainer_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
)

// listPump is a pump that has a list of binlogs, of which it gives those up to a commit TS.
type listPump struct {
	binlogpb.UnimplementedPumpServer
	binlogs []*binlogpb.Binlog
	upTo    atomic.Int64
}

func (p *listPump) PullBinlogs(req *binlogpb.PullBinlogReq, stream binlogpb.Pump_PullBinlogsServer) error {
	for _, b := range p.binlogs {
		if b.GetCommitTs() <= req.GetStartFrom().GetOffset() || b.GetCommitTs() > p.upTo.Load() {
			continue
		}
		payload, err := binlogpb.EncodeBinlog(b)
		if err != nil {
			return err
		}
		e := &binlogpb.Entity{Pos: &binlogpb.Pos{Offset: b.GetCommitTs()}, Payload: payload, Meta: &binlogpb.Meta{StartTs: b.GetStartTs(), CommitTs: b.GetCommitTs()}}
		if err := stream.Send(&binlogpb.PullBinlogResp{Entity: e}); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}

// insert is a transaction that inserts a row of table 10: values of its columns 1, 2, …
func insert(t *testing.T, ts nodes.TSO, version int64, values ...int64) *binlogpb.Binlog {
	t.Helper()
	datum := func(b []byte, n int64) []byte { return binary.AppendVarint(append(b, 8), n) }
	row := datum(nil, int64(ts)) // _tidb_rowid
	for i, v := range values {
		row = datum(datum(row, int64(i+1)), v)
	}
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: &version, Mutations: []*binlogpb.TableMutation{{
		TableId: proto.Int64(10), InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(int64(ts) - 1), CommitTs: proto.Int64(int64(ts)), PrewriteValue: value}
}

// tableInfo is table 10 with int columns of numbers 1, 2, …
func tableInfo(columns ...string) string {
	var list []string
	for i, c := range columns {
		list = append(list, fmt.Sprintf(`{"id":%d,"name":{"O":%q,"L":%q},"offset":%d,"state":5,"type":{"Tp":3,"Flag":0}}`, i+1, c, c, i))
	}
	return fmt.Sprintf(`{"id":10,"name":{"O":"t","L":"t"},"state":5,"cols":[%s]}`, strings.Join(list, ","))
}

// meta is a DDL history with TiDB's meta data: table 10 gets its column b at a time.
type meta struct {
	schema.Source
	public, now nodes.TSO
}

func (m meta) Now(context.Context) (nodes.TSO, error) { return m.now, nil }

func (m meta) Altered(context.Context, int64) (schema.Altered, error) {
	return schema.Altered{Now: m.now, Version: 1}, nil
}

func (m meta) TableAt(_ context.Context, _, _ int64, ts nodes.TSO) (*schema.TableInfo, error) {
	columns, info := []string{"a"}, &schema.TableInfo{UpdateTS: 1}
	if ts >= m.public {
		columns, info.UpdateTS = append(columns, "b"), m.public
	}
	return info, json.Unmarshal([]byte(tableInfo(columns...)), info)
}

// TestEarly: a multi-schema change has made columns public before its binlog. The
// statement goes downstream in front of them, though the transaction before has the commit TS just
// below theirs, once, also when the drainer begins again between the rows and the binlog.
func TestEarly(t *testing.T) {
	const alter = "ALTER TABLE `t` ADD COLUMN `b` INT, ADD COLUMN `c` INT"
	for _, c := range []struct {
		name    string
		restart nodes.TSO // after the first commit TS; 0: no restart
		ignored bool      // the transaction that is the first to need it
		want    []string
	}{
		{"goes on", 0, false, []string{"10 row", "19 row", "19 use `one`; " + alter + ";", "20 row", "21 row", "70 row"}},
		{"begins again after the rows", 20, false, []string{"10 row", "19 row", "19 use `one`; " + alter + ";", "20 row", "21 row", "70 row"}},
		{"begins again in front of them", 19, false, []string{"10 row", "19 row", "19 use `one`; " + alter + ";", "20 row", "21 row", "70 row"}},
		{"the first rows are ignored", 20, true, []string{"10 row", "19 row", "21 row", "70 row"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			base := r.tso()
			jobs := t.TempDir()
			for id, job := range []string{
				`"type":1,"binlog":{"DBInfo":{"id":1,"db_name":{"O":"one","L":"one"}},"SchemaVersion":%d,"FinishedTS":%d}`,
				`"type":3,"table_id":10,"binlog":{"TableInfo":` + tableInfo("a") + `,"SchemaVersion":%d,"FinishedTS":%d}`,
				`"type":61,"table_id":10,"query":"` + alter + `","binlog":{"TableInfo":` + tableInfo("a", "b", "c") + `,"SchemaVersion":%d,"FinishedTS":%d}`,
			} {
				finished := base - 50 + nodes.TSO(id)
				if id == 2 {
					finished = base + 60
				}
				text := fmt.Sprintf(`{"id":%d,"state":6,"schema_id":1,"start_ts":%d,`+job+`}`, id+1, finished-49, id+1, finished)
				if err := os.WriteFile(filepath.Join(jobs, fmt.Sprintf("%d.json", id+1)), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ddl := &binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(int64(base) + 49), CommitTs: proto.Int64(int64(base) + 50),
				DdlQuery: []byte(alter), DdlJobId: proto.Int64(3), DdlSchemaState: proto.Int32(5)}
			p := &listPump{binlogs: []*binlogpb.Binlog{
				insert(t, base+10, 2, 1), insert(t, base+19, 2, 2), insert(t, base+20, 2, 3, 7), insert(t, base+21, 2, 4, 8), ddl, insert(t, base+70, 3, 5, 9, 9),
			}}
			r.serve(p)
			o := r.options("drainer1")
			o.InitialCommitTS, o.Schema = base, meta{Source: schema.Dir(jobs), public: base + 20, now: base + 1000}
			if c.ignored {
				o.IgnoreTxns = []nodes.TSO{base + 20}
			}
			for _, upTo := range []nodes.TSO{base + c.restart, base + 70} {
				if upTo == base {
					continue
				}
				p.upTo.Store(int64(upTo))
				d := r.open(o)
				r.eventually("what the pump has is downstream", func() bool { return r.record("drainer1").MaxCommitTS >= upTo })
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.written(o, base); !slices.Equal(got, c.want) {
				t.Errorf("downstream:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// serve makes a pump known to drainers.
func (r *rig) serve(p binlogpb.PumpServer) {
	r.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	server := grpc.NewServer()
	binlogpb.RegisterPumpServer(server, p)
	go server.Serve(l)
	r.Cleanup(server.Stop)
	rec := nodes.Record{NodeID: "pump1", Host: l.Addr().String(), State: nodes.Online, UpdateTS: r.tso()}
	if _, err := r.registry.Put(context.Background(), nodes.Pump, rec, 0); err != nil {
		r.Fatal(err)
	}
}

// written is what a drainer has written to its files: commit TS after base, and the statement.
func (r *rig) written(o drainer.Options, base nodes.TSO) (list []string) {
	r.Helper()
	paths, err := binlogfile.Files(o.DataDir)
	if err != nil {
		r.Fatal(err)
	}
	for _, path := range paths {
		err := binlogfile.Each(path, func(rec binlogfile.Record) error {
			b, err := rec.Decode()
			text := "row"
			if b.GetTp() == pbfile.BinlogType_DDL {
				text = string(b.GetDdlQuery())
			}
			list = append(list, fmt.Sprint(rec.CommitTS()-base, " ", text))
			return err
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	return list
}

package tipboracle

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	binlog "github.com/pingcap/tipb/go-binlog"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is where the tests of package binlogpb look for the files.
const golden = "../../binlogpb/testdata/tipb"

type message interface{ Marshal() ([]byte, error) }

// messages are the same, name by name, as in binlogpb/golden_test.go.
func messages() map[string]message {
	prewrite := &binlog.Binlog{
		Tp:            binlog.BinlogType_Prewrite,
		StartTs:       470642465486929921,
		PrewriteKey:   []byte("t\x80\x00\x00\x00\x00\x00\x00\x2f_r\x80\x00\x00\x00\x00\x00\x00\x01"),
		PrewriteValue: mustMarshal(value()),
	}
	committed := *prewrite
	committed.CommitTs = 470642465486929999
	fake := &binlog.Binlog{Tp: binlog.BinlogType_Rollback, StartTs: 470642465971634178, CommitTs: 470642465971634178}
	return map[string]message{
		"binlog-empty":     &binlog.Binlog{},
		"binlog-prewrite":  prewrite,
		"binlog-committed": &committed,
		"binlog-commit":    &binlog.Binlog{Tp: binlog.BinlogType_Commit, StartTs: 470642465486929921, CommitTs: 470642465486929999},
		"binlog-rollback":  &binlog.Binlog{Tp: binlog.BinlogType_Rollback, StartTs: 470642465486929921},
		"binlog-fake":      fake,
		"binlog-ddl": &binlog.Binlog{
			Tp: binlog.BinlogType_Prewrite, StartTs: 7, PrewriteKey: []byte("m"),
			DdlQuery: []byte("create table t (id int)"), DdlJobId: 55, DdlSchemaState: -5,
		},
		"prewrite-value":       value(),
		"prewrite-value-empty": &binlog.PrewriteValue{Mutations: []binlog.TableMutation{{}}},
		"write-req":            &binlog.WriteBinlogReq{ClusterID: 1<<63 + 5, Payload: mustMarshal(prewrite)},
		"write-req-probe":      &binlog.WriteBinlogReq{ClusterID: 9},
		"write-resp":           &binlog.WriteBinlogResp{Errmsg: "no"},
		"write-resp-empty":     &binlog.WriteBinlogResp{},
		"pull-req":             &binlog.PullBinlogReq{ClusterID: 9, StartFrom: binlog.Pos{Offset: 470642465486929921}},
		"pull-req-zero":        &binlog.PullBinlogReq{ClusterID: 9},
		"pull-resp": &binlog.PullBinlogResp{Entity: binlog.Entity{
			Payload: mustMarshal(&committed), Meta: binlog.Meta{StartTs: committed.StartTs, CommitTs: committed.CommitTs},
		}},
		"pull-resp-fake": &binlog.PullBinlogResp{Entity: binlog.Entity{
			Payload: mustMarshal(fake), Meta: binlog.Meta{StartTs: fake.StartTs, CommitTs: fake.CommitTs},
		}},
		"pull-resp-bare": &binlog.PullBinlogResp{Entity: binlog.Entity{Payload: mustMarshal(&committed)}},
		"notify-req":     &binlog.NotifyReq{},
	}
}

func value() *binlog.PrewriteValue {
	return &binlog.PrewriteValue{SchemaVersion: 29, Mutations: []binlog.TableMutation{{
		TableId:      47,
		InsertedRows: [][]byte{[]byte("row one"), []byte("row two")},
		UpdatedRows:  [][]byte{[]byte("old and new")},
		DeletedIds:   []int64{1, -1},
		DeletedPks:   [][]byte{[]byte("pk")},
		DeletedRows:  [][]byte{[]byte("gone")},
		Sequence: []binlog.MutationType{
			binlog.MutationType_Insert, binlog.MutationType_Update, binlog.MutationType_DeleteRow, binlog.MutationType_Insert,
		},
	}, {TableId: 48}}}
}

func mustMarshal(m message) []byte {
	b, err := m.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

// TestGolden holds the golden files to what tipb makes of the messages.
func TestGolden(t *testing.T) {
	if *update {
		if err := os.MkdirAll(golden, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, m := range messages() {
		want := mustMarshal(m)
		path := filepath.Join(golden, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the file holds\n%x\ntipb makes\n%x", name, got, want)
		}
	}
}

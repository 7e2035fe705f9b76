package txn_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/txn"
	"pumphouse/testsuite/form"
)

var oracleRows = flag.Int("rows", 0, "random rows to compare with TiDB's own decoder (builds testsuite/rowsoracle)")

// oracleLine is what testsuite/rowsoracle prints.
type oracleLine struct {
	Info json.RawMessage
	Zone string
	Op   string
	Row  []byte
	Old  []*string
	New  []*string
}

// TestOracle compares what rows say with what TiDB's own packages read in them: a few thousand
// rows kept in testdata, and with -rows as many new ones as wanted.
func TestOracle(t *testing.T) {
	t.Run("kept", func(t *testing.T) {
		f, err := os.Open(filepath.Join("testdata", "rows.json.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := unzip(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := compareRows(t, r); n < 1000 {
			t.Errorf("only %d rows", n)
		}
	})
	if *oracleRows > 0 {
		t.Run("new", newRows)
	}
}

// newRows compares rows that nobody has seen before.
func newRows(t *testing.T) {
	dir, err := filepath.Abs("../../testsuite/rowsoracle")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "rowsoracle")
	build := exec.Command("go", "build", "-mod=readonly", "-ldflags=-checklinkname=0", "-o", bin, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build rowsoracle: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "-rows", strconv.Itoa(*oracleRows), "-seed", strconv.FormatUint(form.Seed(t), 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := compareRows(t, out)
	if err := cmd.Wait(); err != nil || n != *oracleRows {
		t.Errorf("%d rows of %d: %v", n, *oracleRows, err)
	}
}

// compareRows reads the oracle's lines.
func compareRows(t *testing.T, r io.Reader) (rows int) {
	t.Helper()
	var tab *schema.Table
	var zone *time.Location
	failures := 0
	for dec := json.NewDecoder(bufio.NewReaderSize(r, 1<<20)); ; {
		var line oracleLine
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			return rows
		} else if err != nil {
			t.Fatal(err)
		}
		if line.Info != nil {
			var err error
			if zone, err = time.LoadLocation(line.Zone); err != nil {
				t.Fatal(err)
			}
			tab = oracleTable(t, line.Info)
			continue
		}
		rows++
		if err := compareRow(tab, zone, &line); err != nil {
			if failures++; failures < 10 {
				t.Error(err)
			}
		}
	}
}

// oracleTable takes a table through the same way as one of the DDL history.
func oracleTable(t *testing.T, info json.RawMessage) *schema.Table {
	t.Helper()
	dir := t.TempDir()
	for id, job := range []string{
		`{"id":1,"type":1,"state":6,"schema_id":1,"binlog":{"DBInfo":{"id":1,"db_name":"d"}}}`,
		fmt.Sprintf(`{"id":2,"type":3,"state":6,"schema_id":1,"table_id":100,"binlog":{"TableInfo":%s}}`, info),
	} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", id+1)), []byte(job), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := schema.Open(t.Context(), schema.Dir(dir), schema.Position{CommitTS: 1}, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tab, ok := h.Tables().Table(100)
	if !ok {
		t.Fatalf("no table: %s", info)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return tab
}

// binlogOf is a committed binlog with one row.
func binlogOf(table int64, op txn.Op, row []byte) ([]byte, error) {
	m := &binlogpb.TableMutation{TableId: &table}
	switch op {
	case txn.Insert:
		m.InsertedRows = [][]byte{row}
		m.Sequence = []binlogpb.MutationType{binlogpb.MutationType_Insert}
	case txn.Update:
		m.UpdatedRows = [][]byte{row}
		m.Sequence = []binlogpb.MutationType{binlogpb.MutationType_Update}
	case txn.Delete:
		m.DeletedRows = [][]byte{row}
		m.Sequence = []binlogpb.MutationType{binlogpb.MutationType_DeleteRow}
	}
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{Mutations: []*binlogpb.TableMutation{m}})
	if err != nil {
		return nil, err
	}
	return binlogpb.EncodeBinlog(&binlogpb.Binlog{StartTs: proto.Int64(1), CommitTs: proto.Int64(2), PrewriteValue: value})
}

var ops = map[string]txn.Op{"insert": txn.Insert, "update": txn.Update, "delete": txn.Delete}

func compareRow(tab *schema.Table, zone *time.Location, line *oracleLine) error {
	payload, err := binlogOf(tab.ID, ops[line.Op], line.Row)
	if err != nil {
		return err
	}
	b, err := txn.Parse(payload)
	if err != nil {
		return err
	}
	changes, err := b.Changes(func(int64) (*schema.Table, error) { return tab, nil }, zone)
	if err != nil {
		return err
	}
	if err := compareValues(tab, changes[0].Old, line.Old); err != nil {
		return fmt.Errorf("%s, old row %x: %w", line.Op, line.Row, err)
	}
	if err := compareValues(tab, changes[0].New, line.New); err != nil {
		return fmt.Errorf("%s, new row %x: %w", line.Op, line.Row, err)
	}
	return nil
}

func compareValues(tab *schema.Table, got txn.Row, want []*string) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d values, want %d", len(got), len(want))
	}
	for i, w := range want {
		var text *string
		if v := got[i]; v.Kind == txn.Missing {
			return fmt.Errorf("column %d (%s) is missing", i, tab.Columns[i].Type.String())
		} else if v.Kind != txn.Null {
			s := v.String()
			if v.Kind == txn.Bytes || v.Kind == txn.Bit {
				s = hex.EncodeToString(v.Bytes)
			}
			text = &s
		}
		if show(text) != show(w) {
			return fmt.Errorf("column %d (%s) is %s, want %s", i, tab.Columns[i].Type.String(), show(text), show(w))
		}
	}
	return nil
}

// Package golden holds what real TiDBs sent to a pump while workload.sql ran on them, and what
// their tables held in the end: upstreams to test pumps and drainers against without running
// one. 2023 is the version of 2023-03-03 (6.7 alpha), 2024 that of 2024-07-31 (8.3 alpha), the
// last one with binlog; testsuite/tidb/FACTS.md tells what is to be seen in them.
//
// The files, in a directory for each version:
//
//   - binlogs.gz: the payload of every WriteBinlog call in order of arrival, each as its
//     length (uint32 little-endian) followed by that many bytes. A payload is a marshalled
//     binlogpb.Binlog. The bootstrap of the server comes first (schema mysql), then the workload;
//   - jobs.json.gz: the DDL history as TiDB's own JSON, an array by job ID;
//   - tables.json.gz: an array of [Table], the schemas of the workload as they were in the end;
//   - workload.sql: the statements. /*c2*/ before a statement runs it on a second connection,
//     /*fails*/ says that it has to fail, /*bg*/ runs it on the second connection while the
//     statements with /*during*/ that follow are repeated on the first.
//
// The test in testsuite/tidbtest writes them: go test -run Golden -update ./testsuite/tidbtest
// (with PUMPHOUSE_SOAK=1 for 2024 too).
package golden

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
)

//go:embed 2023 2024 workload.sql
var files embed.FS

// Names of the files.
const (
	binlogsFile = "binlogs.gz"
	jobsFile    = "jobs.json.gz"
	tablesFile  = "tables.json.gz"
	sqlFile     = "workload.sql"
)

// Data is everything captured.
type Data struct {
	Binlogs [][]byte          // payloads of WriteBinlog in order of arrival
	Jobs    []json.RawMessage // DDL history
	Tables  []Table           // final contents
}

// Table is what SELECT * answered in the end, in the session time zone UTC.
type Table struct {
	ID      int64       `json:"id"` // what TableMutation.table_id says
	Schema  string      `json:"schema"`
	Name    string      `json:"name"`
	Columns []Column    `json:"columns"`
	Rows    [][]*string `json:"rows"` // never nil; values as MySQL's text protocol gives them; nil is NULL; sorted
}

// Column is a column of a Table.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`          // as in INFORMATION_SCHEMA.COLUMNS.COLUMN_TYPE
	Hex  bool   `json:"hex,omitempty"` // its values are bytes, written in hex
}

// SQL is the workload.
func SQL() string {
	text, err := files.ReadFile(sqlFile)
	if err != nil {
		panic(err) // embedded: it is there or the package does not build
	}
	return string(text)
}

// Years are the versions there is data of.
func Years() []int { return []int{2023, 2024} }

// Load reads the data captured from the version of a year.
func Load(year int) (*Data, error) {
	d := new(Data)
	dir := strconv.Itoa(year)
	stream, err := unpack(path.Join(dir, binlogsFile))
	if err != nil {
		return nil, err
	}
	if d.Binlogs, err = split(stream); err != nil {
		return nil, fmt.Errorf("read %s: %w", binlogsFile, err)
	}
	for name, v := range map[string]any{jobsFile: &d.Jobs, tablesFile: &d.Tables} {
		text, err := unpack(path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, v); err != nil {
			return nil, fmt.Errorf("decode %s: %w", name, err)
		}
	}
	return d, nil
}

func unpack(name string) ([]byte, error) {
	packed, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return text, nil
}

// split cuts a stream of length-prefixed payloads; they share its memory.
func split(stream []byte) ([][]byte, error) {
	var list [][]byte
	for len(stream) > 0 {
		if len(stream) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := binary.LittleEndian.Uint32(stream)
		stream = stream[4:]
		if uint64(n) > uint64(len(stream)) {
			return nil, io.ErrUnexpectedEOF
		}
		list = append(list, stream[:n:n])
		stream = stream[n:]
	}
	return list, nil
}

// Save writes the data into dir, replacing what is there.
func (d *Data) Save(dir string) error {
	var stream []byte
	for _, b := range d.Binlogs {
		stream = binary.LittleEndian.AppendUint32(stream, uint32(len(b)))
		stream = append(stream, b...)
	}
	jobs, err1 := json.Marshal(d.Jobs)
	tables, err2 := json.MarshalIndent(d.Tables, "", " ")
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("encode the captured data: %w", err)
	}
	for name, text := range map[string][]byte{binlogsFile: stream, jobsFile: jobs, tablesFile: tables} {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), packed.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write the captured data: %w", err)
		}
	}
	return nil
}

// Package upstream holds what upstream's own pump and drainers wrote, of the last public version, beside
// TiDB 6.7: what ours must equal, and what readers of ours must read.
//
// statements.sql ran on TiDB in the session time zone UTC. Then the pump was killed and started
// again, and one more row was inserted (31, 'later'). The files in data/:
//
//   - value.vlog: the pump's value log from the first of the statements on: each record a magic
//     number (uint32), the length of the payload (uint64), its CRC-32C (uint32), all little-endian,
//     and a binlog as TiDB sent it; a footer at the end;
//   - pump.vlog.gz: the whole of it, from the bootstrap of TiDB on; see [PumpDir];
//   - ddl-history.json.gz: the DDL jobs, as TiDB's status port gives them, oldest first;
//   - binlog-…: what a drainer with db-type file wrote;
//   - kafka.messages: what a drainer with db-type kafka sent, each message as its length (uint32
//     little-endian) followed by that many bytes. Ours sends the same with a standby, then in transactions of Kafka's.
package upstream

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"

	"pumphouse/testsuite/tidbtest/golden"
)

//go:embed data
var files embed.FS

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := files.ReadFile("data/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Statements are the statements that ran.
func Statements(t testing.TB) string { return string(read(t, "statements.sql")) }

// Data are the binlogs and the DDL jobs.
func Data(t testing.TB) *golden.Data {
	t.Helper()
	d := &golden.Data{Binlogs: valueLog(t, read(t, "value.vlog"))}
	z, err := gzip.NewReader(bytes.NewReader(read(t, "ddl-history.json.gz")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d.Jobs); err != nil {
		t.Fatal(err)
	}
	return d
}

// valueLog reads the records of a value log, which ends with a footer.
func valueLog(t testing.TB, b []byte) (payloads [][]byte) {
	t.Helper()
	const magic, footer, head = 0x823a56e8, 12, 16
	for len(b) > footer {
		if m := binary.LittleEndian.Uint32(b); m != magic {
			t.Fatalf("a record begins with %#x", m)
		}
		size := binary.LittleEndian.Uint64(b[4:])
		payload := b[head : head+size]
		if binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatal("wrong checksum")
		}
		payloads = append(payloads, payload)
		b = b[head+size:]
	}
	return payloads
}

// BinlogFile is the path of a copy of the drainer's file, which goes with the test.
func BinlogFile(t testing.TB) string {
	t.Helper()
	const name = "binlog-0000000000000000-20261127235154"
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, read(t, name), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Messages are what the drainer sent to Kafka.
func Messages(t testing.TB) (list [][]byte) {
	t.Helper()
	for b := read(t, "kafka.messages"); len(b) > 0; {
		size := binary.LittleEndian.Uint32(b)
		list = append(list, b[4:4+size])
		b = b[4+size:]
	}
	return list
}

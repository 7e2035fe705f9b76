package upstream

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
)

// killedBytes is the size that the pump's value log had when it was killed.
const killedBytes = 60619

// PumpDir fills dir with what the pump's data directory held after it was killed with -9, or, with
// stopped, after it was started again and stopped by SIGTERM.
func PumpDir(t testing.TB, dir string, stopped bool) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(read(t, "pump.vlog.gz")))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !stopped {
		b = b[:killedBytes]
	}
	for _, sub := range []string{"value", "kv"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"value/000000.vlog": b, "kv/CURRENT": []byte("MANIFEST-000000\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// ValueLog writes a value log as upstream's pump does.
type ValueLog struct {
	Dir       string // value/ of the data directory; it must be there
	FileBytes int64  // a file is finished when it is larger; 0: 500 MiB
	No        uint32 // of the file being written

	size  int64
	maxTS int64
	file  *os.File
	buf   []byte
}

// Append writes a record and gives where it begins.
func (l *ValueLog) Append(payload []byte) (offset int64, err error) {
	if l.file == nil {
		if l.file, err = os.OpenFile(l.Path(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return 0, err
		}
	}
	h, err := binlogpb.Peek(payload)
	if err == nil {
		l.maxTS = max(l.maxTS, h.StartTS, h.CommitTS)
	}
	l.buf = AppendRecord(l.buf, payload)
	offset = l.size
	l.size += int64(16 + len(payload))
	limit := l.FileBytes
	if limit == 0 {
		limit = 500 << 20
	}
	switch {
	case l.size > limit:
		return offset, l.Finish()
	case len(l.buf) > 1<<20:
		return offset, l.flush()
	}
	return offset, nil
}

// AppendRecord appends a record with that payload.
func AppendRecord(b, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, 0x823a56e8)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, payload...)
}

// Path is the path of the file being written.
func (l *ValueLog) Path() string { return filepath.Join(l.Dir, fmt.Sprintf("%06d.vlog", l.No)) }

func (l *ValueLog) flush() error {
	_, err := l.file.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// Finish ends the file with a footer; the next record goes into the next one.
func (l *ValueLog) Finish() error {
	l.buf = binary.LittleEndian.AppendUint64(l.buf, uint64(l.maxTS))
	l.buf = binary.LittleEndian.AppendUint32(l.buf, 0x123ab922)
	if err := l.Stop(); err != nil {
		return err
	}
	l.No, l.size, l.maxTS = l.No+1, 0, 0
	return nil
}

// Stop leaves the file without a footer, as kill -9 does.
func (l *ValueLog) Stop() error {
	if l.file == nil {
		return nil
	}
	if err := l.flush(); err != nil {
		return err
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// Prewrite is a prewrite's payload with a value of that many bytes.
func Prewrite(start int64, size int) []byte {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(start>>18) + byte(i*7)
	}
	return payload(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(start), PrewriteKey: fmt.Appendf(nil, "key%d", start), PrewriteValue: value})
}

// Commit is a commit's payload.
func Commit(start, commit int64) []byte {
	return payload(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Commit.Enum(), StartTs: proto.Int64(start), CommitTs: proto.Int64(commit), PrewriteKey: fmt.Appendf(nil, "key%d", start)})
}

// Rollback is a rollback's payload; that of a fake binlog if the two are equal.
func Rollback(start, commit int64) []byte {
	return payload(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Rollback.Enum(), StartTs: proto.Int64(start), CommitTs: proto.Int64(commit)})
}

func payload(b *binlogpb.Binlog) []byte {
	p, err := binlogpb.EncodeBinlog(b)
	if err != nil {
		panic(err) // it has no required fields
	}
	return p
}

package storage

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pumphouse/nodes"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden freezes the format: a store of always the same content has always the
// same bytes, and a store of these bytes can be read.
func TestGolden(t *testing.T) {
	dir := t.TempDir()
	opts := Options{Dir: dir, SyncLog: true, SegmentBytes: 512, WaitInMemory: 2, salt: func() uint64 { return 0x0123456789abcdef }}
	s := mustOpen(t, opts)
	value := payload(t, 470642465486929921, 30)
	appendAll(t, s,
		Record{Type: Prewrite, StartTS: 470642465486929921, Payload: value},
		Record{Type: Prewrite, StartTS: 470642465486929922, Payload: value[:50]},
		Record{Type: Commit, StartTS: 470642465486929921, CommitTS: 470642465486929931},
		Record{Type: Rollback, StartTS: 470642465486929922},
		Record{Type: Prewrite, StartTS: 470642465486929941, Payload: value[:51]},
		Record{Type: Prewrite, StartTS: 470642465486929942, Payload: value[:52]},
		Record{Type: Prewrite, StartTS: 470642465486929943, Payload: value[:53]},
		Record{Type: Prewrite, StartTS: 470642465486929944, Payload: value[:54]},
		Record{Type: Commit, StartTS: 470642465486929942, CommitTS: 470642465486929951},
		Record{Type: Commit, StartTS: 470642465486929944, CommitTS: 470642465486929953},
		Record{Type: Commit, StartTS: 470642465486929943, CommitTS: 470642465486929952},
	)
	s.sort(t.Context())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "golden")
	names := []string{logName(1), logName(2), indexName(1), waitName(1), checkpointName}
	for _, name := range names {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.MkdirAll(golden, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(golden, name), got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the format has changed:\n%x\nwas\n%x", name, got, want)
		}
		if err := os.WriteFile(filepath.Join(dir, name), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s = mustOpen(t, opts)
	defer s.Close()
	if s.LastCommitTS() != 470642465486929931 || s.Stats().Unresolved != 1 || s.Stats().Waiting != 3 {
		t.Errorf("read as %+v", s.Stats())
	}
}

// TestVersion1: a store with the checkpoint of the first format opens, and gets one of the
// present format.
func TestVersion1(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "golden-1"))); err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint8{1, 2} {
		b, err := os.ReadFile(filepath.Join(dir, checkpointName))
		if err != nil || checkpointVersion(b) != version {
			t.Fatalf("the checkpoint has version %d, want %d; %v", checkpointVersion(b), version, err)
		}
		s := mustOpen(t, Options{Dir: dir, SyncLog: true, SegmentBytes: 512})
		if st := s.Stats(); st.LastCommitTS != 470642465486929931 || st.Unresolved != 1 || st.Waiting != 1 {
			t.Errorf("version %d is read as %+v", version, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLaterVersion: what a later program wrote is refused, by repair too. A changed bit in the version
// is damage like any other, which repair deals with.
func TestLaterVersion(t *testing.T) {
	for _, c := range []struct {
		name    string
		version byte
		end     func(b []byte) int // where the checksum is
	}{
		{logName(1), 1, func([]byte) int { return segmentHeaderSize - 4 }},
		{checkpointName, 2, func(b []byte) int { return len(b) - 4 }},
	} {
		for _, damaged := range []bool{false, true} {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "golden"))); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, c.name)
			b, err := os.ReadFile(name)
			if err != nil || b[7] != c.version {
				t.Fatalf("%s has version %d, want %d; %v", name, b[7], c.version, err)
			}
			b[7] ^= 0x40
			if !damaged {
				end := c.end(b)
				binary.LittleEndian.PutUint32(b[end:], payloadCRC(b[:end]))
			}
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
			s, openErr := Open(Options{Dir: dir})
			if openErr == nil {
				s.Close()
			}
			_, repairErr := Repair(Options{Dir: dir})
			if damaged {
				if repairErr != nil {
					t.Errorf("%s with a changed bit is not repaired: %v", c.name, repairErr)
				}
				continue
			}
			for _, err := range []error{openErr, repairErr} {
				if want := fmt.Sprintf("%s has format version %d, ", name, b[7]); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("of a later program: %v, want %q", err, want)
				}
			}
		}
	}
}

// FuzzScanner feeds the reader of the log bytes that nobody wrote: it must not panic,
// loop, or read beyond them, and what it takes for records must be some.
func FuzzScanner(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "golden", logName(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(golden[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		head, seed, err := readSegmentHeader(r, "log", 1)
		if err != nil {
			seed = 5 // the rest must stand it all the same
		} else if again, s := head.encode(); s != seed || !bytes.Equal(again[:8], b[:8]) {
			t.Fatalf("the header %+v does not encode to what it was read from", head)
		}
		// Give the fuzzer records to play with: it cannot make checksums.
		if len(b) > segmentHeaderSize+headerSize {
			h := header{typ: Type(b[70]%5 + 1), size: uint32(b[71]), startTS: 1}
			if end := segmentHeaderSize + headerSize + int(h.size); end <= len(b) {
				h.payloadCRC = payloadCRC(b[segmentHeaderSize+headerSize : end])
			}
			h.put(b[segmentHeaderSize:], seed, segmentHeaderSize)
		}
		sc := newScanner(r, seed, int64(len(b)))
		at := int64(segmentHeaderSize)
		end, err := sc.run(at, func(off int64, h header) {
			if off != at || off+h.footprint() > int64(len(b)) {
				t.Fatalf("a record of %d bytes at %d of %d, want it at %d", h.footprint(), off, len(b), at)
			}
			at += h.footprint()
		})
		if err != nil || end > max(int64(len(b)), segmentHeaderSize) {
			t.Fatalf("the records end at %d of %d, %v", end, len(b), err)
		}
		if next, err := sc.find(end+align, func(int64, header) bool { return true }); err != nil || next > int64(len(b)) {
			t.Fatalf("found a record at %d of %d, %v", next, len(b), err)
		}
		if last, err := sc.lastByte(end); err != nil || last > max(end, int64(len(b))) {
			t.Fatalf("the last byte is at %d of %d, %v", last, len(b), err)
		}
	})
}

// FuzzCheckpoint: what decodes encodes to the same bytes, if it is of the present version, and
// nothing panics.
func FuzzCheckpoint(f *testing.F) {
	for _, dir := range []string{"golden", "golden-1"} {
		golden, err := os.ReadFile(filepath.Join("testdata", dir, checkpointName))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(golden[:len(golden)-4])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(bytes.Clone(b), 0, 0, 0, 0)
		if _, ok := decodeCheckpoint(b); ok {
			return // a checksum of 0
		}
		crc := payloadCRC(b[:len(b)-4])
		b[len(b)-4], b[len(b)-3], b[len(b)-2], b[len(b)-1] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
		c, ok := decodeCheckpoint(b)
		if !ok {
			return
		}
		again, ok := decodeCheckpoint(c.encode())
		if !ok || !reflect.DeepEqual(again, c) || checkpointVersion(b) == 2 && !bytes.Equal(c.encode(), b) {
			t.Fatalf("%x decodes to %+v", b, c)
		}
	})
}

// TestScannerWindows reads records larger than the scanner's window.
func TestScannerWindows(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Options{Dir: dir})
	for i, size := range []int{10, scanWindow, 3 * scanWindow, 17, scanWindow - headerSize, 5} {
		appendAll(t, s, Record{Type: Prewrite, StartTS: nodes.TSO(i + 1), Payload: bytes.Repeat([]byte{7}, size)})
	}
	s.stop()
	s.done.Wait() // as after kill -9: no checkpoint
	again := mustOpen(t, Options{Dir: dir})
	defer again.Close()
	if got := again.Stats().Unresolved; got != 6 {
		t.Errorf("found %d of 6 records", got)
	}
}

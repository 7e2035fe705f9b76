package oldlog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/binlogpb"
	"pumphouse/pump/oldlog"
	"pumphouse/testsuite/upstream"
)

// readAll reads a log from a position on.
func readAll(t *testing.T, dir string, from oldlog.Position) (recs []oldlog.Record, torn []oldlog.Torn, err error) {
	t.Helper()
	l, err := oldlog.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := l.Read(from)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		got, err := r.Next()
		for _, rec := range got {
			recs = append(recs, oldlog.Record{At: rec.At, Payload: bytes.Clone(rec.Payload)})
		}
		torn = append(torn, r.Torn()...)
		if errors.Is(err, io.EOF) {
			return recs, torn, nil
		}
		if err != nil {
			return recs, torn, err
		}
		if len(got) == 0 {
			t.Fatal("Next gave nothing")
		}
	}
}

func damage(t *testing.T, err error, file string, offset int64, reason string) {
	t.Helper()
	var d *oldlog.DamageError
	if !errors.As(err, &d) || filepath.Base(d.File) != file || d.Offset != offset || !strings.Contains(d.Reason, reason) {
		t.Errorf("%v, want damage of %s at byte %d: %s", err, file, offset, reason)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestGolden: what upstream's pump has written, after kill -9 and after a clean stop.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		stopped                      bool
		prewrites, commits, rollback int
	}{{false, 72, 72, 220}, {true, 73, 73, 223}} {
		dir := t.TempDir()
		upstream.PumpDir(t, dir, c.stopped)
		recs, torn, err := readAll(t, filepath.Join(dir, "value"), oldlog.Position{})
		must(t, err)
		n := map[binlogpb.BinlogType]int{}
		for _, rec := range recs {
			h, err := binlogpb.Peek(rec.Payload)
			must(t, err)
			n[h.Type]++
		}
		if len(torn) > 0 || n[binlogpb.BinlogType_Prewrite] != c.prewrites || n[binlogpb.BinlogType_Commit] != c.commits || n[binlogpb.BinlogType_Rollback] != c.rollback {
			t.Errorf("stopped %v: %v, torn %v", c.stopped, n, torn)
		}
	}
}

// sizes of payloads that meet blocks in every way.
var sizes = []int{1, 16, 4 << 20, 100, 3<<20 + 4000, 4<<20 - 48, 5, 17 << 20, 7, 2 << 20, 2 << 20, 40}

// write makes a log of files of about 12 MiB and gives its payloads and where they are.
func write(t *testing.T, dir string, first uint32) (recs []oldlog.Record, l *upstream.ValueLog) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(first)))
	l = &upstream.ValueLog{Dir: dir, FileBytes: 12 << 20, No: first}
	for _, n := range sizes {
		p := bytes.Repeat(binary.LittleEndian.AppendUint64(nil, random.Uint64()), n/8+1)[:n]
		no := l.No
		at, err := l.Append(p)
		must(t, err)
		recs = append(recs, oldlog.Record{At: oldlog.Position{File: no, Offset: at}, Payload: p})
	}
	must(t, l.Stop())
	return recs, l
}

func equal(t *testing.T, got, want []oldlog.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].At != want[i].At || !bytes.Equal(got[i].Payload, want[i].Payload) {
			t.Fatalf("record %d: at %v, %d bytes; want %v, %d", i, got[i].At, len(got[i].Payload), want[i].At, len(want[i].Payload))
		}
	}
}

// TestFromEveryPosition: files in their order, records of all sizes, and reading on from each.
func TestFromEveryPosition(t *testing.T) {
	dir := t.TempDir()
	want, _ := write(t, dir, 999_999) // names grow to seven digits
	for i := range want {
		from := want[i].At
		if i == 0 {
			from = oldlog.Position{}
		}
		got, torn, err := readAll(t, dir, from)
		must(t, err)
		if len(torn) > 0 {
			t.Fatal(torn)
		}
		equal(t, got, want[i:])
	}
	l, err := oldlog.Open(dir)
	must(t, err)
	if _, err := l.Read(oldlog.Position{File: 3, Offset: 1}); err == nil {
		t.Error("a position in a file that is not there was taken")
	}
	if l.First() != 999_999 || l.Bytes(oldlog.Position{}) < 32<<20 {
		t.Error(l.First(), l.Bytes(oldlog.Position{}))
	}
}

func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{filepath.Join(dir, "none"), dir} {
		if got, _, err := readAll(t, d, oldlog.Position{}); err != nil || got != nil {
			t.Error(got, err)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, "000000.vlog"), nil, 0o600))
	if got, _, err := readAll(t, dir, oldlog.Position{}); err != nil || got != nil {
		t.Error(got, err)
	}
}

// TestTornTail: a kill may cut the newest file short anywhere. Everything before is read, and a pump that
// was started again has appended after what is left.
func TestTornTail(t *testing.T) {
	payloads := [][]byte{upstream.Prewrite(1<<20, 100), upstream.Commit(1<<20, 1<<21), upstream.Prewrite(1<<22, 6000)}
	var whole []byte
	var ends []int
	for _, p := range payloads {
		whole = upstream.AppendRecord(whole, p)
		ends = append(ends, len(whole))
	}
	next := upstream.Rollback(1<<23, 1<<23)
	for cut := range len(whole) {
		if cut > ends[1]+40 && cut < len(whole)-40 && cut%101 > 0 && cut%4096 > 0 {
			continue // within a payload all places are alike
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "000000.vlog")
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		n := 0
		for n < len(ends) && ends[n] <= cut {
			n++
		}
		begin := 0
		if n > 0 {
			begin = ends[n-1]
		}
		got, torn, err := readAll(t, dir, oldlog.Position{})
		if err != nil || len(got) != n || len(torn) > 0 != (cut > begin) {
			t.Fatalf("cut at %d: %d records, torn %v, %v", cut, len(got), torn, err)
		}
		must(t, os.WriteFile(path, upstream.AppendRecord(bytes.Clone(whole[:cut]), next), 0o600))
		got, torn, err = readAll(t, dir, oldlog.Position{})
		if err != nil || len(got) != n+1 || !bytes.Equal(got[n].Payload, next) || len(torn) > 0 != (cut > begin) {
			t.Fatalf("cut at %d and appended to: %d records, torn %v, %v", cut, len(got), torn, err)
		}
		if len(torn) > 0 && (torn[0].From != int64(begin) || torn[0].To != int64(cut)) {
			t.Fatalf("cut at %d: torn %v", cut, torn)
		}
	}
	// A power failure leaves zeros, from the beginning of a page or of what was written last.
	for _, from := range []int{ends[1], (ends[2] - 1) &^ 4095} {
		dir := t.TempDir()
		b := bytes.Clone(whole)
		clear(b[from:])
		must(t, os.WriteFile(filepath.Join(dir, "000000.vlog"), b, 0o600))
		if got, torn, err := readAll(t, dir, oldlog.Position{}); err != nil || len(got) != 2 || len(torn) != 1 {
			t.Errorf("zeros from %d on: %d records, torn %v, %v", from, len(got), torn, err)
		}
	}
}

// TestDamage: of each kind, in each place.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l := &upstream.ValueLog{Dir: dir, FileBytes: 100_000}
	var at []oldlog.Position
	for i := range int64(60) {
		no := l.No
		offset, err := l.Append(upstream.Prewrite((100+i)<<20+1, 10_000))
		must(t, err)
		at = append(at, oldlog.Position{File: no, Offset: offset})
	}
	must(t, l.Finish()) // a clean stop
	size := int64(16 + len(upstream.Prewrite(100<<20+1, 10_000)))
	name := func(no uint32) string { return "00000" + string('0'+rune(no)) + ".vlog" }
	path := func(no uint32) string { return filepath.Join(dir, name(no)) }
	last := at[len(at)-1]

	spoil := func(no uint32, change func([]byte) []byte, offset int64, reason string) {
		t.Helper()
		b, err := os.ReadFile(path(no))
		must(t, err)
		must(t, os.WriteFile(path(no), change(bytes.Clone(b)), 0o600))
		_, _, err = readAll(t, dir, oldlog.Position{})
		damage(t, err, name(no), offset, reason)
		must(t, os.WriteFile(path(no), b, 0o600))
	}
	flip := func(offset int64) func([]byte) []byte {
		return func(b []byte) []byte { b[offset] ^= 0x10; return b }
	}
	for _, p := range []oldlog.Position{at[0], at[3], at[30], last} {
		spoil(p.File, flip(p.Offset), p.Offset, "no record begins there")
		spoil(p.File, flip(p.Offset+5), p.Offset, "")                            // a length that ends within the file, or not
		spoil(p.File, flip(p.Offset+9), p.Offset, "the record says that it has") // one larger than any file
		spoil(p.File, flip(p.Offset+12), p.Offset, "checksum")
		spoil(p.File, flip(p.Offset+5000), p.Offset, "checksum")
		spoil(p.File, flip(p.Offset+size-1), p.Offset, "checksum")
		spoil(p.File, func(b []byte) []byte { clear(b[p.Offset : p.Offset+size]); return b }, p.Offset, "no record begins there")
	}
	one := at[13]
	spoil(one.File, func(b []byte) []byte { return b[:one.Offset+100] }, one.Offset+100, "no footer")
	spoil(one.File, func(b []byte) []byte { return b[:one.Offset] }, one.Offset, "no footer")
	spoil(one.File, func(b []byte) []byte { return nil }, 0, "no footer")
	must(t, os.Rename(path(2), path(2)+".away"))
	_, _, err := readAll(t, dir, oldlog.Position{})
	damage(t, err, name(2), 0, "missing")
	must(t, os.Rename(path(2)+".away", path(2)))

	// The newest file without a footer: only what a crash can leave is passed over.
	newest, err := os.ReadFile(path(last.File))
	must(t, err)
	must(t, os.WriteFile(path(last.File), newest[:len(newest)-12], 0o600))
	spoil(last.File, flip(last.Offset+5000), last.Offset, "checksum")
	spoil(last.File, flip(last.Offset), last.Offset, "no record begins there")
	spoil(last.File, flip(at[58].Offset+3), at[58].Offset, "no record begins there")

	if recs, torn, err := readAll(t, dir, oldlog.Position{}); err != nil || len(recs) != 60 || len(torn) != 0 {
		t.Errorf("what was put back: %d records, torn %v, %v", len(recs), torn, err)
	}
}

// FuzzReader: no bytes make the reader panic or go on for ever; what it gives is in the file; and what it
// has read stays when the file is cut short after it.
func FuzzReader(f *testing.F) {
	var seed []byte
	for i := range int64(3) {
		seed = upstream.AppendRecord(seed, upstream.Prewrite(i<<20+1, 20))
		seed = upstream.AppendRecord(seed, upstream.Commit(i<<20+1, i<<20+2))
	}
	f.Add(seed, 20)
	f.Add(append(seed[:len(seed):len(seed)], make([]byte, 30)...), 100)
	f.Add(append(seed[:50:50], seed...), 0)
	f.Add(append(seed[:len(seed):len(seed)], "\x00\x01\x02\x03\x04\x05\x06\x07\x22\xb9\x3a\x12"...), 4)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		dir := t.TempDir()
		path := filepath.Join(dir, "000000.vlog")
		must(t, os.WriteFile(path, b, 0o600))
		recs, torn, err := readAll(t, dir, oldlog.Position{})
		var d *oldlog.DamageError
		if err != nil && !errors.As(err, &d) {
			t.Fatal(err)
		}
		end := int64(0)
		for _, r := range recs {
			if r.At.Offset < end || !bytes.Equal(b[r.At.Offset+16:r.At.Offset+16+int64(len(r.Payload))], r.Payload) {
				t.Fatalf("a record at %d that is not there", r.At.Offset)
			}
			end = r.At.Offset + 16 + int64(len(r.Payload))
		}
		for _, x := range torn {
			if x.From >= x.To || x.To > int64(len(b)) {
				t.Fatal(x)
			}
		}
		if len(recs) == 0 || cut < 0 {
			return
		}
		must(t, os.WriteFile(path, b[:min(int64(len(b)), end)], 0o600))
		again, _, err := readAll(t, dir, oldlog.Position{})
		if err == nil && len(again) > len(recs) {
			t.Fatalf("%d records after the file was cut short, %d before", len(again), len(recs))
		}
	})
}

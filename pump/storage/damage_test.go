package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

const firstSegment = "d/log-0000000001"

// aLog is a store's disk after n transactions and a power failure: commit TSs 2, 4, 6 …
// With several segments when they are small.
func aLog(t *testing.T, n int, segmentBytes int64) *faultfs.FS {
	t.Helper()
	disk := faultfs.New()
	s, err := storage.Open(storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: segmentBytes})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		ts := nodes.TSO(2*i + 1)
		put(t, s, pre(ts, 20), com(ts, ts+1))
	}
	after := disk.Crash(nil)
	s.Close()
	return after
}

// logEnd is where the last byte of a segment that is not 0 ends.
func logEnd(disk *faultfs.FS, name string) int {
	return len(bytes.TrimRight(disk.Read(name), "\x00"))
}

// records is where each record of a segment made by aLog begins.
func records(disk *faultfs.FS, name string) (at []int) {
	size := []int{(40 + len(prewritePayload(1, 20)) + 7) &^ 7, 40}
	for off, end := 64, logEnd(disk, name); off < end; {
		at = append(at, off)
		off += size[(len(at)-1)%2]
	}
	return at
}

// TestTornTail: wherever a crash cuts the last write short, the store opens without it,
// and says so.
func TestTornTail(t *testing.T) {
	whole := aLog(t, 3, 1<<16)
	at := records(whole, firstSegment)
	for _, last := range []int{at[len(at)-2], at[len(at)-1]} { // a prewrite, a commit
		end := logEnd(whole, firstSegment)
		for cut := last; cut < end; cut += 3 {
			for _, fill := range []byte{0, 0xff} {
				disk := whole.Crash(nil)
				disk.Corrupt(firstSegment, func(b []byte) []byte {
					for i := cut; i < end; i++ {
						b[i] = fill
					}
					return b
				})
				before := disk.Read(firstSegment)
				logger, hook := logtest.NewNullLogger()
				opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16, Logger: logger}
				s, err := storage.Open(opts)
				if err != nil {
					t.Fatalf("cut at %d of [%d, %d): %v", cut, last, end, err)
				}
				if got := delivered(t, s, 0); !equal(got, 2, 4) {
					t.Fatalf("cut at %d: delivered %v", cut, got)
				}
				said := false
				for _, e := range hook.AllEntries() {
					said = said || strings.Contains(e.Message, "cut off")
				}
				torn := at[len(at)-2] // where the first record that is not whole begins
				if n := 40 + len(prewritePayload(1, 20)); bytes.Equal(before[torn:torn+n], whole.Read(firstSegment)[torn:torn+n]) {
					torn = at[len(at)-1]
				}
				if want := len(bytes.TrimRight(before[torn:], "\x00")) > 0; want != said {
					t.Errorf("cut at %d, filled with %d: was something said? %t", cut, fill, said)
				}
				put(t, s, rol(5), pre(7, 20), com(7, 8))
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = storage.Open(opts); err != nil {
					t.Fatal(err)
				}
				if got := delivered(t, s, 6); !equal(got, 8) {
					t.Fatalf("written after the cut, delivered %v", got)
				}
				s.Close()
			}
		}
	}
}

// TestDamageInTheMiddle: any changed byte of a record that others were stored after
// keeps the store from opening, and the error says where. Repair saves all others.
func TestDamageInTheMiddle(t *testing.T) {
	whole := aLog(t, 4, 1<<16)
	at := records(whole, firstSegment)
	// A change of the last two records cannot be told from a torn write.
	for i := range len(at) - 2 {
		for off := at[i]; off < at[i+1]; off += 5 {
			disk := whole.Crash(nil)
			disk.Corrupt(firstSegment, func(b []byte) []byte { b[off] ^= 0x10; return b })
			opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
			_, err := storage.Open(opts)
			var damage *storage.DamageError
			isPadding := i%2 == 0 && off >= at[i]+40+len(prewritePayload(1, 20))
			if isPadding && err == nil {
				continue
			}
			if !errors.As(err, &damage) || damage.File != firstSegment || damage.Offset != int64(at[i]) {
				t.Fatalf("byte %d of the record at %d: %v", off, at[i], err)
			}
			report, err := storage.Repair(opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Gaps) != 1 || report.Gaps[0].Offset != int64(at[i]) || report.Gaps[0].Bytes != int64(at[i+1]-at[i]) ||
				report.Records != len(at)-1 || len(report.Rewritten) != 1 {
				t.Fatalf("byte %d of the record at %d: %+v", off, at[i], report)
			}
			opts.OrphanTimeout = 1 // of a prewrite that lost its commit
			s, err := storage.Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			lost := nodes.TSO(2 * (i/2 + 1))
			if i%2 == 0 && !equal(report.Lost, lost) {
				t.Errorf("lost are %v, want %s", report.Lost, lost)
			}
			if i%2 == 1 && report.Open != 1 {
				t.Errorf("%d prewrites are open, want the one without its commit", report.Open)
			}
			for len(s.Unresolved(0)) > 0 {
				put(t, s, rol(s.Unresolved(0)[0]))
			}
			var want []nodes.TSO
			for ts := nodes.TSO(2); ts <= 8; ts += 2 {
				if ts != lost { // with an odd i only the commit is gone, and the transaction was rolled back above
					want = append(want, ts)
				}
			}
			got, ranges := deliveredPast(t, s, 0)
			if !equal(got, want...) {
				t.Fatalf("after the repair of %d: delivered %v, want %v", off, got, want)
			}
			if i%2 == 0 && !slices.Equal(ranges, []storage.LostRange{{From: lost - 1, To: lost}}) || i%2 == 1 && len(ranges) > 0 {
				t.Fatalf("after the repair of %d: pulls are stopped at %v", off, ranges)
			}
			s.Close()
		}
	}
}

// TestDamageInASealedSegment: the same in a segment that another one follows, when both are read because no checkpoint
// has been written: what comes after the damage must not make up for it.
func TestDamageInASealedSegment(t *testing.T) {
	whole := aLog(t, 20, 1000)
	at := records(whole, firstSegment)
	for _, off := range at { // the last one, too
		disk := whole.Crash(nil)
		disk.Corrupt(firstSegment, func(b []byte) []byte { b[off+20] ^= 0x10; return b })
		_, err := storage.Open(storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1000})
		var damage *storage.DamageError
		if !errors.As(err, &damage) || damage.File != firstSegment || damage.Offset != int64(off) {
			t.Errorf("the record at %d is damaged: %v", off, err)
		}
	}
}

// TestDamagedPayload: what has changed on the disk since the store was opened, or was not read then, is not delivered.
func TestDamagedPayload(t *testing.T) {
	disk := aLog(t, 4, 1<<16)
	at := records(disk, firstSegment)
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
	if err := open(t, opts).Close(); err != nil { // now there is a checkpoint
		t.Fatal(err)
	}
	disk.Corrupt(firstSegment, func(b []byte) []byte { b[at[2]+40+12] ^= 0x10; return b }) // the second prewrite
	p, err := open(t, opts).Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if e, err := p.Next(t.Context()); err != nil || e.CommitTS != 2 {
		t.Fatalf("%s, %v", e.CommitTS, err)
	}
	var damage *storage.DamageError
	if e, err := p.Next(t.Context()); !errors.As(err, &damage) || damage.File != firstSegment || damage.Offset != int64(at[2]) {
		t.Errorf("%s, %v", e.CommitTS, err)
	}
}

// TestRepair damages what Open looks at one thing at a time.
func TestRepair(t *testing.T) {
	const second = "d/log-0000000002"
	for _, c := range []struct {
		name   string
		damage func(*faultfs.FS)
		file   string // that Open complains about
		kept   func(nodes.TSO) bool
	}{
		{"a segment is missing", func(d *faultfs.FS) { d.Delete(second) }, second, nil},
		{"the first segment is missing", func(d *faultfs.FS) { d.Delete(firstSegment) }, firstSegment, nil},
		{"a segment's head is damaged", func(d *faultfs.FS) {
			d.Corrupt(second, func(b []byte) []byte { b[20]++; return b })
		}, second, nil},
		{"the first segment's head is damaged", func(d *faultfs.FS) {
			d.Corrupt(firstSegment, func(b []byte) []byte { b[1]++; return b })
		}, firstSegment, nil},
		{"a segment is cut short", func(d *faultfs.FS) {
			d.Corrupt(second, func(b []byte) []byte { return b[:200] })
		}, second, nil},
		{"a segment is empty", func(d *faultfs.FS) {
			d.Corrupt(second, func(b []byte) []byte { return nil })
		}, second, nil},
		{"the checkpoint is damaged", func(d *faultfs.FS) {
			d.Corrupt("d/checkpoint", func(b []byte) []byte { b[30]++; return b })
		}, "d/checkpoint", func(nodes.TSO) bool { return true }},
		{"the index is missing", func(d *faultfs.FS) { d.Delete("d/index-0000000001") }, "d/index-0000000001", func(nodes.TSO) bool { return true }},
		{"the index is cut short", func(d *faultfs.FS) {
			d.Corrupt("d/index-0000000001", func(b []byte) []byte { return b[:40] })
		}, "d/index-0000000001", func(nodes.TSO) bool { return true }},
		{"the index is damaged", func(d *faultfs.FS) {
			d.Corrupt("d/index-0000000001", func(b []byte) []byte { b[3]++; return b })
		}, "d/index-0000000001", func(nodes.TSO) bool { return true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := aLog(t, 20, 1000)
			opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1000}
			s := open(t, opts)
			if err := s.Close(); err != nil { // now there is a checkpoint
				t.Fatal(err)
			}
			inSecond := transactionsOf(t, disk, second)
			inFirst := transactionsOf(t, disk, firstSegment)
			c.damage(disk)
			_, err := storage.Open(opts)
			var damage *storage.DamageError
			if !errors.As(err, &damage) || damage.File != c.file {
				t.Fatalf("open: %v", err)
			}
			report, err := storage.Repair(opts)
			if err != nil {
				t.Fatal(err)
			}
			s = open(t, opts)
			for len(s.Unresolved(0)) > 0 { // commits that are gone
				put(t, s, rol(s.Unresolved(0)[0]))
			}
			got := map[nodes.TSO]bool{}
			all, ranges := deliveredPast(t, s, 0)
			for _, ts := range all {
				got[ts] = true
			}
			kept := c.kept
			if kept == nil {
				gone := inSecond
				if c.file == firstSegment {
					gone = inFirst
				}
				kept = func(ts nodes.TSO) bool { return !gone[ts] }
				if len(report.Gaps) == 0 || report.Gaps[0].File != c.file {
					t.Errorf("the report names %v", report.Gaps)
				}
			}
			for ts := nodes.TSO(2); ts <= 40; ts += 2 {
				said := slices.ContainsFunc(ranges, func(r storage.LostRange) bool { return r.From < ts && ts <= r.To })
				if !got[ts] && !said || kept(ts) && said && c.kept != nil {
					t.Errorf("commit TS %s: delivered %t, lost as pulls say %t; %+v", ts, got[ts], said, report)
				}
			}
			put(t, s, pre(101, 20), com(101, 102))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, opts)
			if got := delivered(t, s, 101); !equal(got, 102) {
				t.Errorf("written after the repair: %v", got)
			}
		})
	}
}

// transactionsOf is the transactions of aLog that a segment holds a record of.
func transactionsOf(t *testing.T, disk *faultfs.FS, name string) map[nodes.TSO]bool {
	t.Helper()
	b := disk.Read(name)
	if b == nil {
		t.Fatalf("there is no %s", name)
	}
	all := map[nodes.TSO]bool{}
	for ts := nodes.TSO(1); ts < 40; ts += 2 {
		start := []byte{byte(ts), 0, 0, 0, 0, 0, 0, 0}
		for off := 64; off+24 <= len(b); off += 8 {
			if bytes.Equal(b[off+16:off+24], start) && b[off+4] > 0 && b[off+4] < 4 {
				all[ts+1] = true
			}
		}
	}
	return all
}

// TestCutBelowTheCheckpoint: the segment that the checkpoint ends in lost its end. Nothing
// after the checkpoint is missing, so only the size says so; it must not grow again with zeros.
func TestCutBelowTheCheckpoint(t *testing.T) {
	for _, sealed := range []bool{false, true} { // with and without a later segment
		disk := aLog(t, 20, 1<<16)
		opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
		s := open(t, opts)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		end := logEnd(disk, firstSegment)
		checkpoint := disk.Read("d/checkpoint")
		if sealed { // the checkpoint of before the second segment
			s = open(t, opts)
			put(t, s, pre(1001, 1<<16))
			s.Close()
			disk.Corrupt("d/checkpoint", func([]byte) []byte { return checkpoint })
		}
		disk.Corrupt(firstSegment, func(b []byte) []byte { return b[:end-100] })
		_, err := storage.Open(opts)
		var damage *storage.DamageError
		if !errors.As(err, &damage) || damage.File != firstSegment || damage.Offset != int64(end-100) ||
			!strings.Contains(err.Error(), fmt.Sprintf("it has %d bytes", end-100)) {
			t.Fatalf("sealed %t: open: %v", sealed, err)
		}
		if n := disk.OpenFiles(); n != 0 {
			t.Errorf("sealed %t: %d files were left open", sealed, n)
		}
		if _, err := storage.Repair(opts); err != nil {
			t.Fatal(err)
		}
		s = open(t, opts)
		for _, start := range s.Unresolved(0) {
			put(t, s, rol(start))
		}
		got, ranges := deliveredPast(t, s, 0)
		if len(got) < 18 || len(got) < 20 && !slices.Contains(ranges, storage.LostRange{From: 38, To: 40}) {
			t.Errorf("sealed %t: after the repair %v, stopped at %v", sealed, got, ranges)
		}
	}
}

// TestRepairOfAHealthyStore changes nothing that is delivered.
func TestRepairOfAHealthyStore(t *testing.T) {
	disk := aLog(t, 20, 1000)
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1000}
	report, err := storage.Repair(opts)
	if err != nil || len(report.Gaps) != 0 || len(report.Rewritten) != 0 || len(report.Lost) != 0 || report.Records != 40 {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := delivered(t, open(t, opts), 0); len(got) != 20 {
		t.Errorf("delivered %v", got)
	}
	if _, err := storage.Repair(storage.Options{Dir: "nowhere", FS: faultfs.New()}); err == nil {
		t.Error("a directory without a store was repaired")
	}
}

// TestDamageUnderAPull: what is not read at open is checked when it is pulled.
func TestDamageUnderAPull(t *testing.T) {
	disk := aLog(t, 20, 1<<16)
	opts := storage.Options{Dir: "d", FS: disk, SyncLog: true, SegmentBytes: 1 << 16}
	s := open(t, opts)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	at := records(disk, firstSegment)[10]
	disk.Corrupt(firstSegment, func(b []byte) []byte { b[at+50]++; return b })
	s = open(t, opts)
	p, err := s.Pull(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	n := 0
	for err == nil {
		if _, err = p.Next(t.Context()); err == nil {
			n++
		}
	}
	var damage *storage.DamageError
	if !errors.As(err, &damage) || damage.File != firstSegment || damage.Offset != int64(at) || n != 5 {
		t.Errorf("after %d transactions: %v", n, err)
	}
	if !strings.Contains(fmt.Sprint(err), "-repair") {
		t.Errorf("the error names no cure: %v", err)
	}
}

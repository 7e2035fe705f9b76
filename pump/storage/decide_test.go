package storage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/internal/disk/faultfs"
	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/form"
)

// tells is a resolver with one answer.
type tells struct {
	verdict storage.Verdict
	commit  nodes.TSO
	err     error
}

func (a tells) Resolve(context.Context, storage.Question) (storage.Verdict, nodes.TSO, error) {
	return a.verdict, a.commit, a.err
}

// knowsNothing has no trace of any transaction.
var knowsNothing = tells{err: errors.New("TiKV has no trace of the transaction")}

// TestDecide: an operator's word resolves a transaction for good, and what it held back is delivered.
func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		tikv   storage.Resolver
		commit nodes.TSO
		want   []nodes.TSO
		said   string
	}{
		{"rollback", knowsNothing, 0, []nodes.TSO{20}, "no trace"},
		{"commit", knowsNothing, 15, []nodes.TSO{15, 20}, "no trace"},
		{"commit after all others", knowsNothing, 25, []nodes.TSO{20, 25}, "no trace"},
		{"rollback, as TiKV says", tells{verdict: storage.RolledBack}, 0, []nodes.TSO{20}, "rolled back"},
		{"commit, as TiKV says", tells{verdict: storage.Committed, commit: 15}, 15, []nodes.TSO{15, 20}, "committed"},
		{"no TiKV", nil, 15, []nodes.TSO{15, 20}, "no TiKV"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			opts := storage.Options{Dir: dir, SyncLog: true, Resolver: c.tikv, ResolveAfter: time.Hour}
			s := open(t, opts)
			put(t, s, pre(1, 10), com(1, 5), pre(10, 10), pre(11, 10), com(11, 20))
			if got := delivered(t, s, 5); len(got) != 0 {
				t.Fatalf("delivered %v before the decision", got)
			}
			d, err := s.Decide(t.Context(), 10, c.commit)
			if err != nil {
				t.Fatal(err)
			}
			if d.StartTS != 10 || d.CommitTS != c.commit || !strings.Contains(d.TiKV, c.said) {
				t.Errorf("the decision is %+v, want that TiKV said %q", d, c.said)
			}
			put(t, s, pre(30, 10), com(30, 40)) // moves the order past it
			want := append(c.want, 40)
			if got := delivered(t, s, 5); !equal(got, want...) {
				t.Errorf("delivered %v, want %v", got, want)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := delivered(t, open(t, opts), 5); !equal(got, want...) {
				t.Errorf("after a restart %v is delivered, want %v", got, want)
			}
			// The word is marked in the log: bit 2 of a record's flags.
			if flags := flagsOf(t, dir, 10); !bytes.Equal(flags, []byte{0, 1 << 2}) {
				t.Errorf("the flags of the records of start TS 10 are %v, want 0 and 4", flags)
			}
		})
	}
}

// TestDecideRefused: what contradicts the log, the order or TiKV changes nothing.
func TestDecideRefused(t *testing.T) {
	tikv := func(v storage.Verdict, commit nodes.TSO) storage.Resolver { return tells{verdict: v, commit: commit} }
	for _, c := range []struct {
		name          string
		tikv          storage.Resolver
		start, commit nodes.TSO
		kind          error
		text          []string
	}{
		{"not here", knowsNothing, 77, 0, storage.ErrNotUnresolved, []string{"77", "-cmd unresolved"}},
		{"delivered", knowsNothing, 1, 0, storage.ErrNotUnresolved, []string{"start TS 1 ", "committed at 5 ", "delivered"}},
		{"waits", knowsNothing, 11, 21, storage.ErrNotUnresolved, []string{"start TS 11 ", "committed at 20 ", "waits"}},
		{"rolled back", knowsNothing, 2, 3, storage.ErrNotUnresolved, []string{"start TS 2 ", "rolled back"}},
		{"commit before start", knowsNothing, 10, 9, storage.ErrContradiction, []string{"commit TS 9 ", "not after start TS 10"}},
		{"commit at start", knowsNothing, 10, 10, storage.ErrContradiction, []string{"commit TS 10 ", "not after start TS 10"}},
		{"in use before", knowsNothing, 12, 20, storage.ErrContradiction, []string{"commit TS 20 ", "roll this copy back"}},
		{"before what was in use", knowsNothing, 12, 19, storage.ErrContradiction, []string{"commit TS 19 ", "not after 20 "}},
		{"somebody else's", knowsNothing, 10, 20, storage.ErrContradiction, []string{"another transaction", "20"}},
		{"TiKV: committed elsewhere", tikv(storage.Committed, 16), 10, 15, storage.ErrContradiction, []string{"committed", "16"}},
		{"TiKV: committed", tikv(storage.Committed, 16), 10, 0, storage.ErrContradiction, []string{"committed", "16", "by itself"}},
		{"TiKV: rolled back", tikv(storage.RolledBack, 0), 10, 15, storage.ErrContradiction, []string{"rolled back"}},
		{"TiKV: nothing yet", tikv(storage.Unknown, 0), 10, 0, storage.ErrContradiction, []string{"about to commit"}},
		{"TiKV: still going on", tikv(storage.Locked, 0), 10, 0, storage.ErrContradiction, []string{"lock"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, storage.Options{Dir: t.TempDir(), SyncLog: true, Resolver: c.tikv, ResolveAfter: time.Hour})
			put(t, s, pre(1, 10), com(1, 5), pre(2, 10), rol(2), pre(10, 10), pre(11, 10), com(11, 20), pre(12, 10))
			records := s.Stats().Records
			_, err := s.Decide(t.Context(), c.start, c.commit)
			if !errors.Is(err, c.kind) {
				t.Fatalf("error %v, want %v", err, c.kind)
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
			if got := s.Stats().Records; got != records {
				t.Errorf("%d records were written", got-records)
			}
			if list, total := s.ListUnresolved(10, 0); total != 2 || list[0].StartTS != 10 || list[1].StartTS != 12 {
				t.Errorf("unresolved are now %+v", list)
			}
		})
	}
}

// TestDecideWhenTheOutcomeComes: TiDB's own word that comes while TiKV is asked counts, and
// the operator is told.
func TestDecideWhenTheOutcomeComes(t *testing.T) {
	asked := make(chan struct{})
	let := make(chan struct{})
	s := open(t, storage.Options{Dir: t.TempDir(), SyncLog: true, ResolveAfter: time.Hour, Resolver: resolveFunc(func() {
		close(asked)
		<-let
	})})
	put(t, s, pre(10, 10))
	refused := make(chan error)
	go func() {
		_, err := s.Decide(context.Background(), 10, 0)
		refused <- err
	}()
	<-asked
	put(t, s, com(10, 20))
	close(let)
	if err := <-refused; !errors.Is(err, storage.ErrNotUnresolved) || !strings.Contains(err.Error(), "committed at 20 ") {
		t.Errorf("error %v, want that it is committed at 20", err)
	}
	if got := delivered(t, s, 0); !equal(got, 20) {
		t.Errorf("delivered %v, want 20", got)
	}
}

// resolveFunc is a resolver that cannot know, after it has called a function.
type resolveFunc func()

func (f resolveFunc) Resolve(ctx context.Context, q storage.Question) (storage.Verdict, nodes.TSO, error) {
	f()
	return knowsNothing.Resolve(ctx, q)
}

// TestDecideCrashAtEveryWrite: with the power cut at every change of the disk, a decision that was
// answered with success is there afterwards, and one that was not is there whole or not at all.
func TestDecideCrashAtEveryWrite(t *testing.T) {
	fresh := form.Seed(t)
	for _, commit := range []nodes.TSO{0, 15} {
		for at := 0; ; at++ {
			if at > 20 {
				t.Fatal("a decision makes more than 20 changes on disk")
			}
			for seed := range uint64(8) {
				decideCrash(t, commit, at, fresh+1+seed)
			}
			if !decideCrash(t, commit, at, fresh) {
				break
			}
		}
	}
}

// decideCrash reports whether the power was cut before the decision was made.
func decideCrash(t *testing.T, commit nodes.TSO, at int, seed uint64) bool {
	disk, rnd := faultfs.New(), rand.New(rand.NewPCG(seed, uint64(at)))
	opts := storage.Options{Dir: "data", FS: disk, SyncLog: true, SegmentBytes: 3000, Resolver: knowsNothing, ResolveAfter: time.Hour}
	s, err := storage.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, pre(10, 2800), pre(11, 10), com(11, 20)) // the decision begins a segment or not
	changes := 0
	off := false
	disk.Inject(func(faultfs.Op) faultfs.Fault {
		if changes++; changes > at {
			off = true
			return faultfs.Fault{Err: errPower, Short: rnd.IntN(100)}
		}
		return faultfs.Fault{}
	})
	_, decided := s.Decide(context.Background(), 10, commit)
	_ = s.Close() // fails when the power is off
	disk.Inject(nil)
	opts.FS = disk.Crash(rnd)
	s, err = storage.Open(opts)
	if err != nil {
		t.Fatalf("power cut at change %d: %v", at, err)
	}
	defer s.Close()
	_, total := s.ListUnresolved(1, 0)
	got := delivered(t, s, 0)
	want := []nodes.TSO{20}
	if commit != 0 {
		want = []nodes.TSO{commit, 20}
	}
	switch {
	case total == 1 && decided == nil:
		t.Fatalf("power cut at change %d: the decision was answered with success and is lost", at)
	case total == 1 && len(got) != 0, total == 0 && !equal(got, want...):
		t.Fatalf("power cut at change %d: %d unresolved, delivered %v, want %v", at, total, got, want)
	}
	return off
}

// TestListUnresolved: what an operator is shown of a transaction.
func TestListUnresolved(t *testing.T) { synctest.Test(t, listUnresolved) }

func listUnresolved(t *testing.T) {
	began := time.Now()
	s := open(t, storage.Options{Dir: t.TempDir(), SyncLog: true})
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: new(int64(1)), Mutations: []*binlogpb.TableMutation{
		{TableId: new(int64(44)), InsertedRows: [][]byte{[]byte("row")}}, {TableId: new(int64(42))}, {TableId: new(int64(44))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := binlogpb.EncodeBinlog(&binlogpb.Binlog{StartTs: new(int64(10)), PrewriteKey: []byte("t\x80key"), PrewriteValue: value})
	if err != nil {
		t.Fatal(err)
	}
	large := pre(20, 1<<20)
	put(t, s, pre(1, 10), com(1, 5), storage.Record{Type: storage.Prewrite, StartTS: 10, Payload: payload}, large)
	time.Sleep(10 * time.Second)
	put(t, s, pre(30, 10))

	list, total := s.ListUnresolved(10, 5*time.Second)
	if total != 3 || len(list) != 2 {
		t.Fatalf("%d of %d: %+v", len(list), total, list)
	}
	if u := list[0]; u.Err != nil || u.StartTS != 10 || u.Floor != 5 || !u.Since.Equal(began) || u.Size != int64(len(payload)) ||
		string(u.Key) != "t\x80key" || fmt.Sprint(u.Tables) != "[42 44]" || u.Partial {
		t.Errorf("the first is %+v", u)
	}
	if u := list[1]; u.Err != nil || u.StartTS != 20 || u.Size != int64(len(large.Payload)) || string(u.Key) != "key-20" || !u.Partial {
		t.Errorf("the large one is %+v", u)
	}
	if list, total := s.ListUnresolved(1, 0); total != 3 || len(list) != 1 || list[0].StartTS != 10 {
		t.Errorf("the first of %d is %+v", total, list)
	}
}

// flagsOf reads the flags of the records of a transaction from the first segment of a log.
func flagsOf(t *testing.T, dir string, startTS nodes.TSO) (flags []byte) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "log-0000000001"))
	if err != nil {
		t.Fatal(err)
	}
	for log = log[64:]; len(log) >= 40 && log[4] != 0; {
		if nodes.TSO(binary.LittleEndian.Uint64(log[16:])) == startTS {
			flags = append(flags, log[5])
		}
		log = log[(40+int(binary.LittleEndian.Uint32(log[8:]))+7)&^7:]
	}
	return flags
}

package tikvmock

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/sirupsen/logrus"
	"github.com/tikv/client-go/v2/util/codec"

	"pumphouse/drainer/schema"
	"pumphouse/drainer/tikv"
	"pumphouse/internal/certfile"
	"pumphouse/nodes/tikvconn"
	"pumphouse/testsuite/form"
)

// historyKey is where TiDB keeps an ended job.
func historyKey(id int64) []byte {
	key := codec.EncodeBytes([]byte{'m'}, []byte("DDLJobHistory"))
	key = binary.BigEndian.AppendUint64(key, 'h')
	return append(key, codec.EncodeBytes(nil, binary.BigEndian.AppendUint64(nil, uint64(id)))...)
}

func jobJSON(id int64, size int) []byte {
	return fmt.Appendf(nil, `{"id":%d,"type":3,"state":6,"schema_id":1,"table_id":9,"query":%q,"binlog":{"SchemaVersion":%d,"FinishedTS":%d}}`,
		id, strings.Repeat("q", size), id, id)
}

// put writes committed jobs, long ago.
func (c *cluster) put(ids ...int64) {
	c.t.Helper()
	for _, id := range ids {
		ts := uint64(10 * id)
		c.write(ts, historyKey(id), jobJSON(id, 100), 0)
		c.commit(ts, ts+1, historyKey(id))
	}
}

// write prewrites a key for a transaction of which it is the primary key.
func (c *cluster) write(ts uint64, key, value []byte, ttl uint64) {
	c.t.Helper()
	for _, err := range c.kv.MvccStore.Prewrite(&kvrpcpb.PrewriteRequest{
		Mutations:   []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Put, Key: key, Value: value}},
		PrimaryLock: key, StartVersion: ts, LockTtl: ttl, MinCommitTs: ts + 1,
	}) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// source reads the cluster; what it says comes after it.
func (c *cluster) source() (*tikv.Source, func() string) {
	c.t.Helper()
	var out lines
	log := logrus.New()
	log.SetOutput(&out)
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	c.t.Cleanup(tikvconn.RedirectLogs(quiet))
	s, err := tikv.New([]string{c.pdURL}, certfile.Security{}, log)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { s.Close() })
	return s, out.text
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// all are the jobs that are read after an ID. Listed without being read they are the same.
func all(t *testing.T, s *tikv.Source, after int64) (ids []int64) {
	t.Helper()
	err := s.History(t.Context(), after, func(j *schema.Job) error { ids = append(ids, j.ID); return nil })
	if err != nil {
		t.Fatal(err)
	}
	listed, err := s.JobIDs(t.Context())
	if i, _ := slices.BinarySearch(listed, after+1); err != nil || !slices.Equal(listed[i:], ids) {
		t.Errorf("after job %d: listed are %v, %v; read were %v", after, listed, err, ids)
	}
	return ids
}

// upTo are the numbers from one to another.
func upTo(from, to int64) (ids []int64) {
	for id := from; id <= to; id++ {
		ids = append(ids, id)
	}
	return ids
}

// TestHistoryOverRegions: regions that are split before and while they are read, and leaders that
// move, change nothing of what is read.
func TestHistoryOverRegions(t *testing.T) {
	c := newCluster(t, 3)
	want := upTo(1, 500)
	c.put(want...)
	c.put(1000)
	s, _ := c.source()
	if got := all(t, s, 0); !slices.Equal(got, append(slices.Clone(want), 1000)) {
		t.Errorf("one region: %v", got)
	}
	c.split(string(historyKey(200)))
	if got := all(t, s, 100); !slices.Equal(got, append(upTo(101, 500), 1000)) {
		t.Errorf("split after it was cached: %v", got)
	}
	var got []int64
	moved := 0
	err := s.History(t.Context(), 0, func(j *schema.Job) error {
		if got = append(got, j.ID); j.ID%40 == 0 && j.ID < 200 {
			c.layout.ChangeLeader(c.regionID, c.peerIDs[moved%3])
			moved++
		}
		if j.ID == 10 {
			c.split(string(historyKey(150)))
			c.split(string(historyKey(50)))
		}
		return nil
	})
	if err != nil || !slices.Equal(got, append(want, 1000)) {
		t.Errorf("split while it was read: %v, %v", err, got)
	}
	for _, id := range []int64{1, 50, 150, 200, 500} {
		if j, err := s.Job(t.Context(), id); err != nil || j.ID != id {
			t.Errorf("job %d: %v, %v", id, j, err)
		}
	}
	if _, err := s.Job(t.Context(), 501); !errors.Is(err, schema.ErrNoJob) {
		t.Errorf("a job that is not there: %v", err)
	}
	if got := all(t, s, 1000); got != nil {
		t.Errorf("after the last: %v", got)
	}
	if got := all(t, s, math.MaxInt64-1); got != nil {
		t.Errorf("after everything: %v", got)
	}
}

// TestHistoryUnderLocks: the locks of a transaction that died and of one that goes on are in
// nobody's way.
func TestHistoryUnderLocks(t *testing.T) {
	c := newCluster(t, 1)
	c.put(1, 2, 5)
	long := uint64(time.Now().Add(-time.Hour).UnixMilli()) << 18
	c.write(long, historyKey(3), jobJSON(3, 10), 1) // expired
	s, _ := c.source()
	if got := all(t, s, 0); !slices.Equal(got, []int64{1, 2, 5}) {
		t.Errorf("one transaction died: %v", got)
	}
	now := uint64(time.Now().Add(-50*time.Millisecond).UnixMilli()) << 18
	c.write(now, historyKey(4), jobJSON(4, 10), 60_000)
	if got := all(t, s, 0); !slices.Equal(got, []int64{1, 2, 5}) {
		t.Errorf("while a transaction is going on: %v", got)
	}
	// TiKV has promised the reader that it will be committed after it. As TiDB does, it is committed again with a later
	// timestamp when the promise was of that very moment.
	for deadline := time.Now().Add(time.Minute); ; {
		physical, logical, err := c.pd.GetTS(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = c.kv.MvccStore.Commit([][]byte{historyKey(4)}, now, uint64(physical)<<18|uint64(logical))
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "commit ts expired") || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if got := all(t, s, 0); !slices.Equal(got, []int64{1, 2, 4, 5}) {
		t.Errorf("after it: %v", got)
	}
}

// TestHistoryBadValues: what is no job is an error that says where it is.
func TestHistoryBadValues(t *testing.T) {
	c := newCluster(t, 1)
	c.put(1, 4)
	put := func(id int64, text string) {
		c.write(uint64(10*id), historyKey(id), []byte(text), 0)
		c.commit(uint64(10*id), uint64(10*id+1), historyKey(id))
	}
	put(2, `{"id":2,"state":1}`)
	put(3, `{"id":7,"state":6}`)
	put(5, `nonsense`)
	s, _ := c.source()
	if _, err := s.Job(t.Context(), 2); !errors.Is(err, schema.ErrNoJob) {
		t.Errorf("a job that goes on: %v", err)
	}
	for id, want := range map[int64]string{3: "DDL job 3 of TiDB's history: schema: unusable DDL job: it is job 7", 5: "DDL job 5"} {
		if _, err := s.Job(t.Context(), id); !errors.Is(err, schema.ErrBadJob) || !strings.Contains(err.Error(), want) {
			t.Errorf("job %d: %v", id, err)
		}
		if err := s.History(t.Context(), id-1, func(*schema.Job) error { return nil }); !errors.Is(err, schema.ErrBadJob) {
			t.Errorf("the history from job %d on: %v", id, err)
		}
	}
}

// TestHistoryWaits: stores that do not answer are waited for, which the log says, until the context
// ends or the source is closed.
func TestHistoryWaits(t *testing.T) {
	c := newCluster(t, 1)
	c.put(1)
	s, said := c.source()
	c.layout.StopStore(c.storeIDs[0])
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	if _, err := s.Job(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "read DDL job 1") {
		t.Errorf("no store: %v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("given up after %v", took)
	}
	done := make(chan error, 1)
	go func() {
		done <- s.History(t.Context(), 0, func(*schema.Job) error { return nil })
	}()
	c.layout.StartStore(c.storeIDs[0])
	if err := <-done; err != nil {
		t.Errorf("the store came back: %v", err)
	}
	c.layout.StopStore(c.storeIDs[0])
	go func() {
		_, err := s.Job(t.Context(), 1)
		done <- err
	}()
	for range 3 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := <-done; !errors.Is(err, tikv.ErrClosed) {
		t.Errorf("while it was closed: %v", err)
	}
	if _, err := s.Job(t.Context(), 1); !errors.Is(err, tikv.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	// What is said has three parts: what cannot be done, where, and why.
	waits := 0
	for line := range strings.Lines(said()) {
		if strings.Contains(line, "cannot read") {
			waits++
			if why := why.FindStringSubmatch(line); why == nil || strings.HasPrefix(why[1], ":") || !strings.Contains(why[1], c.pdURL) {
				t.Errorf("a line without a reason, or without PD's address: %s", line)
			}
		}
	}
	if waits == 0 {
		t.Errorf("nothing is said: %q", said())
	}
}

// why finds the error in a line of a log that has one, which is not empty.
var why = regexp.MustCompile(`error="?([^"]+)`)

// TestNoPD: PD is waited for as long as the context lasts.
func TestNoPD(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	defer tikvconn.RedirectLogs(quiet)()
	s, err := tikv.New([]string{"127.0.0.1:1"}, certfile.Security{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Now(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("%v", err)
	}
	// A Source that is closed while PD is away says so.
	over := make(chan error, 1)
	go func() { _, err := s.Now(t.Context()); over <- err }()
	s.Close()
	if err := <-over; !errors.Is(err, tikv.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestLongHistory reads very many jobs, of which it never holds more than a few. The store makes
// them up as it is asked.
func TestLongHistory(t *testing.T) {
	jobs, size := int64(10_000), 10<<10
	if form.Long() {
		jobs = 100_000
	}
	c := newCluster(t, 1)
	first := len(historyKey(1))
	c.set(func() {
		c.scan = func(req *kvrpcpb.ScanRequest) *kvrpcpb.ScanResponse {
			resp := new(kvrpcpb.ScanResponse)
			_, field, err := codec.DecodeBytes(req.StartKey[first-18:first], nil)
			if err != nil {
				t.Error(err)
			}
			for id := int64(binary.BigEndian.Uint64(field)) + 1; id <= jobs && len(resp.Pairs) < int(req.Limit); id++ {
				resp.Pairs = append(resp.Pairs, &kvrpcpb.KvPair{Key: historyKey(id), Value: jobJSON(id, size)})
			}
			return resp
		}
	})
	s, _ := c.source()
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := live(), uint64(0), int64(0)
	err := s.History(t.Context(), 0, func(j *schema.Job) error {
		if n++; j.ID != n {
			return fmt.Errorf("job %d comes as number %d", j.ID, n)
		}
		if n%(jobs/10) == 5 {
			most = max(most, live())
		}
		return nil
	})
	if err != nil || n != jobs {
		t.Errorf("%d jobs, %v", n, err)
	}
	held := (int64(most) - int64(before)) >> 20
	t.Logf("%d MiB of jobs, at most %d MiB held", jobs*int64(size)>>20, held)
	if held > 8 {
		t.Errorf("%d MiB are held", held)
	}
}

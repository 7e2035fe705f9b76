package pump

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/pump/oldlog"
	"pumphouse/pump/takeover"
	"pumphouse/testsuite/upstream"
)

// commits are the commit TSs in a value log, in their order there, and the last TS in it.
func commits(t *testing.T, dir string) (list []nodes.TSO, last nodes.TSO) {
	t.Helper()
	l, err := oldlog.Open(filepath.Join(dir, "value"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Read(oldlog.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		recs, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, last
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range recs {
			h, err := binlogpb.Peek(rec.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if h.Type == binlogpb.BinlogType_Commit {
				list = append(list, nodes.TSO(h.CommitTS))
			}
			last = max(last, nodes.TSO(h.StartTS), nodes.TSO(h.CommitTS))
		}
	}
}

// TestTakesOverAnUpstreamPump: a pump started on an upstream pump's directory, under its ID and beside its record, delivers all
// of its transactions from whatever position a drainer has, and what was unresolved when its outcome comes.
func TestTakesOverAnUpstreamPump(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	upstream.PumpDir(t, dir, true)
	want, last := commits(t, dir)
	l := &upstream.ValueLog{Dir: filepath.Join(dir, "value"), No: 1}
	open := r.tso()
	if _, err := l.Append(upstream.Prewrite(int64(open), 100)); err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".node"), []byte("old-pump:8250"), 0o600); err != nil {
		t.Fatal(err)
	}
	rec := nodes.Record{NodeID: "old-pump:8250", Host: "10.0.0.1:8250", State: nodes.Paused, MaxCommitTS: last, UpdateTS: r.tso()}
	if _, err := r.registry.Put(t.Context(), nodes.Pump, rec, 0); err != nil {
		t.Fatal(err)
	}
	o := r.options("")
	o.DataDir = dir
	p := r.open(o)
	if p.NodeID() != "old-pump:8250" {
		t.Errorf("node ID %q", p.NodeID())
	}
	if got := r.record(p); got.State != nodes.Online || got.MaxCommitTS < last {
		t.Errorf("%+v, the upstream pump had sorted up to %s", got, last)
	}
	conn := r.dial(p)
	for i, from := range want {
		s := r.pull(conn, from)
		n := 0
		for prev := from; ; n++ {
			resp, err := s.Recv()
			if err != nil {
				t.Fatal(err)
			}
			m := resp.Entity.Meta
			ts := nodes.TSO(m.GetCommitTs())
			if m.GetStartTs() == m.GetCommitTs() {
				break // nothing more up to now
			}
			var b binlogpb.Binlog
			if err := proto.Unmarshal(resp.Entity.Payload, &b); err != nil || ts <= prev || nodes.TSO(b.GetCommitTs()) != ts {
				t.Fatalf("after %s: %s, %v, %v", prev, ts, err, &b)
			}
			prev = ts
		}
		if n != len(want)-1-i {
			t.Errorf("%d transactions after %s, want %d", n, from, len(want)-1-i)
		}
	}
	s := r.pull(conn, 0)
	if got := r.until(s, want[len(want)-1]); len(got) != len(want) {
		t.Errorf("%d transactions from the beginning on, want %d", len(got), len(want))
	}
	if st := p.store.Stats(); st.Unresolved != 1 || st.OldestStartTS != open {
		t.Errorf("%+v", st)
	}
	ts := r.tso()
	if err := r.write(conn, commit(open, ts)); err != nil {
		t.Fatal(err)
	}
	if got := r.until(s, ts); len(got) != 1 || got[0] != open {
		t.Errorf("after the outcome came: %v", got)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	p = r.open(o) // as any pump
	if got := r.until(r.pull(r.dial(p), 0), ts); len(got) != len(want)+1 {
		t.Errorf("%d transactions after a restart, want %d", len(got), len(want)+1)
	}
	// The old files go with the GC time, or by hand.
	ahead.Store(int64(8 * 24 * time.Hour))
	p.forgetOld()
	if removed, err := ForgetOld(dir); removed || err != nil {
		t.Error(removed, err)
	}
}

// TestImportIsSeen: /status and the metrics say how far an import is, while everything else says that the pump is not there yet.
func TestImportIsSeen(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "value"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, w := &upstream.ValueLog{Dir: filepath.Join(dir, "value")}, upstream.NewWorkload(1, int64(nodes.MakeTSO(time.Now().Add(-time.Hour), 0)))
	w.Size = 4000
	w.Write(t, l, 20_000)
	w.End(t, l, 0)
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := r.options("pump1")
	o.Addr, o.DataDir = free.Addr().String(), dir
	free.Close()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() { opened <- p.Open(context.Background()) }()
	t.Cleanup(func() { p.Close() })

	// Whoever dials as soon as the port is open is answered first.
	var c net.Conn
	for end := time.Now().Add(time.Minute); c == nil; time.Sleep(time.Millisecond) {
		if c, err = net.Dial("tcp", o.Addr); err != nil && time.Now().After(end) {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		if c == nil {
			return nil, errors.New("no second connection")
		}
		defer func() { c = nil }()
		return c, nil
	}}}
	resp, err := client.Get("http://" + o.Addr + "/status")
	if err != nil {
		t.Fatal(err)
	}
	var st struct {
		ErrMsg string
		Import *takeover.Status
	}
	err = json.NewDecoder(resp.Body).Decode(&st)
	resp.Body.Close()
	if err != nil || st.Import == nil || st.Import.TotalBytes < 10<<20 || st.Import.DoneBytes > st.Import.TotalBytes || st.ErrMsg == "" {
		t.Errorf("%v: %+v", err, st)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if got := r.until(r.pull(r.dial(p), 0), nodes.TSO(w.Committed[len(w.Committed)-1].Commit)); len(got) != len(w.Committed) {
		t.Errorf("%d transactions, want %d", len(got), len(w.Committed))
	}
	if got := metric(t, p.opts.Metrics, "pumphouse_pump_import_done_bytes", ""); got != metric(t, p.opts.Metrics, "pumphouse_pump_import_total_bytes", "") {
		t.Errorf("%v bytes imported", got)
	}
}

package pump

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
	"pumphouse/pump/storage"
	"pumphouse/testsuite/pdtest"
)

// forgot is a TiKV that has no trace of any transaction.
type forgot struct{}

func (forgot) Resolve(context.Context, storage.Question) (storage.Verdict, nodes.TSO, error) {
	return storage.Unknown, 0, errors.New("TiKV has no trace of the transaction any more")
}

// record is that of a pump, as clients find it in PD.
func (r *rig) record(p *Pump) nodes.Record {
	r.Helper()
	e, err := r.registry.Get(context.Background(), nodes.Pump, p.NodeID())
	if err != nil {
		r.Fatal(err)
	}
	return e.Record
}

// TestResolveOverHTTP: what a transaction holds back is delivered once an operator has
// decided; listing, answers and log name it.
func TestResolveOverHTTP(t *testing.T) {
	for _, rollback := range []bool{true, false} {
		r := newRig(t)
		logger, logs := logtest.NewNullLogger()
		o := r.options("pump1")
		o.Resolver, o.Logger = forgot{}, logger
		p := r.open(o)
		conn, control := r.dial(p), nodes.NewControl(nil, 0)
		first := r.transaction(conn, nil)
		lost := r.tso()
		if err := r.write(conn, prewrite(lost, nil)); err != nil {
			t.Fatal(err)
		}
		commitTS := r.tso()
		last := r.transaction(conn, nil)

		list, err := control.Unresolved(t.Context(), r.record(p), 0, 10)
		if err != nil || list.Total != 1 || len(list.Transactions) != 1 || list.Waiting != 1 || list.Pump != "pump1" || list.Delivered < first || list.Delivered >= last {
			t.Fatalf("the list is %+v, %v", list, err)
		}
		if u := list.Transactions[0]; u.StartTS != lost || u.CommitAfter < first || u.KeyText() != `"key"` || u.Since.IsZero() || u.Bytes == 0 || u.Problem != "" {
			t.Errorf("the transaction is %+v", u)
		}
		if list, err := control.Unresolved(t.Context(), r.record(p), time.Hour, 10); err != nil || list.Total != 1 || len(list.Transactions) != 0 {
			t.Errorf("of those older than an hour: %+v, %v", list, err)
		}

		want := []nodes.TSO{lost, 0}
		if rollback {
			commitTS, want = 0, []nodes.TSO{0}
		}
		message, err := control.Resolve(t.Context(), r.record(p), lost, commitTS, "ops@here")
		if err != nil || !strings.Contains(message, lost.String()) || !strings.Contains(message, "operator") || !strings.Contains(message, "no trace") {
			t.Fatalf("the answer is %q, %v", message, err)
		}
		got := r.until(r.pull(conn, first), last)
		if len(got) != len(want) || len(want) == 2 && got[0] != lost {
			t.Errorf("delivered %v, the decided transaction is %s", got, lost)
		}
		said := ""
		for _, e := range logs.AllEntries() {
			if strings.Contains(e.Message, "operator") {
				said += fmt.Sprint(e.Message, e.Data)
			}
		}
		for _, part := range []string{"start_ts:" + lost.String(), "ops@here", "addr:127.0.0.1:"} {
			if !strings.Contains(said, part) {
				t.Errorf("the log does not say %q: %s", part, said)
			}
		}
	}
}

// TestResolveRefused: real statuses, and errors that name the transaction.
func TestResolveRefused(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.Resolver = forgot{}
	p := r.open(o)
	conn := r.dial(p)
	done := r.transaction(conn, nil)
	lost := r.tso()
	if err := r.write(conn, prewrite(lost, nil)); err != nil {
		t.Fatal(err)
	}
	future := nodes.MakeTSO(r.tso().Time().Add(time.Hour), 0)
	for _, c := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"PUT", "/unresolved/5/rollback", 404, "start TS 5"},
		{"PUT", fmt.Sprintf("/unresolved/%s/commit/%s", lost, done), 409, "start TS"},
		{"PUT", fmt.Sprintf("/unresolved/%s/commit/%s", lost, lost), 409, "not after start TS"},
		{"PUT", fmt.Sprintf("/unresolved/%s/commit/%s", lost, future), 409, "PD's clock"},
		{"PUT", "/unresolved/x/rollback", 400, `"x"`},
		{"PUT", "/unresolved/0/rollback", 400, "0"},
		{"PUT", fmt.Sprintf("/unresolved/%s/commit/-1", lost), 400, `"-1"`},
		{"GET", "/unresolved?limit=0", 400, "limit"},
		{"GET", "/unresolved?limit=9999", 400, "1000"},
		{"GET", "/unresolved?older=x", 400, "older"},
		{"POST", fmt.Sprintf("/unresolved/%s/rollback", lost), 405, ""},
	} {
		code, body := request(t, p, c.method, c.path)
		if code != c.code || !strings.Contains(body, c.text) {
			t.Errorf("%s %s: %d %s, want %d and %q", c.method, c.path, code, body, c.code, c.text)
		}
	}
	if _, total := p.store.ListUnresolved(1, 0); total != 1 {
		t.Errorf("%d are unresolved after the refusals, want 1", total)
	}
}

// request sends one to a pump's HTTP port and gives the answer's status and message.
func request(t *testing.T, p *Pump, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply nodes.Reply
	if resp.StatusCode != http.StatusMethodNotAllowed && (json.Unmarshal(body, &reply) != nil || reply.Code != resp.StatusCode || reply.Message == "") {
		t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, body)
	}
	return resp.StatusCode, reply.Message
}

// TestListIsKept: whoever asks how often, payloads are read once in a while, and a decision shows at once.
func TestListIsKept(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.Resolver = forgot{}
	stopped := time.Now().Add(time.Minute) // so that nothing is out of date unless the test says so
	p := r.open(o)
	conn := r.dial(p)
	now := func() time.Time { return stopped }
	write := func() nodes.TSO {
		ts := r.tso()
		if err := r.write(conn, prewrite(ts, nil)); err != nil {
			t.Fatal(err)
		}
		return ts
	}
	sees := func(what string, limit, listed, total int) {
		t.Helper()
		if list, n := p.listed.get(p.store, limit, 0, now); len(list) != listed || n != total {
			t.Errorf("%s: %d of %d are listed, want %d of %d", what, len(list), n, listed, total)
		}
	}
	write()
	write()
	sees("one is asked for", 1, 1, 2)
	write()
	sees("the same again", 1, 1, 2)
	sees("more than was read", 3, 3, 3)
	write()
	sees("no more than was read", 2, 2, 3)
	p.listed.forget()
	sees("after a decision", 2, 2, 4)
	write()
	stopped = stopped.Add(listFor)
	sees("later", 9, 5, 5)
	if list, n := p.listed.get(p.store, 9, time.Hour, now); len(list) != 0 || n != 5 {
		t.Errorf("older than an hour: %d of %d", len(list), n)
	}
}

// TestAdminLimitsThePump: each request that changes a pump, costs it much or shows what binlogs hold is
// limited, and no other.
func TestAdminLimitsThePump(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.Admin = port.AdminCert
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "ssl-ca") {
		t.Errorf("cert without TLS: %v", err)
	}
	certs := pdtest.NewCerts(t)
	o.Security = certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}
	h := r.open(o).routes() // called without a certificate, as over the Unix socket
	for _, c := range []struct {
		method, path string
		limited      bool
	}{
		{"PUT", "/state/pump1/pause", true}, {"PUT", "/unresolved/5/rollback", true}, {"PUT", "/unresolved/5/commit/6", true},
		{"GET", "/debug/binlog/5", true}, {"POST", "/debug/gc/trigger", true}, {"GET", "/unresolved", true},
		{"GET", "/status", false}, {"GET", "/drainers", false}, {"GET", "/metrics", false},
	} {
		w := serve(t, h, c.method, c.path)
		if (w == http.StatusForbidden) != c.limited {
			t.Errorf("%s %s: %d, limited: %v", c.method, c.path, w, c.limited)
		}
	}
}

func serve(t *testing.T, h http.Handler, method, path string) int {
	t.Helper()
	w := httptest.NewRecorder()
	req, err := http.NewRequestWithContext(t.Context(), method, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(w, req)
	return w.Code
}

// keeps is a PD that takes every GC safe point.
type keeps struct{}

func (keeps) HoldGC(_ context.Context, _ string, ts nodes.TSO, _ time.Duration) (nodes.TSO, error) {
	return ts, nil
}

// TestStatusForOthers: the client that consoles, drainers and binlogctl use reads what a pump with an
// unresolved transaction says of itself, the GC safe point that it holds included.
func TestStatusForOthers(t *testing.T) {
	r := newRig(t)
	o := r.options("pump1")
	o.Resolver, o.GCHolder = forgot{}, keeps{}
	p := r.open(o)
	conn, control := r.dial(p), nodes.NewControl(nil, 0)
	lost := r.tso()
	if err := r.write(conn, prewrite(lost, nil)); err != nil {
		t.Fatal(err)
	}
	r.transaction(conn, nil)
	deadline := time.Now().Add(time.Minute)
	for {
		st, err := control.Status(t.Context(), nodes.Pump, r.record(p))
		if err != nil || st.Unresolved != 1 || st.OldestStartTS != lost || st.Held != 1 || st.GCSafePoint >= lost {
			t.Fatalf("the status is %+v, %v", st, err)
		}
		if st.GCSafePoint > 0 && st.OldestAge > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no GC safe point is held: %+v", st)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

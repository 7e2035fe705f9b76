package nodes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"pumphouse/testsuite/form"
)

// TestControlStatus reads what old and new nodes of both kinds say of themselves.
func TestControlStatus(t *testing.T) {
	twelve := uint64(12)
	for _, c := range []struct {
		name   string
		kind   Kind
		status int
		body   string
		want   Status
		err    string
	}{
		{"an old pump", Pump, 200, `{"status":{"p":{"nodeId":"p","host":"h:1","state":"online"}},"CommitTS":470642465486929921,"Checkpoint":{},"ErrMsg":""}`,
			Status{CommitTS: 470642465486929921}, ""},
		{"an old drainer", Drainer, 200, `{"PumpPos":{"p":470642465486929921},"Synced":true,"LastTS":470642465486929921,"TsMap":""}`,
			Status{CommitTS: 470642465486929921, Synced: true, Positions: map[string]TSO{"p": 470642465486929921}}, ""},
		{"a closing pump", Pump, 200, `{"status":{},"CommitTS":9,"Checkpoint":{},"ErrMsg":"disk","State":"closing","Unresolved":2,` +
			`"WaitingFor":[{"drainer":"slow","host":"h:2","state":"paused","consumed":262144000,"needed":524288000}],"Pullers":0,"Version":"1.2","Storage":{"LogBytes":10,"IndexBytes":2,"AvailableBytes":7,"PurgedTS":4}}`,
			Status{State: Closing, CommitTS: 9, Problem: "disk", Version: "1.2", Unresolved: 2, LogBytes: 12, AvailableBytes: 7, PurgedTS: 4, Waiting: []string{
				"drainer slow (paused, h:2), which has consumed up to commit TS 262144000 of 524288000 (it lags by 1s)",
				"2 transactions that are prewritten and not yet committed or rolled back"}}, ""},
		{"an online pump", Pump, 200, `{"CommitTS":9,"State":"online","Unresolved":2}`, Status{State: Online, CommitTS: 9, Unresolved: 2}, ""},
		{"a held drainer", Drainer, 200, `{"PumpPos":{},"Synced":false,"LastTS":5,"TsMap":"","State":"online","Lag":1.5,"Downstream":"file","Pumps":[{"Pump":"p","Reached":false,"Err":"refused"},{"Pump":"q","Reached":true}],` +
			`"HeldBy":{"Pump":"p","Addr":"h:1","State":"paused","Position":3,"Since":"2026-01-02T03:04:05Z","Seconds":7,"Reason":"connection refused"}}`,
			Status{State: Online, CommitTS: 5, Lag: 1500 * time.Millisecond, HasLag: true, Downstream: "file", Positions: map[string]TSO{},
				HeldBy: "p", HeldSince: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Unreached: map[string]string{"p": "refused"},
				Waiting: []string{"pump p (paused, h:1), which has blocked replication since 2026-01-02 03:04:05: connection refused"}}, ""},
		{"a drainer that has run a DDL", Drainer, 200, `{"LastTS":5,"Rows":12,"LastDDL":{"CommitTS":4,"Query":"DROP TABLE a","Applied":true}}`,
			Status{CommitTS: 5, Written: &twelve, LastDDL: &LastDDL{CommitTS: 4, Query: "DROP TABLE a", Applied: true}}, ""},
		{"a drainer whose downstream differs", Drainer, 200, `{"LastTS":5,"ErrMsg":"PD is away","Divergences":[` +
			`{"Table":"d.t","Count":3,"First":{"Statement":"DELETE","Keys":"id=1, id=2","Rows":2,"Found":1,"CommitTS":470642465486929921,"LastCommitTS":470642465486929925}},` +
			`{"Table":"d.u","Count":1,"First":{"Statement":"UPDATE","Keys":"id=7","Rows":1,"Found":0,"CommitTS":470642465486929921,"LastCommitTS":470642465486929921}},` +
			`{"Table":"d.v","Count":1},{"Table":"d.w","Count":1}]}`,
			Status{CommitTS: 5, Problem: "PD is away; the downstream differs from the upstream (drainer -compare finds all that does): " +
				"d.t: DELETE found 1 row downstream, not 2: id=1, id=2; commit TS 470642465486929921 (2026-11-22 14:42:06 UTC) to 470642465486929925, and 2 more such statements; " +
				"d.u: UPDATE found 0 rows downstream, not 1: id=7; commit TS 470642465486929921 (2026-11-22 14:42:06 UTC); " +
				"d.v:  found 0 rows downstream, not 0: ; commit TS 0 (1970-01-01 00:00:00 UTC); and 1 more table"}, ""},
		{"a pump with records", Pump, 200, `{"CommitTS":5,"Storage":{"Records":12}}`, Status{CommitTS: 5, Written: &twelve}, ""},
		{"no node", Pump, 200, `<html>`, Status{}, "<html>"},
		{"an error", Pump, 500, `{"message":"no"}`, Status{}, "HTTP status 500"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/status" {
				t.Errorf("asked %s %s", r.Method, r.URL)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		rec := testRecord("n", Online)
		rec.Host = srv.Listener.Addr().String()
		got, err := NewControl(nil, 0).Status(t.Context(), c.kind, rec)
		srv.Close()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), rec.Host) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
	rec := testRecord("n", Online)
	rec.Host = form.Addr(t)
	if _, err := NewControl(nil, 0).Status(t.Context(), Pump, rec); err == nil || !strings.Contains(err.Error(), "ask pump n at "+rec.Host) {
		t.Errorf("a dead node: %v", err)
	}
	rec.Host = "nonsense"
	if _, err := NewControl(nil, 0).Status(t.Context(), Pump, rec); err == nil || !strings.Contains(err.Error(), "names no address") {
		t.Errorf("no address: %v", err)
	}
}

// TestHoldUp: what a node that is late waits for, in the words that follow "and is closing
// after 5 s;".
func TestHoldUp(t *testing.T) {
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
	rec := testRecord("p", Closing)
	rec.Host = srv.Listener.Addr().String()
	control := NewControl(nil, 0)
	for _, c := range []struct{ said, want string }{
		{`{"State":"closing","Unresolved":2,"ErrMsg":"disk","HeldBy":{"Pump":"q","Addr":"h:1","State":"paused","Since":"2026-01-02T03:04:05Z","Reason":"refused"}}`,
			"it waits for 2 transactions that are prewritten and not yet committed or rolled back; and for pump q (paused, h:1), which has blocked replication since 2026-01-02 03:04:05: refused"},
		{`{"ErrMsg":"disk"}`, "it says: disk"},
		{`{}`, "it does not say what it waits for"},
		{`<html>`, `what it waits for is not known: ask pump p at ` + rec.Host + ` for its status: HTTP status 200: "<html>"`},
	} {
		body = c.said
		if got := control.HoldUp(t.Context(), Pump, rec); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.said, got, c.want)
		}
	}
	srv.Close()
	if got := control.HoldUp(t.Context(), Pump, rec); !strings.Contains(got, "is not known: ask pump p at "+rec.Host) {
		t.Errorf("a dead node: %s", got)
	}
}

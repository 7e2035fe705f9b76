package nodes

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The golden files are records as upstream's writers leave them in PD; if one of them
// has to change, every old node and tool is locked out.
func TestRecordBytes(t *testing.T) {
	labels := Record{
		NodeID: "drainer-ü<1>", Host: "drainer-1.svc:8249", State: Closing, IsAlive: true, Score: -3,
		Label: &Label{Labels: map[string]string{"zone": "z1", "a": "b"}}, UpdateTS: 1,
	}
	for file, rec := range map[string]Record{"record.golden": testRecord("pump1", Online), "record-labels.golden": labels} {
		want, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		// encoding/json writes < and > as escapes, and so do the old nodes.
		escaped := strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(string(want))
		got, err := EncodeRecord(rec)
		if err != nil || string(got) != escaped {
			t.Errorf("%s: encoded as\n%s (%v), want\n%s", file, got, err, escaped)
		}
		back, err := DecodeRecord(want)
		if err != nil || !reflect.DeepEqual(back, rec) {
			t.Errorf("%s: decoded as %+v (%v)", file, back, err)
		}
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		``:                                  "not a node record",
		`null`:                              "nodeId is missing",
		`[]`:                                "not a node record",
		`{"state":"online"}`:                "nodeId is missing",
		`{"nodeId":"p"}`:                    "state  is illegal",
		`{"nodeId":"p","state":"bogus"}`:    "state bogus is illegal",
		`{"nodeId":"p","state":7}`:          "not a node record",
		`{"nodeId":"p","state":"online"} x`: "not a node record",
		`{"nodeId":"p","state":"online","updateTS":-1}`:                     "negative",
		`{"nodeId":"p","state":"online","maxCommitTS":9223372036854775808}`: "not a node record",
	} {
		if _, err := DecodeRecord([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("DecodeRecord(%s) = %v, want an error with %q", raw, err, want)
		}
	}
	var unknown *UnknownStateError
	if _, err := DecodeRecord([]byte(`{"nodeId":"p","state":"bogus"}`)); !errors.As(err, &unknown) || unknown.State != "bogus" {
		t.Errorf("no UnknownStateError in %v", err)
	}
}

func TestReplaceStateKeepsEveryOtherByte(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"as upstream writes it",
			`{"nodeId":"p","host":"h:1","state":"online","isAlive":false,"score":0,"label":null,"maxCommitTS":1,"updateTS":2}`,
			`{"nodeId":"p","host":"h:1","state":"paused","isAlive":false,"score":0,"label":null,"maxCommitTS":1,"updateTS":2}`},
		{"spaces, unknown fields, another order",
			" {\n \"state\" :\t\"ONLINE\" , \"x\":{\"state\":\"online\"}, \"nodeId\":\"p\" }\n",
			" {\n \"state\" :\t\"paused\" , \"x\":{\"state\":\"online\"}, \"nodeId\":\"p\" }\n"},
		{"the last of two", `{"State":"closing","nodeId":"p","state":"online"}`, `{"State":"closing","nodeId":"p","state":"paused"}`},
		{"a null counts for nothing", `{"state":"online","nodeId":"p","state":null}`, `{"state":"paused","nodeId":"p","state":null}`},
		{"escapes in key and value", `{"\u0073tate":"\u006fnline","nodeId":"p"}`, `{"\u0073tate":"paused","nodeId":"p"}`},
		{"large numbers stay exact", `{"nodeId":"p","state":"online","x":1e400,"updateTS":9223372036854775807}`,
			`{"nodeId":"p","state":"paused","x":1e400,"updateTS":9223372036854775807}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := replaceState([]byte(c.raw), Paused)
			if err != nil || string(got) != c.want {
				t.Fatalf("got  %s (%v)\nwant %s", got, err, c.want)
			}
			if r, err := DecodeRecord(got); err != nil || r.State != Paused {
				t.Fatalf("reads back as %+v, %v", r, err)
			}
		})
	}
	for _, raw := range []string{``, `[]`, `{}`, `{"state":1}`, `{"state":"online"`, `{"state":null}`} {
		if got, err := replaceState([]byte(raw), Paused); err == nil {
			t.Errorf("replaceState(%s) = %s, want an error", raw, got)
		}
	}
}

// FuzzReplaceState holds two promises for whatever bytes another writer left: what
// decodes can have its state replaced, and then nothing but the state has changed.
func FuzzReplaceState(f *testing.F) {
	golden, err := os.ReadFile("testdata/record.golden")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden, uint8(2))
	for _, s := range []string{
		`{"State":"closing","nodeId":"p","state":"online"}`, `{"ſtate":"online","nodeid":"p"}`,
		`{"state":"online","nodeId":"p","state":null}`, ` {"a":[{"state":1}],"\u0073tate":"PAUSED","nodeId":"\ud800"} `,
	} {
		f.Add([]byte(s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, raw []byte, n uint8) {
		before, err := DecodeRecord(raw)
		if err != nil {
			return
		}
		state := States()[int(n)%len(States())]
		out, err := replaceState(bytes.Clone(raw), state)
		if err != nil {
			t.Fatalf("it decodes, but its state cannot be replaced: %v", err)
		}
		after, err := DecodeRecord(out)
		if err != nil {
			t.Fatalf("%s\nbecame what does not decode: %s: %v", raw, out, err)
		}
		want := before
		want.State = state
		if !reflect.DeepEqual(after, want) {
			t.Fatalf("%s\nbecame %s", raw, out)
		}
		// Fields that Record does not know must be the same values too.
		old, now := fields(t, raw), fields(t, out)
		for k := range old {
			if strings.EqualFold(k, "state") {
				delete(old, k)
				delete(now, k)
			}
		}
		if !maps.EqualFunc(old, now, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%s\nbecame %s", raw, out)
		}
	})
}

func fields(t *testing.T, raw []byte) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestValidateNodeID(t *testing.T) {
	for _, id := range []string{"pump1", "host-1.example.com:8250", "[::1]:8250", "泵1", "a b", "p%2F", strings.Repeat("x", 261)} {
		if err := ValidateNodeID(id); err != nil {
			t.Errorf("%q refused: %v", id, err)
		}
	}
	for _, id := range []string{"", "a/b", "/", ".", "..", "a\nb", "a\x00", "\xff", " a", "a\u200b", strings.Repeat("x", 262)} {
		if err := ValidateNodeID(id); err == nil {
			t.Errorf("%q taken", id)
		}
	}
}

func TestReporting(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for age, want := range map[time.Duration]bool{
		-time.Minute: true, 0: true, 6 * time.Second: true, 6001 * time.Millisecond: false, time.Hour: false,
	} {
		r := Record{UpdateTS: MakeTSO(now.Add(-age), 5)}
		if got := r.Reporting(now, 2*time.Second); got != want {
			t.Errorf("a record %s old reports: %t", age, got)
		}
	}
}

func TestLag(t *testing.T) {
	const heartbeat = 2 * time.Second
	now := time.UnixMilli(1_700_000_000_000)
	ago := func(d time.Duration) TSO { return MakeTSO(now.Add(-d), 7) }
	for _, c := range []struct {
		name   string
		rec    Record
		want   time.Duration
		wanted bool
	}{
		{"one that reports: as it was when it wrote", Record{State: Online, UpdateTS: ago(time.Second), MaxCommitTS: ago(5 * time.Second)}, 4 * time.Second, true},
		{"the last moment of reporting", Record{State: Online, UpdateTS: ago(3 * heartbeat), MaxCommitTS: ago(10 * time.Second)}, 4 * time.Second, true},
		{"a silent one: as it is by now", Record{State: Online, UpdateTS: ago(3*heartbeat + time.Millisecond), MaxCommitTS: ago(10 * time.Second)}, 10 * time.Second, true},
		{"pausing, reports", Record{State: Pausing, UpdateTS: ago(time.Second), MaxCommitTS: ago(5 * time.Second)}, 4 * time.Second, true},
		{"closing, reports", Record{State: Closing, UpdateTS: ago(time.Second), MaxCommitTS: ago(5 * time.Second)}, 4 * time.Second, true},
		{"paused a moment ago: by now", Record{State: Paused, UpdateTS: ago(time.Second), MaxCommitTS: ago(5 * time.Second)}, 5 * time.Second, true},
		{"offline has none", Record{State: Offline, UpdateTS: ago(time.Second), MaxCommitTS: ago(5 * time.Second)}, 0, false},
		{"no position yet", Record{State: Online, UpdateTS: ago(time.Second)}, 0, false},
		{"a position that is no time", Record{State: Online, UpdateTS: ago(time.Second), MaxCommitTS: 9}, 0, false},
		{"ahead of its record", Record{State: Online, UpdateTS: ago(time.Second), MaxCommitTS: ago(0)}, 0, true},
		{"paused, ahead of PD's clock", Record{State: Paused, UpdateTS: ago(0), MaxCommitTS: ago(-time.Second)}, 0, true},
	} {
		if got, ok := c.rec.Lag(now, heartbeat); got != c.want || ok != c.wanted {
			t.Errorf("%s: %s, %t; want %s, %t", c.name, got, ok, c.want, c.wanted)
		}
	}
}

func TestTSO(t *testing.T) {
	ts := TSO(408553768673342237) // from the operations document
	if got := MakeTSO(ts.Time(), ts.Logical()); got != ts {
		t.Errorf("taken apart and joined: %d, want %d", got, ts)
	}
	if got, err := ParseTSO(ts.String()); err != nil || got != ts {
		t.Errorf("ParseTSO = %d, %v", got, err)
	}
	for _, s := range []string{"", "-1", "+1", "1.0", "0x1", "9223372036854775808", " 1"} {
		if _, err := ParseTSO(s); err == nil {
			t.Errorf("ParseTSO(%q) taken", s)
		}
	}
}

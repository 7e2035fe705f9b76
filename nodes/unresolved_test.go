package nodes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestKeyText(t *testing.T) {
	for key, want := range map[string]string{
		"74800000000000002c5f728000000000000011":         "table 44, row 17",
		"74800000000000002c5f727fffffffffffffff":         "table 44, row -1",
		"74800000000000002c5f72016162630000000000fa":     "table 44, row 0x016162630000000000fa",
		"74800000000000002c5f69800000000000000203800005": "table 44, index 2, 0x03800005",
		"74800000000000002c":                             `"t\x80\x00\x00\x00\x00\x00\x00,"`,
		"6b6579":                                         `"key"`,
		"":                                               `""`,
		"not hex":                                        `"not hex"`,
	} {
		if got := (UnresolvedTxn{Key: key}).KeyText(); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestTableText(t *testing.T) {
	if got := (UnresolvedTxn{Tables: []int64{42, 44}, Partial: true}).TableText(); got != "42, 44, …" {
		t.Error(got)
	}
}

// TestStatusNamesWhatHoldsBack: a pump waits, in words, for a transaction that is unresolved for
// long, with the command that decides it.
func TestStatusNamesWhatHoldsBack(t *testing.T) {
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"Storage":{"OldestStartTS":470,"OldestAge":34000000000,"Waiting":924},"GCSafePoint":{"service":"pumphouse-p1","ts":460}}`,
			[]string{"start TS 470", "34s", "924", "-cmd resolve -node-id p1 -start-ts 470"}},
		{`{"Storage":{"OldestStartTS":470,"OldestAge":1000000000}}`, nil},
		{`{"Storage":{}}`, nil},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.body) }))
		st, err := NewControl(nil, 0).Status(t.Context(), Pump, Record{NodeID: "p1", Host: srv.Listener.Addr().String()})
		srv.Close()
		if err != nil {
			t.Fatal(err)
		}
		waits := strings.Join(st.Waiting, "; ")
		for _, text := range c.want {
			if !strings.Contains(waits, text) {
				t.Errorf("%s waits for %q, which lacks %q", c.body, waits, text)
			}
		}
		if c.want == nil && waits != "" || c.want != nil && st.GCSafePoint != 460 {
			t.Errorf("%s is %+v", c.body, st)
		}
	}
}

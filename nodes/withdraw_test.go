package nodes

import (
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestWithdraw: a service that did not get online leaves no record where there was none, and the one of a node that was
// offline as it was; a node that has run before is paused. What somebody else writes meanwhile stands.
func TestWithdraw(t *testing.T) {
	addr := startEtcd(t).addr
	reg, cli := newTestRegistry(t, addr, 5*time.Second), newTestClient(t, addr)
	ctx := t.Context()
	old := func(state State) string {
		return `{"nodeId":"p1","host":"h0:1","state":"` + string(state) + `","isAlive":false,"score":0,"label":null,"maxCommitTS":5,"updateTS":7,"more":1}`
	}
	put := func(raw string) {
		if _, err := cli.Put(ctx, Pump.Key("p1"), raw); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		before, meanwhile, want string // "" = no record; a state's name: any record with it
	}{
		{"", "", ""},
		{old(Offline), "", old(Offline)},
		{old(Paused), "", "paused"},
		{old(Online), "", "paused"}, // it crashed
		{old(Closing), "", "paused"},
		{"", old(Offline), old(Offline)},
		{old(Offline), old(Paused), old(Paused)},
	} {
		if _, err := cli.Delete(ctx, Pump.Prefix(), clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		if c.before != "" {
			put(c.before)
		}
		a := newTestAgent(t, agentOptions(reg))
		if err := a.Withdraw(ctx); err != nil {
			t.Errorf("before it has claimed anything: %v", err)
		}
		if err := a.Register(ctx, Paused); err != nil {
			t.Fatal(err)
		}
		if c.meanwhile != "" {
			put(c.meanwhile)
		}
		for range 2 { // an end may be hurried and repeated
			if err := a.Withdraw(ctx); err != nil {
				t.Errorf("before %q: %v", c.before, err)
			}
		}
		e, err := reg.Get(ctx, Pump, "p1")
		switch {
		case c.want == "" && errors.Is(err, ErrNotFound):
		case err == nil && (string(e.Raw) == c.want || string(e.Record.State) == c.want):
		default:
			t.Errorf("before %q, meanwhile %q: after it %q, %v, want %q", c.before, c.meanwhile, e.Raw, err, c.want)
		}
		if err := a.SetState(ctx, Online); err == nil {
			t.Error("it goes online afterwards")
		}
	}
}

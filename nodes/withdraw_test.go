package nodes

import (
	"errors"
	"strings"
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

// TestFirstStartIsKilled: the record of a pump that is killed before it has ever been online stands under a lease, until it goes online, and a next
// start that fails leaves none; what has been online, and what somebody else has written, stays.
func TestFirstStartIsKilled(t *testing.T) {
	addr := startEtcd(t).addr
	reg, cli := newTestRegistry(t, addr, 5*time.Second), newTestClient(t, addr)
	lease := func() clientv3.LeaseID {
		t.Helper()
		resp, err := cli.Get(t.Context(), Pump.Key("p1"))
		if err != nil || len(resp.Kvs) != 1 {
			t.Fatalf("the record: %+v, %v", resp, err)
		}
		return clientv3.LeaseID(resp.Kvs[0].Lease)
	}
	register := func() *Agent {
		t.Helper()
		a := newTestAgent(t, agentOptions(reg))
		if err := a.Register(t.Context(), Paused); err != nil {
			t.Fatal(err)
		}
		return a
	}
	killed := register()
	first := lease()
	if ttl, err := cli.TimeToLive(t.Context(), first); err != nil || ttl.GrantedTTL != int64(firstLease/time.Second) {
		t.Fatalf("the lease: %+v, %v", ttl, err)
	}
	killed.loan.stop() // as its process ends

	next := register()
	if l := lease(); l == 0 || l == first {
		t.Errorf("the next start has the lease %x, the one before %x", l, first)
	}
	if err := next.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, err := reg.Get(t.Context(), Pump, "p1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a start that failed after one that was killed leaves %s, %v", e.Raw, err)
	}

	// The lease is over before it is online: drainers have stopped waiting for it, so it must not go on.
	late := register()
	if _, err := cli.Revoke(t.Context(), lease()); err != nil {
		t.Fatal(err)
	}
	if err := late.SetState(t.Context(), Online); err == nil || !strings.Contains(err.Error(), "start it again") {
		t.Errorf("it goes online: %v", err)
	}

	online := register()
	if err := online.SetState(t.Context(), Online); err != nil {
		t.Fatal(err)
	}
	if lease() != 0 {
		t.Error("the record of a pump that is online has a lease")
	}
	if err := online.SetState(t.Context(), Pausing); err != nil {
		t.Fatal(err)
	}
	if err := online.SetState(t.Context(), Paused); err != nil {
		t.Fatal(err)
	}
	register()
	if lease() != 0 {
		t.Error("the record of a pump that has been online has a lease")
	}
}

package nodes

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestExits: the last exit is the one that is read, under our own prefix, bounded, without secrets,
// and gone when the node has started again; the records never see it.
func TestExits(t *testing.T) {
	reg := newTestRegistry(t, startEtcd(t).addr, 5*time.Second)
	ctx := t.Context()
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC)
	put := func(kind Kind, id string, e LastExit, secrets ...string) {
		t.Helper()
		if err := reg.PutExit(ctx, kind, id, e, secrets...); err != nil {
			t.Fatal(err)
		}
	}
	put(Drainer, "d1", LastExit{Kind: ExitSignal, Text: "received terminated", Time: at, Version: "v1"})
	put(Drainer, "d1", LastExit{Kind: ExitError, Code: ProblemStatementRefused, Text: `Table "shop.orders" doesn't exist (root:pw@tcp(h:1), hunter2)`,
		Cure: "create it", CommitTS: 42, Time: at, Version: "v1"}, "hunter2")
	put(Pump, "d1", LastExit{Kind: ExitOrderly, Time: at, Version: "v2"})
	put(Pump, "long", LastExit{Kind: ExitError, Code: ProblemOther, Text: strings.Repeat("<\"", 9000), Cure: strings.Repeat("&", 9000), Version: strings.Repeat("<", 9000), Time: at})
	if _, err := reg.client.Put(ctx, ExitKey(Pump, "mad"), "nonsense"); err != nil {
		t.Fatal(err)
	}

	exits, err := reg.Exits(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := LastExit{Kind: ExitError, Code: ProblemStatementRefused, Text: `Table "shop.orders" doesn't exist (root:***@tcp(h:1), ***)`,
		Cure: "create it", CommitTS: 42, Time: at.Truncate(time.Millisecond), Version: "v1"}
	if got := exits[Drainer]["d1"]; !reflect.DeepEqual(got, want) || len(exits[Drainer]) != 1 {
		t.Errorf("exits of drainers %+v, want %+v", exits[Drainer], want)
	}
	if got, want := exits[Drainer]["d1"].String(), `error at 2026-01-02T03:04:05Z: [statement-refused] Table "shop.orders" doesn't exist (root:***@tcp(h:1), ***); create it`; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if got := exits[Pump]["d1"]; got.Kind != ExitOrderly || len(exits[Pump]) != 2 {
		t.Errorf("exits of pumps %+v", exits[Pump])
	}
	raw, err := reg.client.Get(ctx, ExitKey(Pump, "long"))
	if err != nil || len(raw.Kvs[0].Value) > 4<<10 || exits[Pump]["long"].Code != ProblemOther {
		t.Errorf("a long exit takes %d bytes (%v): %+v", len(raw.Kvs[0].Value), err, exits[Pump]["long"])
	}
	if _, err := reg.Put(ctx, Pump, testRecord("d1", Offline), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := reg.Drop(ctx, Pump, "d1", nil); err != nil {
		t.Fatal(err)
	}
	if exits, err := reg.Exits(ctx); err != nil || exits[Pump]["d1"].Kind != "" {
		t.Errorf("the exit of a pump that was dropped: %+v, %v", exits[Pump]["d1"], err)
	}
	for range 2 { // there may be none
		if err := reg.RemoveExit(ctx, Drainer, "d1"); err != nil {
			t.Fatal(err)
		}
	}
	if exits, err := reg.Exits(ctx); err != nil || len(exits[Drainer]) != 0 {
		t.Errorf("exits of drainers after one was removed: %+v, %v", exits[Drainer], err)
	}
	if snap, err := reg.List(ctx); err != nil || len(snap.Pumps)+len(snap.Drainers)+len(snap.Broken) != 0 {
		t.Errorf("exits among the records: %+v, %v", snap, err)
	}
}

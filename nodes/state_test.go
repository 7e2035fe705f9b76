package nodes

import "testing"

// Every cell of the table: what a live node in state own does when its record says
// found (columns: online, pausing, paused, closing, offline).
func TestOrderFor(t *testing.T) {
	table := map[State][5]Order{
		Online:  {NoOrder, Pause, Pause, Leave, Leave},
		Pausing: {NoOrder, NoOrder, NoOrder, NoOrder, NoOrder},
		Paused:  {NoOrder, Pause, NoOrder, Leave, Leave}, // starting
		Closing: {Resume, Pause, Pause, NoOrder, Abandon},
		Offline: {NoOrder, NoOrder, NoOrder, NoOrder, NoOrder},
	}
	for _, own := range States() {
		for i, found := range States() {
			if got := OrderFor(own, found); got != table[own][i] {
				t.Errorf("%s, found %s: %s, want %s", own, found, got, table[own][i])
			}
		}
	}
}

// Every order can be carried out from where it is given: some state fulfils it and may
// be written next.
func TestOrdersCanBeObeyed(t *testing.T) {
	for _, own := range States() {
		for _, found := range States() {
			o := OrderFor(own, found)
			if o == NoOrder {
				continue
			}
			possible := false
			for _, next := range States() {
				possible = possible || o.FulfilledBy(next) && CanMove(own, next)
			}
			if !possible {
				t.Errorf("%s cannot carry out %s", own, o)
			}
		}
	}
}

func TestCanMove(t *testing.T) {
	// Columns: online, pausing, paused, closing, offline.
	table := map[State][5]bool{
		Online:  {true, true, false, true, false},
		Pausing: {false, true, true, false, false},
		Paused:  {true, true, true, true, false},
		Closing: {true, true, true, true, true},
		Offline: {false, false, false, false, true},
	}
	for _, from := range States() {
		for i, to := range States() {
			if got := CanMove(from, to); got != table[from][i] {
				t.Errorf("%s to %s: %t", from, to, got)
			}
		}
	}
}

func TestStateNames(t *testing.T) {
	for text, want := range map[string]State{"online": Online, "PAUSED": Paused, "Closing": Closing} {
		if got, err := ParseState(text); err != nil || got != want {
			t.Errorf("ParseState(%q) = %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "bogus", " online", "onlıne"} {
		if _, err := ParseState(text); err == nil {
			t.Errorf("ParseState(%q) taken", text)
		}
	}
	if got := Pausing.Title(); got != "Pausing" {
		t.Errorf("Title = %q", got)
	}
	for _, k := range Kinds() {
		if got, err := ParseKind(k.String()); err != nil || got != k {
			t.Errorf("ParseKind(%s) = %s, %v", k, got, err)
		}
	}
	if Pump.Key("p") != "/tidb-binlog/v1/pumps/p" || Drainer.Key("d") != "/tidb-binlog/v1/drainers/d" {
		t.Errorf("keys: %s %s", Pump.Key("p"), Drainer.Key("d"))
	}
}

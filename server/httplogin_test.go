package server

import (
	"context"
	"errors"
	"net"
	"testing"
)

// TestCheckLogin: the page's users are the console's, with their hosts and their pauses.
func TestCheckLogin(t *testing.T) {
	users := testUsers(t)
	for i := range users {
		if users[i].Name == "boss" {
			users[i].Hosts = []string{"10.0.0.0/8"}
		}
	}
	h := open(t, Options{Users: users}, nil)
	for _, c := range []struct {
		user, password, from string
		want                 bool
	}{
		{"watch", "wpass", "192.0.2.1", true}, {"watch", "wpas", "192.0.2.1", false}, {"watch", "", "192.0.2.1", false},
		{"boss", "bpass", "10.1.2.3", true}, {"boss", "bpass", "10.1.2.3", true}, {"boss", "x", "10.1.2.3", false}, {"boss", "", "10.1.2.3", false},
		{"boss", "bpass", "192.0.2.1", false}, {"nobody", "wpass", "192.0.2.1", false}, {"", "", "192.0.2.1", false},
	} {
		ok, err := h.CheckLogin(t.Context(), c.user, c.password, &net.TCPAddr{IP: net.ParseIP(c.from), Port: 4000})
		if ok != c.want || err != nil {
			t.Errorf("%+v: %v %v", c, ok, err)
		}
	}
	// Guesses wait for their turn, and giving up costs nothing.
	from := &net.TCPAddr{IP: net.ParseIP("192.0.2.9"), Port: 4000}
	for range freeFailures {
		if ok, err := h.CheckLogin(t.Context(), "watch", "guess", from); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := h.CheckLogin(ctx, "watch", "wpass", from); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("after %d guesses at once: %v %v", freeFailures, ok, err)
	}
	if ok, err := h.CheckLogin(t.Context(), "watch", "wpass", from); !ok || err != nil {
		t.Errorf("when its turn has come: %v %v", ok, err)
	}
}

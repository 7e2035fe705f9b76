package mysql

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// TestNoGreeting: a port that takes connections and says nothing is named as no MySQL server; the end of
// the context ends the wait.
func TestNoGreeting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := Server{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, DialTimeout: time.Second}.withDefaults()
	_, err = connect(t.Context(), silent)
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "check host and port") {
		t.Errorf("a silent port: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	silent.DialTimeout = time.Hour
	go func() {
		if c, err := l.Accept(); err == nil { // the one before
			c.Close()
		}
		c, err := l.Accept()
		cancel()
		if err == nil {
			defer c.Close()
			<-t.Context().Done()
		}
	}()
	if _, err := connect(ctx, silent); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context has ended: %v", err)
	}
}

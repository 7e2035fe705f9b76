package direct_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"pumphouse/pump/direct"
)

func TestSettingsUnderWay(t *testing.T) {
	_, addr := start(t, newPump())
	r := dialRaw(t, addr)
	next := uint32(1)
	calls := func() {
		t.Helper()
		for i := range 12 { // the answers change until the peer's table holds them
			if id := next; i%5 < 4 {
				r.call(id, "good")
				r.answered(id, "0")
			} else {
				bad := fmt.Sprint("refuse ", id)
				r.call(id, bad)
				if r.answered(id, "10"); r.text[id] != bad+": 100%25 n%C3%B6%0A" {
					t.Errorf("text %q", r.text[id])
				}
			}
			next += 2
		}
	}
	calls()
	for _, size := range []uint32{0, 4096, 60, 1 << 20, 0} {
		acks := r.acks
		r.do(r.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}, http2.Setting{ID: 0x4242, Val: 1}))
		r.until("SETTINGS acknowledged", func() bool { return r.acks > acks })
		// From here on what the table held is no more.
		r.fr.ReadMetaHeaders.SetMaxDynamicTableSize(min(size, 4096))
		r.fr.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(size)
		calls()
	}
}

// TestNoRoomForAnswers has a peer whose streams have no window: only the gRPC server waits for
// that of each stream.
func TestNoRoomForAnswers(t *testing.T) {
	p := newPump()
	_, addr := start(t, p)
	none := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4}
	r := dialRaw(t, addr, none)
	r.call(1, "slow")
	r.ping('a')
	r.do(r.fr.WriteWindowUpdate(1, 1))
	r.answered(1, "0")
	if _, others := p.stored("slow"); others != 1 {
		t.Error("not the gRPC server's")
	}
	// Later, the peer is told to take another connection.
	r = dialRaw(t, addr)
	r.call(1, "later")
	r.answered(1, "0")
	r.do(r.fr.WriteSettings(none))
	r.broken(http2.ErrCodeNo)
}

// TestAnswersWaitForTheWindow uses up the connection's window with answers of 5 bytes.
func TestAnswersWaitForTheWindow(t *testing.T) {
	const room = 65535 / 5
	s, addr := start(t, newPump())
	r := dialRaw(t, addr)
	last := uint32(2*room - 1)
	for id := uint32(1); id <= last; id += 2 {
		if r.call(id, ""); id%2000 == 1 { // in time, or both ends wait for the other to read
			r.answered(id, "0")
		}
	}
	r.answered(last, "0")
	for id := last + 2; id <= last+10; id += 2 {
		r.call(id, "waits")
	}
	r.call(last+12, "refuse it") // needs no window
	r.answered(last+12, "10")
	r.do(r.fr.WriteRSTStream(last+4, http2.ErrCodeCancel))
	r.ping('a')
	if len(r.status) != room+1 {
		t.Fatalf("%d answers in a window of %d", len(r.status), room)
	}
	r.do(r.fr.WriteWindowUpdate(0, 14)) // for two and something
	r.answered(last+2, "0")
	r.answered(last+6, "0")
	r.ping('b')
	if len(r.status) != room+3 {
		t.Fatalf("%d answers, want %d", len(r.status), room+3)
	}
	// A graceful end waits for them as well.
	ended := async(s.GracefulStop)
	r.until("GOAWAY", func() bool { return len(r.away) == 2 })
	select {
	case <-ended:
		t.Error("it ends with calls that are not answered")
	default:
	}
	r.do(r.fr.WriteWindowUpdate(0, 6))
	r.answered(last+8, "0")
	r.answered(last+10, "0")
	r.ended()
	within(t, "graceful end", ended)
	if _, answered := r.status[last+4]; answered {
		t.Error("a call that was given up is answered")
	}
}

// TestTheWindowIsGivenBack sends, in one call after another and on calls that are refused, far
// more than the windows hold.
func TestTheWindowIsGivenBack(t *testing.T) {
	_, addr := start(t, newPump(), func(o *direct.Options) { o.MaxMessage = 1 << 20 })
	r := dialRaw(t, addr)
	r.call(1, "")
	r.answered(1, "0")
	if r.granted[0] != 8<<20-65535 {
		t.Errorf("the connection has %d more at first", r.granted[0])
	}
	granted, pending := 0, len(message("")) // a quarter of the window at a time, to the byte
	frame := make([]byte, 16<<10)
	m := message(strings.Repeat("x", 1<<20-100))
	too := bytes.Clone(m)
	too[1] = 0x7f
	for id := uint32(3); id < 43; id += 2 {
		whole := m
		if id%4 == 1 {
			whole = too // refused with its first frame; what follows is lost
		}
		r.open(id)
		for rest := whole; len(rest) > 0; {
			n := copy(frame, rest)
			rest = rest[n:]
			r.do(r.fr.WriteData(id, len(rest) == 0, frame[:n]))
			if pending += n; pending >= 2<<20 {
				granted, pending = granted+pending, 0
			}
		}
		if r.answered(id, map[bool]string{false: "0", true: "8"}[id%4 == 1]); id%4 == 1 {
			r.until("RST_STREAM", func() bool { _, reset := r.resets[id]; return reset })
			if r.resets[id] != http2.ErrCodeNo || !strings.Contains(r.text[id], "received message larger than max") {
				t.Errorf("refused with %v %q", r.resets[id], r.text[id])
			}
		}
	}
	r.ping('a')
	if got := r.granted[0] - (8<<20 - 65535); got != granted || granted == 0 {
		t.Errorf("%d bytes are given back, want %d", got, granted)
	}
	// Padding counts as well, whatever comes of the message.
	r.open(99)
	for range 5000 {
		r.do(r.fr.WriteDataPadded(99, false, nil, make([]byte, 255)))
	}
	r.ping('b')
	if r.granted[99] != 1<<20 {
		t.Errorf("%d bytes are given back to the stream, want a quarter of its window", r.granted[99])
	}
}

func TestResets(t *testing.T) {
	p := newPump()
	entered, release := make(chan struct{}), make(chan struct{})
	p.hold = func(calls []direct.Call) {
		if string(calls[0].Payload) == "held" {
			entered <- struct{}{}
			<-release
		}
	}
	s, addr := start(t, p)
	r := dialRaw(t, addr)
	// Before the message is there.
	r.open(1)
	r.do(r.fr.WriteData(1, false, message("half")[:7]))
	r.do(r.fr.WriteRSTStream(1, http2.ErrCodeCancel))
	r.do(r.fr.WriteData(1, true, message("half")[7:])) // was on its way
	// While it is stored; 5 is read together with its reset or after it.
	r.call(3, "held")
	within(t, "write", entered)
	r.call(5, "whole")
	r.do(r.fr.WriteRSTStream(5, http2.ErrCodeCancel))
	r.do(r.fr.WriteRSTStream(3, http2.ErrCodeCancel))
	r.ping('a') // by another reader
	close(release)
	r.call(7, "after")
	r.answered(7, "0")
	ended := async(s.GracefulStop) // once everything is answered
	r.ended()
	within(t, "graceful end", ended)
	if len(r.status) != 1 || len(r.data) != 1 {
		t.Errorf("answers %v %v, want only that of stream 7", r.status, r.data)
	}
	for payload, want := range map[string]int{"half": 0, "held": 1, "whole": 1, "after": 1} {
		if n, _ := p.stored(payload); n != want {
			t.Errorf("%q is stored %d times, want %d", payload, n, want)
		}
	}
}

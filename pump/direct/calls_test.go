package direct_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
)

func TestEachOfManyWritersGetsItsOwnAnswer(t *testing.T) {
	for _, conns := range []int{1, 4} {
		t.Run(fmt.Sprint(conns, " connections"), func(t *testing.T) {
			const writers, each = 60, 50
			p := newPump()
			_, addr := start(t, p)
			clients := make([]binlogpb.PumpClient, conns)
			for i := range clients {
				clients[i] = dial(t, addr)
			}
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for i := range each {
						payload := fmt.Sprintf("%d of %d %s", i, w, strings.Repeat("x", i*7))
						if (w+i)%3 == 0 {
							payload = "refuse " + payload
						}
						err, want := write(clients[w%conns], payload), outcome(payload)
						if status.Code(err) != status.Code(want) || status.Convert(err).Message() != status.Convert(want).Message() {
							t.Errorf("%.20q: got %v, want %v", payload, err, want)
						}
						if n, others := p.stored(payload); n != 1 || others != 0 {
							t.Errorf("%.20q: %d times stored directly, %d times not", payload, n, others)
						}
					}
				})
			}
			all.Wait()
			if len(p.got) != writers*each {
				t.Errorf("%d payloads, want %d", len(p.got), writers*each)
			}
		})
	}
}

func TestMessagesOfAllSizesArriveIntact(t *testing.T) {
	p := newPump()
	_, addr := start(t, p)
	c := dial(t, addr)
	const around = 1 + 1 + 1 + 4 // bytes of a large message besides its payload
	sizes := []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 1 << 20, 5 << 20, maxMessage - around}
	for frame := 16<<10 - 20; frame < 16<<10-1; frame++ { // where prefix and payload fill one frame
		sizes = append(sizes, frame)
	}
	noise := make([]byte, maxMessage)
	for i := range noise {
		noise[i] = byte(i * i >> 7)
	}
	for round := range 2 {
		for _, size := range sizes {
			payload := string(noise[:size])
			if err := write(c, payload); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if n, _ := p.stored(payload); n != round+1 {
				t.Fatalf("%d bytes: stored %d times in round %d", size, n, round)
			}
		}
		err := write(c, string(noise[:maxMessage-around+1]))
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "received message larger than max") {
			t.Fatalf("a message one byte too large: %v", err)
		}
	}
	if len(p.others) > 0 {
		t.Error("the gRPC server was asked")
	}
}

// TestLargeMessagesShareTheWindow sends on one connection far more at the same time than its
// window holds.
func TestLargeMessagesShareTheWindow(t *testing.T) {
	p := newPump()
	_, addr := start(t, p)
	c := dial(t, addr)
	var all sync.WaitGroup
	payloads := make([]string, 6)
	for i := range payloads {
		payloads[i] = string(bytes.Repeat([]byte{byte(i + 1)}, 5<<20))
		all.Go(func() {
			if err := write(c, payloads[i]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, payload := range payloads {
		if n, _ := p.stored(payload); n != 1 {
			t.Errorf("message %d: stored %d times", i, n)
		}
	}
}

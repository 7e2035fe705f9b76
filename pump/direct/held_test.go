package direct_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/pump/direct"
)

// live is what the heap holds, in bytes.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIncompleteMessagesOfOthers: the same with calls that the gRPC server takes.
func TestIncompleteMessagesOfOthers(t *testing.T) {
	p := newPump()
	var members sync.Map
	_, addr := start(t, p, func(o *direct.Options) {
		o.MaxHeld = 4 * maxMessage
		o.Vouch = func(peer net.Addr) { members.Store(peer.String(), true) }
		o.Member = func(peer net.Addr) bool { _, ok := members.Load(peer.String()); return ok }
	})
	honest := dial(t, addr)
	if err := write(honest, "first"); err != nil {
		t.Fatal(err)
	}
	before := live()
	announced := make([]byte, 16<<10)
	const peers, frames = 10, (maxMessage - 5) / (16 << 10)
	var all []*raw
	var sending sync.WaitGroup
	for range peers {
		r := dialRaw(t, addr)
		r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: r.headers(hpack.HeaderField{Name: "grpc-encoding", Value: "gzip"})}))
		all = append(all, r)
		sending.Go(func() {
			for i := range frames {
				b := announced
				if i == 0 {
					b = append([]byte{1, 0, 0, 0, 0}, announced[5:]...) // compressed
					binary.BigEndian.PutUint32(b[1:], maxMessage-5)
				}
				if r.fr.WriteData(1, false, b) != nil {
					return // the connection is not read from until it is closed
				}
			}
		})
	}
	// A message of a member of the gRPC server, and of one that is served here.
	large := strings.Repeat("large", 1<<20)
	if err := write(honest, large); err != nil {
		t.Errorf("a large message: %v", err)
	}
	if err := write(dial(t, addr), large, grpc.UseCompressor("gzip")); err != nil && status.Code(err) != codes.Unavailable {
		t.Errorf("a compressed one: %v", err)
	}
	p.mu.Lock()
	clear(p.got)
	clear(p.others)
	p.mu.Unlock()
	grown := live() - before
	t.Logf("%d MiB are sent, %d KiB held", peers*maxMessage>>20, grown>>10)
	if most := int64(2*maxMessage + peers<<20); grown > most {
		t.Errorf("%d KiB are held, at most %d should be", grown>>10, most>>10)
	}
	for _, r := range all {
		r.nc.Close()
	}
	sending.Wait()
}

// TestIncompleteMessages: peers that announce the largest messages, each on many connections and streams, send what
// they may and then nothing. What is held of them stays within the budget, and TiDB's writes, large ones too, are
// answered meanwhile.
func TestIncompleteMessages(t *testing.T) {
	const budget = 4 * maxMessage
	p := newPump()
	_, addr := start(t, p, func(o *direct.Options) { o.MaxHeld = budget })
	honest := dial(t, addr)
	if err := write(honest, "first"); err != nil {
		t.Fatal(err)
	}
	announced := make([]byte, 16<<10)
	binary.BigEndian.PutUint32(announced[1:], maxMessage-5)
	before := live()
	const peers, streams = 10, 12
	var all []*raw
	for range peers {
		r := dialRaw(t, addr)
		r.until("the window", func() bool { return r.window > 0 })
		for i := range streams {
			id := uint32(2*i + 1)
			r.open(id)
			for n := len(announced); n <= r.window; n += len(announced) { // as much as it may send
				r.do(r.fr.WriteData(id, false, announced))
				if n == len(announced) {
					clear(announced[:5])
				}
			}
			binary.BigEndian.PutUint32(announced[1:], maxMessage-5)
		}
		all = append(all, r)
	}
	large := strings.Repeat("large", 1<<20)
	for i := range 3 {
		if err := write(honest, fmt.Sprint(i, large)); err != nil {
			t.Fatalf("large message %d: %v", i, err)
		}
		if err := write(honest, fmt.Sprint("small", i)); err != nil {
			t.Fatalf("small message %d: %v", i, err)
		}
	}
	// A stranger's message that fits into one window needs no more.
	if err := write(dial(t, addr), strings.Repeat("x", 50<<10)); err != nil && status.Code(err) != codes.Unavailable {
		t.Errorf("a small message of a stranger: %v", err)
	}
	p.mu.Lock()
	clear(p.got)
	p.mu.Unlock()
	grown := live() - before
	t.Logf("%d MiB are announced, %d KiB held", peers*streams*maxMessage>>20, grown>>10)
	// The strangers' message that was granted, those that wait with a window each, and buffers of connections.
	if most := int64(maxMessage + peers*(streams*160+512)<<10); grown > most {
		t.Errorf("%d KiB are held, at most %d should be", grown>>10, most>>10)
	}
	for _, r := range all {
		r.nc.Close()
	}
	if err := write(honest, "last"); err != nil {
		t.Error(err)
	}
}

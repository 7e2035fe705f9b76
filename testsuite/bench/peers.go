package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"pumphouse/binlogpb"
)

// hostile is a peer that has no business with a pump. It does not know the cluster's ID.
type hostile struct {
	name   string
	rate   int    // rounds a second of all its connections
	frames int    // a round
	plain  string // not HTTP/2: what it sends in a round and gets an answer to, if anything
	next   func(h *hostileConn) error
}

var hostiles = []hostile{
	{name: "rapid reset", rate: 10_000, frames: 2, next: func(h *hostileConn) error {
		h.open()
		return h.fr.WriteRSTStream(h.id, http2.ErrCodeCancel)
	}},
	{name: "announced messages", rate: 7_000, frames: 3, next: func(h *hostileConn) error {
		h.open()
		_ = h.fr.WriteData(h.id, false, []byte{0, 0, 0x10, 0, 0})
		return h.fr.WriteRSTStream(h.id, http2.ErrCodeCancel)
	}},
	{name: "CONTINUATION without end", rate: 20_000, frames: 1, next: func(h *hostileConn) error {
		if h.id == 1 {
			_ = h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
		}
		return h.fr.WriteContinuation(1, false, nil)
	}},
	{name: "SETTINGS", rate: 20_000, frames: 1, next: func(h *hostileConn) error {
		return h.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: h.id % 4096})
	}},
	{name: "pings", rate: 20_000, frames: 1, next: func(h *hostileConn) error { return h.fr.WritePing(false, [8]byte{}) }},
	{name: "empty DATA", rate: 20_000, frames: 1, next: func(h *hostileConn) error {
		if h.id == 1 {
			h.open()
		}
		return h.fr.WriteData(1, false, nil)
	}},
	{name: "header bombs of 56 MB", rate: 200, frames: 2, next: func(h *hostileConn) error {
		more := bytes.Repeat([]byte{0x80 | 62}, 16_000)
		if h.id == 1 {
			h.buf.Reset()
			_ = h.enc.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 3500)})
			more = bytes.Clone(h.buf.Bytes())
		}
		_ = h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: h.id, BlockFragment: append(h.headers(), more...), EndHeaders: true})
		return h.fr.WriteRSTStream(h.id, http2.ErrCodeCancel)
	}},
	{name: "writes of another cluster", rate: 10_000, frames: 2, next: func(h *hostileConn) error {
		h.open()
		return h.fr.WriteData(h.id, true, binary.BigEndian.AppendUint32([]byte{0}, 0))
	}},
	{name: "connections", rate: 1_000, frames: 1},
	{name: "GET /debug/binlog", rate: 1_000, frames: 1, plain: "GET /debug/binlog/470642465486929921 HTTP/1.1\r\nHost: pump\r\n\r\n"},
	{name: "GET /metrics", rate: 1_000, frames: 1, plain: "GET /metrics HTTP/1.1\r\nHost: pump\r\n\r\n"},
}

// hostileConns is how many connections each has.
const hostileConns = 8

type hostileConn struct {
	fr  *http2.Framer
	enc *hpack.Encoder
	buf bytes.Buffer
	id  uint32
}

func (h *hostileConn) headers() []byte {
	h.buf.Reset()
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: binlogpb.Pump_WriteBinlog_FullMethodName}, {Name: ":authority", Value: "pump"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}} {
		_ = h.enc.WriteField(f) // a buffer takes everything
	}
	return bytes.Clone(h.buf.Bytes())
}

func (h *hostileConn) open() {
	_ = h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: h.id, BlockFragment: h.headers(), EndHeaders: true})
}

// hostilePeers attacks an address until it is told to end, and prints how many frames it has
// sent, and how often it was cut off, into a file.
func hostilePeers(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: peers NAME ADDRESS RESULT_FILE")
	}
	i := slices.IndexFunc(hostiles, func(h hostile) bool { return h.name == args[0] })
	if i < 0 {
		return fmt.Errorf("there is no attack %q", args[0])
	}
	h := hostiles[i]
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	done := make(chan struct{})
	// Each round needs one of these, so that all connections together keep to the rate.
	turns := make(chan struct{}, hostileConns)
	go func() {
		owed, last := 0.0, time.Now()
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-done:
				return
			case now := <-tick.C:
				owed, last = min(owed+now.Sub(last).Seconds()*float64(h.rate), float64(h.rate)/10), now
			}
			for ; owed >= 1; owed-- {
				select {
				case turns <- struct{}{}:
				case <-done:
					return
				}
			}
		}
	}()
	var rounds, cuts atomic.Int64
	var all sync.WaitGroup
	for range hostileConns {
		all.Go(func() {
			for {
				n := h.attack(args[1], turns, done)
				rounds.Add(n)
				select {
				case <-done:
					return
				default:
					cuts.Add(1)
				}
			}
		})
	}
	fmt.Println("ready: attacks")
	<-stop
	close(done)
	all.Wait()
	return os.WriteFile(args[2], fmt.Appendf(nil, "%d %d", rounds.Load()*int64(h.frames), cuts.Load()), 0o600)
}

// attack is one connection, as long as it lasts.
func (h *hostile) attack(addr string, turns, done <-chan struct{}) (rounds int64) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		time.Sleep(time.Millisecond)
		return 0
	}
	defer nc.Close()
	gone := make(chan struct{})
	answers := make(chan struct{}, 1)
	go func() {
		defer close(gone)
		b := make([]byte, 64<<10)
		for {
			if _, err := nc.Read(b); err != nil {
				return
			}
			select {
			case answers <- struct{}{}:
			default:
			}
		}
	}()
	if h.plain == "" {
		_, _ = io.WriteString(nc, http2.ClientPreface) // an error comes again
	}
	c := &hostileConn{fr: http2.NewFramer(nc, nil), id: 1}
	c.fr.AllowIllegalWrites = true
	c.enc = hpack.NewEncoder(&c.buf)
	if h.plain == "" {
		_ = c.fr.WriteSettings()
	}
	for {
		select {
		case <-turns:
		case <-gone:
			return rounds
		case <-done:
			return rounds
		}
		rounds++
		switch {
		case h.plain != "":
			if _, err := io.WriteString(nc, h.plain); err != nil {
				return rounds
			}
			select {
			case <-answers:
			case <-gone:
				return rounds
			case <-done:
				return rounds
			}
		case h.next == nil: // to connect is all it does
			return rounds
		default:
			if h.next(c) != nil {
				return rounds
			}
			c.id += 2
		}
	}
}

// sinkServer is whom the attacks are aimed at for comparison: it takes everything and does nothing.
func sinkServer([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("ready: %s\n", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			b := make([]byte, 64<<10)
			for {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				if bytes.HasPrefix(b[:n], []byte(http.MethodGet)) {
					_, _ = io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
				}
			}
		}()
	}
}

// result reads what hostilePeers left.
func result(file string) (frames, cuts int, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	first, second, _ := strings.Cut(string(b), " ")
	if frames, err = strconv.Atoi(first); err == nil {
		cuts, err = strconv.Atoi(second)
	}
	return frames, cuts, err
}

package direct_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
)

// TestSettingsAreAcknowledgedAtOnce has each SETTINGS acknowledged once, whoever serves the
// connection in the end.
func TestSettingsAreAcknowledgedAtOnce(t *testing.T) {
	pulls := func(r *raw) {
		block := r.headers(hpack.HeaderField{Name: "grpc-encoding", Value: "gzip"}) // for the gRPC server
		r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true}))
		r.do(r.fr.WriteData(1, true, message("other")))
	}
	for _, c := range []struct {
		name           string
		first          func(r *raw)
		direct, others int
	}{
		{"a write", func(r *raw) { r.call(1, "direct") }, 1, 0},
		{"another call", pulls, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPump()
			_, addr := start(t, p)
			r := dialRaw(t, addr)
			acked := func(n int) {
				t.Helper()
				r.until("SETTINGS acknowledged", func() bool { return r.acks >= n })
			}
			acked(1) // before any call
			r.do(r.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15}))
			acked(2)
			c.first(r)
			r.answered(1, "0")
			r.ping('a') // whatever else comes has come
			if r.acks != 2 {
				t.Errorf("%d acknowledgements of 2 SETTINGS", r.acks)
			}
			r.do(r.fr.WriteSettings())
			acked(3)
			r.ping('b')
			direct, _ := p.stored("direct")
			_, others := p.stored("other")
			if r.acks != 3 || direct != c.direct || others != c.others {
				t.Errorf("%d acknowledgements of 3 SETTINGS, %d calls here and %d by the gRPC server", r.acks, direct, others)
			}
		})
	}
}

// TestPeersThatDoNotBegin are closed after 10 s; a channel that waits for its first call is not.
func TestPeersThatDoNotBegin(t *testing.T) {
	_, addr := start(t, newPump())
	idle := dialRaw(t, addr)
	idle.ping('a')
	began := time.Now()
	closed := make(map[string]<-chan error)
	for name, sent := range map[string]string{"nothing": "", "half a preface": http2.ClientPreface[:9], "a preface": http2.ClientPreface,
		"half of its SETTINGS": http2.ClientPreface + "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04"} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		if _, err := io.WriteString(nc, sent); err != nil {
			t.Fatal(err)
		}
		_ = nc.SetReadDeadline(began.Add(2 * testTimeout))
		end := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, nc)
			end <- err
		}()
		closed[name] = end
	}
	for name, end := range closed {
		if err := <-end; os.IsTimeout(err) {
			t.Errorf("%s: not closed", name)
		}
	}
	if took := time.Since(began); took < 9*time.Second {
		t.Errorf("closed after %v already", took)
	}
	idle.ping('b')
	idle.call(1, "late")
	idle.answered(1, "0")
}

// TestMetadata has a call with much metadata end in the same way wherever it comes on its
// connection, and leave the connection as it is.
func TestMetadata(t *testing.T) {
	for _, size := range []int{10 << 10, 60 << 10, 70 << 10, 300 << 10} {
		var ends []string
		both := func(t *testing.T) {
			p := newPump()
			_, addr := start(t, p)
			c := dial(t, addr)
			send := func(meta int) error {
				ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-token", strings.Repeat("~^", meta/2)), testTimeout)
				defer cancel()
				_, err := c.WriteBinlog(ctx, &binlogpb.WriteBinlogReq{ClusterID: 7, Payload: []byte("x")})
				return err
			}
			if len(ends) == 1 {
				if err := send(0); err != nil {
					t.Fatal(err)
				}
			}
			end := status.Convert(send(size))
			ends = append(ends, end.Code().String()+" "+end.Message())
			if err := send(0); err != nil {
				t.Errorf("%d KiB: the next call: %v", size>>10, err)
			}
			if _, others := p.stored("x"); others != 0 {
				t.Errorf("%d KiB: the gRPC server has the connection", size>>10)
			}
		}
		t.Run(fmt.Sprint(size>>10, " KiB, first"), both)
		t.Run(fmt.Sprint(size>>10, " KiB, second"), both)
		if ends[0] != ends[1] || (size < 64<<10) != strings.HasPrefix(ends[0], "OK") {
			t.Errorf("%d KiB: the first call ends with %q, the second with %q", size>>10, ends[0], ends[1])
		}
	}
	// Who sends it although it was told not to has the call reset, the first as well as others.
	_, addr := start(t, newPump())
	r := dialRaw(t, addr)
	for id := uint32(1); id < 7; id += 2 {
		block := r.headers(hpack.HeaderField{Name: "x", Value: strings.Repeat("e", 70<<10)}) // 5 bits each
		r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:16<<10]}))
		for rest := block[16<<10:]; len(rest) > 0; {
			n := min(len(rest), 16<<10)
			r.do(r.fr.WriteContinuation(id, n == len(rest), rest[:n]))
			rest = rest[n:]
		}
		r.until("reset", func() bool { _, reset := r.resets[id]; return reset })
		if r.resets[id] != http2.ErrCodeFrameSize {
			t.Errorf("reset with %v", r.resets[id])
		}
	}
	r.call(7, "after")
	r.answered(7, "0")
}

// TestMixedConnections of one host do not keep those of another from being served here.
func TestMixedConnections(t *testing.T) {
	p := newPump()
	_, addr := start(t, p)
	c := dial(t, addr)
	if err := write(c, "first"); err != nil {
		t.Fatal(err)
	}
	if got, err := pull(c); got != "abc" || err != nil {
		t.Fatalf("pulled %q, %v", got, err)
	}
	from := func(ip, payload string) (others int) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		nc, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		r := rawOn(t, nc)
		r.do(r.fr.WriteSettings())
		r.call(1, payload)
		r.answered(1, "0")
		_, others = p.stored(payload)
		return others
	}
	if from("127.0.0.1", "same host") != 1 {
		t.Error("the next connection of a host that mixes cannot do everything")
	}
	if from("127.0.0.2", "another host") != 0 {
		t.Error("a host that mixes changes how others are served")
	}
}

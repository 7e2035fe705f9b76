package direct_test

import (
	"runtime"
	"testing"

	"golang.org/x/net/http2"
)

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWhatAPeerCanMakeTheServerHold has peers that send little, or nothing of use.
func TestWhatAPeerCanMakeTheServerHold(t *testing.T) {
	const limit = 24 << 20 // bytes; what is wrong takes hundreds of millions
	for _, c := range []struct {
		name  string
		abuse func(r *raw) // what a connection may do that has made a good call
	}{
		{"many say that a long message comes", func(r *raw) {
			m := message("")
			m[1], m[2] = 0, 0x50 // 5 MiB
			for id := uint32(3); id < 4000; id += 2 {
				r.open(id)
				r.do(r.fr.WriteData(id, false, m))
			}
		}},
		{"calls that are refused", func(r *raw) {
			wrong := make([]byte, 16<<10)
			for id := uint32(3); id < 6003; id += 2 {
				r.open(id)
				r.do(r.fr.WriteData(id, true, wrong))
				if id%1000 == 1 { // in time, or both ends wait for the other to read
					r.answered(id, "13")
				}
			}
		}},
		{"calls begun and given up", func(r *raw) {
			m := message("x")
			for id := uint32(3); id < 6003; id += 2 {
				r.open(id)
				r.do(r.fr.WriteData(id, false, m))
				r.do(r.fr.WriteRSTStream(id, http2.ErrCodeCancel))
			}
		}},
		{"headers byte by byte", func(r *raw) {
			r.do(r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3}))
			for range 8000 {
				r.do(r.fr.WriteContinuation(3, false, []byte{0x82}))
			}
			for range 1000 {
				r.do(r.fr.WriteContinuation(3, false, nil))
			}
			r.do(r.fr.WriteContinuation(3, true, r.headers()))
			r.do(r.fr.WriteRSTStream(3, http2.ErrCodeCancel))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, addr := start(t, newPump())
			r := dialRaw(t, addr)
			r.call(1, "first")
			r.answered(1, "0")
			before := heap()
			c.abuse(r)
			r.ping('z')
			if grown := heap() - before; grown > limit {
				t.Errorf("%d MiB more are in use", grown>>20)
			}
			r.call(99999, "after")
			r.answered(99999, "0")
		})
	}
}

// TestAPeerThatDoesNotRead is held up, and does not hold up the end.
func TestAPeerThatDoesNotRead(t *testing.T) {
	s, addr := start(t, newPump())
	r := dialRaw(t, addr)
	r.call(1, "first")
	r.answered(1, "0")
	before := heap()
	flooded := async(func() {
		for r.fr.WritePing(false, [8]byte{}) == nil {
		}
	})
	// It is stuck when the buffers of both sockets are full, or else it would flood on; what
	// is sent by then is not known here, but the server must not hold it.
	other := dialRaw(t, addr)
	for id := uint32(1); id < 400; id += 2 {
		other.call(id, "")
		other.answered(id, "0")
	}
	if grown := heap() - before; grown > 24<<20 {
		t.Errorf("%d MiB more are in use", grown>>20)
	}
	within(t, "stop", async(s.Stop))
	within(t, "end of the flood", flooded)
}

package console

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// maxRSS is what the console may hold while it is abused.
const maxRSS = 150 << 20

// TestAbuse throws bytes at the console that no client sends, before and after login,
// while ordinary clients go on being served.
func TestAbuse(t *testing.T) {
	length := 20 * time.Second
	if form.Long() {
		length = 10 * time.Minute
	}
	pd := pdtest.StartEmbed(t)
	cli := rig.Etcd(t, pd.Endpoints())
	rig.Put(t, cli, "/tidb-binlog/v1/pumps/pump1", rig.Pump1Record)
	c := rig.StartConsole(t, pd.Endpoints(), "-log-level", "error")

	seed := form.Seed(t)
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var served, abused atomic.Int64
	var wg sync.WaitGroup
	abusers := []func(addr string, r *rand.Rand) error{
		randomBeforeLogin, mutatedHandshake, randomPackets, randomCommands, hugeHeader(0), hugeHeader(1), halfCommand,
	}
	for i, abuse := range abusers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				// Whatever the console does with such a peer is right as long as it lives;
				// only a console that takes no connection is wrong.
				var refused *net.OpError
				if err := abuse(c.Addr(), r); errors.As(err, &refused) && refused.Op == "dial" {
					t.Errorf("abuser %d: %v", i, err)
					return
				}
				abused.Add(1)
			}
		}()
	}
	halfOpen := rig.HoldHalfOpen(t, c.Addr(), 200)

	var peak int64
	db := c.Open(t)
	for ctx.Err() == nil {
		began := time.Now()
		rows, err := db.Query("SHOW PUMP STATUS")
		if err != nil {
			t.Fatalf("after %d abuses and %d good statements: %v\n%s", abused.Load(), served.Load(), err, c.Output())
		}
		if got := rig.ScanRows(t, rows); len(got) != 1 {
			t.Fatalf("rows %q", got)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Fatalf("an ordinary statement took %v under abuse", took)
		}
		served.Add(1)
		peak = max(peak, c.RSS(t))
		if peak > maxRSS {
			t.Fatalf("resident memory %d MB after %d abuses", peak>>20, abused.Load())
		}
	}
	wg.Wait()
	t.Logf("%d abuses, %d good statements, peak resident memory %d MB", abused.Load(), served.Load(), peak>>20)
	if abused.Load() < 100 || served.Load() < 100 {
		t.Fatalf("only %d abuses and %d good statements: the test did not do its work", abused.Load(), served.Load())
	}

	// Who never answers the greeting is sent away; who comes now is served at once.
	closed := 0
	for _, conn := range halfOpen {
		conn.SetReadDeadline(time.Now().Add(rig.Timeout))
		if _, err := io.Copy(io.Discard, conn); err == nil || !isTimeout(err) {
			closed++
		}
	}
	if closed != len(halfOpen) {
		t.Errorf("%d of %d half-open connections were still held", len(halfOpen)-closed, len(halfOpen))
	}
	if err := db.Ping(); err != nil {
		t.Errorf("after the abuse: %v", err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// dial connects with a deadline on everything that follows.
func dial(addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	return conn, nil
}

// drain reads until the console closes, or says nothing for a moment.
func drain(conn net.Conn) {
	conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	io.Copy(io.Discard, conn)
}

func randomBeforeLogin(addr string, r *rand.Rand) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Write(randomBytes(r, r.IntN(64<<10)))
	drain(conn)
	return nil
}

// handshakeResponse logs root in without a password.
func handshakeResponse() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x000fa28d|1<<3) // 4.1, plugin auth, secure connection, with database
	b = binary.LittleEndian.AppendUint32(b, 1<<24)
	b = append(b, 45)
	b = append(b, make([]byte, 23)...)
	b = append(b, "root\x00"...)
	b = append(b, 0)
	b = append(b, "\x00"...)
	b = append(b, "mysql_native_password\x00"...)
	return b
}

func mutatedHandshake(addr string, r *rand.Rand) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	b := handshakeResponse()
	for range 1 + r.IntN(8) {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	conn.Write(rig.Packet(1, b[:r.IntN(len(b)+1)]))
	drain(conn)
	return nil
}

// login gives a connection on which a command can be sent.
func login(addr string) (net.Conn, error) {
	conn, err := dial(addr)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	if _, err := rig.ReadPacket(in); err != nil {
		conn.Close()
		return nil, err
	}
	if _, err := conn.Write(rig.Packet(1, handshakeResponse())); err != nil {
		conn.Close()
		return nil, err
	}
	answer, err := rig.ReadPacket(in)
	if err != nil || len(answer) == 0 || answer[0] != 0 {
		conn.Close()
		return nil, fmt.Errorf("login: %q %v", answer, err)
	}
	return conn, nil
}

func randomPackets(addr string, r *rand.Rand) error {
	conn, err := login(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Write(randomBytes(r, r.IntN(64<<10)))
	drain(conn)
	return nil
}

// randomCommands sends well-framed packets with a command of the protocol and nonsense in it.
func randomCommands(addr string, r *rand.Rand) error {
	conn, err := login(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for range 20 {
		payload := append([]byte{byte(r.IntN(34))}, randomBytes(r, r.IntN(200))...)
		switch r.IntN(4) {
		case 0: // a statement that exists, with arguments that do not
			conn.Write(rig.Packet(0, append([]byte{0x16}, "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?"...)))
			payload = append([]byte{0x17, 1, 0, 0, 0}, randomBytes(r, r.IntN(60))...)
		case 1:
			payload = nil
		}
		if _, err := conn.Write(rig.Packet(0, payload)); err != nil {
			return nil
		}
		drain(conn)
		conn.SetDeadline(time.Now().Add(3 * time.Second))
	}
	return nil
}

// hugeHeader promises a gigabyte, in packets of the largest size, and sends little of it.
func hugeHeader(logins int) func(addr string, r *rand.Rand) error {
	return func(addr string, r *rand.Rand) error {
		open := dial
		if logins > 0 {
			open = login
		}
		conn, err := open(addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		seq := byte(1 - logins)
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := conn.Write([]byte{0xff, 0xff, 0xff, seq}); err != nil {
				return nil
			}
			for left := 1<<24 - 1; left > 0; {
				n, err := conn.Write(chunk[:min(left, len(chunk))])
				if err != nil {
					return nil
				}
				left -= n
			}
			seq++
		}
		return nil
	}
}

func halfCommand(addr string, r *rand.Rand) error {
	conn, err := login(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Write([]byte{0xf0, 0xff, 0x0f, 0, 3})
	drain(conn)
	return nil
}

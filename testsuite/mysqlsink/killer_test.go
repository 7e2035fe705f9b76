package mysqlsink

import (
	"net"
	"sync"
	"testing"
)

// killer is a proxy that passes questions and answers on until it dies at one of them, and every
// connection with it, as the connections of a process that is killed.
type killer struct {
	port int
	dead chan struct{}
	ln   net.Listener

	mu    sync.Mutex
	left  int  // questions until it dies; 0: it does not
	after bool // the server gets the last question, nobody its answer
	conns []net.Conn
	gone  bool
}

func newKiller(t *testing.T, to string) *killer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{port: ln.Addr().(*net.TCPAddr).Port, dead: make(chan struct{}), ln: ln}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil || !k.add(in, out) {
				in.Close()
				continue
			}
			go pipe(in, out, k.isDead)
			go k.questions(in, out)
		}
	}()
	return k
}

// arm has it die at the n-th question from now on.
func (k *killer) arm(n int, after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.after = n, after
}

func (k *killer) add(conns ...net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns = append(k.conns, conns...)
	return !k.gone
}

func (k *killer) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gone
}

// questions passes them on, each of which comes in one piece.
func (k *killer) questions(in, out net.Conn) {
	buf := make([]byte, 1<<20)
	for {
		n, err := in.Read(buf)
		if err != nil {
			out.Close()
			return
		}
		dies, passes := k.question()
		if passes {
			_, _ = out.Write(buf[:n])
		}
		if dies {
			k.die()
			return
		}
	}
}

func (k *killer) question() (dies, passes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone {
		return true, false
	}
	if k.left == 0 {
		return false, true
	}
	if k.left--; k.left > 0 {
		return false, true
	}
	k.gone = true // answers stay here from now on
	return true, k.after
}

func (k *killer) die() {
	k.close()
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.dead:
	default:
		close(k.dead)
	}
}

// close closes every connection.
func (k *killer) close() {
	k.ln.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
	for _, c := range k.conns {
		c.Close()
	}
}

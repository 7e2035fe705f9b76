package rig

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

func HoldHalfOpen(t *testing.T, addr string, n int) []net.Conn {
	conns := make([]net.Conn, n)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("half-open connection %d: %v", i, err)
		}
		conns[i] = conn
		t.Cleanup(func() { conn.Close() })
	}
	return conns
}

func Packet(seq byte, payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, payload...)
}

func ReadPacket(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(r, b)
	return b, err
}

// serverError is what the console answered.
type serverError struct {
	code    uint16
	message string
}

func (e *serverError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.message) }

func IsServerError(err error) bool {
	var e *serverError
	return errors.As(err, &e)
}

// RawSession speaks the protocol as no driver does.
type RawSession struct {
	Nc net.Conn
	in *bufio.Reader

	Over  chan struct{} // closed when the attack ends
	There *atomic.Int64
}

// RawLogin logs in with mysql_native_password.
func (c *Console) RawLogin(user, password string) (*RawSession, error) {
	nc, err := net.Dial("tcp", c.Addr())
	if err != nil {
		return nil, err
	}
	s := &RawSession{Nc: nc, in: bufio.NewReader(nc)}
	err = s.logIn(user, password)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}

func (s *RawSession) logIn(user, password string) error {
	greeting, err := ReadPacket(s.in)
	if err != nil {
		return err
	}
	at := strings.IndexByte(string(greeting), 0) + 5
	scramble := append([]byte(nil), greeting[at:at+8]...)
	scramble = append(scramble, greeting[at+27:at+39]...)
	b := binary.LittleEndian.AppendUint32(nil, 0x000fa205|1<<16)
	b = append(binary.LittleEndian.AppendUint32(b, 1<<24), 45)
	b = append(b, make([]byte, 23)...)
	b = append(b, user+"\x00\x14"+string(gomysql.CalcNativePassword(scramble, []byte(password)))+"mysql_native_password\x00"...)
	if _, err := s.Nc.Write(Packet(1, b)); err != nil {
		return err
	}
	answer, err := s.answer()
	if err == nil && answer[0] == 0xfe { // asked once more
		scramble = answer[strings.IndexByte(string(answer), 0)+1:][:20]
		if _, err = s.Nc.Write(Packet(3, gomysql.CalcNativePassword(scramble, []byte(password)))); err == nil {
			_, err = s.answer()
		}
	}
	return err
}

// answer reads one packet; an error packet is a *serverError.
func (s *RawSession) answer() ([]byte, error) {
	p, err := ReadPacket(s.in)
	if err == nil && len(p) > 9 && p[0] == 0xff {
		return nil, &serverError{binary.LittleEndian.Uint16(p[1:]), string(p[9:])}
	}
	return p, err
}

// Send sends a command of less than 16 MiB. The console may answer and hang up meanwhile.
func (s *RawSession) Send(command byte, payload string) error {
	_, err := s.Nc.Write(Packet(0, append([]byte{command}, payload...)))
	if err != nil {
		if _, said := s.answer(); IsServerError(said) {
			return said
		}
	}
	return err
}

func (s *RawSession) Command(command byte, payload string) ([]byte, error) {
	if err := s.Send(command, payload); err != nil {
		return nil, err
	}
	return s.answer()
}

func (s *RawSession) Prepare(sql string) (id uint32, err error) {
	p, err := s.Command(0x16, sql)
	if err != nil {
		return 0, err
	}
	id = binary.LittleEndian.Uint32(p[1:])
	columns, params := binary.LittleEndian.Uint16(p[5:]), binary.LittleEndian.Uint16(p[7:])
	for _, n := range []uint16{params, columns} {
		if n == 0 {
			continue
		}
		for range n + 1 {
			if _, err := s.answer(); err != nil {
				return 0, err
			}
		}
	}
	return id, nil
}

// Query runs a text and reads all that it gives.
func (s *RawSession) Query(sql string) error {
	p, err := s.Command(0x03, sql)
	for ends := 0; err == nil && (p[0] != 0 || ends > 0); p, err = s.answer() {
		if p[0] == 0xfe && len(p) < 9 {
			if ends++; ends == 2 {
				return nil
			}
		}
	}
	return err
}

// Code runs a text and gives the error number of its answer, 0 for a result.
func (s *RawSession) Code(sql string) (uint16, error) {
	err := s.Query(sql)
	var e *serverError
	if errors.As(err, &e) {
		return e.code, nil
	}
	return 0, err
}

func (s *RawSession) OpenCursor(id uint32) error {
	p, err := s.Command(0x17, string(binary.LittleEndian.AppendUint32(nil, id))+"\x01\x01\x00\x00\x00")
	for err == nil && !(p[0] == 0xfe && len(p) < 9) {
		p, err = s.answer()
	}
	return err
}

// Times runs f until it fails.
func (s *RawSession) Times(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// EndOfAttack waits for the end of the attack.
func (s *RawSession) EndOfAttack() error {
	s.There.Add(1)
	defer s.There.Add(-1)
	<-s.Over
	return nil
}

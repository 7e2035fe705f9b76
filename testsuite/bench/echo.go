package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// echoServer is the limit of any request-response server on this machine: it reads
// requests of a fixed size and answers each with a fixed number of bytes.
func echoServer(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: echo REQUEST_BYTES RESPONSE_BYTES")
	}
	reqLen, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	respLen, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
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
			req, resp := make([]byte, reqLen), make([]byte, respLen)
			for {
				if _, err := io.ReadFull(c, req); err != nil {
					return
				}
				if _, err := c.Write(resp); err != nil {
					return
				}
			}
		}()
	}
}

// echoRate measures round trips a second over conns connections.
func echoRate(echo *process, conns, reqLen, respLen int, d time.Duration) (loaded, error) {
	addr := lastField(echo.line)
	return metered(echo, conns, d, func(int) (func() error, func(), error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		req, resp := make([]byte, reqLen), make([]byte, respLen)
		once := func() error {
			if _, err := c.Write(req); err != nil {
				return err
			}
			_, err := io.ReadFull(c, resp)
			return err
		}
		return once, func() { c.Close() }, nil
	})
}

// rate runs workers that each repeat the operation open gives them for d, after a warm-up
// of a fifth of that, and gives operations a second. counting is called when they begin to count.
func rate(workers int, d time.Duration, counting func(), open func(i int) (op func() error, closer func(), err error)) (float64, error) {
	var (
		wg    sync.WaitGroup
		done  atomic.Int64
		state atomic.Int32 // 0 warm-up, 1 counting, 2 over
		once  sync.Once
		fail  error
	)
	for i := range workers {
		op, closer, err := open(i)
		if err != nil {
			state.Store(2)
			wg.Wait()
			return 0, err
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer closer()
			n := int64(0)
			for state.Load() == 0 {
				if err := op(); err != nil {
					once.Do(func() { fail = err })
					return
				}
			}
			for state.Load() == 1 {
				if err := op(); err != nil {
					once.Do(func() { fail = err })
					return
				}
				n++
			}
			done.Add(n)
		}()
	}
	time.Sleep(d / 5)
	counting()
	began := time.Now()
	state.Store(1)
	time.Sleep(d)
	state.Store(2)
	took := time.Since(began)
	wg.Wait()
	return float64(done.Load()) / took.Seconds(), fail
}

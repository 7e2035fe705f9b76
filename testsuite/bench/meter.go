package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// meter measures what a load costs a server process and this one.
type meter struct {
	server         *process
	cpu, own       time.Duration
	done, finished chan struct{}
	rss            int64 // the most seen
}

func newMeter(server *process) *meter {
	m := &meter{server: server, done: make(chan struct{}), finished: make(chan struct{})}
	m.cpu, m.own = server.cpu(), ownCPU()
	go func() {
		defer close(m.finished)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if rss, err := server.rss(); err == nil {
				m.rss = max(m.rss, rss)
			}
			select {
			case <-tick.C:
			case <-m.done:
				return
			}
		}
	}()
	return m
}

// stop gives the costs of ops operations.
func (m *meter) stop(ops float64) loaded {
	server, own := m.server.cpu()-m.cpu, ownCPU()-m.own
	close(m.done)
	<-m.finished
	return loaded{serverCPU: float64(server.Microseconds()) / ops, loaderCPU: float64(own.Microseconds()) / ops, rss: m.rss}
}

// metered is [rate], and what its operations cost a server and this process.
func metered(server *process, workers int, d time.Duration, open func(i int) (op func() error, closer func(), err error)) (loaded, error) {
	var m *meter
	perSecond, err := rate(workers, d, func() { m = newMeter(server) }, open)
	if err != nil {
		return loaded{}, err
	}
	got := m.stop(perSecond * d.Seconds())
	got.perSecond = perSecond
	return got, nil
}

// cpu is the time the process has computed so far, in steps of 10 ms.
func (p *process) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	ticks := int64(0)
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.ParseInt(string(f), 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

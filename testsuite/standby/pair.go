package standby

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/standby"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// nodeID is that of both drainers.
const nodeID = "drainer1"

// one is one of the processes that take turns.
type one struct {
	*rig.DrainerNode
	link link
}

// pair are two of them, and what they have to bring downstream.
type pair struct {
	*rig.Trade
	pumps *rig.Pumps
	both  [2]*one
	last  time.Duration // see leads
}

// newPair starts a PD, a pump and two drainers with a configuration file's section [syncer]; the first is active.
func newPair(t *testing.T, syncer string) *pair {
	t.Helper()
	c := pdtest.StartReal(t, 1)
	pumps := rig.NewPumps(t, c)
	p := &pair{pumps: pumps, Trade: pumps.NewTrade("pump1")}
	for i := range p.both {
		d := &one{DrainerNode: p.Trade.Drainer(nodeID)}
		config := rig.WriteFile(t, fmt.Sprintf("drainer%d.toml", i), syncer)
		d.Args = append([]string{"-config", config, "-standby"}, without(d.Args, "-dest-db-type")...)
		d.onItsOwn(t, strings.TrimPrefix(c.Endpoint(0), "http://"))
		p.both[i] = d
	}
	p.both[0].Launch()
	p.both[1].Spawn()
	p.waits(p.both[1])
	return p
}

// onItsOwn gives a drainer a machine of its own or, where there is none to be had, a way to PD.
func (d *one) onItsOwn(t *testing.T, pd string) {
	t.Helper()
	m, err := newMachine(t, pd)
	if err == nil {
		d.Addr, d.In, d.link = fmt.Sprintf("%s:%d", m.ip, form.Port(t)), m.in(), m
		return
	}
	t.Run("network namespaces", func(t *testing.T) {
		form.Missing(t, "only the way to PD is cut, by a proxy: network namespaces need Linux, root, and ip, tc and nsenter: %v", err)
	})
	g := newGate(t, pd)
	d.Addr, d.link = form.Addr(t), g
	set(d.Args, "-pd-urls", g.url())
}

// without leaves a flag and its value out.
func without(args []string, flag string) (left []string) {
	for i := 0; i < len(args); i++ {
		if args[i] == flag {
			i++
			continue
		}
		left = append(left, args[i])
	}
	return left
}

func set(args []string, flag, value string) {
	for i := range args {
		if args[i] == flag {
			args[i+1] = value
		}
	}
}

// role is what a process says that it is: active, standby, or "" when it does not answer or is in between.
func (d *one) role() string {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + d.Addr + "/status")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var s struct {
		State   nodes.State
		Standby struct{ Role string }
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(body, &s) != nil {
		return ""
	}
	if s.Standby.Role == "active" && s.State != nodes.Online {
		return ""
	}
	return s.Standby.Role
}

// waits waits until a process is a standby that is in the queue.
func (p *pair) waits(d *one) {
	p.Helper()
	rig.Eventually(p.TB, time.Minute, "a standby at "+d.Addr+" waits", func() (bool, string) {
		g := p.group()
		for _, m := range g.Waiting() {
			if m.Host == d.Addr && d.role() == "standby" {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v\n%s", g, tail(d))
	})
}

// leads waits until a process is the active one, and notes how long that took.
func (p *pair) leads(d *one, since time.Time) {
	p.Helper()
	rig.Eventually(p.TB, time.Minute, "the drainer at "+d.Addr+" is active", func() (bool, string) {
		return d.role() == "active", tail(d)
	})
	p.last = time.Since(since).Round(time.Millisecond)
}

// active is which of them has the place, and the other one.
func (p *pair) active() (active, other *one) {
	p.Helper()
	rig.Eventually(p.TB, time.Minute, "one is active", func() (bool, string) {
		for i, d := range p.both {
			if d.role() == "active" {
				active, other = d, p.both[1-i]
				return true, ""
			}
		}
		return false, tail(p.both[0]) + "\n" + tail(p.both[1])
	})
	return active, other
}

// group is what PD has of both.
func (p *pair) group() standby.Group {
	p.Helper()
	g, err := standby.ReadOne(p.Context(), p.pumps.Registry, nodes.Drainer, nodeID)
	if err != nil {
		p.Fatal(err)
	}
	return g
}

// again starts a process that was killed; it waits for its turn.
func (p *pair) again(d *one) {
	p.Helper()
	d.Spawn()
	p.waits(d)
}

func (d *one) signal(s syscall.Signal) { _ = d.Cmd.Process.Signal(s) }

// kill ends a process with SIGKILL.
func (d *one) kill() {
	d.signal(syscall.SIGKILL)
	<-d.Done
}

func tail(d *one) string {
	if d.Proc == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(d.Output()), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// mariaDB is the configuration for a MariaDB downstream, which lets drainers on other machines in.
func mariaDB(srv *mariadbtest.Server) string {
	srv.Exec("CREATE OR REPLACE USER root@'%'", "GRANT ALL ON *.* TO root@'%'")
	return fmt.Sprintf("[syncer]\ndb-type = \"mysql\"\n[syncer.to]\nhost = %q\nport = %d\nuser = \"root\"\n", srv.Host, srv.Port)
}

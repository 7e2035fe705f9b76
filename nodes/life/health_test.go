package life_test

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"pumphouse/internal/certfile"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/testsuite/pdtest"
)

// TestHealth: a clock that is not PD's, a certificate at its end and a rival for the node ID are problems while they last, and
// each is logged once.
func TestHealth(t *testing.T) {
	view, certs := pdtest.NewView(t), pdtest.NewCerts(t)
	var offset atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	agent, err := nodes.NewAgent(nodes.AgentOptions{Kind: nodes.Pump, NodeID: "p1", Host: "h:1", Registry: view.Registry, TSO: view.PD.TSO, Heartbeat: 100 * time.Millisecond, Now: now})
	if err == nil {
		err = agent.Register(t.Context(), nodes.Online)
	}
	if err != nil {
		t.Fatal(err)
	}
	log, logged := test.NewNullLogger()
	var problems nodes.Problems
	h := &life.Health{Problems: &problems, Kind: nodes.Pump, NodeID: "p1", Agent: agent, Registry: view.Registry,
		Security: certfile.Security{CA: certs.CAFile, Cert: certs.CertFile, Key: certs.KeyFile}, Log: log, Now: now}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- agent.Run(ctx) }()
	go func() { done <- h.Run(ctx, func() {}, nil) }()
	defer func() {
		end()
		<-done
		<-done
	}()
	codes := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			var got []string
			for _, p := range problems.List() {
				got = append(got, string(p.Code))
			}
			slices.Sort(got)
			if strings.Join(got, " ") == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("problems %q, want %q: %s", got, want, problems.Text())
			}
		}
	}
	codes("")
	offset.Store(int64(-30 * time.Second))
	codes("clock-skew")
	offset.Store(0)
	codes("")
	pair, err := tls.LoadX509KeyPair(certs.CertFile, certs.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(pair.Leaf.NotAfter)
	offset.Store(int64(left - time.Hour)) // the clock is wrong, too
	codes("certificate-expiring clock-skew")
	offset.Store(int64(left + time.Hour))
	codes("certificate-expired clock-skew")
	if text := problems.Text(); !strings.Contains(text, certs.CertFile) || !strings.Contains(text, "ssl-key") {
		t.Errorf("the text names neither file nor cure: %s", text)
	}
	offset.Store(0)
	codes("")
	offset.Store(int64(time.Until(pair.Leaf.NotBefore) - time.Hour)) // it is not valid yet
	codes("certificate-expired clock-skew")
	if text := problems.Text(); !strings.Contains(text, "valid from "+pair.Leaf.NotBefore.UTC().Format(time.RFC3339)) || !strings.Contains(text, "check the clock") {
		t.Errorf("a certificate that is not valid yet: %s", text)
	}
	offset.Store(0)
	codes("")
	err = view.Registry.PutExit(t.Context(), nodes.Pump, "p1", nodes.LastExit{Kind: nodes.ExitError, Code: nodes.ProblemTakeover, Text: "run by another", Time: now()})
	if err != nil {
		t.Fatal(err)
	}
	codes("takeover")
	offset.Store(int64(2 * time.Minute)) // it is not refused again
	codes("clock-skew")
	offset.Store(0)
	codes("")
	counts := make(map[string]int)
	for _, e := range logged.AllEntries() {
		if code, ok := e.Data["code"]; ok && e.Level == logrus.WarnLevel {
			counts[string(code.(nodes.ProblemCode))]++
		}
	}
	if counts["certificate-expired"] != 2 || counts["takeover"] != 1 || counts["clock-skew"] != 4 {
		t.Errorf("logged: %v", counts)
	}
}

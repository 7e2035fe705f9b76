package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/certfile"
)

// Health looks, once a second, at what a node cannot note where it happens, and keeps the node's problems
// as it finds them. All fields are required but Security.
type Health struct {
	Problems *nodes.Problems
	Kind     nodes.Kind
	NodeID   string
	Agent    *nodes.Agent
	Registry *nodes.Registry
	Security Security
	Log      logrus.FieldLogger
	Now      func() time.Time

	pair  *certfile.Pair // nil: the node has no certificate
	asked time.Time      // when the exits were looked at
	rival time.Time      // when another process was last refused
}

// Run looks until ctx ends; own looks at what is the node's alone.
func (h *Health) Run(ctx context.Context, own func(context.Context)) error {
	if h.Security.Cert != "" {
		var err error
		if h.pair, err = h.Security.pair(); err != nil {
			return err
		}
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		h.pd()
		h.clock()
		h.certificate()
		h.rivals(ctx)
		own(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *Health) pd() {
	if err := h.Agent.Healthy(); err != nil {
		h.Problems.Set(nodes.Problem{Code: nodes.ProblemPDAway, Text: err.Error(),
			Cure: "check that PD runs and has a leader, and that this machine reaches it (-pd-urls)"})
		return
	}
	h.Problems.Clear(nodes.ProblemPDAway)
}

// set notes a problem and logs it when it is new.
func (h *Health) set(p nodes.Problem) {
	if h.Problems.Set(p) {
		h.logNew(p)
	}
}

func (h *Health) logNew(p nodes.Problem) {
	h.Log.WithField("code", p.Code).Warn(p.Text + ": " + p.Cure)
}

func (h *Health) clock() {
	if p, fresh := h.Problems.SetClock("this machine's clock", h.Agent.Skew()); fresh {
		h.logNew(p)
	}
}

func (h *Health) certificate() {
	if h.pair == nil {
		return
	}
	p, is := nodes.CertificateProblem(h.pair.Get().Leaf, h.Security.Cert, "ssl-cert and ssl-key", h.Now())
	for _, code := range []nodes.ProblemCode{nodes.ProblemCertificateExpired, nodes.ProblemCertificateExpiring} {
		if !is || p.Code != code {
			h.Problems.Clear(code)
		}
	}
	if is {
		h.set(p)
	}
}

const (
	rivalsEvery = 2 * time.Second
	rivalShown  = time.Minute // after a start was refused
)

// rivals looks whether another process was refused the node ID. While this one runs, nobody else leaves a last
// exit under it; it is removed when it is known.
func (h *Health) rivals(ctx context.Context) {
	now := h.Now()
	if time.Since(h.asked) < rivalsEvery || h.Agent.Healthy() != nil { // time.Since: whatever clock is set back
		return
	}
	h.asked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	e, found, err := h.Registry.Exit(ctx, h.Kind, h.NodeID)
	if err != nil || !found {
		if now.Sub(h.rival) >= rivalShown {
			h.Problems.Clear(nodes.ProblemTakeover)
		}
		return // a PD that does not answer is another problem
	}
	_ = h.Registry.RemoveExit(ctx, h.Kind, h.NodeID) // else it is seen again
	if e.Code != nodes.ProblemTakeover {
		return
	}
	h.rival = now
	h.set(nodes.Problem{Code: nodes.ProblemTakeover, Text: fmt.Sprintf("another process was started with the node ID %s and refused: %s", h.NodeID, e.Text),
		Cure: "stop that one, or give it another -node-id and -data-dir"})
}

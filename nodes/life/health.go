package life

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/certfile"
	"pumphouse/nodes"
)

// How often a node looks for what it cannot note where it happens: at itself, which costs nothing but its memory and a look
// at its certificate's files, and at what PD holds, in three small reads.
const (
	LookEvery     = 500 * time.Millisecond
	LookInPDEvery = time.Second
)

// askPD bounds each of those reads.
const askPD = time.Second

// Health looks again and again at what a node cannot note where it happens, and keeps the node's problems
// as it finds them. All fields are required but Security.
type Health struct {
	Problems *nodes.Problems
	Kind     nodes.Kind
	NodeID   string
	Agent    *nodes.Agent
	Registry *nodes.Registry
	Security certfile.Security
	Log      logrus.FieldLogger
	Now      func() time.Time

	pair  *certfile.Pair // nil: the node has no certificate
	rival time.Time      // when another process was last refused
}

// Run looks until ctx ends; own and inPD, which may be nil, look at what is this node's alone. inPD fails when PD does not answer, which
// is not its to say.
func (h *Health) Run(ctx context.Context, own func(), inPD func(context.Context) error) error {
	if h.Security.Cert != "" {
		var err error
		if h.pair, err = h.Security.Pair(); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		h.again(ctx, nodes.InPD, LookInPDEvery, func() error {
			h.Agent.AskClock(ctx)
			h.clock()
			if err := h.pd(); err != nil {
				return err // the others would only wait
			}
			err := bounded(ctx, h.rivals)
			if err == nil && inPD != nil {
				err = bounded(ctx, inPD)
			}
			return err
		})
	})
	h.again(ctx, nodes.AtItself, LookEvery, func() error {
		_ = h.pd() // it is noted
		h.certificate()
		own()
		return nil
	})
	return nil
}

// again looks until ctx ends, and counts the looks that saw everything.
func (h *Health) again(ctx context.Context, at nodes.Sight, every time.Duration, look func() error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if look() == nil {
			h.Problems.Looked(at)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func bounded(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askPD)
	defer cancel()
	return ask(ctx)
}

func (h *Health) pd() error {
	err := h.Agent.Healthy()
	if err != nil {
		h.Problems.Set(nodes.Problem{Code: nodes.ProblemPDAway, Text: err.Error(),
			Cure: "check that PD runs and has a leader, and that this machine reaches it (-pd-urls)"})
	} else {
		h.Problems.Clear(nodes.ProblemPDAway)
	}
	return err
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

// rivalShown is for how long a start that was refused is shown.
const rivalShown = time.Minute

// rivals looks whether another process was refused the node ID. While this one runs, nobody else leaves a last
// exit under it; it is removed when it is known.
func (h *Health) rivals(ctx context.Context) error {
	now := h.Now()
	e, found, err := h.Registry.Exit(ctx, h.Kind, h.NodeID)
	if err != nil || !found {
		if now.Sub(h.rival) >= rivalShown {
			h.Problems.Clear(nodes.ProblemTakeover)
		}
		return err
	}
	_ = h.Registry.RemoveExit(ctx, h.Kind, h.NodeID) // else it is seen again
	if e.Code != nodes.ProblemTakeover {
		return nil
	}
	h.rival = now
	h.set(nodes.Problem{Code: nodes.ProblemTakeover, Text: fmt.Sprintf("another process was started with the node ID %s and refused: %s", h.NodeID, e.Text),
		Cure: "stop that one, or give it another -node-id and -data-dir"})
	return nil
}

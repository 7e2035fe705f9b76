package drainer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pumphouse/binlogpb"
	"pumphouse/drainer/pull"
	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
)

// routes is the HTTP API of a drainer (docs/wire-contract.md).
func (d *Drainer) routes() http.Handler {
	mux := http.NewServeMux()
	d.Routes(mux)
	mux.HandleFunc("GET /status", port.Answer(d.Log, d.getStatus))
	mux.HandleFunc("GET /commit_ts", port.Answer(d.Log, d.getCommitTS))
	mux.HandleFunc("PUT /state/{node}/switch", port.Answer(d.Log, d.opts.Admin.Guard(d.putSwitch)))
	mux.HandleFunc("GET /handover", port.Answer(d.Log, d.opts.Admin.Guard(d.getHandover)))
	return mux
}

// drainerStatus is the answer of GET /status; the fields after TsMap are ours.
type drainerStatus struct {
	PumpPos map[string]nodes.TSO `json:"PumpPos"`
	Synced  bool                 `json:"Synced"`
	LastTS  nodes.TSO            `json:"LastTS"`
	TsMap   string               `json:"TsMap"`

	State      nodes.State `json:"State"`
	Version    string      `json:"Version"`
	Downstream string      `json:"Downstream"`
	Lag        *float64    `json:"Lag,omitempty"` // seconds by which the downstream lags PD's clock; nil: nothing is consumed yet
	Applied    nodes.TSO   `json:"Applied"`       // everything up to here is downstream
	Checkpoint nodes.TSO   `json:"Checkpoint"`    // a restart goes on from here
	Rows       uint64      `json:"Rows"`          // that the sink has taken since the start
	LastDDL    *lastDDL    `json:"LastDDL,omitempty"`
	// Divergences are the tables in which rows were not found downstream, since the start.
	Divergences []nodes.TableDivergences `json:"Divergences,omitempty"`
	HeldBy      *heldBy                  `json:"HeldBy,omitempty"`
	// Standby: which process with this node ID is active; nil: this drainer runs alone.
	Standby *turnStatus  `json:"Standby,omitempty"`
	Pumps   []pumpStatus `json:"Pumps"`
	ErrMsg  string       `json:"ErrMsg"` // the problems in words, and how far the start is
	// Problems are what is wrong now, the oldest first.
	Problems []nodes.Problem `json:"problems"`
}

// pumpStatus is how the pull from one pump goes.
type pumpStatus struct {
	Pump     string      `json:"Pump"`
	Addr     string      `json:"Addr"`
	State    nodes.State `json:"State"`
	Position nodes.TSO   `json:"Position"`
	Reached  bool        `json:"Reached"`
	Since    time.Time   `json:"Since"` // when it was reached, or stopped being so
	Err      string      `json:"Err,omitempty"`
}

func (d *Drainer) getStatus(r *http.Request) (any, error) {
	st := drainerStatus{PumpPos: make(map[string]nodes.TSO), LastTS: d.consumed(),
		State: d.State(), Version: version.Number, Downstream: d.opts.Downstream.String(), Lag: d.lagSeconds(), Applied: d.applied(), Checkpoint: d.consumed(), Rows: d.metrics.rows.Load(),
		Divergences: d.metrics.diverged.list(), Pumps: []pumpStatus{}, Standby: d.turnNow(r.Context())}
	if f := d.current.get(); f != nil {
		d.lookAtFlow(f)
	}
	st.Problems, st.ErrMsg = d.Problems.List(), d.Problems.Text()
	if last := d.metrics.lastDDL.Load(); last != nil {
		ddl := *last
		ddl.Applied = st.Applied >= ddl.CommitTS
		st.LastDDL = &ddl
	}
	f := d.current.get()
	if f == nil {
		if st.Standby != nil && st.Standby.Role == "standby" {
			st.ErrMsg = "this process is a standby: it waits for the place of the active drainer"
			return st, nil
		}
		st.ErrMsg = strings.TrimSuffix("the drainer is starting: "+*d.starting.Load()+"; "+st.ErrMsg, "; ")
		return st, nil
	}
	st.Synced = d.synced()
	pumps := f.group.Status()
	for _, p := range pumps {
		st.PumpPos[p.Pump] = p.Position
		st.Pumps = append(st.Pumps, pumpStatus(p))
	}
	if by, ok := d.holder(pumps); ok {
		st.HeldBy = &by
	}
	return st, nil
}

func (d *Drainer) getCommitTS(*http.Request) (any, error) {
	return nodes.Reply{Message: "get drainer's latest commit TS success!", Code: http.StatusOK, Data: map[string]nodes.TSO{"ts": d.consumed()}}, nil
}

// getHandover answers GET /handover.
func (d *Drainer) getHandover(*http.Request) (any, error) {
	if d.opts.Handover == nil {
		return nil, &port.HTTPError{Code: http.StatusNotFound, Err: errors.New("this drainer has no plan for a handover")}
	}
	return d.opts.Handover, nil
}

// cistern is the gRPC service of a drainer. DumpBinlog and DumpDDLJobs are not implemented:
// nobody calls them.
type cistern struct {
	binlogpb.UnimplementedCisternServer
	d *Drainer
}

// Notify answers when every pump that PD knows takes part in the merge: the pump that asks
// goes online on that answer. A drainer that starts answers when it can know them. One that
// stops answers when it merges no more; its next life finds the pump's record.
func (c cistern) Notify(ctx context.Context, _ *binlogpb.NotifyReq) (*binlogpb.NotifyResp, error) {
	select {
	case <-c.d.begun:
	case <-ctx.Done():
	}
	f := c.d.current.get()
	if f == nil {
		return nil, status.Errorf(codes.Unavailable, "drainer %s has not started", c.d.ID)
	}
	err := f.group.Notify(ctx)
	if errors.Is(err, pull.ErrEnded) {
		select {
		case <-f.done:
			err = nil
		case <-ctx.Done():
		}
	}
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "drainer %s: look at the pump records: %v", c.d.ID, err)
	}
	return &binlogpb.NotifyResp{}, nil
}

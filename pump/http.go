package pump

import (
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/internal/version"
	"pumphouse/nodes"
	"pumphouse/nodes/port"
	"pumphouse/pump/storage"
	"pumphouse/pump/takeover"
)

// routes is the HTTP API of a pump (docs/wire-contract.md).
func (p *Pump) routes() http.Handler {
	mux := http.NewServeMux()
	p.Routes(mux)
	mux.HandleFunc("GET /status", port.Answer(p.Log, p.getStatus))
	mux.HandleFunc("GET /drainers", port.Answer(p.Log, p.getDrainers))
	admin := p.opts.Admin.Guard // what changes the pump, costs it much, or shows what binlogs hold
	mux.HandleFunc("GET /unresolved", port.Answer(p.Log, admin(p.getUnresolved)))
	mux.HandleFunc("PUT /unresolved/{start}/rollback", port.Answer(p.Log, admin(p.putUnresolved)))
	mux.HandleFunc("PUT /unresolved/{start}/commit/{commit}", port.Answer(p.Log, admin(p.putUnresolved)))
	mux.HandleFunc("GET /debug/binlog/{ts}", port.Answer(p.Log, admin(p.getBinlog)))
	mux.HandleFunc("POST /debug/gc/trigger", port.Answer(p.Log, admin(p.triggerGC)))
	return mux
}

// pumpStatus is the answer of GET /status; the fields after ErrMsg are ours.
type pumpStatus struct {
	Status     map[string]nodes.Record `json:"status"`
	CommitTS   nodes.TSO               `json:"CommitTS"`
	Checkpoint struct{}                `json:"Checkpoint"`
	ErrMsg     string                  `json:"ErrMsg"`

	State      nodes.State   `json:"State"`
	Version    string        `json:"Version"`
	Unresolved int           `json:"Unresolved"`
	WaitingFor []waiter      `json:"WaitingFor,omitempty"`
	Pullers    int64         `json:"Pullers"`
	Storage    storage.Stats `json:"Storage"`
	// GCSafePoint is what the pump holds in PD; nil: nothing, ever.
	GCSafePoint *SafePoint `json:"GCSafePoint,omitempty"`
	// Import is how far the import of an upstream pump's binlogs is, while the pump starts with that.
	Import *takeover.Status `json:"Import,omitempty"`
	// Problems are what is wrong now, the oldest first; ErrMsg has the same in words.
	Problems []nodes.Problem `json:"problems"`
}

func (p *Pump) getStatus(r *http.Request) (any, error) {
	stats := p.store.Stats()
	left, _ := p.drain.waiting()
	st := pumpStatus{Status: make(map[string]nodes.Record), CommitTS: stats.MaxCommitTS, State: p.Agent.State(), Version: version.Number,
		Unresolved: stats.Unresolved, WaitingFor: left, Pullers: p.pullers.n.Load(), Storage: stats}
	if p.safePoint != nil {
		held := p.safePoint.state()
		st.GCSafePoint = &held
	}
	snap, err := p.opts.Registry.List(r.Context())
	if err == nil {
		for _, e := range snap.Pumps {
			st.Status[e.Record.NodeID] = e.Record
		}
		p.lookAtRecords(snap)
	}
	p.lookHere()
	st.Problems, st.ErrMsg = p.Problems.List(), p.Problems.Text()
	if err != nil && st.ErrMsg == "" {
		st.ErrMsg = err.Error()
	}
	return st, nil
}

func (p *Pump) getDrainers(r *http.Request) (any, error) {
	snap, err := p.opts.Registry.List(r.Context())
	if err != nil {
		return nil, &port.HTTPError{Code: http.StatusServiceUnavailable, Err: err}
	}
	records := make([]nodes.Record, len(snap.Drainers))
	for i, e := range snap.Drainers {
		records[i] = e.Record
	}
	return records, nil
}

// maxPrinted is the largest prewrite value in bytes that is printed as text.
const maxPrinted = 1 << 20

// getBinlog prints the stored binlog with a start TS or commit TS.
func (p *Pump) getBinlog(r *http.Request) (any, error) {
	ts, err := nodes.ParseTSO(r.PathValue("ts"))
	if err != nil {
		return nil, &port.HTTPError{Code: http.StatusBadRequest, Err: err}
	}
	found, err := p.store.Lookup(r.Context(), ts)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, &port.HTTPError{Code: http.StatusNotFound, Err: fmt.Errorf("pump %s has no binlog with start or commit TS %s", p.ID, ts)}
	}
	if err != nil {
		return nil, err
	}
	var b binlogpb.Binlog
	var v binlogpb.PrewriteValue
	if err := proto.Unmarshal(found.Payload, &b); err != nil {
		return nil, fmt.Errorf("binlog with start TS %s: %w", ts, err)
	}
	if size := len(b.PrewriteValue); size > maxPrinted {
		b.PrewriteValue = nil
		return fmt.Sprintf("commit TS: %s, delivered: %v\nbinlog: %s\nvalue: %d bytes, too many to print", found.CommitTS, found.Sorted, b.String(), size), nil
	}
	if err := proto.Unmarshal(b.PrewriteValue, &v); err != nil {
		return nil, fmt.Errorf("prewrite value of the binlog with start TS %s: %w", ts, err)
	}
	b.PrewriteValue = nil
	return fmt.Sprintf("commit TS: %s, delivered: %v\nbinlog: %s\nvalue: %s", found.CommitTS, found.Sorted, b.String(), v.String()), nil
}

func (p *Pump) triggerGC(r *http.Request) (any, error) {
	answer := make(chan collected, 1)
	select {
	case p.gcNow <- answer:
		done := <-answer
		return done.text, done.err
	case <-p.Life.Stopping():
		return nil, &port.HTTPError{Code: http.StatusConflict, Err: p.Life.Refuse()}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

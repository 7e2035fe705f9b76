package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Status is what a node says of itself at GET /status: what upstream nodes say, and
// what ours add. Fields that it does not say are empty.
type Status struct {
	State    State    // ours
	Version  string   // ours: of the program
	CommitTS TSO      // pump: the largest sorted; drainer: everything up to here is downstream
	Waiting  []string // ours: for whom or what it waits, and since when, in words
	Problem  string   // what does not work
	// Problems are the same one by one, the oldest first. Nodes of upstream and of older versions have none.
	Problems []Problem

	// Of a pump of ours.
	Unresolved     int // prewrites whose end is not known
	OldestStartTS  TSO // start TS of the first of them, which holds back the pump; 0: none
	OldestAge      time.Duration
	Held           int    // committed transactions that it holds back
	GCSafePoint    TSO    // PD's service safe point that the pump holds, so that TiKV keeps the outcome; 0: none
	LogBytes       int64  // on disk
	AvailableBytes uint64 // left on its file system
	PurgedTS       TSO    // binlogs up to here are gone; 0: none

	// Of a drainer.
	Positions map[string]TSO // by pump: everything up to here has been pulled
	Synced    bool           // it has nothing left to do
	// Of one of ours.
	Lag        time.Duration
	HasLag     bool              // Lag is known
	Downstream string            // kind and place, without secrets
	HeldBy     string            // node ID of the pump that blocks replication
	HeldSince  time.Time         // zero when nobody does
	Unreached  map[string]string // by pump: why it cannot be pulled from
	LastDDL    *LastDDL          // nil: none since its start
	Turns      bool              // it is one of several processes with this node ID, of which one is active
	Standbys   []string          // addresses of those that wait for its place, the next one first

	// Written counts since the node's start: a pump's log records (prewrites, commits and rollbacks), a
	// drainer's rows. nil: the node does not say.
	Written *uint64
}

// LastDDL is the newest DDL statement that a drainer has handed to its downstream.
type LastDDL struct {
	CommitTS TSO
	Query    string // the beginning of it
	Applied  bool   // it is downstream; false: it runs
}

// statusBody is what the answers of pumps and drainers, old ones and ours, hold together.
type statusBody struct {
	CommitTS TSO
	LastTS   TSO
	Synced   bool
	ErrMsg   string
	Problems []Problem `json:"problems"`
	PumpPos  map[string]TSO

	// Ours.
	State      State
	Version    string
	Downstream string
	Unresolved int
	// GCSafePoint holds back TiKV's garbage collection.
	GCSafePoint struct {
		TS TSO `json:"ts"`
	}
	WaitingFor []struct {
		Drainer  string `json:"drainer"`
		Host     string `json:"host"`
		State    string `json:"state"`
		Consumed TSO    `json:"consumed"`
		Needed   TSO    `json:"needed"`
	}
	Lag     *float64 // seconds
	Rows    *uint64
	LastDDL *LastDDL
	// Divergences are the tables in which the downstream was found to differ.
	Divergences []TableDivergences
	Standby     *struct {
		Waiting []struct {
			Host string `json:"host"`
		}
	}
	HeldBy *struct {
		Pump, Addr, State, Reason string
		Since                     time.Time
	}
	Pumps []struct {
		Pump, Err string
		Reached   bool
	}
	Storage struct {
		PurgedTS             TSO
		OldestStartTS        TSO
		OldestAge            time.Duration
		Waiting              int
		LogBytes, IndexBytes int64
		AvailableBytes       uint64
		Records              *uint64
	}
}

// Status asks a node what it says of itself. An error names its address.
func (c *Control) Status(ctx context.Context, kind Kind, rec Record) (Status, error) {
	fail := func(err error) (Status, error) {
		return Status{}, fmt.Errorf("ask %s %s at %s for its status: %w", kind, rec.NodeID, rec.Host, err)
	}
	if _, _, err := net.SplitHostPort(rec.Host); err != nil {
		return fail(fmt.Errorf("its record names no address: %w", err))
	}
	target := &url.URL{Scheme: c.scheme, Host: rec.Host, Path: "/status"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fail(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fail(errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fail(err)
	}
	var said statusBody
	if err := json.Unmarshal(body, &said); err != nil || resp.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("HTTP status %d: %s", resp.StatusCode, excerpt(body)))
	}
	return said.status(rec.NodeID), nil
}

// HoldUp asks a node that is late what it waits for, and gives its answer as a clause: "it
// waits for …", or that nobody knows and why.
func (c *Control) HoldUp(ctx context.Context, kind Kind, rec Record) string {
	st, err := c.Status(ctx, kind, rec)
	switch {
	case err != nil:
		return "what it waits for is not known: " + err.Error()
	case len(st.Waiting) > 0:
		return "it waits for " + strings.Join(st.Waiting, "; and for ")
	case st.Problem != "":
		return "it says: " + st.Problem
	}
	return "it does not say what it waits for"
}

func (b *statusBody) status(nodeID string) Status {
	s := Status{
		State: b.State, Version: b.Version, CommitTS: max(b.CommitTS, b.LastTS), Problem: b.ErrMsg,
		Unresolved: b.Unresolved, LogBytes: b.Storage.LogBytes + b.Storage.IndexBytes, AvailableBytes: b.Storage.AvailableBytes, PurgedTS: b.Storage.PurgedTS,
		OldestStartTS: b.Storage.OldestStartTS, OldestAge: b.Storage.OldestAge, Held: b.Storage.Waiting, GCSafePoint: b.GCSafePoint.TS,
		Positions: b.PumpPos, Synced: b.Synced, Downstream: b.Downstream,
	}
	s.LastDDL, s.Written = b.LastDDL, b.Rows
	if b.Standby != nil {
		s.Turns = true
		for _, w := range b.Standby.Waiting {
			s.Standbys = append(s.Standbys, w.Host)
		}
	}
	s.Problems = b.Problems
	if text := DivergenceText(b.Divergences); text != "" && len(b.Problems) == 0 {
		s.Problem = strings.TrimPrefix(s.Problem+"; "+text, "; ")
	}
	if b.Storage.Records != nil {
		s.Written = b.Storage.Records
	}
	if b.Lag != nil {
		s.Lag, s.HasLag = time.Duration(*b.Lag*float64(time.Second)), true
	}
	for _, w := range b.WaitingFor {
		s.Waiting = append(s.Waiting, fmt.Sprintf("drainer %s (%s, %s), which %s", w.Drainer, w.State, w.Host, ConsumedText(w.Consumed, w.Needed)))
	}
	if b.Unresolved > 0 && b.State == Closing {
		s.Waiting = append(s.Waiting, fmt.Sprintf("%d transactions that are prewritten and not yet committed or rolled back", b.Unresolved))
	}
	if s.OldestAge >= unresolvedLong {
		s.Waiting = append(s.Waiting, s.Unresolving(nodeID))
	}
	if h := b.HeldBy; h != nil {
		s.Waiting = append(s.Waiting, fmt.Sprintf("pump %s (%s, %s), which has blocked replication since %s: %s",
			h.Pump, h.State, h.Addr, h.Since.Format(time.DateTime), h.Reason))
		s.HeldBy, s.HeldSince = h.Pump, h.Since
	}
	for _, p := range b.Pumps {
		if !p.Reached && p.Err != "" {
			if s.Unreached == nil {
				s.Unreached = make(map[string]string)
			}
			s.Unreached[p.Pump] = p.Err
		}
	}
	return s
}

// ConsumedText says, as a clause, how far a drainer is with what it has to consume: "has consumed up to commit TS … of … (it lags by 3s)". A
// position whose time is 0 is none.
func ConsumedText(consumed, needed TSO) string {
	if consumed.Physical() == 0 {
		return fmt.Sprintf("has consumed nothing yet of what there is up to commit TS %s", needed)
	}
	return fmt.Sprintf("has consumed up to commit TS %s of %s (it lags by %s)", consumed, needed,
		max(needed.Time().Sub(consumed.Time()), 0).Round(time.Millisecond))
}

// unresolvedLong is the age from which an unresolved transaction is one that TiDB is not just
// about to commit.
const unresolvedLong = 5 * time.Second

// Unresolving says in words which unresolved transaction holds back a pump, given its node
// ID, and what to do; "" if none does for long.
func (s Status) Unresolving(pump string) string {
	if s.OldestStartTS == 0 || s.OldestAge < unresolvedLong {
		return ""
	}
	return fmt.Sprintf("the outcome of the transaction with start TS %s, unresolved for %s, which holds back %d committed ones (binlogctl -cmd unresolved says what TiKV knows; "+
		"once TiKV cannot know, decide it: binlogctl -cmd resolve -node-id %s -start-ts %s)",
		s.OldestStartTS, s.OldestAge.Round(time.Second), s.Held, pump, s.OldestStartTS)
}

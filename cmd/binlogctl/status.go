package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"pumphouse/nodes"
	"pumphouse/nodes/standby"
)

// nodeStatus is one line of -cmd status, and one object of its JSON.
type nodeStatus struct {
	Kind       string      `json:"kind"`
	NodeID     string      `json:"nodeId"`
	Host       string      `json:"host"`
	State      nodes.State `json:"state"`
	Answers    bool        `json:"answers"` // the node was asked and said the rest
	CommitTS   nodes.TSO   `json:"commitTS"`
	LagSeconds float64     `json:"lagSeconds"` // of CommitTS from PD's clock; -1: not known
	WaitingFor []string    `json:"waitingFor"`
	Problem    string      `json:"problem"` // all in one line: the problems, or how it exited
	// Problems are what the node reports, the oldest first.
	Problems []nodes.Problem `json:"problems"`
	// LastExit is how the last process of a node ended that does not run, if it has left a word.
	LastExit *nodes.LastExit `json:"lastExit,omitempty"`
	// Standbys are the processes that wait for the place of this drainer, the next one first.
	Standbys []standby.Member `json:"standbys,omitempty"`
	// Held: they do not take it, because the drainer was ordered to be so.
	Held nodes.State `json:"held,omitempty"`
}

// askedAtOnce bounds how many nodes are asked at the same time.
const askedAtOnce = 32

// status asks the nodes what they say of themselves. One that should run and gives no
// answer makes the command fail after it has printed what the others say.
func status(ctx context.Context, o options, stdout, stderr io.Writer) error {
	c, err := connect(o)
	if err != nil {
		return err
	}
	defer c.close()
	snap, err := c.registry.List(ctx)
	if err != nil {
		return err
	}
	exits, err := c.registry.Exits(ctx)
	if err != nil {
		return err
	}
	groups, err := standby.Read(ctx, c.registry)
	if err != nil {
		return err
	}
	failedStarts := neverStarted(snap, exits, o)
	var asked []nodes.Entry
	for _, kind := range nodes.Kinds() {
		for _, e := range snap.Of(kind) {
			if e.Record.NodeID == o.nodeID || o.nodeID == "" && (o.showOffline || e.Record.State != nodes.Offline) {
				asked = append(asked, e)
			}
		}
	}
	if len(asked) == 0 && len(failedStarts) == 0 && o.nodeID != "" {
		return fmt.Errorf("PD at %s has no record of a node %s: -cmd pumps and -cmd drainers list them", strings.Join(c.registry.Endpoints(), ","), o.nodeID)
	}
	list := c.askAll(ctx, asked, c.now(ctx, stderr))
	for i := range list {
		list[i].explain(exits[asked[i].Kind])
		for _, g := range groups {
			if g.Kind == asked[i].Kind && g.NodeID == list[i].NodeID {
				list[i].Standbys, list[i].Held = g.Waiting(), g.Held
			}
		}
	}
	list = append(list, failedStarts...)
	err = o.print(stdout, list, func() error { return printStatus(stdout, list) }, func() error { return printStatusLog(stdout, list, time.Now()) })
	if err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	silent := 0
	for _, s := range list {
		if !s.Answers && s.State != nodes.Paused && s.State != nodes.Offline && s.State != noRecord {
			silent++
		}
	}
	if silent > 0 {
		return fmt.Errorf("%d of %d nodes should run and give no answer", silent, len(list))
	}
	return nil
}

// askAll asks nodes that may have a process. The rest is told from their records.
func (c *cluster) askAll(ctx context.Context, asked []nodes.Entry, now time.Time) []nodeStatus {
	list := make([]nodeStatus, len(asked))
	var wg sync.WaitGroup
	slots := make(chan struct{}, askedAtOnce)
	for i, e := range asked {
		r := e.Record
		s := &list[i]
		*s = nodeStatus{Kind: e.Kind.String(), NodeID: r.NodeID, Host: r.Host, State: r.State, CommitTS: r.MaxCommitTS, WaitingFor: []string{}, Problems: []nodes.Problem{}}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if r.State != nodes.Offline && (r.State != nodes.Paused || r.Reporting(now, nodes.DefaultHeartbeat)) {
				c.askOne(ctx, e, s, now)
			}
			s.LagSeconds = -1
			if s.CommitTS.Physical() > 0 && r.State != nodes.Offline {
				s.LagSeconds = max(0, now.Sub(s.CommitTS.Time()).Round(time.Millisecond).Seconds())
			}
		})
	}
	wg.Wait()
	return list
}

func (c *cluster) askOne(ctx context.Context, e nodes.Entry, s *nodeStatus, now time.Time) {
	st, err := c.control.Status(ctx, e.Kind, e.Record)
	switch {
	case err == nil:
		s.Problems = st.Listed()
	case e.Record.State == nodes.Paused:
		return
	case e.Record.Reporting(now, nodes.DefaultHeartbeat):
		s.Problems = []nodes.Problem{nodes.NotAnswering(e.Record, err)}
	default:
		p := nodes.NotReporting(e.Kind, e.Record, now, false)
		p.Text += " (" + err.Error() + ")"
		s.Problems = []nodes.Problem{p}
	}
	var texts []string
	for _, p := range s.Problems {
		texts = append(texts, p.String())
	}
	s.Problem = strings.Join(texts, "; ")
	if err != nil {
		return
	}
	s.Answers = true
	s.CommitTS = max(s.CommitTS, st.CommitTS)
	if st.State != "" {
		s.State = st.State
	}
	if st.Waiting != nil {
		s.WaitingFor = st.Waiting
	}
}

// explain says of a node that gave no answer how its last process ended.
func (s *nodeStatus) explain(exits map[string]nodes.LastExit) {
	if s.Answers {
		return
	}
	exit, known := exits[s.NodeID]
	ending := nodes.EndingUnknown
	if known {
		s.LastExit, ending = &exit, exit.Ending(time.Local)
	}
	switch failed := known && exit.Kind == nodes.ExitError; {
	case s.Problem != "":
		s.Problem += "; " + ending
	case failed || !known && s.State != nodes.Offline:
		s.Problem = ending
	}
}

// neverStarted are nodes without a record whose start failed.
func neverStarted(snap *nodes.Snapshot, exits map[nodes.Kind]map[string]nodes.LastExit, o options) (list []nodeStatus) {
	for _, kind := range nodes.Kinds() {
		for _, id := range slices.Sorted(maps.Keys(exits[kind])) {
			_, known := snap.Find(kind, id)
			if e := exits[kind][id]; !known && e.Kind == nodes.ExitError && (o.nodeID == "" || o.nodeID == id) {
				list = append(list, nodeStatus{Kind: kind.String(), NodeID: id, LagSeconds: -1, WaitingFor: []string{}, Problems: []nodes.Problem{},
					Problem: e.Ending(time.Local), LastExit: &e, State: noRecord})
			}
		}
	}
	return list
}

// noRecord stands for the state of a node of which PD has no record.
const noRecord nodes.State = "none"

func (s nodeStatus) lag() string {
	if s.LagSeconds < 0 {
		return "-"
	}
	return time.Duration(s.LagSeconds * float64(time.Second)).Round(time.Millisecond).String()
}

func printStatus(w io.Writer, list []nodeStatus) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "KIND\tNODE ID\tADDRESS\tSTATE\tCOMMIT TS\tLAG\tWAITS FOR\tPROBLEM")
	for _, s := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Kind, s.NodeID, s.Host, s.State, s.CommitTS, s.lag(),
			orDash(strings.Join(s.WaitingFor, "; ")), orDash(s.Problem))
		for _, m := range s.Standbys {
			waits := "the place of the active " + s.Kind
			if s.Held != "" {
				waits = fmt.Sprintf("a start: the %s was ordered to be %s", s.Kind, s.Held)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\tstandby\t-\t-\t%s\t-\n", s.Kind, s.NodeID, m.Host, waits)
		}
	}
	return tw.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printStatusLog prints lines of the form in which -o log prints lists.
func printStatusLog(w io.Writer, list []nodeStatus, now time.Time) error {
	for _, s := range list {
		node := fmt.Sprintf("{NodeID: %s, Addr: %s, State: %s, CommitTS: %d, Lag: %s, WaitsFor: %s, Problem: %s}",
			s.NodeID, s.Host, s.State, s.CommitTS, s.lag(), orDash(strings.Join(s.WaitingFor, "; ")), orDash(s.Problem))
		_, err := fmt.Fprintf(w, "[%s] [INFO] [nodes.go:53] [\"node status\"] [type=%s] [node=%s]\n",
			now.Format("2006/01/02 15:04:05.000 -07:00"), s.Kind, strconv.Quote(node))
		if err != nil {
			return err
		}
	}
	return nil
}

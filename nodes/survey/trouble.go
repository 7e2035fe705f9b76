package survey

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pumphouse/nodes"
)

// Trouble is a problem of one node: one that it reports, or the error with which its last process
// exited.
type Trouble struct {
	Kind   nodes.Kind
	NodeID string
	nodes.Problem
	// Exit is why the node does not run, or has not started; nil: it runs and reports the problem.
	Exit *nodes.LastExit
}

// Say is the problem in words after the node's name: "[code] text; cure", or "exited with an error at … (in loc): [code] …".
func (t Trouble) Say(loc *time.Location) string {
	if t.Exit != nil {
		return t.Exit.Ending(loc)
	}
	return t.Problem.String()
}

// troubles is a list that holds until a report in it is too old to be given out.
type troubles struct {
	list  []Trouble
	until time.Time
}

// Troubles are the problems of the nodes of a kind as they are known now, sorted by node ID and then by
// time: those that running nodes report, and why those that do not run exited. A node whose start failed
// may have no record. The list is shared: it must not be changed.
func (s *Survey) Troubles(kind nodes.Kind) []Trouble {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.listed[kind]; ok && !s.opts.Now().After(l.until) {
		return l.list
	}
	var list []Trouble
	until := s.opts.Now().Add(s.opts.Fresh)
	for k := range s.trouble {
		if r := s.reports[k]; k.kind == kind && s.freshLocked(r) {
			if old := r.At.Add(s.opts.Fresh); old.Before(until) {
				until = old
			}
			for _, p := range r.Problems {
				list = append(list, Trouble{Kind: kind, NodeID: k.nodeID, Problem: p})
			}
		}
	}
	for k, e := range s.exits {
		if p, failed := e.Problem(); failed && k.kind == kind {
			list = append(list, Trouble{Kind: kind, NodeID: k.nodeID, Problem: p, Exit: &e})
		}
	}
	slices.SortStableFunc(list, func(a, b Trouble) int {
		return cmp.Or(strings.Compare(a.NodeID, b.NodeID), a.Since.Compare(b.Since), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key))
	})
	s.listed[kind] = troubles{list, until}
	return list
}

// Exit is how the last process of a node ended that does not run now; false: it runs, or left no
// word.
func (s *Survey) Exit(kind nodes.Kind, nodeID string) (nodes.LastExit, bool) {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.exits[key{kind, nodeID}]
	return e, ok
}

// Own are the problems of whoever surveys, the oldest first, and what it alone can see: that the nodes
// are of several versions.
func (s *Survey) Own() []nodes.Problem {
	s.look()
	list := s.own.List()
	if s.opts.Own != nil {
		list = append(list, s.opts.Own()...)
	}
	return list
}

// compareVersions keeps the problem that there are several versions.
func (s *Survey) compareVersions() {
	s.mu.Lock()
	mixed, is := s.versionMixLocked()
	s.mu.Unlock()
	if is {
		s.own.Set(mixed)
	} else {
		s.own.Clear(nodes.ProblemVersionMix)
	}
}

// versionMixLocked looks whether nodes that answer are of other versions than this program. Nodes that do not
// say are of upstream: the drainers say so of pumps.
func (s *Survey) versionMixLocked() (nodes.Problem, bool) {
	if s.opts.Version == "" {
		return nodes.Problem{}, false
	}
	by := make(map[string][]string)
	for k, r := range s.reports {
		if r.Version != "" && r.Version != s.opts.Version && s.freshLocked(r) {
			by[r.Version] = append(by[r.Version], k.kind.String()+" "+k.nodeID)
		}
	}
	if len(by) == 0 {
		return nodes.Problem{}, false
	}
	var texts []string
	for version, names := range by {
		slices.Sort(names)
		const most = 5
		if n := len(names) - most; n > 0 {
			names = append(names[:most:most], fmt.Sprintf("%d more", n))
		}
		texts = append(texts, fmt.Sprintf("%s of version %s", strings.Join(names, ", "), version))
	}
	slices.Sort(texts)
	return nodes.Problem{Code: nodes.ProblemVersionMix, Text: fmt.Sprintf("this console is of version %s, %s", s.opts.Version, strings.Join(texts, "; ")),
		Cure: "finish the upgrade: all programs of a cluster are to be of one version"}, true
}

// readExits learns why nodes ended that do not run; what could not be read stays as it was.
func (s *Survey) readExits(ctx context.Context, living map[key]bool) {
	if s.opts.Exits == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	all, err := s.opts.Exits(ctx)
	if err != nil {
		return
	}
	ended := make(map[key]nodes.LastExit)
	for kind, byID := range all {
		for nodeID, e := range byID {
			if k := (key{kind, nodeID}); !living[k] {
				ended[k] = e
			}
		}
	}
	s.mu.Lock()
	s.exits = ended
	clear(s.listed)
	s.mu.Unlock()
}

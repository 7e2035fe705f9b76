package standby

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
)

// Prefix is where everything of this package is in PD.
const Prefix = "/pumphouse/v1/standby/"

// Of gives the prefix of one node's keys.
func Of(kind nodes.Kind, nodeID string) string { return Prefix + kind.String() + "s/" + nodeID + "/" }

const (
	queueDir  = "queue"
	holderKey = "holder"
)

// Member is a process that has the place, or waits for it.
type Member struct {
	Host    string    `json:"host"`    // advertised host:port
	Since   time.Time `json:"since"`   // when it came, by its machine's clock
	Version string    `json:"version"` // of the program
	Active  bool      `json:"-"`

	lease   string
	created int64 // revision
}

// Group are the processes of one node ID, those that wait in the order in which they came.
type Group struct {
	Kind    nodes.Kind
	NodeID  string
	Members []Member
	Held    nodes.State // the node was ordered to be paused or offline: nobody takes the place; "": free to take
}

// Active is the process that has the place, if one has.
func (g Group) Active() (Member, bool) {
	i := slices.IndexFunc(g.Members, func(m Member) bool { return m.Active })
	if i < 0 {
		return Member{}, false
	}
	return g.Members[i], true
}

// Waiting are the processes that wait for the place.
func (g Group) Waiting() []Member {
	return slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return m.Active })
}

// holder is the value of the key of that name.
type holder struct {
	Lease string      `json:"lease"`          // of who is active, or was last
	Hosts []string    `json:"hosts"`          // of who was active, the last one first
	Held  nodes.State `json:"held,omitempty"` // see Group
}

// maxHosts bounds how many of them are remembered.
const maxHosts = 8

// then is the holder after another process has become active.
func (h holder) then(lease, host string) holder {
	hosts := append([]string{host}, slices.DeleteFunc(slices.Clone(h.Hosts), func(s string) bool { return s == host })...)
	return holder{Lease: lease, Hosts: hosts[:min(len(hosts), maxHosts)]}
}

// Read reads the groups of all nodes, those of one kind after the other and sorted by node ID. A value that cannot be read counts as empty.
func Read(ctx context.Context, r *nodes.Registry) ([]Group, error) {
	resp, err := r.Read(ctx, "read who waits as a standby", Prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	return groups(resp.Kvs), nil
}

// ReadOne is Read for one node.
func ReadOne(ctx context.Context, r *nodes.Registry, kind nodes.Kind, nodeID string) (Group, error) {
	resp, err := r.Read(ctx, fmt.Sprintf("read who waits as a standby of %s %s", kind, nodeID), Of(kind, nodeID), clientv3.WithPrefix())
	if err != nil {
		return Group{}, err
	}
	if list := groups(resp.Kvs); len(list) > 0 {
		return list[0], nil
	}
	return Group{Kind: kind, NodeID: nodeID}, nil
}

func groups(kvs []*mvccpb.KeyValue) (list []Group) {
	holders := map[string]holder{}
	at := map[string]int{}
	for _, kv := range kvs {
		rest, _ := strings.CutPrefix(string(kv.Key), Prefix)
		part := strings.Split(rest, "/")
		if len(part) < 3 {
			continue
		}
		kind, err := nodes.ParseKind(strings.TrimSuffix(part[0], "s"))
		if err != nil {
			continue
		}
		id := part[0] + "/" + part[1]
		i, known := at[id]
		if !known {
			i = len(list)
			at[id] = i
			list = append(list, Group{Kind: kind, NodeID: part[1]})
		}
		switch {
		case part[2] == holderKey:
			var h holder
			_ = json.Unmarshal(kv.Value, &h) // else nobody is known to be active
			holders[id] = h
			list[i].Held = h.Held
		case part[2] == queueDir && len(part) == 4:
			m := Member{lease: part[3], created: kv.CreateRevision}
			_ = json.Unmarshal(kv.Value, &m) // else it has no address
			list[i].Members = append(list[i].Members, m)
		}
	}
	for i := range list {
		g := &list[i]
		slices.SortFunc(g.Members, func(a, b Member) int { return cmp.Compare(a.created, b.created) })
		h := holders[g.Kind.String()+"s/"+g.NodeID]
		if len(g.Members) > 0 {
			g.Members[0].Active = h.Held == "" && g.Members[0].lease == h.Lease
		}
	}
	return list
}

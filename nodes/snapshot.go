package nodes

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Entry is a record together with where it stands in PD.
type Entry struct {
	Kind        Kind
	Record      Record
	Raw         []byte // the value as it stands in PD
	ModRevision int64

	lent bool // it stands under the lease of a first start
}

// Broken is a key below a prefix whose value is not a valid record of the node that the key
// names. It is reported and left alone.
type Broken struct {
	Kind        Kind
	Key         string
	Raw         []byte // the value as it stands in PD
	ModRevision int64
	Err         error
}

// Error says which key holds an invalid record.
func (b *Broken) Error() string {
	return fmt.Sprintf("the value of %s in PD is an invalid %s record: %v", b.ShownKey(), b.Kind, b.Err)
}

// ShownKey is the key as a text for people and protocols.
func (b *Broken) ShownKey() string { return Shown(b.Key) }

// Shown is a text out of PD, where keys are any bytes: what is not UTF-8 or cannot be
// printed comes escaped, as \xff.
func Shown(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Unwrap gives the reason alone.
func (b *Broken) Unwrap() error { return b.Err }

// Snapshot is the cluster's records at one revision. It is never changed once made.
type Snapshot struct {
	Revision int64
	Pumps    []Entry  // sorted by node ID, offline ones too
	Drainers []Entry  // likewise
	Broken   []Broken // sorted by key

	cluster uint64 // etcd's cluster ID: another one is another history of revisions
}

// Of gives the entries of one kind.
func (s *Snapshot) Of(k Kind) []Entry {
	if k == Pump {
		return s.Pumps
	}
	return s.Drainers
}

// Find looks one node up.
func (s *Snapshot) Find(k Kind, nodeID string) (Entry, bool) {
	entries := s.Of(k)
	i, ok := findEntry(entries, nodeID)
	if !ok {
		return Entry{}, false
	}
	return entries[i], true
}

// size is how many keys the snapshot covers.
func (s *Snapshot) size() int { return len(s.Pumps) + len(s.Drainers) + len(s.Broken) }

// same reports whether two snapshots hold the same keys at the same mod revisions.
func (s *Snapshot) same(o *Snapshot) bool {
	entry := func(a, b Entry) bool { return a.ModRevision == b.ModRevision && a.Record.NodeID == b.Record.NodeID }
	broken := func(a, b Broken) bool { return a.ModRevision == b.ModRevision && a.Key == b.Key }
	return slices.EqualFunc(s.Pumps, o.Pumps, entry) && slices.EqualFunc(s.Drainers, o.Drainers, entry) &&
		slices.EqualFunc(s.Broken, o.Broken, broken)
}

// decodeEntry reads one key and value. The error is a [*Broken].
func decodeEntry(k Kind, kv *mvccpb.KeyValue) (Entry, error) {
	r, err := DecodeRecord(kv.Value)
	if id := strings.TrimPrefix(string(kv.Key), k.Prefix()); err == nil && r.NodeID != id {
		err = fmt.Errorf("it says nodeId %q", r.NodeID)
	}
	if err != nil {
		return Entry{}, &Broken{Kind: k, Key: string(kv.Key), Raw: kv.Value, ModRevision: kv.ModRevision, Err: err}
	}
	return Entry{Kind: k, Record: r, Raw: kv.Value, ModRevision: kv.ModRevision, lent: kv.Lease != 0}, nil
}

// newSnapshot builds a snapshot from what a read of both prefixes found; kvs are
// sorted by key, as etcd returns them.
func newSnapshot(revision int64, cluster uint64, kvs map[Kind][]*mvccpb.KeyValue) *Snapshot {
	s := &Snapshot{Revision: revision, cluster: cluster}
	for _, k := range Kinds() {
		entries := make([]Entry, 0, len(kvs[k]))
		for _, kv := range kvs[k] {
			e, err := decodeEntry(k, kv)
			var b *Broken
			if errors.As(err, &b) {
				s.Broken = append(s.Broken, *b)
				continue
			}
			entries = append(entries, e)
		}
		s.set(k, entries)
	}
	slices.SortFunc(s.Broken, func(a, b Broken) int { return cmp.Compare(a.Key, b.Key) })
	return s
}

func (s *Snapshot) set(k Kind, entries []Entry) {
	if k == Pump {
		s.Pumps = entries
	} else {
		s.Drainers = entries
	}
}

// draft is a snapshot under construction: it shares with its base every slice that
// no event has touched.
type draft struct {
	Snapshot
	own       [2]bool // entries of that kind are the draft's own copy
	ownBroken bool
}

// after gives the snapshot that follows s when events have happened, or s itself
// when it includes them all. Only the slices that change are copied and nothing is
// sorted, so that an update of a large cluster stays cheap.
func (s *Snapshot) after(events []*clientv3.Event) *Snapshot {
	d := draft{Snapshot: *s}
	for _, ev := range events {
		if ev.Kv.ModRevision <= s.Revision {
			continue // a read has already seen it
		}
		d.Revision = max(d.Revision, ev.Kv.ModRevision)
		for _, k := range Kinds() {
			if strings.HasPrefix(string(ev.Kv.Key), k.Prefix()) {
				d.apply(k, ev)
			}
		}
	}
	if d.Revision == s.Revision {
		return s
	}
	return &d.Snapshot
}

func (d *draft) apply(k Kind, ev *clientv3.Event) {
	key := string(ev.Kv.Key)
	id := strings.TrimPrefix(key, k.Prefix())
	if ev.Type == clientv3.EventTypeDelete {
		d.dropEntry(k, id)
		d.dropBroken(key)
		return
	}
	e, err := decodeEntry(k, ev.Kv)
	var b *Broken
	if errors.As(err, &b) {
		d.dropEntry(k, id)
		d.putBroken(*b)
		return
	}
	d.dropBroken(key)
	d.putEntry(k, e)
}

func (d *draft) putEntry(k Kind, e Entry) {
	d.claim(k)
	entries := d.Of(k)
	i, ok := findEntry(entries, e.Record.NodeID)
	if ok {
		entries[i] = e
		return
	}
	d.set(k, slices.Insert(entries, i, e))
}

func (d *draft) dropEntry(k Kind, id string) {
	if i, ok := findEntry(d.Of(k), id); ok {
		d.claim(k)
		d.set(k, slices.Delete(d.Of(k), i, i+1))
	}
}

func (d *draft) putBroken(b Broken) {
	d.claimBroken()
	i, ok := findBroken(d.Broken, b.Key)
	if ok {
		d.Broken[i] = b
		return
	}
	d.Broken = slices.Insert(d.Broken, i, b)
}

func (d *draft) dropBroken(key string) {
	if i, ok := findBroken(d.Broken, key); ok {
		d.claimBroken()
		d.Broken = slices.Delete(d.Broken, i, i+1)
	}
}

// claim makes the entries of one kind the draft's own.
func (d *draft) claim(k Kind) {
	if !d.own[k] {
		d.own[k] = true
		d.set(k, slices.Clone(d.Of(k)))
	}
}

func (d *draft) claimBroken() {
	if !d.ownBroken {
		d.ownBroken = true
		d.Broken = slices.Clone(d.Broken)
	}
}

func findEntry(entries []Entry, id string) (int, bool) {
	return slices.BinarySearchFunc(entries, id, func(e Entry, id string) int {
		return cmp.Compare(e.Record.NodeID, id)
	})
}

func findBroken(broken []Broken, key string) (int, bool) {
	return slices.BinarySearchFunc(broken, key, func(b Broken, key string) int {
		return cmp.Compare(b.Key, key)
	})
}

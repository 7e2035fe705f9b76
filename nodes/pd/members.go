package pd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// members knows the members of the PD cluster and keeps one connection to each it uses.
type members struct {
	endpoints []string // as given
	seeds     []string // the same as host:port
	creds     credentials.TransportCredentials

	mu        sync.Mutex
	closed    bool
	clusterID uint64   // 0 = not known yet
	known     []string // host:port of every member that was heard of, beyond the seeds
	conns     map[string]*grpc.ClientConn
}

// answer is what a member says of its cluster.
type answer struct {
	clusterID uint64
	// leader are the addresses to try for the leader: what it advertises, then the
	// member that answered. The second helps where the advertised address cannot be
	// reached from here (a container, a tunnel) and that member leads itself.
	leader  []string
	members []string
}

func newMembers(endpoints []string, tlsConfig *tls.Config) (*members, error) {
	m := &members{creds: insecure.NewCredentials(), conns: map[string]*grpc.ClientConn{}}
	if tlsConfig != nil {
		m.creds = credentials.NewTLS(tlsConfig.Clone())
	}
	for _, e := range endpoints {
		e = strings.TrimSpace(e)
		addr, secure, err := hostPort(e)
		if err != nil {
			return nil, fmt.Errorf("PD endpoint %q: %w", e, err)
		}
		if secure && tlsConfig == nil {
			return nil, fmt.Errorf("PD endpoint %q wants TLS: also give ssl-ca, and ssl-cert and ssl-key if PD asks clients for certificates", e)
		}
		m.endpoints = append(m.endpoints, e)
		m.seeds = append(m.seeds, addr)
	}
	if len(m.seeds) == 0 {
		return nil, errors.New("no PD endpoint given: want at least one host:port")
	}
	return m, nil
}

// hostPort takes the scheme off a client URL.
func hostPort(endpoint string) (addr string, secure bool, err error) {
	addr = endpoint
	if scheme, rest, ok := strings.Cut(endpoint, "://"); ok {
		switch scheme {
		case "http":
		case "https":
			secure = true
		default:
			return "", false, fmt.Errorf("the scheme %q is neither http nor https", scheme)
		}
		addr = strings.TrimSuffix(rest, "/")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", false, err
	}
	if host == "" || port == "" || strings.ContainsAny(addr, "/?# ") {
		return "", false, errors.New("want host:port")
	}
	return addr, secure, nil
}

// String lists the endpoints for error messages.
func (m *members) String() string { return strings.Join(m.endpoints, ", ") }

// Endpoints gives the endpoints as they were given.
func (m *members) Endpoints() []string { return append([]string(nil), m.endpoints...) }

// ask asks all known members at once about the cluster and gives the first good answer;
// with needLeader, one that names a leader. It returns when all its goroutines have gone.
func (m *members) ask(ctx context.Context, needLeader bool) (*answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	addrs := m.addresses()
	type reply struct {
		*answer
		err error
	}
	replies := make(chan reply)
	for _, addr := range addrs {
		go func() {
			a, err := m.askOne(ctx, addr, needLeader)
			replies <- reply{a, err}
		}()
	}
	var found *answer
	var failed error
	for range addrs {
		r := <-replies
		switch {
		case found != nil:
		case r.err == nil:
			found = r.answer
			cancel() // the others need not bother
		// One PD of another cluster among the addresses explains more than the ones
		// that do not answer.
		case failed == nil || errors.Is(r.err, ErrOtherCluster):
			failed = r.err
		}
	}
	if found == nil {
		return nil, failed
	}
	return found, m.learn(found)
}

func (m *members) askOne(ctx context.Context, addr string, needLeader bool) (*answer, error) {
	conn, err := m.conn(addr)
	if err != nil {
		return nil, err
	}
	resp, err := pdpb.NewPDClient(conn).GetMembers(ctx, &pdpb.GetMembersRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask %s for the members: %w", addr, err)
	}
	if e := resp.GetHeader().GetError(); e != nil {
		return nil, fmt.Errorf("ask %s for the members: %s", addr, e.GetMessage())
	}
	id := resp.GetHeader().GetClusterId()
	if id == 0 {
		return nil, fmt.Errorf("ask %s for the members: it has no cluster ID yet", addr)
	}
	if err := m.sameCluster(id, addr); err != nil {
		return nil, err
	}
	a := &answer{clusterID: id}
	for _, url := range resp.GetLeader().GetClientUrls() {
		if host, _, err := hostPort(url); err == nil {
			a.leader = append(a.leader, host)
		}
	}
	if needLeader && len(a.leader) == 0 {
		return nil, fmt.Errorf("ask %s for the members: the cluster has no leader now", addr)
	}
	a.leader = appendNew(a.leader, addr)
	for _, member := range resp.GetMembers() {
		for _, url := range member.GetClientUrls() {
			if host, _, err := hostPort(url); err == nil {
				a.members = appendNew(a.members, host)
			}
		}
	}
	return a, nil
}

// sameCluster refuses another cluster than the first one seen.
func (m *members) sameCluster(id uint64, addr string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clusterID != 0 && m.clusterID != id {
		return fmt.Errorf("%w: %s now says cluster %d, and it was cluster %d before", ErrOtherCluster, addr, id, m.clusterID)
	}
	return nil
}

// learn keeps what an answer says and drops connections to members that have gone.
func (m *members) learn(a *answer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clusterID != 0 && m.clusterID != a.clusterID {
		return fmt.Errorf("%w: the endpoints belong to the clusters %d and %d", ErrOtherCluster, m.clusterID, a.clusterID)
	}
	m.clusterID = a.clusterID
	m.known = a.members
	keep := slices.Concat(m.seeds, m.known)
	for addr, conn := range m.conns {
		if !slices.Contains(keep, addr) {
			conn.Close()
			delete(m.conns, addr)
		}
	}
	return nil
}

// cluster is the cluster's ID, 0 if no member has answered yet.
func (m *members) cluster() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clusterID
}

// addresses lists whom to ask.
func (m *members) addresses() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, addr := range slices.Concat(m.seeds, m.known) {
		all = appendNew(all, addr)
	}
	return all
}

// conn gives the connection to a member. It connects in the background and again by
// itself whenever it is lost, at most a second after the last attempt.
func (m *members) conn(addr string) (*grpc.ClientConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if conn := m.conns[addr]; conn != nil {
		return conn, nil
	}
	// PD is inside the cluster: no proxy of the environment has a say in it.
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(m.creds),
		grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: maxPause},
			MinConnectTimeout: 3 * time.Second,
		}),
		// etcd's and PD's servers end connections that ping more often than every 5 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("dial PD at %s: %w", addr, err)
	}
	m.conns[addr] = conn
	return conn, nil
}

func (m *members) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for addr, conn := range m.conns {
		conn.Close()
		delete(m.conns, addr)
	}
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

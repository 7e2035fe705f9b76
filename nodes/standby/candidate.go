package standby

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// TTL is for how long PD keeps a place after the last renewal. Margin is how long before that its holder gives it up.
// PD grants nothing much shorter.
const (
	TTL    = 6 * time.Second
	Margin = time.Second
)

// renewEvery is how often a place is renewed, and how long one attempt may take.
const renewEvery = time.Second

// Options say who a candidate is. All fields but Fresh are required.
type Options struct {
	Registry *nodes.Registry
	Kind     nodes.Kind
	NodeID   string
	Host     string // advertised host:port
	Version  string // of the program
	// Fresh: the process has been started, and not only lost its turn. That frees a place that is held.
	Fresh  bool
	Logger logrus.FieldLogger
}

// Candidate is one process that wants the place of a node.
type Candidate struct {
	opts Options
	from string // the prefix of its keys

	mu      sync.Mutex
	trouble error // why it is not even in the queue
	active  bool
	ended   error // see Err

	// Of the present lease; set by Wait and not changed once that has returned.
	lease  clientv3.LeaseID
	key    string
	rev    int64 // that key's create revision
	before holder
	end    context.CancelFunc
	lost   chan struct{}
}

// New makes a candidate, which does nothing yet.
func New(o Options) *Candidate {
	o.Logger = logs.OrSilent(o.Logger)
	return &Candidate{opts: o, from: Of(o.Kind, o.NodeID)}
}

// LostError says that a process has not got the node's place any more.
type LostError struct {
	Kind   nodes.Kind
	NodeID string
	Why    error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("this process is not the active %s %s any more: %v", e.Kind, e.NodeID, e.Why)
}

// Unwrap gives the reason.
func (e *LostError) Unwrap() error { return e.Why }

// Problem implements [nodes.Problematic].
func (e *LostError) Problem() nodes.Problem { return nodes.Problem{Code: nodes.ProblemTakeover} }

// Wait returns when the process has the place, nil, or ctx's cause. What is wrong meanwhile is logged, and is what Trouble gives.
func (c *Candidate) Wait(ctx context.Context) error {
	var failures logs.Repeated
	for {
		err := c.try(ctx)
		if ctx.Err() != nil {
			c.Close()
			return context.Cause(ctx)
		}
		c.setTrouble(err)
		if err == nil {
			return nil
		}
		c.Close()
		if n := failures.Again(); n > 0 {
			c.opts.Logger.WithError(err).WithField("times", n).Warnf("this process cannot wait for the place of the %s: it is retried every second", c.opts.Kind)
		}
		nodes.Sleep(ctx, time.Second)
	}
}

// Trouble is why the process does not even wait; nil: it does, or is active.
func (c *Candidate) Trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

func (c *Candidate) setTrouble(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble, c.active = err, err == nil
}

// Active reports whether Wait has returned nil, and the place was not lost since.
func (c *Candidate) Active() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active && c.ended == nil
}

// try queues once, and returns when it has the place or has lost its lease.
func (c *Candidate) try(ctx context.Context) error {
	client := c.opts.Registry.Client()
	bounded, cancel := context.WithTimeout(ctx, c.opts.Registry.Timeout())
	defer cancel()
	sent := time.Now()
	granted, err := client.Grant(bounded, int64(TTL/time.Second))
	if err != nil {
		return fmt.Errorf("get a lease from PD at %v: %w", c.opts.Registry.Endpoints(), err)
	}
	life, end := context.WithCancel(context.Background())
	c.lease, c.end, c.lost, c.key = granted.ID, end, make(chan struct{}), ""
	c.mu.Lock()
	c.ended = nil
	c.mu.Unlock()
	go c.keep(life, granted.ID, sent.Add(time.Duration(granted.TTL)*time.Second), c.lost)
	session, err := concurrency.NewSession(client, concurrency.WithLease(granted.ID), concurrency.WithContext(life))
	if err != nil {
		return fmt.Errorf("keep the lease in PD: %w", err)
	}
	if err := c.release(bounded); err != nil {
		return err
	}
	election := concurrency.NewElection(session, c.from+queueDir)
	value, err := json.Marshal(Member{Host: c.opts.Host, Since: time.Now().UTC().Truncate(time.Millisecond), Version: c.opts.Version})
	if err != nil {
		return err
	}
	waiting, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer stop()
	won := make(chan error, 1)
	go func() { won <- election.Campaign(waiting, string(value)) }() // it may hang a while when it is stopped
	c.setTrouble(nil)
	c.mu.Lock()
	c.active = false
	c.mu.Unlock()
	select {
	case err = <-won:
	case <-c.lost:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("wait for the place in PD: %w", err)
	}
	c.key, c.rev = election.Key(), election.Rev()
	return c.take(ctx)
}

// release frees a place that is held, once, if the process has been started for that.
func (c *Candidate) release(ctx context.Context) error {
	if !c.opts.Fresh {
		return nil
	}
	for {
		h, rev, err := c.holder(ctx)
		if err != nil {
			return err
		}
		if h.Held == "" {
			break
		}
		c.opts.Logger.WithField("was", h.Held).Infof("the %s was ordered to be %s: this start ends that", c.opts.Kind, h.Held)
		h.Held = ""
		done, err := c.put(ctx, h, clientv3.Compare(clientv3.ModRevision(c.from+holderKey), "=", rev))
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	c.opts.Fresh = false
	return nil
}

// take makes the first of the queue the active one, as soon as the place is not held.
func (c *Candidate) take(ctx context.Context) error {
	said := false
	for {
		h, rev, err := c.holder(ctx)
		if err != nil {
			return err
		}
		if h.Held == "" {
			done, err := c.put(ctx, h.then(leaseOf(c.lease), c.opts.Host), c.Guard(), clientv3.Compare(clientv3.ModRevision(c.from+holderKey), "=", rev))
			if err != nil {
				return err
			}
			if done {
				c.before = h
				return nil
			}
		} else if !said {
			said = true
			c.opts.Logger.Infof("the %s was ordered to be %s: nobody takes its place before a process is started for it", c.opts.Kind, h.Held)
		}
		if err := c.still(ctx); err != nil {
			return err
		}
		if h.Held != "" {
			if err := c.changed(ctx, rev); err != nil {
				return err
			}
		}
	}
}

// holder reads who was active last, and the revision of that; 0: nobody was.
func (c *Candidate) holder(ctx context.Context) (h holder, rev int64, err error) {
	resp, err := c.opts.Registry.Read(ctx, "read who is active", c.from+holderKey)
	if err != nil || len(resp.Kvs) == 0 {
		return h, 0, err
	}
	_ = json.Unmarshal(resp.Kvs[0].Value, &h) // else nobody is known: it is written anew
	return h, resp.Kvs[0].ModRevision, nil
}

// put writes the holder if all of cmps hold. When PD's answer is lost it may say false for what was written: the caller reads again.
func (c *Candidate) put(ctx context.Context, h holder, cmps ...clientv3.Cmp) (bool, error) {
	raw, err := json.Marshal(h)
	if err != nil {
		return false, err
	}
	resp, err := c.opts.Registry.Txn(ctx, "write who is active", cmps, clientv3.OpPut(c.from+holderKey, string(raw)))
	return err == nil && resp.Succeeded, err
}

// still gives an error when the process is not in the queue any more.
func (c *Candidate) still(ctx context.Context) error {
	resp, err := c.opts.Registry.Read(ctx, "read the own place", c.key)
	if err == nil && (len(resp.Kvs) == 0 || resp.Kvs[0].CreateRevision != c.rev) {
		err = errors.New("PD has removed this process's place in the queue")
	}
	return err
}

// changed returns when the holder is written after a revision, or the lease is lost.
func (c *Candidate) changed(ctx context.Context, rev int64) error {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), time.Minute) // then it is read again anyway
	defer cancel()
	select {
	case <-c.opts.Registry.Client().Watch(ctx, c.from+holderKey, clientv3.WithRev(rev+1)):
		return nil
	case <-c.lost:
		return c.Err()
	}
}

// keep renews a lease until life ends, and closes lost when it may be over.
func (c *Candidate) keep(life context.Context, lease clientv3.LeaseID, until time.Time, lost chan struct{}) {
	defer close(lost)
	client := c.opts.Registry.Client()
	var last error
	for {
		left := time.Until(until.Add(-Margin))
		if left <= 0 {
			if last == nil {
				last = errors.New("the process did not run meanwhile")
			}
			c.setEnded(fmt.Errorf("its lease was not renewed for %s: %w", TTL-Margin, last))
			return
		}
		sent := time.Now()
		ctx, cancel := context.WithTimeout(life, min(left, renewEvery))
		resp, err := client.KeepAliveOnce(ctx, lease)
		cancel()
		switch {
		case life.Err() != nil:
			c.setEnded(errors.New("it has given its place up"))
			return
		case err == nil:
			until, last = sent.Add(time.Duration(resp.TTL)*time.Second), nil
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			c.setEnded(errors.New("its lease in PD is over: PD had not heard of it for " + TTL.String()))
			return
		default:
			last = err
		}
		nodes.Sleep(life, min(renewEvery-time.Since(sent), time.Until(until.Add(-Margin))))
	}
}

func (c *Candidate) setEnded(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = &LostError{Kind: c.opts.Kind, NodeID: c.opts.NodeID, Why: why}
	}
}

// Lost is closed when the process must not write any more: what it writes after that may meet what the next one writes.
func (c *Candidate) Lost() <-chan struct{} { return c.lost }

// Err is a [*LostError] once Lost is closed.
func (c *Candidate) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Before are the addresses of those that were active before, the last one first. Their records are not another process's.
func (c *Candidate) Before() []string { return c.before.Hosts }

// Guard is what holds in PD while the process has its place: a transaction with it writes nothing for one that has lost it.
func (c *Candidate) Guard() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(c.key), "=", c.rev)
}

// Group reads who else there is.
func (c *Candidate) Group(ctx context.Context) (Group, error) {
	return ReadOne(ctx, c.opts.Registry, c.opts.Kind, c.opts.NodeID)
}

// Resign gives the place up. held says that nobody is to take it, because the node was ordered to be paused or offline; "": the next one takes it.
// If PD does not answer, the place is free when the lease is over.
func (c *Candidate) Resign(ctx context.Context, held nodes.State) error {
	defer c.Close()
	if c.key == "" {
		return nil
	}
	then := []clientv3.Op{clientv3.OpDelete(c.key)}
	if held != "" {
		h := c.before.then(leaseOf(c.lease), c.opts.Host)
		h.Held = held
		raw, err := json.Marshal(h)
		if err != nil {
			return err
		}
		then = append(then, clientv3.OpPut(c.from+holderKey, string(raw)))
	}
	_, err := c.opts.Registry.Txn(ctx, fmt.Sprintf("give up the place of %s %s", c.opts.Kind, c.opts.NodeID), []clientv3.Cmp{c.Guard()}, then...)
	return err
}

// Close ends the candidacy without a word about the node: the lease ends now, or by itself.
func (c *Candidate) Close() {
	if c.end == nil {
		return
	}
	c.end()
	c.end = nil
	<-c.lost
	ctx, cancel := context.WithTimeout(context.Background(), renewEvery)
	defer cancel()
	_, _ = c.opts.Registry.Client().Revoke(ctx, c.lease) // it ends by itself
}

// leaseOf is how keys spell a lease.
func leaseOf(id clientv3.LeaseID) string { return fmt.Sprintf("%x", int64(id)) }

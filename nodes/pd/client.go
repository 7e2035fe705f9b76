package pd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
)

// DefaultTimeout bounds one call.
const DefaultTimeout = 5 * time.Second

// What a caller may want to tell apart. A call that took too long is a
// context.DeadlineExceeded.
var (
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("PD client is closed")
	// ErrOtherCluster: the endpoint now belongs to another cluster than at first.
	ErrOtherCluster = errors.New("PD of another cluster")
	// ErrBackwards: PD gave a timestamp that is not larger than an earlier one.
	ErrBackwards = errors.New("PD's timestamps went backwards")
)

// BackwardsError is an [ErrBackwards] with what PD gave.
type BackwardsError struct {
	Addr        string // of the PD member
	Gave, After nodes.TSO
}

func (e *BackwardsError) Error() string {
	return fmt.Sprintf("%v: %s gave %s after %s", ErrBackwards, e.Addr, e.Gave, e.After)
}

// Is makes the error an [ErrBackwards].
func (e *BackwardsError) Is(target error) bool { return target == ErrBackwards }

// Options say where PD is and how to talk to it.
type Options struct {
	// Endpoints are client URLs of PD members, http://host:port, https://host:port or
	// host:port. One that answers is enough: it names the others.
	Endpoints []string
	// TLS, if not nil, is used for every connection, whatever the URLs' schemes say.
	TLS *tls.Config
	// Timeout bounds each call. Default [DefaultTimeout].
	Timeout time.Duration
	// Logger gets the beginning and the end of every outage. Default: none.
	Logger logrus.FieldLogger
}

// Client talks to one PD cluster. Its methods may be called from many goroutines.
type Client struct {
	timeout time.Duration
	members *members
	tso     *dispatcher

	life context.Context // done when Close begins
	end  context.CancelFunc
	id   atomic.Uint64 // the cluster's ID once known
}

// New checks the options. Nothing is dialled before the first call.
func New(opts Options) (*Client, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	opts.Logger = logs.OrSilent(opts.Logger)
	members, err := newMembers(opts.Endpoints, opts.TLS)
	if err != nil {
		return nil, err
	}
	c := &Client{timeout: opts.Timeout, members: members}
	c.life, c.end = context.WithCancel(context.Background())
	c.tso = newDispatcher(c.life, members, opts.Timeout, opts.Logger)
	return c, nil
}

// ClusterID is the cluster's ID, never 0. It is asked once and remembered.
func (c *Client) ClusterID(ctx context.Context) (uint64, error) {
	if id := c.id.Load(); id != 0 {
		return id, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()

	var last error
	for wait := newPauses(); ; {
		found, err := c.members.ask(ctx, false)
		if err == nil {
			c.id.Store(found.clusterID)
			return found.clusterID, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // an error that only says "cancelled" tells less than the one before
		}
		if !wait.sleep(ctx) {
			return 0, c.failed("get the cluster ID", c.ended(ctx), last)
		}
	}
}

// TSO gives a new timestamp, larger than all that this client has given before.
func (c *Client) TSO(ctx context.Context) (nodes.TSO, error) {
	if err := ctx.Err(); err != nil {
		return 0, c.failed("get a timestamp", err, nil)
	}
	ts, err := c.tso.get(ctx)
	if err != nil {
		return 0, c.failed("get a timestamp", err, c.tso.lastError())
	}
	return ts, nil
}

// Endpoints are the addresses this client was made with, for error messages.
func (c *Client) Endpoints() []string { return c.members.Endpoints() }

// Close ends all calls and connections and returns when the client's goroutine has gone.
func (c *Client) Close() error {
	c.end()
	<-c.tso.gone
	c.members.close()
	return nil
}

// ended tells why a call stopped: the client's end, or the caller's.
func (c *Client) ended(ctx context.Context) error {
	if c.life.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}

// failed makes an error that a person can act on: what, where, why, and what to do.
func (c *Client) failed(what string, why, last error) error {
	switch {
	case errors.Is(why, ErrClosed) || errors.Is(why, context.Canceled):
		return fmt.Errorf("%s from PD at %s: %w", what, c.members, why)
	case errors.Is(last, ErrOtherCluster):
		return fmt.Errorf("%s from PD at %s: %w: %w; give the addresses of the right cluster, or restart to join this one",
			what, c.members, why, last)
	case last == nil:
		return fmt.Errorf("%s from PD at %s: %w; is PD running and reachable at these addresses?", what, c.members, why)
	default:
		return fmt.Errorf("%s from PD at %s: %w: %w; is PD running and reachable at these addresses?",
			what, c.members, why, last)
	}
}

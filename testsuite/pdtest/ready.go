package pdtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
)

// awaitReady returns when a leader gives timestamps, or a member has died.
func (c *Cluster) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	err := c.eventually(ctx, func(m member) error { return c.tryTSO(ctx, m) })
	if err != nil {
		return fmt.Errorf("%s is not ready: %w", c.Kind, err)
	}
	return nil
}

// eventually calls try with the running members in turn until one works.
func (c *Cluster) eventually(ctx context.Context, try func(m member) error) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		var last error
		running := 0
		for _, m := range c.members {
			if !m.running() {
				continue
			}
			running++
			if last = try(m); last == nil {
				return nil
			}
		}
		if running == 0 {
			return errors.New("no member is running")
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), last)
		}
	}
}

func (c *Cluster) getMembers(ctx context.Context, m member) (*pdpb.GetMembersResponse, error) {
	conn, err := c.dial(m)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	resp, err := pdpb.NewPDClient(conn).GetMembers(ctx, &pdpb.GetMembersRequest{})
	if err != nil {
		return nil, err
	}
	if e := resp.GetHeader().GetError(); e != nil {
		return nil, errors.New(e.GetMessage())
	}
	return resp, nil
}

// tryTSO asks one member for a timestamp; only the leader gives one.
func (c *Cluster) tryTSO(ctx context.Context, m member) error {
	members, err := c.getMembers(ctx, m)
	if err != nil {
		return err
	}
	conn, err := c.dial(m)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stream, err := pdpb.NewPDClient(conn).Tso(ctx)
	if err != nil {
		return err
	}
	req := &pdpb.TsoRequest{Header: &pdpb.RequestHeader{ClusterId: members.GetHeader().GetClusterId()}, Count: 1}
	if err := stream.Send(req); err != nil {
		return err
	}
	resp, err := stream.Recv()
	if err != nil {
		return err
	}
	if e := resp.GetHeader().GetError(); e != nil {
		return errors.New(e.GetMessage())
	}
	return nil
}

// Leader is the index of the member that leads; it waits for an election under way.
func (c *Cluster) Leader() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	leader := -1
	err := c.eventually(ctx, func(m member) error {
		resp, err := c.getMembers(ctx, m)
		if err != nil {
			return err
		}
		for i, candidate := range c.members {
			if candidate.name() != resp.GetLeader().GetName() || !candidate.running() {
				continue
			}
			// A follower may not have heard of a change yet; a former leader does not
			// give timestamps.
			if err := c.tryTSO(ctx, candidate); err != nil {
				return err
			}
			leader = i
			return nil
		}
		return fmt.Errorf("%q leads, which is not running", resp.GetLeader().GetName())
	})
	if err != nil {
		c.t.Fatalf("who leads: %v", err)
	}
	return leader
}

// TransferLeader makes a member the leader and returns when it serves timestamps.
func (c *Cluster) TransferLeader(to int) {
	c.t.Helper()
	target := c.members[to]
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	var asked time.Time
	err := c.eventually(ctx, func(m member) error {
		if c.Leader() == to {
			return nil
		}
		// PD answers before it has moved the leader, and may find it cannot.
		if time.Since(asked) > 3*time.Second {
			if err := c.post(ctx, m, "/pd/api/v1/leader/transfer/"+target.name()); err != nil {
				return err
			}
			asked = time.Now()
		}
		return fmt.Errorf("%s does not lead yet", target.name())
	})
	if err != nil {
		c.t.Fatalf("move the leader to %s: %v", target.name(), err)
	}
}

func hostOf(url string) string {
	_, host, _ := strings.Cut(url, "://")
	return host
}

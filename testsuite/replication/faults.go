package replication

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"
)

// Faults does things to a cluster, one after the other, from a seed. Each leaves everything
// running again, so what follows starts from a whole cluster; some happen while another is
// under way.
type Faults struct {
	c *Cluster
	r *rand.Rand
	// Say is told what happens.
	Say func(format string, args ...any)
	// Done counts each kind.
	Done map[string]int
}

// NewFaults makes faults for a cluster whose drainer runs.
func NewFaults(c *Cluster, seed uint64) *Faults {
	return &Faults{c: c, r: rand.New(rand.NewPCG(seed, 77)), Say: func(string, ...any) {}, Done: map[string]int{}}
}

// fault is one kind.
type fault struct {
	name string
	do   func(*Faults, context.Context) error
}

var faults = []fault{
	{"kill a pump", func(f *Faults, ctx context.Context) error {
		p := f.pump()
		p.Kill()
		f.wait(ctx, 2*time.Second)
		return p.Restart()
	}},
	{"kill the drainer", func(f *Faults, ctx context.Context) error {
		f.c.Drainer.Kill()
		f.wait(ctx, 2*time.Second)
		return f.c.Drainer.Restart()
	}},
	{"cut the drainer's connections to MariaDB", (*Faults).cut},
	{"pause a pump", func(f *Faults, ctx context.Context) error { return f.ordered(ctx, f.pump(), "pause") }},
	{"kill MariaDB", func(f *Faults, ctx context.Context) error {
		f.c.MariaDB.Kill()
		f.wait(ctx, 2*time.Second)
		f.c.MariaDB.StartAgain()
		return nil
	}},
	{"take a pump offline", func(f *Faults, ctx context.Context) error { return f.ordered(ctx, f.pump(), "offline") }},
	{"kill the drainer again and again", func(f *Faults, ctx context.Context) error {
		for range 4 {
			f.c.Drainer.Kill()
			if err := f.c.Drainer.Restart(); err != nil {
				return err
			}
			f.wait(ctx, 500*time.Millisecond)
		}
		return nil
	}},
	{"restart PD", func(f *Faults, ctx context.Context) error {
		f.c.PD.Stop(0)
		f.wait(ctx, time.Second)
		f.c.PD.Start(0)
		return f.c.reportRegions(context.WithoutCancel(ctx))
	}},
	{"pause the drainer", func(f *Faults, ctx context.Context) error { return f.ordered(ctx, f.c.Drainer, "pause") }},
	{"kill MariaDB and the drainer", func(f *Faults, ctx context.Context) error {
		f.c.MariaDB.Kill()
		f.c.Drainer.Kill()
		f.wait(ctx, time.Second)
		f.c.MariaDB.StartAgain()
		return f.c.Drainer.Restart()
	}},
	{"take the drainer offline", func(f *Faults, ctx context.Context) error { return f.ordered(ctx, f.c.Drainer, "offline") }},
	{"stop MariaDB", func(f *Faults, ctx context.Context) error {
		f.c.MariaDB.Stop()
		f.wait(ctx, 2*time.Second)
		f.c.MariaDB.StartAgain()
		return nil
	}},
	{"a signal to a pump", func(f *Faults, ctx context.Context) error {
		p := f.pump()
		if err := p.Stop(); err != nil {
			return err
		}
		f.wait(ctx, time.Second)
		return p.Restart()
	}},
	{"kill a pump while MariaDB is down", func(f *Faults, ctx context.Context) error {
		p := f.pump()
		f.c.MariaDB.Kill()
		f.wait(ctx, time.Second)
		p.Kill()
		f.wait(ctx, time.Second)
		if err := p.Restart(); err != nil {
			return err
		}
		f.c.MariaDB.StartAgain()
		return nil
	}},
	{"kill PD and a pump", func(f *Faults, ctx context.Context) error {
		p := f.pump()
		f.c.PD.Kill(0)
		p.Kill()
		f.wait(ctx, time.Second)
		f.c.PD.Start(0)
		if err := f.c.reportRegions(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		return p.Restart()
	}},
}

// Run does every kind once, however long that takes, in an order of its own, and goes on until that
// much time has passed. What is begun is finished. An error is a node that does not come back or does
// not end in order, or a context that is done before every kind has happened.
func (f *Faults) Run(ctx context.Context, lasts time.Duration) error {
	end := time.Now().Add(lasts)
	for first := true; first || time.Now().Before(end); first = false {
		for _, i := range f.r.Perm(len(faults)) {
			f.wait(ctx, 1500*time.Millisecond)
			if ctx.Err() != nil {
				return fmt.Errorf("only %d of %d kinds of faults have happened: %w", len(f.Done), len(faults), ctx.Err())
			}
			if !first && time.Now().After(end) {
				return nil
			}
			began := time.Now()
			if err := faults[i].do(f, ctx); err != nil {
				return fmt.Errorf("%s: %w", faults[i].name, err)
			}
			f.Say("%s: whole again after %s", faults[i].name, time.Since(began).Round(time.Millisecond))
			f.Done[faults[i].name]++
			if !f.c.Drainer.Running() {
				return fmt.Errorf("after %q the drainer has ended: %v\n%s", faults[i].name, f.c.Drainer.err, f.c.Drainer.tail(20))
			}
			if !f.c.TiDB.Running() {
				return fmt.Errorf("after %q TiDB has ended:\n%s", faults[i].name, f.c.TiDB.LogTail(20))
			}
		}
	}
	return nil
}

func (f *Faults) pump() *Node { return f.c.Pumps[f.r.IntN(len(f.c.Pumps))] }

// wait lets the cluster work for up to that long.
func (f *Faults) wait(ctx context.Context, upTo time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(f.r.Int64N(int64(upTo)))):
	}
}

// ordered has an operator pause a node or take it offline, and starts it again.
func (f *Faults) ordered(ctx context.Context, n *Node, order string) error {
	if err := n.Order(order); err != nil {
		return err
	}
	f.wait(ctx, time.Second)
	return n.Restart()
}

// cut ends all connections of the drainer in MariaDB, in the middle of what they do.
func (f *Faults) cut(ctx context.Context) error {
	db := f.c.MariaDB.Open()
	defer db.Close()
	for range 20 {
		if err := cutOnce(ctx, db); err != nil && ctx.Err() == nil {
			return err
		}
		f.wait(ctx, 60*time.Millisecond)
	}
	return nil
}

func cutOnce(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "select id from information_schema.processlist where user = ?", drainerUser)
	if err != nil {
		return fmt.Errorf("list MariaDB's connections: %w", err)
	}
	defer rows.Close()
	var all []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("list MariaDB's connections: %w", err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list MariaDB's connections: %w", err)
	}
	for _, id := range all {
		_, _ = db.ExecContext(ctx, fmt.Sprintf("kill hard connection %d", id)) // gone already: good
	}
	return nil
}

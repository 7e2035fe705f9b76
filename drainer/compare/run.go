package compare

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// comparison is one run.
type comparison struct {
	opts        Options
	state       *state
	definitions definitions

	mu       sync.Mutex
	progress Progress
	saved    time.Time
}

// Run compares and gives the report. An error means that there is none: a server failed, the
// downstream was written to, or ctx is done. With [Options.State] the next Run then goes on from there.
func Run(ctx context.Context, opts Options) (*Report, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := opts.Held(ctx); err != nil {
		return nil, err
	}
	up, err := readCatalog(ctx, opts.Upstream, opts.Skip)
	if err != nil {
		return nil, fmt.Errorf("list the tables upstream: %w", err)
	}
	down, err := readCatalog(ctx, opts.Downstream, opts.Own)
	if err != nil {
		return nil, fmt.Errorf("list the tables downstream: %w", err)
	}
	c := &comparison{opts: opts}
	if c.definitions, err = openDefinitions(ctx, opts); err != nil {
		return nil, err
	}
	if c.state, err = loadState(opts); err != nil {
		return nil, err
	}
	var databases []string
	if err := each(ctx, opts.Upstream, "SELECT schema_name, '', '', '' FROM information_schema.schemata", func(v [4]string) { databases = append(databases, v[0]) }); err != nil {
		return nil, fmt.Errorf("list the databases upstream: %w", err)
	}
	pairs, others, err := match(opts, up, down, databases)
	if err != nil {
		return nil, err
	}
	r := &Report{TS: opts.TS, Others: others}
	c.progress.Tables = len(pairs)
	for _, r := range up {
		c.progress.RowsInAll += r.rows
	}
	for _, p := range pairs {
		t, err := c.table(ctx, p)
		if err != nil {
			return nil, err
		}
		r.Tables = append(r.Tables, t)
		if err := opts.Held(ctx); err != nil {
			return nil, err
		}
		if err := c.state.finish(t); err != nil {
			return nil, err
		}
	}
	return r, c.state.remove()
}

// table compares one table, or gives what an earlier run has found.
func (c *comparison) table(ctx context.Context, m matched) (t Table, err error) {
	up, down, of := m.up, m.down, m.up
	if of == nil {
		of = down
	}
	c.tell(func(p *Progress) { p.Table = of.String() })
	defer func() { c.tell(func(p *Progress) { p.TablesDone++ }) }()
	if done, ok := c.state.done(of.String()); ok {
		c.tell(func(p *Progress) { p.Rows += done.Rows; p.Differences += done.Differences() })
		return done, nil
	}
	t.Name = of.String()
	switch {
	case up == nil:
		t.Definition = []string{"the table is downstream only"}
		return t, nil
	case down == nil:
		t.Definition = []string{"the table is missing downstream"}
		return t, nil
	case m.shared != "":
		t.Unfinished = m.shared
		return t, nil
	}
	if t.Definition, err = c.definitions.differences(ctx, up, down); err != nil {
		return t, fmt.Errorf("read the definition of %s: %w", t.Name, err)
	}
	p := newPair(up, down)
	if len(p.columns) == 0 {
		t.Unfinished = "it has no columns that can be compared"
		return t, nil
	}
	all := &chunks{pair: &p, size: c.opts.ChunkRows,
		up:   side{c.opts.Upstream, "upstream", up.path()},
		down: side{c.opts.Downstream, "downstream", down.path()}}
	readable, err := all.up.readable(ctx, p.key)
	if err != nil {
		return t, err
	}
	if p.key == nil || !readable {
		p.key = nil
		f, err := all.keyless(ctx)
		if err == nil {
			c.merge(&t, f, map[string]bool{})
		}
		return t, err
	}
	err = c.keyed(ctx, all, &t)
	return t, err
}

// job is a chunk that is being compared.
type job struct {
	after, upTo bound
	result      chan found // capacity 1
}

// errEnough ends the comparison of a table of which enough is known.
var errEnough = errors.New("enough is known")

// keyed compares a table by chunks, some at a time. What they come to is put together in
// their order, so that it is known up to where the table has been compared.
func (c *comparison) keyed(ctx context.Context, all *chunks, t *Table) error {
	var from bound
	if part, upTo, ok := c.state.part(t.Name); ok {
		*t, from = part, upTo
		c.tell(func(p *Progress) { p.Rows += part.Rows; p.Differences += part.Differences() })
	}
	g, ctx := errgroup.WithContext(ctx)
	jobs, order := make(chan job), make(chan job, c.opts.Threads)
	g.Go(func() error {
		defer close(jobs)
		defer close(order)
		return cutInto(ctx, all, from, jobs, order)
	})
	for range c.opts.Threads {
		g.Go(func() error {
			for j := range jobs {
				f, err := all.compare(ctx, j.after, j.upTo, true)
				if err != nil {
					return err
				}
				j.result <- f
			}
			return nil
		})
	}
	g.Go(func() error {
		seen := map[string]bool{}
		for j := range order {
			select {
			case f := <-j.result:
				if c.merge(t, f, seen); t.Unfinished != "" {
					return errEnough
				}
				if err := c.keep(t, j.upTo); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

// cutInto gives the chunks of a table, by the upstream's order.
func cutInto(ctx context.Context, all *chunks, after bound, jobs, order chan<- job) error {
	for {
		upTo, err := all.up.boundAfter(ctx, all.key, after, nil, all.size)
		if err != nil {
			return err
		}
		j := job{after, upTo, make(chan found, 1)}
		for _, to := range []chan<- job{order, jobs} {
			select {
			case to <- j:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if upTo == nil {
			return nil
		}
		after = upTo
	}
}

// merge adds what a chunk came to. seen are the rows that differ: where the downstream orders otherwise,
// one may be in two chunks.
func (c *comparison) merge(t *Table, f found, seen map[string]bool) {
	before := t.Differences()
	t.Rows += f.rows
	for _, d := range f.differing {
		if seen[d.id] {
			continue
		}
		seen[d.id] = true
		*[]*int64{missing: &t.Missing, extra: &t.Extra, different: &t.Different}[d.what]++
		t.example("%s", d.text)
	}
	t.Unfinished = f.unfinished
	if t.Differences() >= maxDiffering && t.Unfinished == "" {
		t.Unfinished = fmt.Sprintf("%d rows or more differ", maxDiffering)
	}
	c.tell(func(p *Progress) { p.Rows += f.rows; p.Differences += t.Differences() - before })
}

// keepEvery is how often a table that is being compared is written to the state.
const keepEvery = 2 * time.Second

// keep remembers how far a table has been compared.
func (c *comparison) keep(t *Table, upTo bound) error {
	if upTo == nil || time.Since(c.saved) < keepEvery {
		return nil
	}
	c.saved = time.Now()
	return c.state.keep(*t, upTo)
}

// tell changes the progress and says it.
func (c *comparison) tell(change func(*Progress)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.progress)
	c.progress.RowsInAll = max(c.progress.RowsInAll, c.progress.Rows)
	if c.opts.Progress != nil {
		c.opts.Progress(c.progress)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/merge"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/txn"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
)

const (
	sources = 5
	staged  = 1_000_000 // binlogs through one stage
	piped   = 200_000   // binlogs through all of them, from each pump

	stagedTable = 1
)

// stages prints what the drainer's stages do in this process, alone and together.
func (b *drainerBench) stages(ctx context.Context, s *site) error {
	fmt.Print("### Drainer: its stages alone, in the bench's process\n\nBinlogs of one inserted row of 190 bytes. Merge: " +
		"5 sources, each pushed to by a goroutine of its own. All: a\ndrainer pulls from 5 real pumps and its downstream discards " +
		"what it is given. CPU is this process's, the pumps' not\ncounted.\n\n| stage | binlogs/s | CPU µs |\n|---|---:|---:|\n")
	var pumps []*process
	for i := range sources {
		p, err := s.startPump(fmt.Sprintf("pump%d", i))
		if err != nil {
			return err
		}
		pumps = append(pumps, p)
	}
	u, err := newUpstreamDatabase(ctx, s, pumps...)
	if err != nil {
		return err
	}
	defer u.close()
	if _, err := u.createTable(ctx, stagedTable); err != nil {
		return err
	}
	payload, table, err := u.sample(ctx)
	if err != nil {
		return err
	}
	for _, st := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"merge, sources in turns", func(ctx context.Context) error { return merged(ctx, payload, 1) }},
		{"merge, 50 in a row of one source", func(ctx context.Context) error { return merged(ctx, payload, 50) }},
		{"decode", func(context.Context) error { return decoded(payload, table) }},
	} {
		err := b.stage(st.name, staged, func() (time.Duration, error) {
			began := time.Now()
			err := st.measure(ctx)
			return time.Since(began), err
		})
		if err != nil {
			return err
		}
	}
	return b.allStages(ctx, s, u)
}

// stage prints the median of a stage's rounds.
func (b *drainerBench) stage(name string, n int, measure func() (time.Duration, error)) error {
	var took, cpu []time.Duration
	for range b.rounds {
		own := ownCPU()
		t, err := measure()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		took, cpu = append(took, t), append(cpu, ownCPU()-own)
	}
	slices.Sort(took)
	slices.Sort(cpu)
	fmt.Printf("| %s | %.0f | %.2f |\n", name, float64(n)/took[len(took)/2].Seconds(), micros(cpu[len(cpu)/2], n))
	return nil
}

// sample is a binlog as a pump delivers it, and the definition of its table.
func (u *upstream) sample(ctx context.Context) (payload []byte, table *schema.Table, err error) {
	ts := int64(u.origin)
	payload, err = binlogpb.EncodeBinlog(&binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: &ts, CommitTs: &ts,
		PrewriteKey: []byte("t_r_00000001"), PrewriteValue: u.inserts(stagedTable, row{id: 1000, k: 1})})
	if err != nil {
		return nil, nil, err
	}
	h, err := schema.Open(ctx, schema.Dir(u.jobs), schema.Position{CommitTS: 1 << 62, Exact: true, Reached: []int64{1, 2}}, schema.Options{})
	if err != nil {
		return nil, nil, err
	}
	table, ok := h.Tables().Table(stagedTable)
	if !ok {
		return nil, nil, errors.New("the history has no table")
	}
	return payload, table, nil
}

// merged brings binlogs through a merge; run is how many in a row are of one source.
func merged(ctx context.Context, payload []byte, run int) error {
	m := merge.New(merge.Options{})
	var in []*merge.Source
	for i := range sources {
		s, err := m.Add(strconv.Itoa(i), 0)
		if err != nil {
			return err
		}
		in = append(in, s)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	for i, s := range in {
		wg.Go(func() {
			for n := 0; n <= staged; n++ {
				d := binlogpb.Delivery{StartTS: int64(n + 1), CommitTS: int64(n + 2), Payload: payload}
				if n == staged {
					d = binlogpb.Delivery{StartTS: staged + 2, CommitTS: staged + 2, Payload: binlogpb.FakeBinlog(staged + 2)}
				} else if n/run%sources != i {
					continue
				}
				if err := s.Push(ctx, d); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for got := 0; got < staged; {
		batch, err := m.Next(ctx)
		if err != nil {
			return err
		}
		got += len(batch.Items)
		m.Release(batch.Bytes)
	}
	return nil
}

// decoded decodes a binlog many times.
func decoded(payload []byte, table *schema.Table) error {
	find := func(int64) (*schema.Table, error) { return table, nil }
	for range staged {
		b, err := txn.Parse(payload)
		if err != nil {
			return err
		}
		if err := b.Each(find, time.UTC, func(*txn.Change) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// allStages measures a drainer in this process that applies nothing.
func (b *drainerBench) allStages(ctx context.Context, s *site, u *upstream) error {
	const n = sources * piped
	last, err := u.load(ctx, n, func(i int) []byte { return u.inserts(stagedTable, row{id: i, k: i}) })
	if err != nil {
		return err
	}
	client, err := nodes.NewClient([]string{s.pdURL}, nil, 5*time.Second)
	if err != nil {
		return err
	}
	defer client.Close()
	round := 0
	return b.stage("pull, merge and decode", n, func() (time.Duration, error) {
		round++
		down := &discard{last: last, reached: make(chan struct{})}
		d, err := drainer.New(drainer.Options{Options: life.Options{NodeID: fmt.Sprintf("stages%d", round), Addr: anyPort, DataDir: filepath.Join(s.dir, fmt.Sprint("stages", round)), Registry: nodes.NewRegistry(client, 5*time.Second), PD: u.clock},
			Schema: schema.Dir(u.jobs), Downstream: down, InitialCommitTS: u.origin})
		if err != nil {
			return 0, err
		}
		began := time.Now()
		if err := d.Open(ctx); err != nil {
			return 0, err
		}
		<-down.reached
		return time.Since(began), d.Close()
	})
}

// discard is a downstream that forgets what it is given.
type discard struct {
	last    nodes.TSO // of what comes
	passed  nodes.TSO
	reached chan struct{} // closed when it has come
	mu      sync.Mutex
}

func (*discard) String() string       { return "nowhere" }
func (*discard) Zone() *time.Location { return time.UTC }
func (*discard) Checkpoint(_ context.Context, site drainer.Site) (checkpoint.Store, error) {
	return checkpoint.InDir(site.DataDir), nil
}
func (d *discard) Open(context.Context, drainer.Site, nodes.TSO, nodes.TSO) (sink.Sink, error) {
	return d, nil
}

func (d *discard) Apply(_ context.Context, b sink.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed < d.last && b.Passed >= d.last {
		close(d.reached)
	}
	d.passed = b.Passed
	return nil
}

func (d *discard) Applied() nodes.TSO {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

func (*discard) Flush(context.Context) error { return nil }
func (*discard) Close() error                { return nil }

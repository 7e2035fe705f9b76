package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
)

const (
	growthTail = 10_000  // binlogs at the end that a puller reads
	growthMore = 200_000 // transactions after the last checkpoint, more or less, when a pump is killed
	growthRuns = 3       // how often a start is measured; the median counts
)

// stored is what fillStore has written: transactions with a number from 0 on, the first half of them ten days
// old, the others an hour.
type stored struct {
	count int
	from  [2]int64 // the start TS of the first of each half
}

// commitTS is the commit TS of a transaction.
func (f stored) commitTS(i int) int64 {
	half, n := 0, i
	if i >= f.count/2 {
		half, n = 1, i-f.count/2
	}
	return f.from[half] + int64(n/storeGroup)*2*storeGroup + storeGroup + int64(n%storeGroup)
}

// storeGroup is how many prewrites fillStore writes before their commits.
const storeGroup = 1024

// fillStore fills the directory of a pump's log, in this process.
func fillStore(dir string, count int) (f stored, err error) {
	now := time.Now()
	f = stored{count: count, from: [2]int64{int64(nodes.MakeTSO(now.Add(-10*24*time.Hour), 0)), int64(nodes.MakeTSO(now.Add(-time.Hour), 0))}}
	s, err := storage.Open(storage.Options{Dir: dir})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	begins, ends, errs := make([]storage.Record, storeGroup), make([]storage.Record, storeGroup), make([]error, storeGroup)
	for i := range begins {
		w, err := newWriter(nil, nil, 0, growthSize)
		if err != nil {
			return f, err
		}
		begins[i] = storage.Record{Type: storage.Prewrite, Payload: w.prewrite.Payload}
		ends[i].Type = storage.Commit
	}
	for half, n := range []int{count / 2, count - count/2} {
		for at := 0; at < n; at += storeGroup {
			group := min(storeGroup, n-at)
			ts := f.from[half] + int64(at)*2
			for i := range group {
				start := ts + int64(i)
				binary.PutUvarint(begins[i].Payload[3:], uint64(start))
				begins[i].StartTS, ends[i].StartTS, ends[i].CommitTS = nodes.TSO(start), nodes.TSO(start), nodes.TSO(start+storeGroup)
			}
			for _, recs := range [][]storage.Record{begins[:group], ends[:group]} {
				s.AppendAll(recs, errs[:group])
				if err := errors.Join(errs[:group]...); err != nil {
					return f, err
				}
			}
		}
	}
	return f, s.Remember(s.MaxCommitTS())
}

// ofStored prints what a pump costs that has stored ever more.
func (b *growthBench) ofStored(ctx context.Context, s *site) error {
	starts := &growth{head: "start with stored binlogs", of: "binlogs stored",
		text: fmt.Sprintf("Prewrites of %d B, written by pump/storage in the bench's process without syncs, half of them ten days old. bin/pump until it is ready, the median of %d\n"+
			"starts; CPU is the mean. Before kill -9 it takes %d more transactions.", growthSize, growthRuns, growthMore),
		columns: []grown{{"filled/s", 0, "filled/s"}, {"log GB", 2, "log"}, {"index GB", 2, "index"},
			{"start ms", 0, "start"}, {"CPU ms", 0, "CPU"}, {"RSS MB", 0, "RSS"}, {"peak MB", 0, ""},
			{"after kill -9 ms", 0, "start after kill -9"}, {"its CPU ms", 0, "its CPU"}, {"RSS then MB", 0, "RSS then"}, {"peak then MB", 0, ""}}}
	pulls := &growth{head: "pull and purge with stored binlogs", of: "binlogs stored",
		text: fmt.Sprintf("The same pump, started after an orderly stop. Tail: a puller reads the last %d. Middle: the median of 11 pulls from the middle half, each until the first binlog has come.\n"+
			"Purge: one round of garbage collection that is asked for with -gc 7.", growthTail),
		columns: []grown{{"tail ms", 0, "tail"}, {"RSS after it MB", 0, "RSS after it"}, {"peak MB", 0, ""}, {"middle ms", 1, "middle"},
			{"purged GB", 2, "purged"}, {"purge ms", 0, "purge"}, {"its CPU ms", 0, "its CPU"}, {"RSS after it MB", 0, ""}}}
	defer pulls.print()
	defer starts.print()
	for _, n := range b.stored {
		name := fmt.Sprintf("stored-%d", n)
		err := b.storedOf(ctx, s, name, n, starts, pulls)
		if err := errors.Join(err, os.RemoveAll(filepath.Join(s.dir, name))); err != nil {
			return fmt.Errorf("%d binlogs: %w", n, err)
		}
	}
	return nil
}

func (b *growthBench) storedOf(ctx context.Context, s *site, name string, n int, starts, pulls *growth) error {
	began := time.Now()
	f, err := fillStore(filepath.Join(s.dir, name, "binlog"), n)
	if err != nil {
		return err
	}
	figures := []float64{float64(n) / time.Since(began).Seconds()}
	pump, err := b.pump(s, name, anyPort, "-gc", "30")
	if err != nil {
		return err
	}
	defer func() { pump.stop() }()
	addr := lastField(pump.line)
	log, err := b.logOf(ctx, pump)
	if err != nil {
		return err
	}
	figures = append(figures, float64(log.LogBytes)/1e9, float64(log.IndexBytes)/1e9)
	restart := func(end func() error) error {
		var took []float64
		var cpu time.Duration
		for range growthRuns {
			if err := end(); err != nil {
				return err
			}
			if pump, err = b.pump(s, name, addr, "-gc", "30"); err != nil {
				return err
			}
			took, cpu = append(took, ms(pump.start)), cpu+pump.cpu()
		}
		slices.Sort(took)
		rss, peak, err := pump.memory()
		figures = append(figures, took[len(took)/2], ms(cpu)/growthRuns, rss, peak)
		return err
	}
	if err := restart(func() error { return pump.stop() }); err != nil {
		return err
	}
	pulled, err := b.pullsFrom(ctx, s, pump, f)
	if err != nil {
		return err
	}
	if err := fill(ctx, s.pdURL, addr, growthSize, growthMore); err != nil {
		return err
	}
	if err := restart(func() error { pump.kill(); return nil }); err != nil {
		return err
	}
	starts.line(n, figures...)
	if err := pump.stop(); err != nil {
		return err
	}
	if pump, err = b.pump(s, name, addr, "-gc", "7"); err != nil {
		return err
	}
	purge, err := b.purge(ctx, pump)
	if err != nil {
		return err
	}
	pulls.line(n, append(pulled, purge...)...)
	return nil
}

// pullsFrom measures pulls from near the end and from the middle.
func (b *growthBench) pullsFrom(ctx context.Context, s *site, pump *process, f stored) (figures []float64, err error) {
	cluster, err := clusterID(ctx, s.pdURL)
	if err != nil {
		return nil, err
	}
	conn, err := dial(lastField(pump.line))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	from := func(i, count int) (float64, error) { // those after number i
		began := time.Now()
		err := pullSome(ctx, conn, cluster, f.commitTS(i), count, func(n int, ts int64) error {
			if want := f.commitTS(i + 1); n == 0 && ts != want {
				return fmt.Errorf("after commit TS %d came %d, want %d", f.commitTS(i), ts, want)
			}
			return nil
		})
		return ms(time.Since(began)), err
	}
	tail, err := from(f.count-1-growthTail, growthTail)
	if err != nil {
		return nil, err
	}
	rss, peak, err := pump.memory()
	if err != nil {
		return nil, err
	}
	var middle []float64
	for i := range 11 {
		took, err := from(f.count/2+(i-5)*(f.count/20), 1)
		if err != nil {
			return nil, err
		}
		middle = append(middle, took)
	}
	slices.Sort(middle)
	return []float64{tail, rss, peak, middle[len(middle)/2]}, nil
}

// logOf asks a pump what it stores.
func (b *growthBench) logOf(ctx context.Context, pump *process) (storage.Stats, error) {
	var st struct{ Storage storage.Stats }
	err := getJSON(ctx, "http://"+lastField(pump.line)+"/status", &st)
	return st.Storage, err
}

// purge has a pump remove what is too old.
func (b *growthBench) purge(ctx context.Context, pump *process) (figures []float64, err error) {
	before, err := b.logOf(ctx, pump)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+lastField(pump.line)+"/debug/gc/trigger", nil)
	if err != nil {
		return nil, err
	}
	began, cpu := time.Now(), pump.cpu()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("garbage collection: %s: %s", resp.Status, answer)
	}
	took := time.Since(began)
	cpu = pump.cpu() - cpu
	after, err := b.logOf(ctx, pump)
	if err != nil {
		return nil, err
	}
	rss, _, err := pump.memory()
	return []float64{float64(before.LogBytes-after.LogBytes) / 1e9, ms(took), ms(cpu), rss}, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"
)

// drainerBench measures bin/drainer. PD, pumps, the drainer and MariaDB run in processes of
// their own; the binlogs are written to the pumps before a measurement begins.
type drainerBench struct {
	pumphouse, pump, drainer string         // the programs
	workers, batch           int            // of the drainer (-c, -txn-batch); 0: its defaults
	rounds                   int            // how often a figure is measured; the median counts
	lines                    *regexp.Regexp // which of rows and file
	txns                     int            // of a load over a distance
	oneWays                  []time.Duration
	profiles                 string        // a directory for CPU profiles of loads over a distance; empty: none
	d                        time.Duration // half of how long the lag is measured
}

// run measures all parts, or one of them.
func (b *drainerBench) run(part string) error {
	return b.parts("drainer", part, []benchPart{{"rows", b.rows}, {"stages", b.stages}, {"file", b.file}, {"lag", b.lag}, {"distance", b.distance}})
}

// benchPart is a part of what is measured of something.
type benchPart struct {
	name    string
	measure func(context.Context, *site) error
}

// parts measures those of a list, or the one that is named, each on a site of its own.
func (b *drainerBench) parts(of, part string, list []benchPart) error {
	for _, p := range list {
		if part != "" && part != p.name {
			continue
		}
		if err := b.on(p.measure); err != nil {
			return fmt.Errorf("%s: %s: %w", of, p.name, err)
		}
		runtime.GC() // what one part left shall not cost the next
	}
	return nil
}

// site is where a part is measured: a PD and a directory of its own.
type site struct {
	*drainerBench
	dir, pdURL string
	running    []*process
}

// on runs a part on a new site and stops what it has started.
func (b *drainerBench) on(part func(context.Context, *site) error) (err error) {
	s := &site{drainerBench: b}
	if s.dir, err = os.MkdirTemp("", "pumphouse-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	defer func() {
		for i := len(s.running) - 1; i >= 0; i-- {
			err = errors.Join(err, s.running[i].stop())
		}
	}()
	pd, err := s.start(b.pumphouse, "pd", "-addr", anyPort, "-data-dir", filepath.Join(s.dir, "pd"))
	if err != nil {
		return err
	}
	s.pdURL = lastField(pd.line)
	return part(context.Background(), s)
}

// start runs a program until the end of the part.
func (s *site) start(name string, args ...string) (*process, error) {
	p, err := start("ready:", name, args...)
	if err == nil {
		s.running = append(s.running, p)
	}
	return p, err
}

// startPump runs a pump with its default settings.
func (s *site) startPump(name string) (*process, error) {
	config := filepath.Join(s.dir, name+".toml")
	if err := os.WriteFile(config, []byte("[storage]\nstop-write-at-available-space = \"1 GiB\"\n"), 0o600); err != nil {
		return nil, err
	}
	return s.start(s.pump, "-addr", anyPort, "-pd-urls", s.pdURL, "-node-id", name, "-L", "error",
		"-data-dir", filepath.Join(s.dir, name), "-config", config)
}

// startDrainer runs a drainer for what u has written, which the caller stops. to is the
// section [syncer.to] of its configuration.
func (s *site) startDrainer(u *upstream, to string, args ...string) (*process, error) {
	config := filepath.Join(s.dir, "drainer.toml")
	if err := os.WriteFile(config, []byte("[syncer.to]\n"+to), 0o600); err != nil {
		return nil, err
	}
	args = append([]string{"-addr", anyPort, "-pd-urls", s.pdURL, "-node-id", "drainer", "-L", "error", "-data-dir", filepath.Join(s.dir, "drainer"),
		"-schema-dir", u.jobs, "-initial-commit-ts", u.origin.String(), "-config", config}, args...)
	if s.workers > 0 {
		args = append(args, "-c", fmt.Sprint(s.workers))
	}
	if s.batch > 0 {
		args = append(args, "-txn-batch", fmt.Sprint(s.batch))
	}
	return start("ready:", s.drainer, args...)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"
)

// profiled does something and meanwhile has the drainer write a CPU profile of 5 s to a new file in b.profiles, unless that is
// empty. The profiles of loads become cmd/drainer/default.pgo, which its compiler goes by.
func (b *drainerBench) profiled(ctx context.Context, d *process, do func() error) error {
	if b.profiles == "" {
		return do()
	}
	var g errgroup.Group
	g.Go(do)
	g.Go(func() error {
		return save(ctx, "http://"+lastField(d.line)+"/debug/pprof/profile?seconds=5", b.profiles)
	})
	return g.Wait()
}

// save writes what a URL answers to a new file in dir.
func save(ctx context.Context, url, dir string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.CreateTemp(dir, "*.prof")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, resp.Body)
	return err
}

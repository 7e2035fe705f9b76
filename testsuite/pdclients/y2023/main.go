// Command y2023 is PD's own client as TiDB servers of 2023 use it: it connects, takes
// timestamps, asks what such servers ask, and prints what it found. It is a module of its
// own because its dependencies do not go together with the product's.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	pd "github.com/tikv/pd/client"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run prints: the cluster ID, the first and the last timestamp, and the time until the
// first.
func run(endpoint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	start := time.Now()
	c, err := pd.NewClientWithContext(ctx, []string{endpoint}, pd.SecurityOption{})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close()
	first, err := timestamp(ctx, c)
	if err != nil {
		return err
	}
	took := time.Since(start)
	last := first
	for range 1000 {
		next, err := timestamp(ctx, c)
		if err != nil {
			return err
		}
		if next <= last {
			return fmt.Errorf("timestamp %d after %d", next, last)
		}
		last = next
	}
	if stores, err := c.GetAllStores(ctx); err != nil || len(stores) != 0 {
		return fmt.Errorf("stores: %v, %w", stores, err)
	}
	if _, err := c.UpdateServiceGCSafePoint(ctx, "test", 60, 1); err != nil {
		return fmt.Errorf("service safe point: %w", err)
	}
	if keyspace, err := c.LoadKeyspace(ctx, "DEFAULT"); err != nil || keyspace.GetName() != "DEFAULT" {
		return fmt.Errorf("keyspace: %v, %w", keyspace, err)
	}
	fmt.Println(c.GetClusterID(ctx), first, last, took)
	return nil
}

func timestamp(ctx context.Context, c pd.Client) (int64, error) {
	physical, logical, err := c.GetTS(ctx)
	if err != nil {
		return 0, fmt.Errorf("timestamp: %w", err)
	}
	return physical<<18 | logical, nil
}

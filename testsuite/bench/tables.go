package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pumphouse/nodes"
)

// benchTables measures SELECTs from the database binlog: how many a second on one connection
// with the nodes of a cluster, and how long one takes with far more.
func benchTables(bin string, d time.Duration) error {
	return withPD(bin, func(pdURL string) error {
		fmt.Print("### Console: SELECT from binlog.pumps, one connection, go-sql-driver, text protocol\n\n")
		fmt.Println("| nodes | statement | statements/s | median time | TCP echo of the same bytes/s | ratio |")
		fmt.Println("|---:|---|---:|---:|---:|---:|")
		// Nodes that have ended are not asked for their status: none of these could answer.
		for _, n := range []int{10, 10000} {
			if err := seed(pdURL, n, nodes.Paused); err != nil {
				return err
			}
			if err := benchTablesWith(bin, pdURL, n, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func benchTablesWith(bin, pdURL string, n int, d time.Duration) error {
	console, rest, err := startConsole(bin, pdURL)
	if err != nil {
		return err
	}
	defer console.stop()
	addr := portOf(console.line)
	for _, q := range []struct {
		text string
		rows int
	}{
		{"SELECT node_id, state, lag_seconds FROM binlog.pumps WHERE state = 'paused'", n},
		{"SELECT * FROM binlog.pumps WHERE node_id = 'pump-0007'", 1},
		{"SELECT state, COUNT(*), MAX(lag_seconds) FROM binlog.pumps GROUP BY state", 1},
		{"SELECT * FROM binlog.pumps", n},
	} {
		reqLen := 5 + len(q.text)
		respLen, err := answerBytes(addr, q.text)
		if err != nil {
			return fmt.Errorf("%s: %w", q.text, err)
		}
		times, err := selectTimes(addr, q.text, q.rows, d)
		if err != nil {
			return fmt.Errorf("%s: %w", q.text, err)
		}
		echo, err := startEcho(reqLen, respLen)
		if err != nil {
			return err
		}
		limit, err := echoRate(echo, 1, reqLen, respLen, d)
		echo.stop()
		if err != nil {
			return err
		}
		var sum time.Duration
		for _, t := range times {
			sum += t
		}
		slices.Sort(times)
		got := float64(len(times)) / sum.Seconds()
		fmt.Printf("| %d | `%s` | %.0f | %v | %.0f | %.2f |\n", n, q.text, got, times[len(times)/2].Round(time.Microsecond), limit.perSecond, got/limit.perSecond)
	}
	after, err := console.rss()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d nodes: resident memory at rest %.1f MB, after the load %.1f MB.\n\n", n, float64(rest)/1e6, float64(after)/1e6)
	return nil
}

// selectTimes repeats a statement for d and gives how long each one took, until its last row
// was read.
func selectTimes(addr, query string, want int, d time.Duration) (times []time.Duration, err error) {
	conn, hangUp, err := connect(addr, nil)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	once := func() error {
		rows, err := conn.QueryContext(context.Background(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		if n != want {
			return fmt.Errorf("%d rows, want %d", n, want)
		}
		return rows.Err()
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		t := time.Now()
		if err := once(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(t))
	}
	return times, nil
}

package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pumphouse/testsuite/mariadbtest"
)

// settle is how long nothing happens before a cluster counts as at rest.
const settle = 15 * time.Second

// rest prints what pumps and a drainer use while nothing is written, and how long the first
// transactions after that take.
func (b *drainerBench) rest(ctx context.Context, pumps []int) error {
	fmt.Print("### At rest\n\nPumps without traffic and bin/drainer, into MariaDB, 15 s after the last transaction: CPU in percent of a core, and the timestamps asked\n" +
		"of PD by all of them. Then one pump gets 100 transactions a second: from the acknowledgement of the commit until a SELECT sees the row.\n\n" +
		"| pumps | CPU pumps % | CPU drainer % | TSO calls/s | first ms | p50 ms | p99 ms | CPU pumps then % | CPU drainer then % |\n" +
		"|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, n := range pumps {
		err := b.on(func(ctx context.Context, s *site) error {
			return withMariaDB(func(db *mariadbtest.Server) error { return b.restOf(ctx, s, db, n) })
		})
		if err != nil {
			return fmt.Errorf("rest: %d pumps: %w", n, err)
		}
	}
	fmt.Println()
	return nil
}

func (b *drainerBench) restOf(ctx context.Context, s *site, db *mariadbtest.Server, n int) error {
	var pumps []*process
	for i := range n {
		p, err := s.startPump(fmt.Sprintf("pump%d", i))
		if err != nil {
			return err
		}
		pumps = append(pumps, p)
	}
	return s.caughtUp(ctx, db, pumps[0], func(u *upstream, pool *sql.DB, d *process) error { return b.restWith(ctx, s.pdURL, pumps, u, pool, d) })
}

// restWith prints a line.
func (b *drainerBench) restWith(ctx context.Context, pdURL string, pumps []*process, u *upstream, pool *sql.DB, d *process) error {
	cpu := func() (ofPumps time.Duration, ofDrainer time.Duration) {
		for _, p := range pumps {
			ofPumps += p.cpu()
		}
		return ofPumps, d.cpu()
	}
	time.Sleep(settle)
	asked, err := tsoCalls(ctx, pdURL)
	if err != nil {
		return err
	}
	pumpsBefore, drainerBefore := cpu()
	began := time.Now()
	time.Sleep(4 * b.d)
	pumpsAfter, drainerAfter := cpu()
	took := time.Since(began)
	now, err := tsoCalls(ctx, pdURL)
	if err != nil {
		return err
	}
	percent := func(before, after, took time.Duration) float64 { return 100 * float64(after-before) / float64(took) }
	fmt.Printf("| %d | %.1f | %.1f | %.1f", len(pumps), percent(pumpsBefore, pumpsAfter, took), percent(drainerBefore, drainerAfter, took), (now-asked)/took.Seconds())

	pumpsBefore, drainerBefore = cpu()
	began = time.Now()
	lags, err := b.lags(ctx, u, pool, 1, 10*time.Millisecond)
	if err != nil {
		return err
	}
	took = time.Since(began)
	pumpsAfter, drainerAfter = cpu()
	first := lags[0]
	slices.Sort(lags)
	fmt.Printf(" | %.1f | %.1f | %.1f | %.1f | %.1f |\n", ms(first), ms(lags[len(lags)/2]), ms(lags[len(lags)*99/100]),
		percent(pumpsBefore, pumpsAfter, took), percent(drainerBefore, drainerAfter, took))
	return nil
}

// tsoCalls is how often the embedded PD has been asked for timestamps.
func tsoCalls(ctx context.Context, pdURL string) (calls float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, pdURL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	found := false
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "grpc_server_msg_received_total{") && strings.Contains(line, `grpc_method="Tso"`) {
			n, err := strconv.ParseFloat(lastField(line), 64)
			if err != nil {
				return 0, err
			}
			calls, found = calls+n, true
		}
	}
	if lines.Err() == nil && !found {
		return 0, fmt.Errorf("the metrics of PD at %s do not say how often it was asked for timestamps", pdURL)
	}
	return calls, lines.Err()
}

// parseCounts reads numbers separated by commas.
func parseCounts(name, text string) (list []int, err error) {
	for f := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s %q: numbers separated by commas, each above 0", name, text)
		}
		list = append(list, n)
	}
	return list, nil
}

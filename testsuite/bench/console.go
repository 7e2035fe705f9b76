package main

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"time"

	"pumphouse/nodes"
)

const showPumps = "SHOW PUMP STATUS"

// benchConsole measures SHOW PUMP STATUS through go-sql-driver against a TCP echo of the
// same number of bytes.
func benchConsole(bin string, d time.Duration, cells *regexp.Regexp) error {
	return withPD(bin, func(pdURL string) error {
		fmt.Printf("### Console: `%s`, go-sql-driver, text protocol\n\n", showPumps)
		fmt.Println("| records | connections | statements/s | TCP echo of the same bytes/s | ratio | CPU console µs | CPU echo µs |")
		fmt.Println("|---:|---:|---:|---:|---:|---:|---:|")
		for _, records := range []int{10, 1000} {
			if err := seed(pdURL, records, nodes.Online); err != nil {
				return err
			}
			if err := benchConsoleWith(bin, pdURL, records, d, cells); err != nil {
				return err
			}
		}
		return nil
	})
}

func benchConsoleWith(bin, pdURL string, records int, d time.Duration, cells *regexp.Regexp) error {
	console, rest, err := startConsole(bin, pdURL)
	if err != nil {
		return err
	}
	defer console.stop()
	addr := portOf(console.line)
	respLen, err := answerBytes(addr, showPumps)
	if err != nil {
		return err
	}
	reqLen := 5 + len(showPumps)
	echo, err := startEcho(reqLen, respLen)
	if err != nil {
		return err
	}
	defer echo.stop()
	for _, conns := range []int{1, 16, 128, 220} {
		if !cells.MatchString(fmt.Sprintf("%d/%d", records, conns)) {
			continue
		}
		limit, err := echoRate(echo, conns, reqLen, respLen, d)
		if err != nil {
			return err
		}
		got, err := showRate(console, conns, records, d)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %d | %.0f | %.0f | %.2f | %.0f | %.0f |\n", records, conns, got.perSecond, limit.perSecond, got.perSecond/limit.perSecond, got.serverCPU, limit.serverCPU)
	}
	after, err := console.rss()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d records: start to ready %v; resident memory at rest %.1f MB, after the load %.1f MB; one answer is %d bytes.\n\n",
		records, console.start.Round(time.Millisecond), float64(rest)/1e6, float64(after)/1e6, respLen)
	return nil
}

func showRate(console *process, conns, records int, d time.Duration) (loaded, error) {
	addr := portOf(console.line)
	return metered(console, conns, d, func(int) (func() error, func(), error) {
		conn, hangUp, err := connect(addr, nil)
		if err != nil {
			return nil, nil, err
		}
		var id, host, state, updated sql.RawBytes
		var ts int64
		once := func() error {
			rows, err := conn.QueryContext(context.Background(), showPumps)
			if err != nil {
				return err
			}
			n := 0
			for rows.Next() {
				if err := rows.Scan(&id, &host, &state, &ts, &updated); err != nil {
					return err
				}
				n++
			}
			if err := rows.Close(); err != nil {
				return err
			}
			if n != records {
				return fmt.Errorf("%d rows, want %d", n, records)
			}
			return rows.Err()
		}
		return once, hangUp, nil
	})
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// growthBench measures what bin/pump costs with ever more of what it has to do with: stored binlogs, pullers, and
// transactions that wait for an unresolved one.
type growthBench struct {
	*drainerBench
	stored  []int // binlogs
	pulled  int   // binlogs that each puller reads
	pullers []int
	waiting []int // transactions
}

// growthSize is how many bytes a prewrite has.
const growthSize = 100

// run measures all parts, or one of them.
func (b *growthBench) run(part string) error {
	// As with the other loads on a pump: see pumpBench.run.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)))
	return b.parts("growth", part, []benchPart{{"stored", b.ofStored}, {"pullers", b.ofPullers}, {"waiting", b.ofWaiting}})
}

// pump runs a pump on the directory of that name. A load of a minute shall not roll an unresolved transaction back.
func (b *growthBench) pump(s *site, name, addr string, args ...string) (*process, error) {
	config := filepath.Join(s.dir, name+".toml")
	text := "[storage]\nstop-write-at-available-space = \"1 GiB\"\norphan-timeout = \"24h\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	args = append([]string{"-addr", addr, "-pd-urls", s.pdURL, "-node-id", name, "-L", "error", "-data-dir", filepath.Join(s.dir, name), "-config", config}, args...)
	return start("ready:", b.drainerBench.pump, args...)
}

// memory is the resident memory of a process now and at most, in MB.
func (p *process) memory() (now, most float64, err error) {
	rss, err := p.rss()
	if err != nil {
		return 0, 0, err
	}
	peak, err := p.peak()
	return float64(rss) / 1e6, float64(peak) / 1e6, err
}

// grown is a column of a table whose lines differ in how much there is of something.
type grown struct {
	name   string
	digits int
	slope  string // its name in the text about slopes; "": it is not in it
}

// growth is a table of figures that says how they grow from line to line.
type growth struct {
	head, text string
	of         string // what the first column counts
	columns    []grown
	lines      [][]float64
}

// line adds a line.
func (g *growth) line(n int, figures ...float64) {
	g.lines = append(g.lines, append([]float64{float64(n)}, figures...))
}

// print prints the table, and by how much each figure has grown from one line to the next.
func (g *growth) print() {
	fmt.Printf("### Growth: %s\n\n%s\n\n| %s |", g.head, g.text, g.of)
	for _, c := range g.columns {
		fmt.Printf(" %s |", c.name)
	}
	fmt.Println("\n|---:|" + strings.Repeat("---:|", len(g.columns)))
	for _, l := range g.lines {
		fmt.Printf("| %.0f |", l[0])
		for i, c := range g.columns {
			fmt.Printf(" %.*f |", c.digits, l[i+1])
		}
		fmt.Println()
	}
	fmt.Println()
	for i := 1; i < len(g.lines); i++ {
		before, now := g.lines[i-1], g.lines[i]
		var texts []string
		for j, c := range g.columns {
			if c.slope != "" && before[j+1] > 0 {
				texts = append(texts, fmt.Sprintf("%s ×%.2f", c.slope, now[j+1]/before[j+1]))
			}
		}
		fmt.Printf("×%.3g %s (%.0f to %.0f): %s.\n\n", now[0]/before[0], g.of, before[0], now[0], strings.Join(texts, ", "))
	}
}

// ofPullers prints what it costs that several pull everything from one pump.
func (b *growthBench) ofPullers(ctx context.Context, s *site) error {
	g := &growth{head: "pullers of one pump", of: "pullers",
		text: fmt.Sprintf("Each has a connection of its own and reads %d binlogs of %d B from TS 0, all at the same time, from a pump just started.", b.pulled, growthSize),
		columns: []grown{{"binlogs/s of all", 0, "binlogs/s of all"}, {"s until the first has all", 2, ""}, {"s until the last has all", 2, "time"},
			{"CPU pump µs a binlog", 2, "CPU a binlog"}, {"CPU loader µs a binlog", 2, ""}, {"RSS before MB", 0, ""}, {"RSS peak MB", 0, "RSS peak"}}}
	defer g.print()
	if _, err := fillStore(filepath.Join(s.dir, "pump", "binlog"), b.pulled); err != nil {
		return err
	}
	for _, n := range b.pullers {
		if err := b.pullersOf(ctx, s, g, n); err != nil {
			return err
		}
	}
	return nil
}

func (b *growthBench) pullersOf(ctx context.Context, s *site, g *growth, n int) error {
	pump, err := b.pump(s, "pump", anyPort)
	if err != nil {
		return err
	}
	defer pump.stop()
	cluster, err := clusterID(ctx, s.pdURL)
	if err != nil {
		return err
	}
	before, _, err := pump.memory()
	if err != nil {
		return err
	}
	ended := make(chan error, n)
	m, began := newMeter(pump), time.Now()
	for range n {
		go func() {
			conn, err := dial(lastField(pump.line))
			if err == nil {
				defer conn.Close()
				err = pullOnce(ctx, conn, cluster, b.pulled)
			}
			ended <- err
		}()
	}
	var first, last time.Duration
	for i := range n {
		if err := <-ended; err != nil {
			return err
		}
		if last = time.Since(began); i == 0 {
			first = last
		}
	}
	all := float64(n * b.pulled)
	cost := m.stop(all)
	_, peak, err := pump.memory()
	if err != nil {
		return err
	}
	g.line(n, all/last.Seconds(), first.Seconds(), last.Seconds(), cost.serverCPU, cost.loaderCPU, before, peak)
	return nil
}

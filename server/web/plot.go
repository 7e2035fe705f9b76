package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"pumphouse/nodes/survey"
)

// The plot's size in its own units, and the room left for labels.
const (
	plotWidth, plotHeight   = 760, 220
	left, right, top, floor = 56, 12, 12, 24
	maxLines                = 8 // drainers drawn; style.css has as many colours
)

// spans are how much time the plot may show: the shortest that has all points, so that it grows
// with the console's age.
var spans = [...]time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// spanOf is the time to show when the first point is that old.
func spanOf(age time.Duration) time.Duration {
	for _, s := range spans {
		if age <= s {
			return s
		}
	}
	return spans[len(spans)-1]
}

// plot is the drainers' lag over the last while, as SVG paths.
type plot struct {
	Width, Height int
	Span          string // how long, in words
	Lines         []line
	Ticks         []tick // of the lag
	Times         []tick
	More          int // drainers that are not drawn
}

// line is one drainer.
type line struct {
	Class       string
	Node        string
	Path        string // SVG path data
	X, Y        float64
	Last, Worst string
	Enough      bool // there are two points at least
}

// tick is a label and where it stands.
type tick struct {
	At    float64
	Label string
}

// plot draws the lag of the first drainers.
func (s *Server) plot(v view) plot {
	p := plot{Width: plotWidth, Height: plotHeight}
	var all [][]survey.Point
	worst, oldest := time.Second, time.Duration(0)
	for i, d := range v.Drainers {
		if i == maxLines {
			p.More = len(v.Drainers) - maxLines
			break
		}
		points := s.opts.Survey.Points(d.Kind, d.Record.NodeID)
		all = append(all, points)
		for _, pt := range points {
			worst = max(worst, pt.Lag)
		}
		if len(points) > 0 {
			oldest = max(oldest, v.Now.Sub(points[0].At))
		}
	}
	span := spanOf(oldest)
	p.Span = fmt.Sprintf("%d minutes", span/time.Minute)
	if span == time.Hour {
		p.Span = "hour"
	}
	ceiling, step := scale(worst)
	y := func(lag time.Duration) float64 {
		return plotHeight - floor - (plotHeight-top-floor)*float64(lag)/float64(ceiling)
	}
	x := func(at time.Time) float64 {
		return plotWidth - right - (plotWidth-left-right)*float64(v.Now.Sub(at))/float64(span)
	}
	for lag := time.Duration(0); lag <= ceiling; lag += step {
		p.Ticks = append(p.Ticks, tick{y(lag), label(lag)})
	}
	steps := time.Duration(4)
	if span < 30*time.Minute {
		steps = 5
	}
	for i := steps; i >= 0; i-- {
		ago, text := i*span/steps, "now"
		if ago > 0 {
			text = fmt.Sprintf("−%g min", ago.Minutes())
		}
		p.Times = append(p.Times, tick{x(v.Now.Add(-ago)), text})
	}
	for i, points := range all {
		l := line{Class: fmt.Sprintf("line%d", i), Node: v.Drainers[i].Record.NodeID, Last: "not known", Worst: "not known", Enough: len(points) > 1}
		var b strings.Builder
		var most time.Duration
		for j, pt := range points {
			verb := "L"
			if j == 0 || pt.At.Sub(points[j-1].At) > time.Minute { // the drainer was away: no line across
				verb = "M"
			}
			l.X, l.Y = x(pt.At), y(pt.Lag)
			fmt.Fprintf(&b, "%s%.1f %.1f", verb, l.X, l.Y)
			most = max(most, pt.Lag)
		}
		if n := len(points); n > 0 {
			l.Last, l.Worst = short(points[n-1].Lag), short(most)
		}
		l.Path = b.String()
		p.Lines = append(p.Lines, l)
	}
	return p
}

// scale rounds up to a ceiling that has 2 to 5 equal steps.
func scale(worst time.Duration) (ceiling, step time.Duration) {
	steps := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 24 * time.Hour}
	for _, step = range append([]time.Duration{500 * time.Millisecond}, steps...) {
		if worst <= 5*step {
			break
		}
	}
	if worst > 5*step {
		step = time.Duration(math.Ceil(float64(worst)/float64(5*24*time.Hour))) * 24 * time.Hour
	}
	n := max((worst+step-1)/step, 2)
	return n * step, step
}

// label is a lag on the axis.
func label(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Minute:
		return fmt.Sprintf("%g s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%g min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%g h", d.Hours())
	}
	return fmt.Sprintf("%g d", d.Hours()/24)
}

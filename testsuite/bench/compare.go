package main

import (
	"errors"
	"fmt"
	"slices"
)

// sure is how unlikely a difference has to be by chance alone.
const sure = 0.05

// compare prints what differs between the runs of two files, for who has measured two versions in turns. A difference
// is said only where it is sure, by the exact test of Mann and Whitney, which asks nothing of how figures spread: with
// four runs a side all of one have to be better than all of the other.
func compare(args []string) error {
	if len(args) != 2 {
		return errors.New("compare: name two files that -json has written, the older version's first")
	}
	var values [2]map[figure][]float64
	var order []figure
	var runs [2]int
	for side, name := range args {
		list, err := readResults(name)
		if err != nil {
			return err
		}
		runs[side], values[side] = len(list), map[figure][]float64{}
		for _, r := range list {
			for _, f := range r.Figures {
				id := f
				id.Value = 0
				if side == 0 && values[0][id] == nil {
					order = append(order, id)
				}
				values[side][id] = append(values[side][id], f.Value)
			}
		}
	}
	fmt.Printf("%s: %d runs; %s: %d runs. Medians; ~: the difference may be chance (p > %.2f).\n", args[0], runs[0], args[1], runs[1], sure)
	if best := chance(make([]float64, runs[0]), ones(runs[1])); best > sure {
		fmt.Printf("So few runs can show no difference (p is at least %.2f): make four or more of each, in turns.\n", best)
	}
	var table string
	for _, id := range order {
		old, now := values[0][id], values[1][id]
		if now == nil {
			continue
		}
		if id.Table != table {
			table = id.Table
			fmt.Printf("\n### %s\n\n| line | figure | before | after | difference | p |\n|---|---|---:|---:|---:|---:|\n", table)
		}
		p := chance(old, now)
		a, b := median(slices.Clone(old)), median(slices.Clone(now))
		difference := "~"
		if p <= sure && a != 0 {
			difference = fmt.Sprintf("%+.1f %%", 100*(b-a)/a)
		}
		fmt.Printf("| %s | %s | %.5g | %.5g | %s | %.3f |\n", id.Line, id.Column, a, b, difference, p)
	}
	return nil
}

func ones(n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = 1
	}
	return list
}

// chance is how likely two lists are to be at least so far apart when nothing distinguishes them: the two-sided p of
// Mann and Whitney's U, exact but for equal values, which count half.
func chance(a, b []float64) float64 {
	u := 0.0 // pairs in which b's is larger
	for _, x := range a {
		for _, y := range b {
			switch {
			case y > x:
				u++
			case y == x:
				u += 0.5
			}
		}
	}
	n, m := len(a), len(b)
	u = min(u, float64(n*m)-u)
	ways, all := orders(n, m), 0.0
	var tail float64
	for k, w := range ways {
		all += w
		if float64(k) <= u {
			tail += w
		}
	}
	return min(1, 2*tail/all)
}

// orders counts, for each U, the orders of n and m values that have it.
func orders(n, m int) []float64 {
	// ways[j][u]: with the values of one side that have been looked at and j of the other.
	ways := make([][]float64, m+1)
	for j := range ways {
		ways[j] = make([]float64, n*m+1)
		ways[j][0] = 1
	}
	for i := 1; i <= n; i++ {
		for j := 1; j <= m; j++ {
			// The largest is of the one side, and larger than all j of the other, or it is of the other.
			next := make([]float64, n*m+1)
			for u := range next {
				next[u] = ways[j-1][u]
				if u >= j {
					next[u] += ways[j][u-j]
				}
			}
			ways[j] = next
		}
	}
	return ways[m]
}

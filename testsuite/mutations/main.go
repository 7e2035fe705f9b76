package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// target is the part of the mutations that must be killed, in percent.
const target = 95

// testLimit ends tests that a mutation makes hang. That kills it.
const testLimit = 5 * time.Minute

func main() {
	only := flag.String("only", "", "`regexp` of the mutations to run, as they are printed")
	slice := flag.String("slice", "1/1", "which `part` of the mutations to run")
	parallel := flag.Int("parallel", 2, "how many at a time")
	file := flag.String("results", "", "`file` to which each verdict is added; what is killed there is not run again")
	flag.Parse()
	list, err := load()
	if err == nil {
		list, err = chosen(list, *only, *slice)
	}
	if err == nil {
		err = run(list, *parallel, *file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

// chosen is the part of a list that flags name.
func chosen(list []mutation, only, slice string) (part []mutation, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var k, n int
	if _, err := fmt.Sscanf(slice, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		return nil, fmt.Errorf("-slice %s: give one like 2/4", slice)
	}
	for i, m := range list {
		if i%n == k-1 && pattern.MatchString(m.String()) {
			part = append(part, m)
		}
	}
	return part, nil
}

type verdict struct {
	mutation
	was string // killed, survived or stale
	how string
}

func run(list []mutation, parallel int, file string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return errors.New("run it in the repository's root")
	}
	kept, err := openResults(file)
	if err != nil {
		return err
	}
	verdicts := make([]verdict, len(list))
	byPackage := map[string][]int{}
	for i, m := range list {
		verdicts[i] = kept.had[m.key()]
		if verdicts[i].mutation = m; verdicts[i].was == "killed" {
			continue
		}
		byPackage[m.tests[0]] = append(byPackage[m.tests[0]], i)
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, pkg := range slices.Sorted(maps.Keys(byPackage)) {
		g.Go(func() error { return runPackage(root, pkg, list, byPackage[pkg], verdicts, kept) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return score(os.Stdout, verdicts)
}

// score prints the sum; the error says what is not good enough.
func score(w io.Writer, verdicts []verdict) error {
	count := map[string]int{}
	for _, v := range verdicts {
		count[v.was]++
	}
	killed, judged := count["killed"], count["killed"]+count["survived"]
	percent := 100 * float64(killed) / float64(max(1, judged))
	fmt.Fprintf(w, "%d mutations: %d killed, %d survived, %d stale; %.1f %% killed\n", len(verdicts), killed, count["survived"], count["stale"], percent)
	for _, v := range verdicts {
		if v.was != "killed" {
			fmt.Fprintf(w, "  %s: %s%s (go test %s)\n", v.was, v.mutation, v.how, strings.Join(v.tests, " "))
		}
	}
	switch {
	case count["stale"] > 0:
		return fmt.Errorf("%d mutations are stale: the code has changed, change the lists", count["stale"])
	case percent < target:
		return fmt.Errorf("%.1f %% are killed, want %d %%: write tests for those that survived", percent, target)
	}
	return nil
}

// runPackage tries the mutations that tests of one package must kill, in a copy of the tree.
func runPackage(from, pkg string, list []mutation, numbers []int, verdicts []verdict, kept *results) error {
	root, err := os.MkdirTemp("", "mutated")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	tree, err := copyTree(from, root)
	if err != nil {
		return err
	}
	var fit []int
	for _, n := range numbers {
		if _, err := list[n].apply(root); err != nil {
			verdicts[n].was, verdicts[n].how = "stale", ": "+err.Error()
			continue
		}
		fit = append(fit, n)
	}
	b, err := newBundle(root, pkg, list, fit)
	if b != nil {
		defer b.close()
	}
	if err != nil {
		return err
	}
	var sound [][]string
	for _, n := range fit {
		v, tests := &verdicts[n], list[n].tests
		if !slices.ContainsFunc(sound, func(s []string) bool { return slices.Equal(s, tests) }) {
			if err := b.sound(tests); err != nil {
				return err
			}
			sound = append(sound, tests)
		}
		began := time.Now()
		if slices.Contains(b.left, n) {
			v.was, v.how = try(root, list[n])
		} else {
			out, err := b.run(n, tests)
			v.was, v.how = judge(out, err)
		}
		took := time.Since(began).Seconds()
		fmt.Printf("%-8s %4.0fs %s%s\n", v.was, took, v.mutation, v.how)
		if err := errors.Join(kept.add(*v, took), tree.clean()); err != nil {
			return err
		}
	}
	return nil
}

func judge(out []byte, err error) (was, how string) {
	if err == nil {
		return "survived", ""
	}
	return "killed", " by " + killer(out)
}

// try builds and runs the tests of one mutation.
func try(root string, m mutation) (was, how string) {
	text, err := m.apply(root)
	if err != nil {
		return "stale", ": " + err.Error()
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return "stale", ": " + err.Error()
	}
	defer os.RemoveAll(dir)
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.path): changed}})
	if err = errors.Join(err, os.WriteFile(changed, text, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return "stale", ": " + err.Error()
	}
	out, err := goTest(root, m.tests, []string{"GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay), "PUMPHOUSE_BIN=" + filepath.Join(dir, "bin")})
	if err != nil && (bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("build the programs:"))) {
		return "stale", ": it does not compile: " + string(out)
	}
	return judge(out, err)
}

var failPattern = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)|^panic: (test timed out)|^(panic: .*)`)

// killer is the first test that failed.
func killer(out []byte) string {
	m := failPattern.FindSubmatch(out)
	if m == nil {
		return "something else: " + string(out[max(0, len(out)-300):])
	}
	return string(bytes.Join(m[1:], nil))
}

func goTest(root string, tests, env []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit+10*time.Minute) // linking comes before the tests
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-vet=off", "-ldflags=-s -w", "-failfast", "-timeout", testLimit.String()}, tests...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	return cmd.CombinedOutput()
}

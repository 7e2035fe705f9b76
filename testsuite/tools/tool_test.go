package tools

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// tool is a program or library that people use with a MySQL server.
type tool struct {
	name   string
	limits string                     // what it cannot do here, for the page
	run    func(*testing.T, *session) // does with it what a person does
}

// session is one tool's turn: the console it works with and what it did.
type session struct {
	*rig
	node string // a pump that only this tool changes

	version string
	did     []string
}

// does runs one step and remembers it for the page.
func (s *session) does(t *testing.T, what string, step func(t *testing.T)) {
	t.Helper()
	step(t)
	s.did = append(s.did, what)
}

// tools in the order of the page.
func tools() []tool {
	all := append([]tool{}, commandLine...)
	all = append(all, libraries()...)
	all = append(all, proxies...)
	return append(all, dashboards...)
}

func TestTools(t *testing.T) {
	all := tools()
	nodes := make([]string, len(all))
	for i, tl := range all {
		nodes[i] = nodeOf(tl)
	}
	r := newRig(t, nodes...)
	sessions := make([]*session, len(all))
	var mu sync.Mutex
	finished := 0
	t.Run("with", func(t *testing.T) {
		for i, tl := range all {
			sessions[i] = &session{rig: r, node: nodes[i]}
			t.Run(tl.name, func(t *testing.T) {
				t.Parallel()
				tl.run(t, sessions[i])
				mu.Lock()
				finished++
				mu.Unlock()
			})
		}
	})
	if finished < len(all) {
		t.Logf("SUPPORTED_CLIENTS.md is not compared: %d of %d tools were tried", finished, len(all))
		return
	}
	holdPage(t, all, sessions)
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// nodeOf is the pump of a tool.
func nodeOf(tl tool) string {
	return "tool-" + strings.Trim(notName.ReplaceAllString(strings.ToLower(tl.name), "-"), "-")
}

const runLimit = 10 * time.Minute // for one program, on a busy machine

// command runs a program to its end and gives what it printed; it must end well.
func command(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	out, stderr, err := try(t, nil, input, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, stderr)
	}
	return out
}

// try runs a program to its end.
func try(t *testing.T, env []string, input, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 5 * time.Second // a child of it may hold its output
	cmd.Env = append(append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8"), env...)
	cmd.Stdin = strings.NewReader(input)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err = cmd.Run()
	return out.String(), problem.String(), err
}

// script runs a helper of this directory and reads what it tells: lines "version V" and
// "did WHAT". It fails the test if the script ends badly.
func (s *session) script(t *testing.T, name string, args ...string) {
	t.Helper()
	env := []string{
		"HOST=" + s.host, "PORT=" + s.port, "NODE=" + s.node, "PAGE=" + s.page,
		"TLS_PORT=" + s.secure.port, "CA=" + s.secure.ca, "PASSWORD=" + s.secure.password,
		"NODE_CLIENTS=" + absolute(t, ".cache", "node", "node_modules"), "NODE_NO_WARNINGS=1",
	}
	out, stderr, err := try(t, env, "", name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v (make deps installs what is missing)\n%s%s", filepath.Base(name), args, err, out, stderr)
	}
	for line := range strings.Lines(out) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "version":
			s.version = rest
		case "did":
			s.did = append(s.did, rest)
		}
	}
	if len(s.did) == 0 {
		t.Fatalf("%s did nothing:\n%s%s", name, out, stderr)
	}
}

// number is the first version number in a text.
func number(text string) string {
	return regexp.MustCompile(`[0-9]+(\.[0-9]+)+`).FindString(text)
}

// contains fails the test unless text holds every want.
func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Fatalf("%q is not in\n%s", want, text)
		}
	}
}

// same fails the test unless got and want are equal when printed.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s:\n%v\nwant\n%v", what, got, want)
	}
}

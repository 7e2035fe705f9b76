package session

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pumphouse/server/engine"
	"pumphouse/server/session/nodestmt"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden runs testdata/*.sql, each against a PD with the standard cluster, and
// compares what a client would see with the .golden file beside it. A line is one text
// of statements, or
//
//	# a comment
//	!monitor, !admin    log in anew with that role
//	!tidb, !docs        log in anew under that compatibility setting
//	!log-bin on         log in anew under that setting
//	!put KEY VALUE      write a key to PD
//	!get KEY            print a key of PD
//	?SQL | 'a' | 'b'    prepare, and execute with these text arguments
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata/*.sql", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
			takePD(t, standard())
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(in))
			golden := strings.TrimSuffix(file, ".sql") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, string(want), got)
		})
	}
}

// compareLines reports the first line that differs.
func compareLines(t *testing.T, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			have := "(nothing)"
			if i < len(g) {
				have = g[i]
			}
			t.Fatalf("line %d differs\n got %s\nwant %s", i+1, have, w[i])
		}
	}
	t.Fatalf("more than wanted: %s", strings.Join(g[len(w):], "\n"))
}

// runScript runs the lines of a script and gives the transcript.
func runScript(t *testing.T, script string) string {
	opts, acc := testOptions(), admin
	s := newSession(t, opts, acc)
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		out.WriteString("> " + line + "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "!monitor":
			acc = monitor
		case "!admin":
			acc = admin
		case "!tidb":
			opts.Compat = nodestmt.CompatTiDB
		case "!docs":
			opts.Compat = nodestmt.CompatDocs
		case "!log-bin":
			opts.LogBin = rest
		case "!put":
			key, value, _ := strings.Cut(rest, " ")
			resp, err := pd.client.Put(t.Context(), key, value)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pd.cluster.View(t.Context(), resp.Header.Revision); err != nil {
				t.Fatal(err)
			}
			continue
		case "!get":
			resp, err := pd.client.Get(t.Context(), rest)
			if err != nil || len(resp.Kvs) != 1 {
				t.Fatal(resp, err)
			}
			out.WriteString(string(resp.Kvs[0].Value) + "\n")
			continue
		default:
			runLine(s, line, &out)
			continue
		}
		s = newSession(t, opts, acc)
	}
	return strings.ReplaceAll(out.String(), strings.Join(pd.reg.Endpoints(), ","), "PD")
}

func runLine(s *Session, line string, out *strings.Builder) {
	emit := func(o *Outcome, _ bool) error {
		transcript(out, o, nil)
		return nil
	}
	if line[0] != '?' {
		if err := s.Query(context.Background(), line, emit); err != nil {
			transcript(out, nil, err)
		}
		return
	}
	parts := strings.Split(line[1:], " | ")
	p, err := s.Prepare(context.Background(), parts[0])
	if err != nil {
		transcript(out, nil, err)
		return
	}
	var args []engine.Value
	for _, a := range parts[1:] {
		args = append(args, engine.String(strings.Trim(a, "'")))
	}
	if err := s.Execute(context.Background(), p, args, emit); err != nil {
		transcript(out, nil, err)
	}
}

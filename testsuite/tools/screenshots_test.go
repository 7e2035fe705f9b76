package tools

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pumphouse/testsuite/form"
	"pumphouse/testsuite/programs"
)

// TestScreenshots looks at the page of a demo whose pump is paused and set online again: what is wrong can be read with its
// cure. With -update it takes the pictures of docs/, with some minutes of lag in the plot.
func TestScreenshots(t *testing.T) {
	dir, points := shots(t), "2"
	if *update {
		points = "12" // about two minutes
	}
	demo := start(t, "ready:", exec.Command(programs.Path("pumphouse"), "demo", "-addr", "127.0.0.1:0", "-data-dir", filepath.Join(t.TempDir(), "demo")))
	s := &session{rig: &rig{host: demo.after(t, " -h "), port: demo.after(t, " -P "), page: demo.after(t, "page: ")}}
	form.Clients(t, root, "node")
	s.script(t, "node", filepath.Join("browser", "screenshots.js"), dir, points)
	for _, name := range []string{"page-light.png", "page-dark.png"} {
		picture, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if size, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil || size.Width < 1000 || size.Height < 700 {
			t.Errorf("%s: %+v, %v", name, size, err)
		}
		if *update {
			if err := os.WriteFile(absolute(t, "docs", name), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

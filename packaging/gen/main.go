// Command gen writes man pages, bash completions, sample configurations and docs/configuration.md from what the
// programs say of themselves with -h and -help-config, so that none can differ from the code, and the alerts as Kubernetes takes
// them. Run by `make docs`
// from the repository's root, with the programs in bin/. Arguments: their directory, and where to write to (.).
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// page is one manual page: a program, or a command of pumphouse.
type page struct {
	name  string   // of the page: pumphouse-serve
	args  []string // before -h
	title string
	about string // first paragraphs, in troff
}

func main() {
	bin, out := "bin", "."
	if len(os.Args) == 3 {
		bin, out = os.Args[1], os.Args[2]
	}
	if err := run(bin, out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(bin, out string) error {
	if err := configurations(bin, out); err != nil {
		return err
	}
	out = filepath.Join(out, "packaging")
	if err := monitoring(out); err != nil {
		return err
	}
	var done []documented
	for _, p := range pages() {
		d, err := ask(bin, p)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(out, "man", p.name+".1"), d.man()); err != nil {
			return err
		}
		done = append(done, d)
	}
	for program, text := range completions(done) {
		if err := write(filepath.Join(out, "completion", program), text); err != nil {
			return err
		}
	}
	return nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// documented is a page and what the program says.
type documented struct {
	page
	flags    []option
	commands []string // of binlogctl's -cmd and of pumphouse
	intro    []string // lines before the flags, as printed
}

// option is a flag as package flag prints it.
type option struct{ name, value, usage string }

// ask runs the program and reads its help.
func ask(bin string, p page) (documented, error) {
	program, _, _ := strings.Cut(p.name, "-")
	cmd := exec.Command(filepath.Join(bin, program), append(p.args, "-h")...)
	text, err := cmd.Output()
	if err != nil {
		return documented{}, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	d := documented{page: p}
	inFlags, inCommands := false, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "Flags"):
			inFlags, inCommands = true, false
		case inFlags && strings.HasPrefix(line, "  -"):
			d.flags = append(d.flags, parseOption(line))
		case inFlags && strings.HasPrefix(line, "    \t"):
			last := &d.flags[len(d.flags)-1]
			last.usage = strings.TrimSpace(last.usage + " " + strings.TrimSpace(line))
		case strings.HasPrefix(line, "Commands"):
			inCommands = true
			d.intro = append(d.intro, line)
		default:
			if word := strings.Fields(line); inCommands && len(word) > 0 && strings.HasPrefix(line, "  ") {
				d.commands = append(d.commands, word[0])
			}
			if !inFlags {
				d.intro = append(d.intro, line)
			}
		}
	}
	return d, nil
}

// parseOption reads "  -name value" or "  -V\tusage".
func parseOption(line string) option {
	head, usage, _ := strings.Cut(strings.TrimPrefix(line, "  -"), "\t")
	name, value, _ := strings.Cut(head, " ")
	return option{name, value, usage}
}

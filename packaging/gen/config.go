package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// configuration is a file that a program reads.
type configuration struct {
	file    string   // without .toml
	program []string // as it is run
	page    string   // of the program's manual
	what    string
}

func fileFormats() []configuration {
	return []configuration{
		{"pump", []string{"pump"}, "pump", "a pump"},
		{"drainer", []string{"drainer"}, "drainer", "a drainer"},
		{"reparo", []string{"reparo"}, "reparo", "reparo"},
		{"arbiter", []string{"arbiter"}, "arbiter", "arbiter"},
		{"pumphouse", []string{"pumphouse", "serve"}, "pumphouse-serve", "the console"},
	}
}

func configurationOf(page string) (configuration, bool) {
	for _, c := range fileFormats() {
		if c.page == page {
			return c, true
		}
	}
	return configuration{}, false
}

// key is what -help-config=json has of a key.
type key struct {
	Section, Name, Type, Value, Default, Meaning, Old string
	List                                              bool
	Flags                                             []string
}

// configurations writes the sample files, their manual pages and docs/configuration.md.
func configurations(bin, out string) error {
	md := strings.Builder{}
	md.WriteString("# Configuration\n\nEvery key of the five configuration files, made by `make docs` from what the programs say with `-help-config=json`. " +
		"`-help-config` alone prints a file with all keys, which is also in packaging/etc; `-check-config` checks one without starting anything.\n\n" +
		"A flag wins over an environment variable (`PUMP_PD_URLS`, `BINLOG_SERVER_ADDR` of a drainer and of arbiter, `PUMPHOUSE_PD_URLS` of the console, `REPARO_DATA_DIR`), that over the file, and the file over the default. " +
		"The names of flags may stand at the top of the file, too. Unknown keys are refused.\n")
	for _, c := range fileFormats() {
		sample, err := help(bin, c, "-help-config")
		if err != nil {
			return err
		}
		if err := write(filepath.Join(out, "packaging", "etc", c.file+".toml"), string(sample)); err != nil {
			return err
		}
		text, err := help(bin, c, "-help-config=json")
		if err != nil {
			return err
		}
		var keys []key
		if err := json.Unmarshal(text, &keys); err != nil {
			return err
		}
		if err := write(filepath.Join(out, "packaging", "man", c.file+".toml.5"), c.man(keys)); err != nil {
			return err
		}
		md.WriteString(c.markdown(keys))
	}
	return write(filepath.Join(out, "docs", "configuration.md"), md.String())
}

func help(bin string, c configuration, flag string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(bin, c.program[0]), append(c.program[1:], flag)...)
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return text, nil
}

// man is the page of the file's format.
func (c configuration) man(keys []key) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made from the program's own help by `make docs`.\n.TH %s.TOML 5 \"\" Pumphouse \"File Formats\"\n", strings.ToUpper(c.file))
	fmt.Fprintf(&b, ".SH NAME\n%s.toml \\- configuration of %s\n", c.file, c.what)
	program := strings.Join(c.program, " ")
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n\\-config\n.I FILE\n", program)
	fmt.Fprintf(&b, ".SH DESCRIPTION\nA TOML file. Every key may be left out. A flag of the program wins over an environment variable, that over this file, and the file over the default. "+
		"The names of flags may stand at the top of the file, too. Unknown keys are refused.\n.PP\n"+
		"%s \\-help\\-config prints a file with every key, %s \\-check\\-config \\-config\n.I FILE\nchecks one.\n.SH KEYS\n", program, program)
	for _, k := range keys {
		switch {
		case k.Old != "":
			continue
		case k.Name == "":
			fmt.Fprintf(&b, ".SS %s\n%s\n", troff(k.head()), troff(k.Meaning))
			continue
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s.", troff(k.Name), troff(capital(k.Meaning)))
		for _, more := range k.more() {
			fmt.Fprintf(&b, "\n%s.", troff(capital(more)))
		}
		b.WriteString("\n")
	}
	if old := oldKeys(keys); len(old) > 0 {
		b.WriteString(".SH OLD KEYS\nAccepted from configurations of upstream's programs and of older versions.\n")
		for _, k := range old {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", troff(k.full()), troff(k.Old))
		}
	}
	fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1)\n", c.page)
	return b.String()
}

// markdown is the file's part of docs/configuration.md.
func (c configuration) markdown(keys []key) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s.toml: %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", c.file, c.what)
	for _, k := range keys {
		switch {
		case k.Old != "":
		case k.Name == "":
			fmt.Fprintf(&b, "| **`%s`** | | | %s |\n", k.head(), cell(k.Meaning))
		default:
			meaning := k.Meaning
			if other := k.otherFlags(); len(other) > 0 {
				meaning += " (flag -" + strings.Join(other, ", -") + ")"
			}
			def := ""
			if k.Default != "" {
				def = "`" + k.Default + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.typeText(), def, cell(meaning))
		}
	}
	if old := oldKeys(keys); len(old) > 0 {
		b.WriteString("\nAccepted from old configurations:\n\n| key | what became of it |\n|---|---|\n")
		for _, k := range old {
			fmt.Fprintf(&b, "| `%s` | %s |\n", k.full(), cell(k.Old))
		}
	}
	return b.String()
}

func oldKeys(keys []key) (old []key) {
	for _, k := range keys {
		if k.Old != "" {
			old = append(old, k)
		}
	}
	return old
}

func (k key) full() string {
	if k.Section == "" {
		return k.Name
	}
	return k.Section + "." + k.Name
}

func (k key) head() string {
	if k.List {
		return "[[" + k.Section + "]]"
	}
	return "[" + k.Section + "]"
}

// more is what is to be said of a key beside its meaning.
func (k key) more() (list []string) {
	list = append(list, k.typeText())
	if k.Default != "" {
		list = append(list, "default "+k.Default)
	}
	if len(k.Flags) > 0 {
		list = append(list, "flag -"+strings.Join(k.Flags, ", -"))
	}
	return list
}

func (k key) typeText() string {
	if k.Type == "whole number" && k.Value != "" && k.Value != "number" {
		return k.Type + ", " + k.Value
	}
	if k.Type == "" {
		return "text or number"
	}
	return k.Type
}

// otherFlags are those that are not called as the key.
func (k key) otherFlags() (list []string) {
	for _, f := range k.Flags {
		if f != k.Name {
			list = append(list, f)
		}
	}
	return list
}

func capital(s string) string {
	if s == "" || strings.HasPrefix(s, "host:") || strings.HasPrefix(s, "sql_") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s) }

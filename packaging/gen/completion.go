package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// completions are the bash completions by program.
func completions(done []documented) map[string]string {
	texts := make(map[string]string)
	commands := make(map[string]documented) // of pumphouse
	for _, d := range done {
		if program, command, ok := strings.Cut(d.name, "-"); ok {
			commands[command] = d
		} else if program != "pumphouse" {
			texts[program] = completion(d)
		}
	}
	texts["pumphouse"] = pumphouse(commands)
	return texts
}

const header = "# bash completion for %s, made from the program's own help by `make docs`.\n"

// completion is that of a program with flags only.
func completion(d documented) string {
	var b strings.Builder
	fmt.Fprintf(&b, header, d.name)
	fmt.Fprintf(&b, "_%s() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n    case $prev in\n", d.name)
	b.WriteString(values(d, "    "))
	fmt.Fprintf(&b, "    *) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\") ;;\n    esac\n}\ncomplete -F _%s %s\n", names(d), d.name, d.name)
	return b.String()
}

// pumphouse has flags by command.
func pumphouse(commands map[string]documented) string {
	var b strings.Builder
	fmt.Fprintf(&b, header, "pumphouse")
	b.WriteString("_pumphouse() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n")
	known := slices.Sorted(maps.Keys(commands))
	fmt.Fprintf(&b, "    if [ \"$COMP_CWORD\" = 1 ]; then\n        mapfile -t COMPREPLY < <(compgen -W '%s -V' -- \"$cur\")\n        return\n    fi\n", strings.Join(known, " "))
	b.WriteString("    case ${COMP_WORDS[1]} in\n")
	for _, name := range known {
		d := commands[name]
		fmt.Fprintf(&b, "    %s)\n        case $prev in\n%s        *) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\") ;;\n        esac ;;\n",
			name, values(d, "        "), names(d))
	}
	b.WriteString("    esac\n}\ncomplete -F _pumphouse pumphouse\n")
	return b.String()
}

// names are the flags.
func names(d documented) string {
	var all []string
	for _, o := range d.flags {
		all = append(all, "-"+o.name)
	}
	return strings.Join(all, " ")
}

// values are the cases of flags whose values are known.
func values(d documented, indent string) string {
	var b strings.Builder
	for _, o := range d.flags {
		known := ""
		switch {
		case o.name == "cmd":
			known = "-W '" + strings.Join(d.commands, " ") + "'"
		case o.name == "state":
			known = "-W 'online pausing paused closing offline'"
		case o.name == "admin":
			known = "-W 'any loopback cert'"
		case o.name == "o":
			known = "-W 'table json log'"
		case o.name == "L" || o.name == "log-level":
			known = "-W 'debug info warn error'"
		case o.name == "compat":
			known = "-W 'docs tidb'"
		case o.name == "dest-db-type" || o.name == "db-type":
			known = "-W 'mysql tidb file kafka'"
		case o.name == "print" || o.value == "file" || o.value == "path":
			known = "-f"
		case o.value == "directory":
			known = "-d"
		default:
			continue
		}
		fmt.Fprintf(&b, "%s-%s|--%s) mapfile -t COMPREPLY < <(compgen %s -- \"$cur\") ;;\n", indent, o.name, o.name, known)
	}
	return b.String()
}

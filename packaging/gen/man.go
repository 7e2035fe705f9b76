package main

import (
	"fmt"
	"strings"
)

// pages are all manual pages.
func pages() []page {
	return []page{
		{name: "pumphouse", title: "console for TiDB Binlog nodes",
			about: "Answers SHOW PUMP STATUS, SHOW DRAINER STATUS and CHANGE PUMP|DRAINER TO NODE_STATE over the MySQL protocol, from the node records in PD."},
		{name: "pumphouse-serve", args: []string{"serve"}, title: "run the console on the records of a PD",
			about: "Listens for MySQL clients and answers them from the node records in PD. Without users in its configuration it takes root without a password, from this machine only."},
		{name: "pumphouse-pd", args: []string{"pd"}, title: "run a single-node PD for trials and tests",
			about: "An embedded etcd with what pumps, drainers and TiDB ask PD for. It is not replicated: a cluster that matters has a real PD."},
		{name: "pumphouse-demo", args: []string{"demo"}, title: "run PD, pumps, drainers and the console in one process",
			about: "For a first look: everything on this machine, with a writer in the place of TiDB."},
		{name: "pumphouse-passwd", args: []string{"passwd"}, title: "make a password hash for the console's configuration",
			about: "Prints a hash to put into [[users]]."},
		{name: "pump", title: "store and sort TiDB's binlogs",
			about: "TiDB servers write each transaction to a pump; drainers pull them in commit TS order. A signal pauses the pump; a second one ends it at once."},
		{name: "drainer", title: "merge the binlogs of all pumps and apply them downstream",
			about: "Pulls from every pump, merges by commit TS and applies to MySQL, TiDB, Kafka or files. A signal pauses the drainer; a second one ends it at once. With -compare it does not run, but compares the database downstream with the upstream: exit status 0 if they are equal."},
		{name: "reparo", title: "restore a database from binlog files, to any commit TS",
			about: "Applies the binlog files of a drainer (db-type = \"file\") to a MySQL, MariaDB or TiDB, each transaction once, or prints them. How far it has come is in the database: after an interruption the same command resumes. docs/point-in-time-restore.md has the whole way, from the dump on."},
		{name: "arbiter", title: "apply what a drainer writes to Kafka to a database",
			about: "Reads the messages that a drainer (db-type = \"kafka\") writes to a topic and applies them to a MySQL, MariaDB or TiDB, each transaction once. How far it has come is in the database. A signal ends arbiter when what it has read is applied; a second one ends it at once. docs/arbiter.md has the whole way."},
		{name: "binlogctl", title: "look at and manage TiDB Binlog nodes",
			about: "Reads and writes the node records in PD, and asks live nodes to pause or to go offline. Exit status 0 on success; otherwise the reason is on standard error."},
	}
}

// man is the page in troff.
func (d documented) man() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made from the program's own help by `make docs`.\n.TH %s 1 \"\" Pumphouse \"User Commands\"\n", strings.ToUpper(d.name))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", d.name, troff(d.title))
	words := strings.ReplaceAll(d.name, "-", " ")
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", words)
	if len(d.commands) > 0 && len(d.flags) == 0 {
		b.WriteString(".I COMMAND\n")
	}
	if len(d.flags) > 0 || len(d.commands) > 0 {
		b.WriteString("[flags]\n")
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", troff(d.about))
	if len(d.commands) > 0 {
		b.WriteString(".SH COMMANDS\n.nf\n")
		for _, line := range d.intro {
			if strings.HasPrefix(line, "  ") {
				b.WriteString(troff(strings.TrimSpace(line)) + "\n")
			}
		}
		b.WriteString(".fi\n")
	}
	if len(d.flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
	}
	for _, o := range d.flags {
		fmt.Fprintf(&b, ".TP\n.BI \\-%s", troff(o.name))
		if o.value != "" {
			fmt.Fprintf(&b, " \" %s\"", troff(o.value))
		}
		fmt.Fprintf(&b, "\n%s\n", troff(o.usage))
	}
	for _, s := range signals(d.name) {
		fmt.Fprintf(&b, "%s\n", s)
	}
	b.WriteString(".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nsomething failed; the reason is on standard error\n.TP\n.B 2\nflags or configuration cannot be used; nothing was started\n")
	if d.name == "binlogctl" {
		b.WriteString(".TP\n.B 3\nwith \\-wait: the node has accepted, but was not there in time\n")
	}
	if c, ok := configurationOf(d.name); ok && d.name == "reparo" {
		b.WriteString(".SH FILES\n.TP\n.I /etc/pumphouse/reparo.toml\na sample configuration, see\n.BR reparo.toml (5)\n")
	} else if ok {
		fmt.Fprintf(&b, ".SH FILES\n.TP\n.I /etc/pumphouse/%s.toml\nthe configuration of the unit %s.service, see\n.BR %s.toml (5)\n", c.file, c.file, c.file)
	}
	if d.name == "pumphouse" {
		b.WriteString(".SH SEE ALSO\n.BR pumphouse-serve (1),\n.BR pumphouse-demo (1),\n.BR pumphouse-pd (1),\n.BR pumphouse-passwd (1),\n")
	} else {
		b.WriteString(".SH SEE ALSO\n.BR pumphouse (1),\n")
	}
	b.WriteString(".BR pump (1),\n.BR drainer (1),\n.BR reparo (1),\n.BR arbiter (1),\n.BR binlogctl (1)\n")
	return b.String()
}

// signals is the section about signals of programs that go on running.
func signals(name string) []string {
	end, reload := "ends the program in order; the second one ends it at once", ""
	switch name {
	case "pump", "drainer":
		end = "pauses the node, then the program ends; the second one does not wait for anything"
		reload = "opens the log file again, takes the log level from the configuration, checks certificates, and logs which changed keys need a restart. (It paused the programs that this one replaces.)"
	case "pumphouse-serve":
		reload = "opens the log file again, takes the log level and the users from the configuration, checks certificates, and logs which changed keys need a restart"
	case "arbiter":
		end = "ends the program when what it has read is in the database; the second one ends it at once"
		reload = "opens the log file again, takes the log level from the configuration, checks certificates, and logs which changed keys need a restart"
	case "pumphouse-pd":
		reload = "opens the log file again"
	case "pumphouse-demo":
		reload = "the terminal was closed: as SIGTERM"
	default:
		return nil
	}
	return []string{".SH SIGNALS", ".TP", ".B SIGINT, SIGTERM", troff(end), ".TP", ".B SIGHUP", troff(reload)}
}

// troff escapes text: backslashes, hyphens that are to stay hyphens, control lines.
func troff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

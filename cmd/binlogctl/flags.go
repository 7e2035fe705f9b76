package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"pumphouse/internal/certfile"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
)

// options are the flags, under the names upstream's scripts use.
type options struct {
	cmd         string
	pdURLs      string
	nodeID      string
	state       string
	showOffline bool
	dataDir     string
	timeZone    string
	text        string
	output      string
	timeout     time.Duration
	wait        waitFlag
	verdict     verdict
	security    certfile.Security
	version     bool
}

// command is what one value of -cmd does.
type command struct {
	run   func(ctx context.Context, o options, stdout, stderr io.Writer) error
	help  string
	node  bool // needs -node-id
	waits bool // takes -wait
}

var commands = map[string]command{
	"pumps":           {run: list(nodes.Pump), help: "list the pumps"},
	"drainers":        {run: list(nodes.Drainer), help: "list the drainers"},
	"update-pump":     {run: on(nodes.Pump, update), node: true, help: "write -state into a pump's record in PD (repair of a dead node)"},
	"update-drainer":  {run: on(nodes.Drainer, update), node: true, help: "the same for a drainer"},
	"status":          {run: status, help: "ask every running node, or -node-id, what it says of itself: lag, what it waits for"},
	"events":          {run: events, help: "list who changed which node's state when, or that of -node-id"},
	"unresolved":      {run: unresolved, help: "list the transactions whose outcome pumps, or that of -node-id, do not know; they hold back replication"},
	"resolve":         {run: on(nodes.Pump, resolve), node: true, help: "decide how an unresolved transaction of a pump ended: -start-ts with -commit-ts or -rollback"},
	"drop-pump":       {run: drop(nodes.Pump), node: true, help: "remove the record of a pump that is offline"},
	"drop-drainer":    {run: drop(nodes.Drainer), node: true, help: "the same for a drainer"},
	"pause-pump":      {run: on(nodes.Pump, act(nodes.ActPause)), node: true, waits: true, help: "ask a running pump to pause; it can be started again (see -wait)"},
	"pause-drainer":   {run: on(nodes.Drainer, act(nodes.ActPause)), node: true, waits: true, help: "the same for a drainer"},
	"offline-pump":    {run: on(nodes.Pump, act(nodes.ActClose)), node: true, waits: true, help: "ask a running pump to drain and leave the cluster for good"},
	"offline-drainer": {run: on(nodes.Drainer, act(nodes.ActClose)), node: true, waits: true, help: "the same for a drainer"},
	"switch-drainer":  {run: on(nodes.Drainer, switchDrainer), node: true, waits: true, help: "have a drainer give its place to the process that waits as its standby, and wait until that one is online"},
	"handover":        {run: on(nodes.Drainer, handover), node: true, waits: true, help: "pause a drainer where a changefeed of TiCDC can go on, and print what creates that"},
	"generate_meta":   {run: generateMeta, help: "write <data-dir>/savepoint with a fresh TSO"},
	"encrypt":         {run: encrypt, help: "encrypt -text for a drainer's configuration"},
}

func commandNames() []string {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// waitFlag is -wait.
type waitFlag struct {
	set  bool
	time time.Duration
}

func (p *waitFlag) String() string {
	if !p.set {
		return ""
	}
	return p.time.String()
}

// Set takes seconds or a duration.
func (p *waitFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, bad := strconv.ParseUint(text, 10, 31); bad == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 {
		return errors.New("use seconds, or a time like 90s or 5m")
	}
	p.set, p.time = true, d
	return nil
}

// parseFlags reads and checks the command line. Go's flag package takes -x v, -x=v
// and --x=v alike. Help that is asked for goes to stdout.
func parseFlags(args []string, stdout io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("binlogctl", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.cmd, "cmd", "pumps", "what to do")
	fs.StringVar(&o.pdURLs, "pd-urls", "http://127.0.0.1:2379", "PD's client `URLs`, separated by commas")
	fs.StringVar(&o.nodeID, "node-id", "", "the node that update-*, pause-*, offline-*, drop-*, switch-drainer, handover, status, unresolved and resolve are about")
	fs.StringVar(&o.state, "state", "", "the state that update-* writes: online, pausing, paused, closing or offline")
	fs.BoolVar(&o.showOffline, "show-offline-nodes", false, "list offline nodes too")
	fs.StringVar(&o.dataDir, "data-dir", "binlog_position", "the `directory` that generate_meta writes to")
	fs.StringVar(&o.timeZone, "time-zone", "", "add the time in this `zone` to generate_meta's file: Asia/Shanghai, Local …")
	fs.StringVar(&o.text, "text", "", "the text that encrypt encrypts")
	fs.StringVar(&o.output, "o", "table", "the form of lists: table, json, or log (the old tool's lines)")
	fs.Var(&o.wait, "wait", "pause-*, offline-*, switch-drainer and handover: return when the node is there, or fail after so many `seconds` (or 5m) with what it waits for")
	fs.Func("start-ts", "resolve: start `TS` of the transaction, as -cmd unresolved prints it", tsoFlag(&o.verdict.startTS))
	fs.Func("commit-ts", "resolve: the transaction was committed at this `TS`", tsoFlag(&o.verdict.commitTS))
	fs.BoolVar(&o.verdict.rollback, "rollback", false, "resolve: the transaction was rolled back")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long PD or a node may take to answer")
	o.security.Flags(fs)
	fs.BoolVar(&o.version, "V", false, "print the version and exit")
	if err := setting.ParseFlags(fs, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(fs, stdout)
		}
		var stray *setting.ArgumentError
		if errors.As(err, &stray) && commands[stray.Arg].run != nil {
			stray.Cure = "write -cmd " + stray.Arg
		}
		return o, err
	}
	if o.version {
		return o, nil
	}
	cmd, ok := commands[o.cmd]
	switch {
	case !ok:
		return o, fmt.Errorf("-cmd %s does not exist: use one of %s", o.cmd, strings.Join(commandNames(), ", "))
	case cmd.node && o.nodeID == "":
		return o, fmt.Errorf("-cmd %s needs -node-id: -cmd pumps and -cmd drainers list the node IDs", o.cmd)
	case o.output != "table" && o.output != "json" && o.output != "log":
		return o, fmt.Errorf("-o %s does not exist: use table, json or log", o.output)
	case o.wait.set && !cmd.waits:
		return o, fmt.Errorf("-wait does not go with -cmd %s: it is for pause-*, offline-*, switch-drainer and handover", o.cmd)
	case o.timeout <= 0:
		return o, fmt.Errorf("-timeout %s: must be above 0", o.timeout)
	}
	return o, errors.Join(o.verdict.check(o.cmd), o.check())
}

func usage(fs *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, "Usage: binlogctl [-pd-urls URLS] -cmd COMMAND [flags]\n\nCommands:\n")
	for _, name := range commandNames() {
		fmt.Fprintf(w, "  %-16s %s\n", name, commands[name].help)
	}
	fmt.Fprintf(w, "\nFlags:\n")
	setting.PrintFlags(fs, w)
}

// print writes a result in the form of -o: the list as JSON, or what table or log write.
func (o options) print(w io.Writer, list any, table, log func() error) error {
	switch o.output {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	case "log":
		return log()
	}
	return table()
}

// check reports values that no cluster would take.
func (o options) check() error {
	var errs []error
	if strings.HasPrefix(o.cmd, "update-") {
		if o.state == "" {
			errs = append(errs, fmt.Errorf("-cmd %s needs -state: online, pausing, paused, closing or offline", o.cmd))
		} else if _, err := nodes.ParseState(o.state); err != nil {
			errs = append(errs, err)
		}
	}
	if o.cmd == "encrypt" {
		if o.text == "" {
			errs = append(errs, errors.New("-cmd encrypt needs -text"))
		}
		return errors.Join(errs...)
	}
	if _, err := time.LoadLocation(o.timeZone); err != nil {
		errs = append(errs, fmt.Errorf("-time-zone %s: %w: use a name such as Asia/Shanghai, or Local", o.timeZone, err))
	}
	_, err := nodes.ParseEndpoints([]string{o.pdURLs}, o.security.Enabled())
	return errors.Join(append(errs, err, o.security.Check())...)
}

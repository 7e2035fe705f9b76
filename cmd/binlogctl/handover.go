package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"pumphouse/internal/logs"
	"pumphouse/nodes"
	"pumphouse/nodes/tikvconn"
)

// handoverWait is how long a drainer may take to end, without -wait.
const handoverWait = 5 * time.Minute

// gcHold is how long TiKV keeps for a changefeed what comes after the drainer's end.
const gcHold = 24 * time.Hour

// handedOver is what -cmd handover prints with -o json.
type handedOver struct {
	NodeID string `json:"nodeId"`
	// StartTS is the commit TS up to which everything is downstream, and nothing after it.
	StartTS      nodes.TSO `json:"startTS"`
	ChangefeedID string    `json:"changefeedID"`
	// GCService is the service safe point that holds back TiKV's garbage collection; "" if PD has none.
	GCService string `json:"gcService,omitempty"`
	nodes.Handover
}

// handover stops a drainer where a changefeed of TiCDC can go on, and prints what creates that.
func handover(ctx context.Context, c *cluster, e nodes.Entry, o options, stdout, stderr io.Writer) error {
	h := handedOver{NodeID: o.nodeID, ChangefeedID: changefeedID(o.nodeID), GCService: "pumphouse-handover-" + o.nodeID}
	var err error
	if h.Handover, err = c.control.Handover(ctx, e.Record); err != nil {
		return err
	}
	defer tikvconn.RedirectLogs(logs.OrSilent(nil))()
	pd, err := tikvconn.DialPD(ctx, c.registry.Endpoints(), o.security, o.timeout)
	if err != nil {
		return err
	}
	defer pd.Close()
	st, err := c.control.Status(ctx, e.Kind, e.Record)
	if err != nil {
		return err
	}
	if st.CommitTS == 0 {
		return fmt.Errorf("drainer %s has no position yet: wait until -cmd status shows one", o.nodeID)
	}
	// Held before the end: what is there now is there then.
	switch err := keepAt(ctx, pd, h.GCService, st.CommitTS); {
	case errors.Is(err, errors.ErrUnsupported):
		fmt.Fprintf(stderr, "binlogctl: %v: create the changefeed within tidb_gc_life_time\n", err)
		h.GCService = ""
	case err != nil:
		return err
	}
	if !o.wait.set {
		o.wait = waitFlag{set: true, time: handoverWait}
	}
	if _, err = c.ask(ctx, o, e, nodes.ActPause, nodes.Paused, stderr); err == nil {
		err = c.await(ctx, o, e, nodes.ActPause, stderr, stderr)
	}
	if err != nil {
		return fmt.Errorf("%w; the handover is not done: repeat it", err)
	}
	if h.StartTS, err = c.exactEnd(ctx, o.nodeID); err != nil {
		return err
	}
	if h.GCService != "" {
		if err := keepAt(ctx, pd, h.GCService, h.StartTS); err != nil {
			return err
		}
	}
	c.trim(ctx)
	if o.output == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		err = enc.Encode(h)
	} else {
		_, err = io.WriteString(stdout, h.script())
	}
	if err != nil {
		return fmt.Errorf("write the handover: %w", err)
	}
	return nil
}

// exactEnd is where a drainer that has paused has ended, if it has left word that it ended there.
func (c *cluster) exactEnd(ctx context.Context, nodeID string) (nodes.TSO, error) {
	exit, found, err := c.registry.Exit(ctx, nodes.Drainer, nodeID)
	if err != nil {
		return 0, err
	}
	e, err := c.registry.Find(ctx, nodes.Drainer, nodeID)
	if err != nil {
		return 0, err
	}
	switch {
	case !found || exit.Position == 0:
		why := "it has left no word in PD"
		if found {
			why = exit.String()
		}
		return 0, fmt.Errorf("drainer %s is paused, but part of what comes after its checkpoint may be downstream (%s): start it and repeat the handover", nodeID, why)
	case e.Record.State != nodes.Paused || e.Record.MaxCommitTS != exit.Position:
		return 0, fmt.Errorf("drainer %s ended at commit TS %s, but its record is %s at %s: somebody has started it again, so repeat the handover",
			nodeID, exit.Position, e.Record.State, e.Record.MaxCommitTS)
	}
	return exit.Position, nil
}

// keepAt has PD keep what comes after a TS for gcHold.
func keepAt(ctx context.Context, pd *tikvconn.PD, service string, ts nodes.TSO) error {
	err := pd.KeepAt(ctx, service, ts, gcHold)
	var late *tikvconn.CollectedError
	if errors.As(err, &late) {
		return fmt.Errorf("%w: let the drainer catch up, then repeat the handover", err)
	}
	return err
}

// changefeedID is a node ID as TiCDC takes it: letters, digits and single hyphens.
func changefeedID(nodeID string) string {
	id := strings.Trim(regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(nodeID, "-"), "-")
	if id == "" {
		return "drainer"
	}
	return id
}

// script is the handover for a shell: what there is to know in comments, what is to be done as commands.
func (h handedOver) script() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Drainer %s is paused. Everything up to commit TS %s (%s) is in %s, nothing after it.", h.NodeID, h.StartTS, h.StartTS.Time().UTC().Format(time.RFC3339), h.Downstream)
	if h.GCService != "" {
		line("# TiKV keeps what comes after it for %d hours (service safe point %s in PD).", int(gcHold.Hours()), h.GCService)
	}
	line("# To go back: start the drainer again, as long as no changefeed has been created.")
	if len(h.Left) > 0 {
		line("#\n# TiCDC is different, look at these first:")
		for _, l := range h.Left {
			line("#   - %s", l)
		}
	}
	if h.SinkURI == "" {
		line("#\n# There is nothing to create: choose a sink of TiCDC and start it at this commit TS (--start-ts=%s).", h.StartTS)
		return b.String()
	}
	line("#\n# 1. To verify, where the drainer runs and with its flags (docs/comparing.md):\n#      drainer -config drainer.toml -compare -compare-upstream user@tidb:4000")
	line("# 2. Create the changefeed. --server is one of your TiCDC servers.")
	file := "changefeed-" + h.ChangefeedID + ".toml"
	line("cat > %s <<'END'\n%sEND", file, h.Changefeed)
	line("cdc cli changefeed create --server=http://127.0.0.1:8300 --changefeed-id=%s --start-ts=%s \\\n  --config=%s --sink-uri='%s'", h.ChangefeedID, h.StartTS, file, strings.ReplaceAll(h.SinkURI, "'", "%27"))
	line("# 3. When it runs: binlogctl -cmd update-drainer -node-id %s -state offline, and then turn TiDB's binlog off (docs/handover.md).", h.NodeID)
	return b.String()
}

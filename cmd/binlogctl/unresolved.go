package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"pumphouse/nodes"
)

const (
	// inFlight is the age up to which an unresolved transaction is one that TiDB is about to
	// commit: nothing to show.
	inFlight = 5 * time.Second
	// maxUnresolved is how many are listed of each pump.
	maxUnresolved = 1000
)

// heldPump is what one pump says of its unresolved transactions: an object of the JSON.
type heldPump struct {
	nodes.UnresolvedList
	Host    string `json:"host"`
	Problem string `json:"problem"` // why it could not be asked
}

// unresolved lists the transactions whose outcome pumps do not know, of all pumps or of
// -node-id. A pump that is not offline and cannot be asked makes the command fail after it
// has printed what the others say.
func unresolved(ctx context.Context, o options, stdout, _ io.Writer) error {
	c, err := connect(o)
	if err != nil {
		return err
	}
	defer c.close()
	var asked []nodes.Entry
	if o.nodeID != "" {
		e, err := c.registry.Find(ctx, nodes.Pump, o.nodeID)
		if err != nil {
			return err
		}
		asked = append(asked, e)
	} else {
		snap, err := c.registry.List(ctx)
		if err != nil {
			return err
		}
		for _, e := range snap.Pumps {
			if e.Record.State != nodes.Offline {
				asked = append(asked, e)
			}
		}
	}
	list := c.askUnresolved(ctx, asked)
	err = o.print(stdout, list, func() error { return printUnresolved(stdout, list) }, func() error { return printUnresolvedLog(stdout, list, time.Now()) })
	if err != nil {
		return fmt.Errorf("write the list of unresolved transactions: %w", err)
	}
	var silent []string
	for i, p := range list {
		if p.Problem != "" {
			silent = append(silent, fmt.Sprintf("%s (the pump is %s)", p.Problem, asked[i].Record.State))
		}
	}
	if len(silent) > 0 {
		return fmt.Errorf("the list lacks %d of %d pumps: %s", len(silent), len(list), joinLines(silent))
	}
	return nil
}

func joinLines(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	text := ""
	for _, s := range list {
		text += "\n  " + s
	}
	return text
}

func (c *cluster) askUnresolved(ctx context.Context, asked []nodes.Entry) []heldPump {
	list := make([]heldPump, len(asked))
	var wg sync.WaitGroup
	slots := make(chan struct{}, askedAtOnce)
	for i, e := range asked {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p := &list[i]
			var err error
			if p.UnresolvedList, err = c.control.Unresolved(ctx, e.Record, inFlight, maxUnresolved); err != nil {
				p.Problem = err.Error()
				p.Transactions = []nodes.UnresolvedTxn{}
			}
			p.Pump, p.Host = e.Record.NodeID, e.Record.Host
		})
	}
	wg.Wait()
	return list
}

func printUnresolved(w io.Writer, list []heldPump) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PUMP\tSTART TS\tSTARTED\tAGE\tBYTES\tPRIMARY KEY\tTABLES\tTIKV SAID")
	for _, p := range list {
		for _, t := range p.Transactions {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", p.Pump, t.StartTS, t.StartTS.Time().Local().Format(time.DateTime),
				t.Age().Round(time.Second), t.Bytes, primaryKey(t), orDash(t.TableText()), orDash(said(t)))
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, p := range list {
		if _, err := fmt.Fprint(w, p.summary()); err != nil {
			return err
		}
	}
	return nil
}

// summary says what the transactions of a pump hold back, and what an operator can do; ""
// if they hold back nothing for long.
func (p heldPump) summary() string {
	if len(p.Transactions) == 0 {
		return ""
	}
	first := p.Transactions[0]
	text := fmt.Sprintf("\npump %q: %d transactions are unresolved; the oldest (start TS %s) holds back %d committed ones since %s; delivered up to %s (%s).\n",
		p.Pump, p.Total, first.StartTS, p.Waiting, first.Since.Local().Format(time.DateTime), p.Delivered, p.Delivered.Time().Local().Format(time.DateTime))
	if left := p.Total - len(p.Transactions); left > 0 {
		text += fmt.Sprintf("%d of them are younger than %s or more than %d, and not listed.\n", left, inFlight, maxUnresolved)
	}
	return text + fmt.Sprintf("The pump asks TiKV by itself. Where TiKV cannot know any more: binlogctl -cmd resolve -node-id %s -start-ts %s {-commit-ts C | -rollback}\n",
		p.Pump, first.StartTS)
}

// primaryKey is the key for a person, and its bytes.
func primaryKey(t nodes.UnresolvedTxn) string {
	if t.Key == "" {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", t.KeyText(), t.Key)
}

// said is TiKV's last answer, or why the binlog could not be read.
func said(t nodes.UnresolvedTxn) string {
	if t.Problem != "" {
		return t.Problem
	}
	return t.TiKV
}

// printUnresolvedLog prints lines of the form in which -o log prints lists.
func printUnresolvedLog(w io.Writer, list []heldPump, now time.Time) error {
	for _, p := range list {
		for _, t := range p.Transactions {
			text := fmt.Sprintf("{NodeID: %s, StartTS: %d, Age: %s, Bytes: %d, PrimaryKey: %s, Tables: %s, TiKV: %s}",
				p.Pump, t.StartTS, t.Age().Round(time.Second), t.Bytes, primaryKey(t), orDash(t.TableText()), orDash(said(t)))
			if _, err := fmt.Fprintf(w, "[%s] [INFO] [nodes.go:53] [\"unresolved transaction\"] [type=pump] [transaction=%s]\n",
				now.Format("2006/01/02 15:04:05.000 -07:00"), strconv.Quote(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

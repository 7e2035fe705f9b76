// Package nodestmt carries out what a session of the console can say about pumps and drainers: SHOW … STATUS
// and its warnings, CHANGE, PAUSE, OFFLINE, DROP, RESOLVE TRANSACTION and HELP. It makes the rows of the
// tables of the database binlog.
//
// SHOW … STATUS shows what [Cluster.View] vouches for and what this session has written, or fails. CHANGE
// writes one node's state and nothing else. Every order leaves a line in the log whatever came of it; what it
// risks is a warning, never a refusal.
package nodestmt

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
	"pumphouse/nodes/audit"
	"pumphouse/nodes/standby"
	"pumphouse/server/engine"
	"pumphouse/server/session/privilege"
	"pumphouse/server/session/result"
	"pumphouse/server/session/sysvar"
	"pumphouse/sqlext"
)

// Compat is whose answers SHOW gives where the document and TiDB differ.
type Compat string

// The compatibility modes (docs/wire-contract.md, "SQL").
const (
	CompatDocs Compat = "docs"
	CompatTiDB Compat = "tidb"
)

// Config is what the sessions of a server share of the nodes.
type Config struct {
	Cluster   Cluster
	Compat    Compat           // default CompatDocs
	LogBin    string           // auto (default), on, off
	Heartbeat time.Duration    // of the nodes, default 2 s; older than three of them = not reporting
	Now       func() time.Time // default time.Now
	NodeClock func() time.Time // PD's time, by which nodes stamp their records; default Now

	// Reports and Audit fill the tables of the database binlog with what PD's records do
	// not hold. Without them those columns are NULL and those tables empty.
	Reports Reports
	// Audit keeps who changed what; nil = only the log does.
	Audit Audit
	// Standbys gives the processes that take turns: standby.Read; nil = there are none.
	Standbys func(ctx context.Context) ([]standby.Group, error)
	// Control is the way to live nodes, for PAUSE and OFFLINE; nil = they are refused.
	Control Control

	// TSO gets a timestamp from PD, for SHOW MASTER STATUS; nil = its answer has no rows.
	TSO func(ctx context.Context) (nodes.TSO, error)

	// Views is shared by the sessions of a server, so that they render SHOW … STATUS
	// once; nil = each session does it for itself. See [NewViews].
	Views *Views
	// Denials is shared by the sessions of a server; nil = each session has its own.
	Denials *privilege.Denials
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Compat == "" {
		c.Compat = CompatDocs
	}
	if c.LogBin == "" {
		c.LogBin = "auto"
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NodeClock == nil {
		c.NodeClock = c.Now
	}
	if c.Audit == nil {
		c.Audit = (*audit.Log)(nil)
	}
	if c.Views == nil {
		c.Views = NewViews()
	}
	if c.Denials == nil {
		c.Denials = privilege.NewDenials()
	}
	return c
}

// Owner is the session that runs the statements.
type Owner struct {
	Account  *privilege.Account
	Vars     *sysvar.Vars
	Diag     *result.Diagnostics
	Exec     *engine.Executor // its Params are those of the running statement
	Log      logrus.FieldLogger
	ReadOnly func() bool // reports whether the statement is in a READ ONLY transaction; asked once a statement
}

// Nodes carries out the statements of one session.
type Nodes struct {
	View
	cfg   *Config
	own   Owner
	shown [2]*statusRows // last SHOW … STATUS by kind
}

// New makes the one of a session. cfg has its defaults.
func New(cfg *Config, owner Owner) *Nodes {
	return &Nodes{View: View{cluster: cfg.Cluster}, cfg: cfg, own: owner}
}

// View is how a session sees the nodes.
type View struct {
	Wrote int64           // revision of the session's last CHANGE, which it goes on seeing
	Seen  *nodes.Snapshot // what the running statement has read; nil = nothing yet, as when one starts

	cluster Cluster
}

// read reads the records, with this session's own writes.
func (v *View) read(ctx context.Context) (*nodes.Snapshot, error) {
	snap, err := v.cluster.View(ctx, v.Wrote)
	if err == nil && snap.Revision < v.Wrote {
		v.Wrote = 0 // PD was wiped or restored: what was written is gone with its history
	}
	return snap, err
}

// statement is read, once for all tables of a statement: a join sees one state of the cluster.
func (v *View) statement(ctx context.Context) (*nodes.Snapshot, error) {
	if v.Seen == nil {
		snap, err := v.read(ctx)
		if err != nil {
			return nil, err
		}
		v.Seen = snap
	}
	return v.Seen, nil
}

// Do carries out CHANGE, PAUSE, OFFLINE, DROP or RESOLVE TRANSACTION.
func (n *Nodes) Do(ctx context.Context, st *sqlext.Statement) error {
	switch {
	case st.Change != nil:
		return n.changeNode(ctx, st.Change)
	case st.Act != nil:
		return n.actOnNode(ctx, st.Act)
	}
	return n.resolveTransaction(ctx, st.Resolve)
}

// Columns are those of SHOW [FULL] … STATUS.
func Columns(st *sqlext.ShowNodes) []engine.Column {
	if st.Full {
		return fullColumns(nodeKind(st.Kind))
	}
	return statusColumns()
}

// Rows gives the rows of a table of the database binlog; nil = it has none.
func (n *Nodes) Rows(table string) result.RowSource {
	switch table {
	case "pumps":
		return n.nodeRows(nodes.Pump)
	case "drainers":
		return n.nodeRows(nodes.Drainer)
	case "positions":
		return n.positionRows
	case "events":
		return n.eventRows
	case "standbys":
		return n.standbyRows
	case "unresolved":
		return n.unresolvedRows
	}
	return nil
}

// Count gives how many rows a table of the database binlog has: exact for the nodes, 0 for what only a
// question to PD or to the nodes would tell, and 0 too when PD does not answer.
func (n *Nodes) Count(ctx context.Context, table string) int {
	var kind nodes.Kind
	switch table {
	case "pumps":
		kind = nodes.Pump
	case "drainers":
		kind = nodes.Drainer
	default:
		return 0
	}
	snap, err := n.statement(ctx)
	if err != nil {
		return 0
	}
	return len(snap.Of(kind))
}

// Position is the one of SHOW MASTER STATUS. As TiDB's it is a TSO that PD gives out now: where a dump that
// begins now, and a drainer after it, start. 0 = there is none.
func (n *Nodes) Position(ctx context.Context) (nodes.TSO, error) {
	if n.cfg.TSO == nil {
		return 0, nil
	}
	ts, err := n.cfg.TSO(ctx)
	if err != nil {
		return 0, fmt.Errorf("get a timestamp from PD at %s: %w", strings.Join(n.cfg.Cluster.Endpoints(), ","), err)
	}
	return ts, nil
}

// LogBin is @@log_bin: whether binlog is enabled, in the form of the compatibility
// setting. The document's form is the other way round than one would think: 0 means
// enabled.
func (n *Nodes) LogBin(ctx context.Context) (string, error) {
	enabled := n.cfg.LogBin == "on"
	if n.cfg.LogBin == "auto" {
		snap, err := n.read(ctx)
		if err != nil {
			return "", err
		}
		for i := range snap.Pumps {
			enabled = enabled || snap.Pumps[i].Record.State == nodes.Online
		}
	}
	switch {
	case n.cfg.Compat == CompatTiDB && enabled:
		return "ON", nil
	case n.cfg.Compat == CompatTiDB:
		return "OFF", nil
	case enabled:
		return "0", nil
	}
	return "1", nil
}

// Literal is the text of a literal of a statement, which may be a parameter.
func (n *Nodes) Literal(l sqlext.Literal) string {
	if l.Param < 0 || l.Param >= len(n.own.Exec.Params) {
		return l.Value
	}
	return n.own.Exec.Params[l.Param].Text()
}

package downstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"pumphouse/drainer"
	"pumphouse/drainer/checkpoint"
	"pumphouse/drainer/relay"
	"pumphouse/drainer/sink"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/nodes"
)

// MySQL applies to a MySQL, MariaDB or TiDB; the checkpoint is in a table there, or in another
// server, or in the drainer's data directory.
type MySQL struct {
	Host        string // default 127.0.0.1
	Port        int    // default 3306
	User        string // default root
	Password    string
	TLS         *tls.Config
	ReadTimeout time.Duration // 0: the sink's default
	// Params are system variables of the sessions, with values as SET takes them.
	Params map[string]string

	Workers   int  // connections that write; 0: the sink's default
	TxnBatch  int  // 0: the sink's default
	SafeMode  bool // apply everything so that doing it twice makes no difference
	SQLMode   string
	Loopback  bool // loopback-control
	ChannelID int64
	// DDLTimeZone is the time zone of upstream sessions whose DDL job does not tell it; nil: UTC.
	DDLTimeZone *time.Location
	// PartialColumns (sync-mode = 2): rows are written with the columns that both sides have.
	PartialColumns bool
	// StopAtDivergence (on-divergence = "stop"): rows that are not found downstream stop the drainer.
	StopAtDivergence bool
	// WarnOfDefinitions (ddl-check = "warn"): definitions that differ after a statement of DDL are only logged.
	WarnOfDefinitions bool

	Schema string // of the checkpoint's table; "": tidb_binlog
	Table  string // its name; "": checkpoint
	// CheckpointServer is another server for the checkpoint, CheckpointFile the data directory.
	CheckpointServer *mysql.Server
	CheckpointFile   bool

	// RelayDir is where transactions are durable before they go downstream; "": nowhere.
	RelayDir          string
	RelayMaxFileBytes int64 // 0: the default

	opened  atomic.Pointer[mysql.Sink]
	relayed atomic.Pointer[relay.Sink]
}

var (
	_ drainer.Downstream = (*MySQL)(nil)
	_ drainer.Replayer   = (*MySQL)(nil)
)

// String implements drainer.Downstream.
func (m *MySQL) String() string {
	addr := net.JoinHostPort(cmp.Or(m.Host, "127.0.0.1"), strconv.Itoa(cmp.Or(m.Port, 3306)))
	return fmt.Sprintf("mysql %s@%s", cmp.Or(m.User, "root"), addr)
}

// Secrets are the passwords that must not be in a text that the drainer publishes.
func (m *MySQL) Secrets() []string {
	secrets := []string{m.Password}
	if m.CheckpointServer != nil {
		secrets = append(secrets, m.CheckpointServer.Password)
	}
	return secrets
}

// Zone implements drainer.Downstream: the sink's sessions are in UTC.
func (*MySQL) Zone() *time.Location { return time.UTC }

func (m *MySQL) server() mysql.Server {
	return mysql.Server{Host: m.Host, Port: m.Port, User: m.User, Password: m.Password, TLS: m.TLS, ReadTimeout: m.ReadTimeout, Params: m.Params}
}

func (m *MySQL) place(site drainer.Site) mysql.Place {
	return mysql.Place{Schema: m.Schema, Table: m.Table, ClusterID: site.ClusterID}
}

// Checkpoint implements drainer.Downstream.
func (m *MySQL) Checkpoint(ctx context.Context, site drainer.Site) (checkpoint.Store, error) {
	m.opened.Store(nil) // of a life before
	if m.CheckpointFile {
		return telling{checkpoint.InDir(site.DataDir), m.savedElsewhere}, nil
	}
	at, saved := m.server(), m.saved
	if m.CheckpointServer != nil {
		at, saved = *m.CheckpointServer, m.savedElsewhere
	}
	store, err := mysql.OpenStore(ctx, at, m.place(site))
	if err != nil {
		return nil, err // not a Store that is nil
	}
	return closing{telling{store, saved}, store}, nil
}

// CheckStandby implements drainer.Standbys: the downstream refuses the writes of a process whose place another one has taken.
func (m *MySQL) CheckStandby() error {
	switch {
	case m.CheckpointFile:
		return errors.New("standby: the checkpoint is in this machine's data directory (syncer.to.checkpoint.type = \"file\"), where a standby cannot see it: leave the type out to keep it downstream")
	case m.RelayDir != "":
		return errors.New("standby: the relay log is on this machine, where a standby cannot see it: leave syncer.relay.log-dir out, or standby")
	}
	return nil
}

// Open implements drainer.Downstream.
func (m *MySQL) Open(ctx context.Context, site drainer.Site, from, until nodes.TSO) (sink.Sink, error) {
	server := m.server()
	server.EndIdle = site.Shared != nil
	s, err := mysql.New(ctx, mysql.Options{
		Server: server, Place: m.place(site), From: from, SafeUntil: until, Foreign: site.Foreign, SafeMode: m.SafeMode, Workers: m.Workers, TxnBatch: m.TxnBatch,
		SQLMode: m.SQLMode, DDLTimeZone: m.DDLTimeZone, PartialColumns: m.PartialColumns, LoopbackControl: m.Loopback, ChannelID: m.ChannelID, StopAtDivergence: m.StopAtDivergence, WarnOfDefinitions: m.WarnOfDefinitions, Logger: site.Logger,
		Metrics: mysql.Metrics{
			Executed: func(took time.Duration, _, _ int) { site.Trouble(nil); site.Executed("", took) },
			DDL:      func(took time.Duration) { site.Trouble(nil); site.Executed("DDL", took) },
			Retried:  site.Trouble,
			Diverged: site.Diverged,
		},
	})
	if err != nil {
		return nil, err
	}
	m.opened.Store(s)
	if m.RelayDir == "" {
		return s, nil
	}
	relayed, err := relay.New(ctx, s, relay.Options{Dir: m.RelayDir, From: from, Keep: site.Keep, MaxFileBytes: m.RelayMaxFileBytes, TimeZone: m.Zone(), Logger: site.Logger})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	m.relayed.Store(relayed)
	return relayed, nil
}

// Replay implements drainer.Replayer.
func (m *MySQL) Replay(ctx context.Context, site drainer.Site) (err error) {
	if m.RelayDir == "" {
		return nil
	}
	last, err := relay.Last(m.RelayDir)
	if err != nil || last == 0 {
		return err
	}
	store, err := m.Checkpoint(ctx, site)
	if err != nil {
		return err
	}
	if c, ok := store.(io.Closer); ok {
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	p, err := store.Load(ctx)
	switch {
	case errors.Is(err, checkpoint.ErrNone):
		return nil
	case err != nil || last <= p.CommitTS:
		return err
	}
	site.Foreign = !p.Exact
	s, err := m.Open(ctx, site, p.CommitTS, last)
	if err != nil {
		return err
	}
	defer m.opened.Store(nil)
	defer m.relayed.Store(nil)
	return errors.Join(s.Flush(ctx), s.Close())
}

// saved passes on that a checkpoint was saved in the downstream itself.
func (m *MySQL) saved(_ context.Context, ts nodes.TSO) error {
	if r := m.relayed.Load(); r != nil {
		r.Saved(ts)
	}
	return nil
}

// savedElsewhere is saved for a checkpoint in another place, which the sink does not see.
func (m *MySQL) savedElsewhere(ctx context.Context, ts nodes.TSO) error {
	if s := m.opened.Load(); s != nil {
		if err := s.Saved(ctx, ts); err != nil {
			return err
		}
	}
	return m.saved(ctx, ts)
}

// telling is a store that passes on what is saved.
type telling struct {
	checkpoint.Store
	saved func(context.Context, nodes.TSO) error
}

func (t telling) Save(ctx context.Context, p checkpoint.Position) error {
	if err := t.Store.Save(ctx, p); err != nil {
		return err
	}
	return t.saved(ctx, p.CommitTS)
}

// closing is such a store that has to be closed.
type closing struct {
	telling
	store *mysql.Store
}

func (c closing) Close() error { return c.store.Close() }

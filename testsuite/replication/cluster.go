package replication

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/tidbtest"
)

// Cluster is a whole binlog cluster with a MariaDB or a TiDB downstream. It ends with its test.
type Cluster struct {
	PD      *pdtest.Cluster
	Store   *tidbtest.Storage
	TiDB    *tidbtest.TiDB
	Pumps   []*Node
	Drainer *Node               // of the downstream
	MariaDB *mariadbtest.Server // nil when the downstream is a TiDB
	Mirror  *tidbtest.TiDB      // the downstream, if it is a TiDB

	t    testing.TB
	etcd *clientv3.Client
}

// Options says how a cluster is made.
type Options struct {
	Year       int      // of the TiDB: see tidbtest.Options
	TiDBConfig string   // more TOML of the TiDB
	ToTiDB     bool     // the downstream is a TiDB of that year, with a PD of its own
	MariaDB    []string // more options of mariadbd
	// OneDatabase gives the drainer's user the rights of docs/downstream-user.md for the database shop alone.
	OneDatabase bool
}

// pumpConfig lets pumps run on a full disk. How they resolve transactions is the default.
const pumpConfig = "[storage]\nstop-write-at-available-space = \"1 MiB\"\n"

// Start runs everything but the drainer: see StartDrainer.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{t: t, PD: pdtest.StartReal(t, 1)}
	c.etcd = c.PD.Etcd()
	for _, id := range []string{"pump1", "pump2"} {
		p := newNode(t, "pump", id, c.PD.Endpoint(0), pumpConfig)
		p.Start()
		c.Pumps = append(c.Pumps, p)
	}
	c.Store = tidbtest.StartUnistore(t, c.PD.Endpoint(0))
	c.TiDB = tidbtest.StartTiDB(t, tidbtest.Options{PD: c.PD.Endpoint(0), Store: tidbtest.TiKV, Binlog: true, Year: o.Year, Config: o.TiDBConfig,
		// An outage of PD that outlasts it may leave a DDL job waiting for ever: TiDB then fails to clean up after a step of it (8027).
		Lease: "45s"})
	if o.ToTiDB {
		c.Mirror = tidbtest.StartTiDB(t, tidbtest.Options{PD: pdtest.StartEmbed(t).Endpoint(0), Year: o.Year})
	} else {
		c.MariaDB = mariadbtest.Start(t, o.MariaDB...)
	}
	down := c.Downstream()
	for _, q := range documentedGrants(t, o) {
		if _, err := down.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return c
}

// documentedGrants are the statements that docs/downstream-user.md has for the drainer's user, so that
// everything here runs with these rights alone: those for all databases, or for one, and what only a TiDB asks for.
func documentedGrants(t testing.TB, o Options) (statements []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "downstream-user.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```sql\n")
	if len(blocks) != 3 {
		t.Fatalf("docs/downstream-user.md has %d blocks of statements, want 2", len(blocks)-1)
	}
	block := blocks[1]
	if o.OneDatabase {
		block = blocks[2]
	}
	block, _, _ = strings.Cut(block, "```")
	for line := range strings.Lines(block) {
		statements = append(statements, strings.TrimSuffix(strings.TrimSpace(line), ";"))
	}
	if o.ToTiDB {
		_, only, _ := strings.Cut(string(text), "A TiDB downstream gets")
		_, only, _ = strings.Cut(only, "`GRANT")
		only, _, _ = strings.Cut(only, ";`")
		statements = append(statements, "GRANT"+only)
	}
	return statements
}

// Downstream gives connections to the downstream, as root, that are closed with the test.
func (c *Cluster) Downstream() *sql.DB {
	if c.Mirror != nil {
		return c.Mirror.Open(c.t, "multiStatements=true&time_zone=%27%2B00:00%27")
	}
	return c.MariaDB.Open()
}

// downstreamAddr is the downstream's host:port.
func (c *Cluster) downstreamAddr() string {
	if c.Mirror != nil {
		return c.Mirror.Addr
	}
	return c.MariaDB.Addr()
}

// drainerUser is who the drainer is in MariaDB.
const drainerUser = "drainer"

// StartDrainer runs the drainer, from the beginning of all binlogs, with more lines of TOML
// in its section [syncer].
func (c *Cluster) StartDrainer(syncer string) {
	c.t.Helper()
	c.startDrainer(syncer, c.downstreamAddr())
}

// startDrainer is StartDrainer for one that reaches the downstream at another address.
func (c *Cluster) startDrainer(syncer, addr string) {
	c.t.Helper()
	kind := "mysql"
	if c.Mirror != nil {
		kind = "tidb"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		c.t.Fatal(err)
	}
	config := fmt.Sprintf("[syncer]\ndb-type = %q\n%s\n[syncer.to]\nhost = %q\nport = %s\nuser = %q\npassword = \"pass word\"\n", kind, syncer, host, port, drainerUser)
	c.Drainer = newNode(c.t, "drainer", "drainer1", c.PD.Endpoint(0), config, "-initial-commit-ts", "0")
	c.Drainer.Start()
}

// Open gives a pool of connections to the TiDB; closing it is the caller's.
func (c *Cluster) Open(params string) *sql.DB {
	db, err := sql.Open("mysql", c.TiDB.DSN(params))
	if err != nil {
		panic(err) // only parameters that are no parameters do that
	}
	return db
}

// Now is a timestamp of PD's, as TiDB gets it: everything committed before is below it.
func (c *Cluster) Now(ctx context.Context) (nodes.TSO, error) {
	db := c.Open("")
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("ask TiDB for a timestamp: %w", err)
	}
	defer tx.Rollback()
	var ts int64
	if err := tx.QueryRowContext(ctx, "select @@tidb_current_ts").Scan(&ts); err != nil {
		return 0, fmt.Errorf("ask TiDB for a timestamp: %w", err)
	}
	return nodes.TSO(ts), nil
}

// standstill is for how long what is waited for may not come nearer. How long all of it takes
// depends on how much there is and on how busy the machine is.
const standstill = 3 * time.Minute

// Settled waits until TiDB has no DDL under way: that of clients which have gone goes on.
func (c *Cluster) Settled(ctx context.Context) error {
	db := c.Open("")
	defer db.Close()
	type queue struct{ jobs, first int64 }
	var last queue
	for moved := time.Now(); ; {
		var q queue
		err := db.QueryRowContext(ctx, "select count(*), coalesce(min(job_id), 0) from mysql.tidb_ddl_job").Scan(&q.jobs, &q.first)
		switch {
		case err == nil && q.jobs == 0:
			return nil
		case err == nil && q != last:
			last, moved = q, time.Now()
		case time.Since(moved) > standstill:
			return fmt.Errorf("for %s TiDB has had %d DDL jobs under way, the first of them %d (%v)", standstill, last.jobs, last.first, err)
		}
		if !nodes.Sleep(ctx, 20*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// Record is the drainer's record in PD.
func (c *Cluster) Record(ctx context.Context) (nodes.Record, error) {
	var r nodes.Record
	got, err := c.etcd.Get(ctx, "/tidb-binlog/v1/drainers/"+c.Drainer.ID)
	if err != nil {
		return r, fmt.Errorf("read the drainer's record: %w", err)
	}
	if len(got.Kvs) == 0 {
		return r, fmt.Errorf("there is no record of %s", c.Drainer.ID)
	}
	return r, json.Unmarshal(got.Kvs[0].Value, &r)
}

// CatchUp waits until everything that is committed now is downstream, and the drainer's checkpoint says so.
func (c *Cluster) CatchUp(ctx context.Context) error {
	return c.reach(ctx, func(p position) nodes.TSO { return p.Checkpoint })
}

// Apply waits until everything that is committed now is downstream: the checkpoint follows within a second.
func (c *Cluster) Apply(ctx context.Context) error {
	return c.reach(ctx, func(p position) nodes.TSO { return p.Applied })
}

// position is what a drainer's status says of how far it is.
type position struct{ Applied, Checkpoint nodes.TSO }

func (c *Cluster) reach(ctx context.Context, of func(position) nodes.TSO) error {
	goal, err := c.Now(ctx)
	if err != nil {
		return err
	}
	var last nodes.TSO
	for moved := time.Now(); ; {
		p, err := c.Drainer.position(ctx)
		switch {
		case err == nil && of(p) >= goal:
			return nil
		case !c.Drainer.Running():
			return fmt.Errorf("the drainer has ended: %v\n%s", c.Drainer.err, c.Drainer.tail(20))
		case err == nil && of(p) != last:
			last, moved = of(p), time.Now()
		case time.Since(moved) > standstill:
			return fmt.Errorf("for %s the drainer has been at %d, not at %d, which it lags by %s (%v)\n%s", standstill, last, goal,
				time.Duration((int64(goal)>>18)-(int64(last)>>18))*time.Millisecond, err, c.Drainer.tail(20))
		}
		if !nodes.Sleep(ctx, 20*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// position asks the drainer.
func (n *Node) position(ctx context.Context) (p position, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Addr+"/status", nil)
	if err != nil {
		return p, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, fmt.Errorf("ask %s: %w", n.ID, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		return p, fmt.Errorf("ask %s: status %d: %w", n.ID, resp.StatusCode, err)
	}
	return p, nil
}

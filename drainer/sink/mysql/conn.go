package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"pumphouse/drainer/sink/mysql/rewrite"
)

// flavour is what kind of server the downstream is.
type flavour = rewrite.Kind

const (
	mySQL   = rewrite.MySQL
	mariaDB = rewrite.MariaDB
	tiDB    = rewrite.TiDB
)

// rowMode is the sql_mode for rows: a value that does not fit is an error, but what the
// upstream has stored is never too strange.
const rowMode = "STRICT_TRANS_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"

// Statements about it. The lenient mode is only for what a strict server cannot store.
const (
	setStrict  = "SET sql_mode='" + rowMode + "'"
	setLenient = "SET sql_mode='" + ddlMode + "'"
)

// server makes connections to the downstream.
type server struct {
	Server
	flavour   flavour
	kind      rewrite.Server // the same, with the version
	maxPacket int            // bytes of a statement
	rows      driver.Connector
	ddl       driver.Connector // without a limit of time
	db        *sql.DB          // for the sink's own questions
}

// config is the driver's, with session variables.
func (s Server) config(vars map[string]string) *mysqldriver.Config {
	c := mysqldriver.NewConfig()
	c.User, c.Passwd = s.User, s.Password
	c.Net, c.Addr = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	c.TLS = s.TLS
	c.Timeout, c.ReadTimeout, c.WriteTimeout = s.DialTimeout, s.ReadTimeout, s.ReadTimeout
	c.MultiStatements, c.ClientFoundRows = true, true
	c.MaxAllowedPacket = 1 << 30 // we look at the server's ourselves
	c.Logger = &mysqldriver.NopLogger{}
	c.ConnectionAttributes = "program_name:pumphouse-drainer"
	c.Params = maps.Clone(s.Params)
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	maps.Copy(c.Params, vars) // what the sink needs wins
	return c
}

// connect asks the downstream what it is, and prepares connections to it.
func connect(ctx context.Context, at Server) (*server, error) {
	s := &server{Server: at}
	probe := at.config(nil)
	probe.DialFunc = at.greeted
	first, err := mysqldriver.NewConnector(probe)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.addr(), err)
	}
	db := sql.OpenDB(first)
	defer db.Close()
	vars, err := s.ask(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.addr(), err)
	}
	if s.rows, err = mysqldriver.NewConnector(at.config(vars)); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.addr(), err)
	}
	slow := at.config(vars)
	slow.ReadTimeout = 0
	if s.ddl, err = mysqldriver.NewConnector(slow); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.addr(), err)
	}
	s.db = sql.OpenDB(s.rows)
	s.db.SetConnMaxIdleTime(time.Minute)
	return s, nil
}

// ask finds out what the server is, and gives the session variables for it.
func (s *server) ask(ctx context.Context, db *sql.DB) (vars map[string]string, err error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION(), @@max_allowed_packet").Scan(&version, &s.maxPacket); err != nil {
		return nil, err
	}
	s.maxPacket -= 1024
	// Rows come in no order between tables, TiDB's cascades are in its binlogs, and
	// transactions are applied in parallel: foreign keys hold when all is applied, not before.
	vars = map[string]string{"time_zone": "'+00:00'", "sql_mode": "'" + rowMode + "'", "foreign_key_checks": "0"}
	s.kind = rewrite.ParseServer(version)
	s.flavour = s.kind.Kind
	if s.flavour == tiDB {
		// The upstream has given AUTO_RANDOM columns their values; its MODIFY may take AUTO_INCREMENT away.
		if s.EndIdle {
			if err := optionalAs(ctx, db, vars, idleLimit, "tidb_idle_transaction_timeout"); err != nil {
				return nil, err
			}
		}
		return vars, optional(ctx, db, vars, "allow_auto_random_explicit_insert", "tidb_allow_remove_auto_inc")
	}
	vars["default_storage_engine"] = "'InnoDB'" // the record of what is applied needs transactions
	// TiDB knows no other: a TIMESTAMP is NULL unless it says NOT NULL, and NULL in one is not now.
	if err := optional(ctx, db, vars, "explicit_defaults_for_timestamp"); err != nil {
		return nil, err
	}
	if s.EndIdle {
		if err := optionalAs(ctx, db, vars, idleLimit, "idle_transaction_timeout"); err != nil {
			return nil, err
		}
	}
	var format string
	if err := db.QueryRowContext(ctx, "SELECT IF(@@log_bin, @@binlog_format, '')").Scan(&format); err != nil {
		return nil, err
	}
	if format == "STATEMENT" { // allows no more than REPEATABLE READ
		return vars, nil
	}
	// No locks on gaps: transactions that touch different keys do not wait for each other.
	name := "transaction_isolation"
	if err := db.QueryRowContext(ctx, "SELECT @@transaction_isolation").Scan(new(string)); err != nil {
		name = "tx_isolation"
	}
	vars[name] = "'READ-COMMITTED'"
	return vars, nil
}

// optional switches session variables on that the server has and lets this user set.
func optional(ctx context.Context, db *sql.DB, vars map[string]string, names ...string) error {
	return optionalAs(ctx, db, vars, "1", names...)
}

// optionalAs is optional with another value.
func optionalAs(ctx context.Context, db *sql.DB, vars map[string]string, value string, names ...string) error {
	for _, name := range names {
		_, err := db.ExecContext(ctx, "SET SESSION "+name+"="+value)
		switch {
		case err == nil:
			vars[name] = value
		case code(err) == 0 || transient(err):
			return err
		}
	}
	return nil
}

func (s *server) close() error { return s.db.Close() }

// conn is one connection. It is for one goroutine.
type conn struct {
	raw  driver.Conn
	exec driver.ExecerContext
}

func dial(ctx context.Context, c driver.Connector) (*conn, error) {
	raw, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	exec, ok := raw.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connection is a %T", raw), raw.Close())
	}
	return &conn{raw: raw, exec: exec}, nil
}

// roundTrip is how long the shortest question takes, to the server and back.
func (c *conn) roundTrip(ctx context.Context) (time.Duration, error) {
	p, ok := c.raw.(driver.Pinger)
	if !ok {
		return 0, fmt.Errorf("the driver's connection is a %T", c.raw)
	}
	start := time.Now()
	err := p.Ping(ctx)
	return time.Since(start), err
}

// run sends statements in one text. The text may be used again when it returns.
func (c *conn) run(ctx context.Context, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := c.exec.ExecContext(ctx, string(text), nil)
	return err
}

// count is run for who wants to know how many rows each statement found (UPDATE, DELETE) or
// wrote.
func (c *conn) count(ctx context.Context, text []byte) ([]int64, error) {
	res, err := c.exec.ExecContext(ctx, string(text), nil)
	if err != nil {
		return nil, err
	}
	all, ok := res.(mysqldriver.Result)
	if !ok {
		return nil, fmt.Errorf("the driver's result is a %T", res)
	}
	return all.AllRowsAffected(), nil
}

// number gives the one number that a query answers with; NULL is 0.
func (c *conn) number(ctx context.Context, text string) (int64, error) {
	q, ok := c.raw.(driver.QueryerContext)
	if !ok {
		return 0, fmt.Errorf("the driver's connection is a %T", c.raw)
	}
	rows, err := q.QueryContext(ctx, text, nil)
	if err != nil {
		return 0, err
	}
	row := make([]driver.Value, 1)
	if err := errors.Join(rows.Next(row), rows.Close()); err != nil {
		return 0, err
	}
	switch v := row[0].(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	case []byte:
		return strconv.ParseInt(string(v), 10, 64)
	}
	return 0, fmt.Errorf("%s answers with a %T", text, row[0])
}

func (c *conn) close() {
	_ = c.raw.Close() // it is given up: what it answers does not matter
}

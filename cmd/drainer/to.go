package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/mysql"
	"pumphouse/drainer/tikv"
	"pumphouse/nodes/daemon"

	"github.com/sirupsen/logrus"
)

// toConfig is the section [syncer.to].
type toConfig struct {
	// mysql and tidb
	Host              string           `toml:"host"`
	Port              int              `toml:"port"`
	User              string           `toml:"user"`
	Password          string           `toml:"password"`
	EncryptedPassword string           `toml:"encrypted_password"`
	Security          daemon.Security  `toml:"security"`
	ReadTimeout       string           `toml:"read-timeout"`
	Checkpoint        checkpointConfig `toml:"checkpoint"`
	// file
	Dir           string `toml:"dir"`
	RetentionDays int    `toml:"retention-time"`
	// kafka
	KafkaAddrs          string `toml:"kafka-addrs"`
	KafkaMaxMessages    int    `toml:"kafka-max-messages"`
	KafkaMaxMessageSize int    `toml:"kafka-max-message-size"`
	TopicName           string `toml:"topic-name"`
	KafkaVersion        string `toml:"kafka-version"`
	ZKAddrs             string `toml:"zookeeper-addrs"`

	// Keys that mean nothing here.
	SyncMode      any `toml:"sync-mode"`
	Params        any `toml:"params"`
	Merge         any `toml:"merge"`
	KafkaClientID any `toml:"kafka-client-id"`
}

// checkpointConfig is the section [syncer.to.checkpoint].
type checkpointConfig struct {
	Type              string          `toml:"type"`
	Schema            string          `toml:"schema"`
	Table             string          `toml:"table"`
	Host              string          `toml:"host"`
	Port              int             `toml:"port"`
	User              string          `toml:"user"`
	Password          string          `toml:"password"`
	EncryptedPassword string          `toml:"encrypted_password"`
	Security          daemon.Security `toml:"security"`
}

// downstream is what db-type and [syncer.to] describe.
func (c *config) downstream() (drainer.Downstream, error) {
	to := &c.Syncer.To
	switch c.Syncer.DBType {
	case "file", "pb":
		if to.RetentionDays < 0 {
			return nil, fmt.Errorf("syncer.to.retention-time %d: must be a number of days, or 0 to keep files for ever", to.RetentionDays)
		}
		if to.Checkpoint.Type != "" && to.Checkpoint.Type != "file" {
			return nil, fmt.Errorf("syncer.to.checkpoint.type %q: the checkpoint of db-type file is in the data directory; leave the section out", to.Checkpoint.Type)
		}
		return downstream.File{Dir: to.Dir, Retention: time.Duration(to.RetentionDays) * 24 * time.Hour}, nil
	case "kafka":
		return c.kafka()
	case "mysql", "tidb":
		return c.mysql()
	}
	return nil, fmt.Errorf("db-type %q does not exist: use mysql, tidb, kafka or file", c.Syncer.DBType)
}

// mysql is a database; what [syncer.to] leaves out comes from the environment, as it always did.
func (c *config) mysql() (drainer.Downstream, error) {
	to, s := &c.Syncer.To, &c.Syncer
	server, err := to.server()
	if err != nil {
		return nil, fmt.Errorf("syncer.to.%w", err)
	}
	m := &downstream.MySQL{Host: server.Host, Port: server.Port, User: server.User, Password: server.Password, TLS: server.TLS,
		ReadTimeout: server.ReadTimeout, Workers: s.Workers, TxnBatch: s.TxnBatch, SafeMode: s.SafeMode, SQLMode: s.SQLMode,
		Loopback: s.Loopback, ChannelID: s.ChannelID, StopAtDivergence: s.OnDivergence == "stop", Schema: to.Checkpoint.Schema, Table: to.Checkpoint.Table,
		RelayDir: s.Relay.Dir, RelayMaxFileBytes: s.Relay.MaxFileBytes}
	switch to.Checkpoint.Type {
	case "file":
		m.CheckpointFile = true
	case "", "mysql", "tidb":
		if to.Checkpoint.Host == "" {
			break
		}
		other, err := to.Checkpoint.server()
		if err != nil {
			return nil, fmt.Errorf("syncer.to.checkpoint.%w", err)
		}
		m.CheckpointServer = &other
	default:
		return nil, fmt.Errorf("syncer.to.checkpoint.type %q does not exist: use mysql, tidb or file", to.Checkpoint.Type)
	}
	return m, nil
}

func (to *toConfig) server() (mysql.Server, error) {
	port, _ := strconv.Atoi(os.Getenv("MYSQL_PORT"))
	s := mysql.Server{Host: cmp.Or(to.Host, os.Getenv("MYSQL_HOST"), "localhost"), Port: cmp.Or(to.Port, port, 3306),
		User: cmp.Or(to.User, os.Getenv("MYSQL_USER"), "root")}
	var err error
	if to.ReadTimeout != "" {
		if s.ReadTimeout, err = time.ParseDuration(to.ReadTimeout); err != nil || s.ReadTimeout <= 0 {
			return s, fmt.Errorf("read-timeout %q: use a duration such as 1m", to.ReadTimeout)
		}
	}
	if s.TLS, err = to.Security.Client(); err != nil {
		return s, fmt.Errorf("security: %w", err)
	}
	s.Password, err = password(cmp.Or(to.Password, os.Getenv("MYSQL_PSWD")), to.EncryptedPassword)
	return s, err
}

// password gives the plain password, or the encrypted one's text, which wins. Errors have
// nothing of either.
func password(plain, encrypted string) (string, error) {
	if encrypted == "" {
		return plain, nil
	}
	text, err := daemon.Decrypt(os.Getenv(daemon.SecretKeyVar), encrypted)
	if err != nil {
		return "", fmt.Errorf("encrypted_password: %w", err)
	}
	return text, nil
}

func (at *checkpointConfig) server() (mysql.Server, error) {
	s := mysql.Server{Host: at.Host, Port: at.Port, User: at.User}
	var err error
	if s.TLS, err = at.Security.Client(); err != nil {
		return s, fmt.Errorf("security: %w", err)
	}
	s.Password, err = password(at.Password, at.EncryptedPassword)
	return s, err
}

func (c *config) kafka() (drainer.Downstream, error) {
	to := &c.Syncer.To
	if to.ZKAddrs != "" {
		return nil, errors.New("syncer.to.zookeeper-addrs: brokers are not looked up in ZooKeeper any more: name them with kafka-addrs")
	}
	if to.Checkpoint.Type != "" && to.Checkpoint.Type != "file" {
		return nil, fmt.Errorf("syncer.to.checkpoint.type %q: the checkpoint of db-type kafka is in the data directory; leave the section out", to.Checkpoint.Type)
	}
	addrs := cmp.Or(to.KafkaAddrs, os.Getenv("KAFKA_ADDRS"), "127.0.0.1:9092")
	tlsConfig, err := to.Security.Client()
	if err != nil {
		return nil, fmt.Errorf("syncer.to.security: %w", err)
	}
	return downstream.Kafka{Addrs: strings.Split(addrs, ","), Topic: to.TopicName, Version: to.KafkaVersion,
		MaxMessages: to.KafkaMaxMessages, MaxMessageBytes: to.KafkaMaxMessageSize, TLS: tlsConfig}, nil
}

// schemaSource is where the DDL jobs come from: TiKV, or the directory that is named.
func (c *config) schemaSource(pdURLs []string, log logrus.FieldLogger) (schema.Source, func(), error) {
	if c.SchemaDir != "" {
		return schema.Dir(c.SchemaDir), func() {}, nil
	}
	jobs, err := tikv.New(pdURLs, c.Security.Security, log)
	if err != nil {
		return nil, nil, err
	}
	return jobs, func() { _ = jobs.Close() }, nil
}

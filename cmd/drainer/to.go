package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pumphouse/drainer"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/nodes/daemon"

	"github.com/sirupsen/logrus"
)

// toConfig is the section [syncer.to].
type toConfig struct {
	// mysql and tidb
	Host              string            `toml:"host"`
	Port              int               `toml:"port"`
	User              string            `toml:"user"`
	Password          string            `toml:"password"`
	EncryptedPassword string            `toml:"encrypted_password"`
	Security          daemon.Security   `toml:"security"`
	Params            map[string]string `toml:"params"`
	ReadTimeout       string            `toml:"read-timeout"`
	Checkpoint        checkpointConfig  `toml:"checkpoint"`
	// file
	Dir           string `toml:"dir"`
	RetentionDays int    `toml:"retention-time"`
	// kafka
	KafkaAddrs          string `toml:"kafka-addrs"`
	KafkaMaxMessages    int    `toml:"kafka-max-messages"`
	KafkaMaxMessageSize int    `toml:"kafka-max-message-size"`
	TopicName           string `toml:"topic-name"`
	ZKAddrs             string `toml:"zookeeper-addrs"`

	// Keys that mean nothing here.
	SyncMode      any `toml:"sync-mode"`
	Merge         any `toml:"merge"`
	KafkaClientID any `toml:"kafka-client-id"`
	KafkaVersion  any `toml:"kafka-version"`
}

// checkpointConfig is the section [syncer.to.checkpoint].
type checkpointConfig struct {
	Type              string          `toml:"type"`
	Schema            string          `toml:"schema"`
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
	case "mysql", "tidb", "kafka":
		return nil, fmt.Errorf("db-type %q is not built into this drainer: use file", c.Syncer.DBType)
	}
	return nil, fmt.Errorf("db-type %q does not exist: use mysql, tidb, kafka or file", c.Syncer.DBType)
}

// schemaSource is where the DDL jobs come from.
func (c *config) schemaSource(_ context.Context, _ []string, _ logrus.FieldLogger) (schema.Source, func(), error) {
	if c.SchemaDir != "" {
		return schema.Dir(c.SchemaDir), func() {}, nil
	}
	return nil, nil, errors.New("reading DDL jobs from TiKV is not built into this drainer: give a directory with -schema-dir")
}

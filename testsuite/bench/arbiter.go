package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pumphouse/drainer/message"
	"pumphouse/drainer/sink"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// benchArbiter prints how fast bin/arbiter brings rows from a topic, of a broker in this process, into MariaDB.
func benchArbiter(ctx context.Context, program string, rounds int, cells *regexp.Regexp, oneWays []time.Duration) error {
	b := restoreBench{oneWays: oneWays, rounds: rounds, cells: cells, table: 400, txnRows: 64}
	b.title = "arbiter: rows from a Kafka topic into MariaDB\n\nFrom the start of bin/arbiter until its checkpoint has the last message; the broker is kfake in the bench's process"
	b.apply = func(db *mariadbtest.Server, table int64, c rowsCase, round int, rows []row) (time.Duration, error) {
		return arbitrate(ctx, program, db, table, c, round, rows)
	}
	return b.run(ctx)
}

// arbitrate fills a topic and has it applied.
func arbitrate(ctx context.Context, program string, db *mariadbtest.Server, table int64, c rowsCase, round int, rows []row) (took time.Duration, err error) {
	topic := fmt.Sprintf("bench-%d-%d", table, round)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "104857600"}))
	if err != nil {
		return 0, err
	}
	defer broker.Close()
	list := transactions(nodes.MakeTSO(time.Now(), 0), table, c, rows)
	if err := fillTopic(ctx, broker, topic, list); err != nil {
		return 0, err
	}
	last := list[len(list)-1].CommitTS
	dir, err := os.MkdirTemp("", "bench-arbiter")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config := filepath.Join(dir, "arbiter.toml")
	text := fmt.Sprintf("addr = \"127.0.0.1:0\"\nlog-level = \"error\"\n[up]\nkafka-addrs = %q\ntopic = %q\n[down]\nhost = %q\nport = %d\n", strings.Join(broker.ListenAddrs(), ","), topic, db.Host, db.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, err
	}
	pool, err := openPool(db)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	began := time.Now()
	p, err := start("ready:", program, "-config", config)
	if err != nil {
		return 0, err
	}
	err = arrives(ctx, pool, topic, last)
	took = time.Since(began)
	return took, errors.Join(err, p.stop())
}

// fillTopic writes transactions to a topic as a drainer does.
func fillTopic(ctx context.Context, broker *kfake.Cluster, topic string, list []*sink.Txn) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(100<<20), kgo.MaxBufferedRecords(len(list)+1))
	if err != nil {
		return err
	}
	defer client.Close()
	e := message.NewEncoder(time.UTC)
	var records []*kgo.Record
	for _, x := range list {
		value, err := e.Encode(x)
		if err != nil {
			return err
		}
		records = append(records, &kgo.Record{Value: value})
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// arrives waits until arbiter's checkpoint is at a commit TS.
func arrives(ctx context.Context, pool *sql.DB, topic string, last nodes.TSO) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("arbiter did not get to the end of the topic in 10 minutes"))
	defer cancel()
	var at nodes.TSO
	for nodes.Sleep(ctx, 5*time.Millisecond) {
		_ = pool.QueryRowContext(ctx, "SELECT ts FROM tidb_binlog.arbiter_checkpoint WHERE topic_name = ?", topic).Scan(&at) // not there yet
		if at >= last {
			return nil
		}
	}
	return context.Cause(ctx)
}

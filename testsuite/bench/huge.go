package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protowire"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
)

// hugeBench measures what one transaction of very many rows costs each program that it goes through.
type hugeBench struct {
	*drainerBench
	sizes []int          // of the transactions' binlogs, in MiB
	lines *regexp.Regexp // which of pump, mariadb, file, kafka and relay
}

// hugeSizes reads a list like 200,1000.
func hugeSizes(text string) (sizes []int, err error) {
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n <= 0 || n >= 2048 {
			return nil, fmt.Errorf("-huge-mib %q: use sizes from 1 to 2047, such as 200,1000", text)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// settled is how long after a transaction the resident memory is looked at once more.
const settled = 10 * time.Second

func (b *hugeBench) run(ctx context.Context) error {
	fmt.Printf("### One huge transaction\n\nOne transaction of rows of 200 bytes, inserts into one table. From the start of the write, or of the drainer, until it is\n"+
		"downstream for good; peak is VmHWM of the process, after its resident memory %s later. The pump has been pulled from by one\n"+
		"drainer then. Kafka is kfake in the bench's process.\n\n"+
		"| process | MB of binlog | s | peak MB | at rest before MB | peak / binlog | after MB | CPU s | CPU ms a MB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n", settled)
	for _, mib := range b.sizes {
		if err := b.on(func(ctx context.Context, s *site) error { return b.size(ctx, s, mib) }); err != nil {
			return fmt.Errorf("huge: %d MiB: %w", mib, err)
		}
	}
	fmt.Println()
	return nil
}

// costs is what one process took.
type costs struct {
	p      *process
	began  time.Time
	cpu    time.Duration
	before int64
}

func costsOf(p *process) *costs {
	c := &costs{p: p, began: time.Now(), cpu: p.cpu()}
	c.before, _ = p.rss()
	return c
}

// print waits a while, and prints a line.
func (c *costs) print(name string, bytes int) error {
	took, cpu := time.Since(c.began), c.p.cpu()-c.cpu
	time.Sleep(settled)
	peak, err := c.p.peak()
	if err != nil {
		return err
	}
	after, err := c.p.rss()
	if err != nil {
		return err
	}
	mb := float64(bytes) / 1e6
	fmt.Printf("| %s | %.0f | %.1f | %.0f | %.0f | %.2f | %.0f | %.1f | %.1f |\n", name, mb, took.Seconds(), float64(peak)/1e6, float64(c.before)/1e6,
		float64(peak)/float64(bytes), float64(after)/1e6, cpu.Seconds(), float64(cpu.Milliseconds())/mb)
	return nil
}

// isAt waits until everything up to ts is downstream, whatever the drainer complains of meanwhile.
func isAt(ctx context.Context, d *process, ts nodes.TSO) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for nodes.Sleep(ctx, 20*time.Millisecond) {
		var st struct{ Applied nodes.TSO }
		if err := getJSON(ctx, "http://"+lastField(d.line)+"/status", &st); err != nil || st.Applied >= ts {
			return err
		}
	}
	return fmt.Errorf("the drainer has not got to %s in 20 minutes", ts)
}

// hugeTable is the table of the rows.
const hugeTable = 900

func (b *hugeBench) size(ctx context.Context, s *site, mib int) error {
	pump, u, err := s.onePump(ctx)
	if err != nil {
		return err
	}
	defer u.close()
	origin, err := u.createTable(ctx, hugeTable)
	if err != nil {
		return err
	}
	value := u.manyRows(hugeTable, mib<<20)
	write := costsOf(pump)
	last, err := u.transact(ctx, 0, &binlogpb.Binlog{PrewriteValue: value})
	if err != nil {
		return err
	}
	bytes := len(value)
	value = nil //nolint:ineffassign // its memory is not to stand beside what is measured
	pulled := false
	print := func(name string, to string, args ...string) error {
		if !b.lines.MatchString(name) {
			return nil
		}
		d, err := s.startDrainer(u, to, append(args, "-initial-commit-ts", origin.String(), "-node-id", name, "-data-dir", filepath.Join(s.dir, name))...)
		if err != nil {
			return err
		}
		c := costsOf(d)
		err = isAt(ctx, d, last)
		if !pulled && err == nil && b.lines.MatchString("pump") {
			pulled = true
			err = write.print("pump", bytes)
		}
		if err == nil {
			err = c.print(name, bytes)
		}
		return errors.Join(err, d.stop())
	}
	if err := print("file", fmt.Sprintf("dir = %q\n", filepath.Join(s.dir, "files")), "-dest-db-type", "file"); err != nil {
		return err
	}
	if err := b.kafka(last, print); err != nil {
		return err
	}
	for _, name := range []string{"mariadb", "relay"} {
		if !b.lines.MatchString(name) {
			continue
		}
		err := withMariaDB(func(db *mariadbtest.Server) error {
			to := fmt.Sprintf("host = %q\nport = %d\nuser = \"root\"\n", db.Host, db.Port)
			if err := createHuge(ctx, db); err != nil {
				return err
			}
			if name == "relay" {
				to += fmt.Sprintf("[syncer.relay]\nlog-dir = %q\n", filepath.Join(s.dir, "relaylog"))
			}
			return print(name, to)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// createHuge makes the table, which the drainer's start is after.
func createHuge(ctx context.Context, db *mariadbtest.Server) error {
	pool, err := openPool(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, q := range []string{"CREATE DATABASE bench", "CREATE TABLE bench." + tableName(hugeTable) + " " + createColumns} {
		if _, err := pool.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// kafka measures with a broker in this process.
func (b *hugeBench) kafka(last nodes.TSO, print func(name, to string, args ...string) error) error {
	if !b.lines.MatchString("kafka") {
		return nil
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer broker.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		return err
	}
	defer client.Close()
	most := "2000000000"
	if _, err := kadm.NewClient(client).CreateTopic(context.Background(), 1, 1, map[string]*string{"max.message.bytes": &most}, "huge"); err != nil {
		return err
	}
	return print("kafka", fmt.Sprintf("kafka-addrs = %q\ntopic-name = \"huge\"\n", strings.Join(broker.ListenAddrs(), ",")), "-dest-db-type", "kafka")
}

// manyRows is the prewrite value of a transaction that inserts rows until it has so many bytes. It is written
// at once: a message of its rows would take several times the memory.
func (u *upstream) manyRows(table int64, bytes int) []byte {
	rows := make([]byte, 0, bytes)
	text := digits(table1, textC+textPad)
	var r []byte
	count := 0
	for id := 1; len(rows) < bytes-4096-2*count; id++ {
		r = appendInt(appendInt(appendInt(r[:0], id), 2), id)
		r = appendInt(r, 3)
		r = append(binary.AppendVarint(append(r, 2), textC), text[:textC]...)
		copy(r[len(r)-10:], fmt.Sprintf("%010d", id))
		r = append(binary.AppendVarint(append(appendInt(r, 4), 2), textPad), text[textC:]...)
		rows = protowire.AppendTag(rows, 2, protowire.BytesType)
		rows = protowire.AppendBytes(rows, r)
		count++
	}
	mutation := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(table))
	size := len(mutation) + len(rows) + 2*count
	v := make([]byte, 0, size+32)
	v = protowire.AppendVarint(protowire.AppendTag(v, 1, protowire.VarintType), uint64(u.job))
	v = protowire.AppendVarint(protowire.AppendTag(v, 2, protowire.BytesType), uint64(size))
	v = append(append(v, mutation...), rows...)
	for range count {
		v = append(v, 7<<3, 0) // the sequence, as TiDB writes it: not packed
	}
	return v
}

const table1 = 4711 // any number: of the texts

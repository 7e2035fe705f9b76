package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb/pbfile"
	"pumphouse/drainer"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/downstream"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/nodes/life"
	"pumphouse/testsuite/form"
)

// Files is a drainer that writes files, with its data directory.
type Files struct {
	u    *Shop
	Opts drainer.Options
	Log  *form.Lines
	*drainer.Drainer
}

// Drainer makes a drainer from the beginning of all binlogs; start starts it.
func (u *Shop) Drainer(id string) *Files {
	f := &Files{u: u, Log: new(form.Lines)}
	log := logrus.New()
	log.SetOutput(f.Log)
	f.Opts = drainer.Options{Options: life.Options{NodeID: id, Addr: "127.0.0.1:0", DataDir: u.TempDir(), Registry: u.Registry, PD: u.PD, Logger: log},
		Schema: schema.Dir(u.Jobs), Downstream: downstream.File{}, SaveEvery: 20 * time.Millisecond}
	return f
}

func (f *Files) Start() *Files {
	f.u.Helper()
	d, err := drainer.New(f.Opts)
	if err == nil {
		err = d.Open(context.Background())
	}
	if err != nil {
		f.u.Fatal(err)
	}
	f.Drainer = d
	f.u.Cleanup(func() { d.Close() })
	return f
}

// Consumes waits until everything up to a commit TS is downstream for good.
func (f *Files) Consumes(ts nodes.TSO) {
	f.u.Helper()
	Eventually(f.u, 20*time.Second, fmt.Sprintf("%s consumes %s", f.Opts.NodeID, ts), func() (bool, string) {
		at := f.Position()
		return at >= ts, at.String() + "\n" + f.Log.String()
	})
}

// Position is the drainer's checkpoint.
func (f *Files) Position() nodes.TSO {
	b, err := os.ReadFile(filepath.Join(f.Opts.DataDir, "savepoint"))
	if err != nil {
		return 0
	}
	var ts int64
	fmt.Sscanf(string(b), "commitTS = %d", &ts)
	return nodes.TSO(ts)
}

// Ends waits for the end of the drainer.
func (f *Files) Ends() error {
	f.u.Helper()
	over := make(chan error, 1)
	go func() { over <- f.Wait() }()
	select {
	case err := <-over:
		return err
	case <-time.After(Timeout):
		f.u.Fatalf("the drainer does not end\n%s", f.Log)
		return nil
	}
}

// Written is one transaction in the files: its commit TS and what it does.
type Written struct {
	TS   nodes.TSO
	What string
}

// Written reads the files.
func (f *Files) Written() (all []Written) {
	f.u.Helper()
	paths, err := binlogfile.Files(f.Opts.DataDir)
	if err != nil {
		f.u.Fatal(err)
	}
	for _, path := range paths {
		err := binlogfile.Each(path, func(rec binlogfile.Record) error {
			b, err := rec.Decode()
			if err != nil {
				f.u.Fatal(err)
			}
			all = append(all, Written{nodes.TSO(b.GetCommitTs()), summary(f.u, b)})
			return nil
		})
		var torn *binlogfile.DamageError // by a drainer that is writing
		if err != nil && !errors.As(err, &torn) {
			f.u.Fatal(err)
		}
	}
	return all
}

// summary is a transaction as tests write it: a statement, or table and text of each row.
func summary(t testing.TB, b *pbfile.Binlog) string {
	if b.GetTp() == pbfile.BinlogType_DDL {
		return string(b.GetDdlQuery())
	}
	var parts []string
	for _, e := range b.GetDmlData().GetEvents() {
		text := e.GetTableName()
		for _, raw := range e.GetRow() {
			var c pbfile.Column
			if err := proto.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			v, err := binlogfile.Value(c.GetValue())
			if err != nil {
				t.Fatal(err)
			}
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			text += fmt.Sprintf(" %v", v)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

package replication

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/pump/storage"
	"pumphouse/pump/tikv"
	"pumphouse/testsuite/form"
)

// TestUndetermined: TiKV hangs while TiDB commits, until TiDB gives up and reports the transaction as rolled back
// to the pump, and then commits it after all. It comes downstream.
func TestUndetermined(t *testing.T) {
	form.LongOnly(t, "TiDB gives up after 40 s")
	c := Start(t, Options{})
	c.StartDrainer(`on-divergence = "stop"`)
	db := c.Open("")
	defer db.Close()
	execAll(t, db, []string{"create database lost", "create table lost.t (id int primary key, v int)", "insert into lost.t values (1, 0), (2, 0)"})
	var tableID int64
	if err := db.QueryRow("select tidb_table_id from information_schema.tables where table_schema = 'lost' and table_name = 't'").Scan(&tableID); err != nil {
		t.Fatal(err)
	}
	if err := c.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	asker, err := tikv.New(tikv.Options{Endpoints: c.PD.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()

	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "begin optimistic"); err != nil {
		t.Fatal(err)
	}
	var start nodes.TSO
	if err := conn.QueryRowContext(t.Context(), "select @@tidb_current_ts").Scan((*int64)(&start)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "update lost.t set v = 1"); err != nil {
		t.Fatal(err)
	}
	var thaw []func()
	for _, p := range c.Pumps { // TiDB does not ask for a commit TS before they have the prewrite
		thaw = append(thaw, p.freeze())
	}
	committed := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(t.Context(), "commit")
		committed <- err
	}()
	for {
		v, _, err := asker.Resolve(t.Context(), storage.Question{StartTS: start, Key: rowKey(tableID, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if v == storage.Locked {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Store.Freeze(); err != nil {
		t.Fatal(err)
	}
	for _, f := range thaw {
		f()
	}
	if err := <-committed; err == nil {
		t.Fatal("TiDB has committed in a TiKV that hangs")
	}
	for deadline := time.Now().Add(2 * time.Minute); !slices.ContainsFunc(c.Pumps, reported); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no pump says that TiDB has reported the transaction as rolled back")
		}
	}
	if err := c.Store.Thaw(); err != nil {
		t.Fatal(err)
	}
	c.TiDB.Kill() // it would wait for a health check that unistore does not know
	if err := c.TiDB.Start(t); err != nil {
		t.Fatal(err)
	}
	up := c.Open("")
	defer up.Close()
	var v int
	if err := up.QueryRow("select v from lost.t where id = 1").Scan(&v); err != nil || v != 1 {
		t.Errorf("v is %d in TiDB (%v): it has not committed, nothing was tested", v, err)
	}
	c.sameAs(t, up)
}

// reported reports whether a pump has heard of a rollback that it does not believe yet.
func reported(p *Node) bool {
	return bytes.Contains(p.tail(100), []byte("TiDB reports a transaction as rolled back"))
}

// rowKey is TiKV's key of a row with an integer primary key.
func rowKey(tableID, handle int64) []byte {
	number := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63) }
	return append(append(append([]byte("t"), number(tableID)...), "_r"...), number(handle)...)
}

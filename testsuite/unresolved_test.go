package testsuite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"

	"google.golang.org/protobuf/proto"
)

// orphan writes the prewrite of a row to a pump, as a TiDB does that dies then, and gives its
// start TS. Nothing but an operator can tell its outcome: the rig has no TiKV.
func (tr *trade) orphan(pump string, id int64) nodes.TSO {
	tr.Helper()
	row := encodedInt(encodedInt(nil, id), 2)
	row = append(binary.AppendVarint(append(row, 2), 1), 'o')
	value, err := binlogpb.EncodePrewriteValue(&binlogpb.PrewriteValue{SchemaVersion: proto.Int64(tr.job), Mutations: []*binlogpb.TableMutation{
		{TableId: proto.Int64(firstTable), InsertedRows: [][]byte{row}, Sequence: []binlogpb.MutationType{binlogpb.MutationType_Insert}}}})
	if err != nil {
		tr.Fatal(err)
	}
	start := tr.tso()
	key := []byte("t\x80\x00\x00\x00\x00\x00\x00\x64_r\x80\x00\x00\x00\x00\x00\x00" + string([]byte{byte(id)}))
	if err := tr.send(pump, &binlogpb.Binlog{Tp: binlogpb.BinlogType_Prewrite.Enum(), StartTs: proto.Int64(int64(start)), PrewriteKey: key, PrewriteValue: value}); err != nil {
		tr.Fatal(err)
	}
	return start
}

// TestOperatorResolves: two transactions whose TiDB has died block replication; everything that shows
// it names the pump, the start TS and the command; one is rolled back with binlogctl, the other
// committed on the console, and the downstream then has exactly what it must.
func TestOperatorResolves(t *testing.T) {
	c := newPumps(t, pdtest.StartEmbed(t))
	tr := c.newTrade("pump1", "pump2")
	d := tr.drainer("drainer1")
	d.launch()
	d.consumes(tr, tr.want[len(tr.want)-1].ts)
	lost := tr.orphan("pump1", 201)
	tr.sell("pump1")
	kept := tr.orphan("pump1", 202)
	commitTS := tr.tso()
	tr.want = append(tr.want, written{commitTS, "t100 202 o"})
	tr.sell("pump2")
	last := tr.sell("pump1")
	console := startConsole(t, c.endpoints)
	db := console.open(t)

	t.Run("shown", func(t *testing.T) {
		d.held("pump1", "online", "start TS "+lost.String())
		d.held("pump1", "online", fmt.Sprintf("binlogctl -cmd resolve -node-id pump1 -start-ts %s", lost))
		eventually(t, 20*time.Second, "binlogctl lists both", func() (bool, string) {
			out, ok := c.binlogctl("-cmd", "unresolved")
			return ok && strings.Contains(out, lost.String()) && strings.Contains(out, kept.String()) &&
				strings.Contains(out, "table 100, row 201 (7480000000000000645f7280000000000000c9)") &&
				strings.Contains(out, fmt.Sprintf("-cmd resolve -node-id pump1 -start-ts %s", lost)), out
		})
		out, ok := c.binlogctl("-cmd", "unresolved", "-o", "json", "-node-id", "pump1")
		var list []nodes.UnresolvedList
		if err := json.Unmarshal([]byte(out), &list); err != nil || !ok || len(list) != 1 || len(list[0].Transactions) != 2 ||
			list[0].Transactions[0].StartTS != lost || fmt.Sprint(list[0].Transactions[1].Tables) != "[100]" {
			t.Errorf("as JSON: %v %v\n%s", ok, err, out)
		}
		if rows := scanAll(t, db, "SELECT pump, start_ts, primary_key, table_ids FROM binlog.unresolved"); len(rows) != 2 ||
			rows[0] != fmt.Sprintf("pump1|%s|table 100, row 201|100", lost) {
			t.Errorf("binlog.unresolved has %q", rows)
		}
		eventually(t, 20*time.Second, "SHOW DRAINER STATUS warns", func() (bool, string) {
			scanAll(t, db, "SHOW DRAINER STATUS")
			warnings := strings.Join(scanAll(t, db, "SHOW WARNINGS"), "\n")
			return strings.Contains(warnings, lost.String()) && strings.Contains(warnings, "pump1"), warnings
		})
	})

	t.Run("refused", func(t *testing.T) {
		for _, args := range [][]string{
			{"-node-id", "pump1", "-start-ts", "5", "-rollback"},                                        // not there
			{"-node-id", "pump2", "-start-ts", lost.String(), "-rollback"},                              // another pump's
			{"-node-id", "pump1", "-start-ts", lost.String(), "-commit-ts", lost.String()},              // not after its start
			{"-node-id", "pump1", "-start-ts", lost.String(), "-commit-ts", "9000000000000000000"},      // PD has not given it
			{"-node-id", "pump1", "-start-ts", lost.String(), "-commit-ts", tr.want[2].ts.String()},     // another transaction's
			{"-node-id", "nope", "-start-ts", lost.String(), "-rollback"},                               // no such pump
			{"-node-id", "pump1", "-start-ts", lost.String()},                                           // no outcome
			{"-node-id", "pump1", "-start-ts", lost.String(), "-rollback", "-commit-ts", last.String()}, // two
			{"-node-id", "pump1", "-rollback"},                                                          // of what
		} {
			if out, ok := c.binlogctl(append([]string{"-cmd", "resolve"}, args...)...); ok || out == "" {
				t.Errorf("resolve %v: success %v\n%s", args, ok, out)
			}
		}
		if rows := scanAll(t, db, "SELECT start_ts FROM binlog.unresolved"); len(rows) != 2 {
			t.Errorf("after that unresolved are %q", rows)
		}
	})

	t.Run("decided", func(t *testing.T) {
		out, ok := c.binlogctl("-cmd", "resolve", "-node-id", "pump1", "-start-ts", lost.String(), "-rollback")
		if !ok || !strings.Contains(out, lost.String()) || !strings.Contains(out, "rolled back") {
			t.Fatalf("success %v\n%s", ok, out)
		}
		if _, err := db.Exec(fmt.Sprintf("RESOLVE TRANSACTION %s ON PUMP 'pump1' COMMIT %s", kept, commitTS)); err != nil {
			t.Fatal(err)
		}
		d.consumes(tr, last)
		d.free("pump1")
		if rows := scanAll(t, db, "SELECT start_ts FROM binlog.unresolved"); len(rows) != 0 {
			t.Errorf("unresolved are still %q", rows)
		}
		events, _ := c.binlogctl("-cmd", "events", "-node-id", "pump1")
		for _, text := range []string{fmt.Sprintf("resolve -start-ts %s -rollback (binlogctl)", lost), fmt.Sprintf("RESOLVE TRANSACTION %s COMMIT %s (console)", kept, commitTS)} {
			if !strings.Contains(events, text) {
				t.Errorf("the audit lacks %q:\n%s", text, events)
			}
		}
	})

	d.signal(syscall.SIGTERM)
	d.ends(0)
	d.exact(tr)

	// What cannot be asked is named, and the list is not called complete.
	p := c.record("pump2")
	for _, s := range []nodes.State{nodes.Paused, nodes.Online} {
		p.State, p.Host = s, deadAddr(t)
		raw, err := nodes.EncodeRecord(p)
		if err != nil {
			t.Fatal(err)
		}
		put(t, c.etcd, nodes.Pump.Key("pump9"), strings.Replace(string(raw), "pump2", "pump9", 1))
		if out, ok := c.binlogctl("-cmd", "unresolved"); ok || !strings.Contains(out, "pump9") || !strings.Contains(out, string(s)) {
			t.Errorf("a pump that is away: success %v\n%s", ok, out)
		}
	}
}

// TestAdminSettingOfPrograms: flag and file, what is refused, and the warning at the start.
func TestAdminSettingOfPrograms(t *testing.T) {
	c := newPumps(t, pdtest.StartEmbed(t))
	p := c.start("pump1", "-admin", "loopback")
	if code, body := p.ask(http.MethodGet, "/debug/binlog/5"); code != http.StatusNotFound {
		t.Errorf("from this machine: %d %s", code, body)
	}
	if strings.Contains(p.output(), "without TLS") {
		t.Errorf("a warning on a loopback address:\n%s", p.output())
	}
	for _, program := range []string{"pump", "drainer"} {
		r := runToEnd(t, "", nil, program, "-admin", "everybody")
		r.expect(t, program+" with an unknown value", 2, "", `"everybody"`)
		config := writeFile(t, program+".toml", "[security]\nadmin = \"cert\"\n")
		r = runToEnd(t, "", nil, program, "-config", config)
		r.expect(t, program+" with cert and no TLS", 2, "", "ssl-ca")
	}
	open := c.node("pump2")
	open.addr = "0.0.0.0:0"
	open.args = append(open.args, "-advertise-addr", "127.0.0.1:0")
	open.launch()
	open.says("open to other machines without TLS", "admin")
}

// scanAll runs a query and gives its rows, cells joined by |.
func scanAll(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return scanRows(t, rows)
}

// TestAdminNeedsACertificate: a pump with TLS takes orders from who shows a certificate, and none over
// its Unix socket, where nobody does; who only looks is served there.
func TestAdminNeedsACertificate(t *testing.T) {
	certs := pdtest.NewCerts(t)
	c := newPumps(t, pdtest.StartEmbedTLS(t, certs))
	config := writeFile(t, "pump.toml", fmt.Sprintf("[security]\nssl-ca = %q\nssl-cert = %q\nssl-key = %q\nadmin = \"cert\"\n[storage]\nstop-write-at-available-space = \"1 MiB\"\n",
		certs.CAFile, certs.CertFile, certs.KeyFile))
	socket := filepath.Join(t.TempDir(), "s")
	p := c.start("pump1", "-config", config, "-socket", socket)
	local := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	for _, r := range []struct {
		method, path string
		code         int
	}{
		{http.MethodPut, "/state/pump1/pause", 403}, {http.MethodPut, "/unresolved/5/rollback", 403}, {http.MethodGet, "/unresolved", 403},
		{http.MethodPost, "/debug/gc/trigger", 403}, {http.MethodGet, "/debug/binlog/5", 403}, {http.MethodGet, "/status", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, "http://pump"+r.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := local.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != r.code || r.code == 403 && !strings.Contains(string(body), `admin = \"cert\"`) {
			t.Errorf("%s %s: %d, want %d: %s, %v", r.method, r.path, resp.StatusCode, r.code, body, err)
		}
	}
	p.hasState(nodes.Online)
	out, ok := c.binlogctl("-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile, "-cmd", "pause-pump", "-node-id", "pump1", "-wait", "20")
	if !ok {
		t.Errorf("binlogctl with a certificate: %s", out)
	}
}

package pump

import (
	"context"
	"database/sql"
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

	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// TestOperatorResolves: two transactions whose TiDB has died block replication; everything that shows
// it names the pump, the start TS and the command; one is rolled back with binlogctl, the other
// committed on the console, and the downstream then has exactly what it must.
func TestOperatorResolves(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	tr := c.NewTrade("pump1", "pump2")
	d := tr.Drainer("drainer1")
	d.Launch()
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS)
	lost := tr.Orphan("pump1", 201)
	tr.Sell("pump1")
	kept := tr.Orphan("pump1", 202)
	commitTS := tr.TSO()
	tr.Want = append(tr.Want, rig.Written{TS: commitTS, What: "t100 202 o"})
	tr.Sell("pump2")
	last := tr.Sell("pump1")
	console := rig.StartConsole(t, c.Endpoints)
	db := console.Open(t)

	t.Run("shown", func(t *testing.T) {
		d.Held("pump1", "online", "start TS "+lost.String())
		d.Held("pump1", "online", fmt.Sprintf("binlogctl -cmd resolve -node-id pump1 -start-ts %s", lost))
		rig.Eventually(t, 20*time.Second, "binlogctl lists both", func() (bool, string) {
			out, ok := c.Binlogctl("-cmd", "unresolved")
			return ok && strings.Contains(out, lost.String()) && strings.Contains(out, kept.String()) &&
				strings.Contains(out, "table 100, row 201 (7480000000000000645f7280000000000000c9)") &&
				strings.Contains(out, fmt.Sprintf("-cmd resolve -node-id pump1 -start-ts %s", lost)), out
		})
		out, ok := c.Binlogctl("-cmd", "unresolved", "-o", "json", "-node-id", "pump1")
		var list []nodes.UnresolvedList
		if err := json.Unmarshal([]byte(out), &list); err != nil || !ok || len(list) != 1 || len(list[0].Transactions) != 2 ||
			list[0].Transactions[0].StartTS != lost || fmt.Sprint(list[0].Transactions[1].Tables) != "[100]" {
			t.Errorf("as JSON: %v %v\n%s", ok, err, out)
		}
		if rows := scanAll(t, db, "SELECT pump, start_ts, primary_key, table_ids FROM binlog.unresolved"); len(rows) != 2 ||
			rows[0] != fmt.Sprintf("pump1|%s|table 100, row 201|100", lost) {
			t.Errorf("binlog.unresolved has %q", rows)
		}
		rig.Eventually(t, 20*time.Second, "SHOW DRAINER STATUS warns", func() (bool, string) {
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
			{"-node-id", "pump1", "-start-ts", lost.String(), "-commit-ts", tr.Want[2].TS.String()},     // another transaction's
			{"-node-id", "nope", "-start-ts", lost.String(), "-rollback"},                               // no such pump
			{"-node-id", "pump1", "-start-ts", lost.String()},                                           // no outcome
			{"-node-id", "pump1", "-start-ts", lost.String(), "-rollback", "-commit-ts", last.String()}, // two
			{"-node-id", "pump1", "-rollback"},                                                          // of what
		} {
			if out, ok := c.Binlogctl(append([]string{"-cmd", "resolve"}, args...)...); ok || out == "" {
				t.Errorf("resolve %v: success %v\n%s", args, ok, out)
			}
		}
		if rows := scanAll(t, db, "SELECT start_ts FROM binlog.unresolved"); len(rows) != 2 {
			t.Errorf("after that unresolved are %q", rows)
		}
	})

	t.Run("decided", func(t *testing.T) {
		out, ok := c.Binlogctl("-cmd", "resolve", "-node-id", "pump1", "-start-ts", lost.String(), "-rollback")
		if !ok || !strings.Contains(out, lost.String()) || !strings.Contains(out, "rolled back") {
			t.Fatalf("success %v\n%s", ok, out)
		}
		if _, err := db.Exec(fmt.Sprintf("RESOLVE TRANSACTION %s ON PUMP 'pump1' COMMIT %s", kept, commitTS)); err != nil {
			t.Fatal(err)
		}
		d.Consumes(tr, last)
		d.Free("pump1")
		if rows := scanAll(t, db, "SELECT start_ts FROM binlog.unresolved"); len(rows) != 0 {
			t.Errorf("unresolved are still %q", rows)
		}
		events, _ := c.Binlogctl("-cmd", "events", "-node-id", "pump1")
		for _, text := range []string{fmt.Sprintf("resolve -start-ts %s -rollback (binlogctl)", lost), fmt.Sprintf("RESOLVE TRANSACTION %s COMMIT %s (console)", kept, commitTS)} {
			if !strings.Contains(events, text) {
				t.Errorf("the audit lacks %q:\n%s", text, events)
			}
		}
	})

	d.Signal(syscall.SIGTERM)
	d.Ends(0)
	d.Exact(tr)

	// What cannot be asked is named, and the list is not called complete.
	p := c.Record("pump2")
	for _, s := range []nodes.State{nodes.Paused, nodes.Online} {
		p.State, p.Host = s, form.Addr(t)
		raw, err := nodes.EncodeRecord(p)
		if err != nil {
			t.Fatal(err)
		}
		rig.Put(t, c.Etcd, nodes.Pump.Key("pump9"), strings.Replace(string(raw), "pump2", "pump9", 1))
		if out, ok := c.Binlogctl("-cmd", "unresolved"); ok || !strings.Contains(out, "pump9") || !strings.Contains(out, string(s)) {
			t.Errorf("a pump that is away: success %v\n%s", ok, out)
		}
	}
}

// TestAdminSettingOfPrograms: flag and file, what is refused, and the warning at the start.
func TestAdminSettingOfPrograms(t *testing.T) {
	c := rig.NewPumps(t, pdtest.StartEmbed(t))
	p := c.Start("pump1", "-admin", "loopback")
	if code, body := p.Ask(http.MethodGet, "/debug/binlog/5"); code != http.StatusNotFound {
		t.Errorf("from this machine: %d %s", code, body)
	}
	if strings.Contains(p.Output(), "without TLS") {
		t.Errorf("a warning on a loopback address:\n%s", p.Output())
	}
	for _, program := range []string{"pump", "drainer"} {
		r := rig.RunToEnd(t, "", nil, program, "-admin", "everybody")
		r.Expect(t, program+" with an unknown value", 2, "", `"everybody"`)
		config := rig.WriteFile(t, program+".toml", "[security]\nadmin = \"cert\"\n")
		r = rig.RunToEnd(t, "", nil, program, "-config", config)
		r.Expect(t, program+" with cert and no TLS", 2, "", "ssl-ca")
	}
	open := c.Node("pump2")
	open.Addr = "0.0.0.0:0"
	open.Args = append(open.Args, "-advertise-addr", "127.0.0.1:0")
	open.Launch()
	open.Says("open to other machines without TLS", "admin")
}

// scanAll runs a query and gives its rows, cells joined by |.
func scanAll(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rig.ScanRows(t, rows)
}

// TestAdminNeedsACertificate: a pump with TLS takes orders from who shows a certificate, and none over
// its Unix socket, where nobody does; who only looks is served there.
func TestAdminNeedsACertificate(t *testing.T) {
	certs := pdtest.NewCerts(t)
	c := rig.NewPumps(t, pdtest.StartEmbedTLS(t, certs))
	config := rig.WriteFile(t, "pump.toml", fmt.Sprintf("[security]\nssl-ca = %q\nssl-cert = %q\nssl-key = %q\nadmin = \"cert\"\n[storage]\nstop-write-at-available-space = \"1 MiB\"\n",
		certs.CAFile, certs.CertFile, certs.KeyFile))
	socket := filepath.Join(t.TempDir(), "s")
	p := c.Start("pump1", "-config", config, "-socket", socket)
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
	p.HasState(nodes.Online)
	out, ok := c.Binlogctl("-ssl-ca", certs.CAFile, "-ssl-cert", certs.CertFile, "-ssl-key", certs.KeyFile, "-cmd", "pause-pump", "-node-id", "pump1", "-wait", "20")
	if !ok {
		t.Errorf("binlogctl with a certificate: %s", out)
	}
}

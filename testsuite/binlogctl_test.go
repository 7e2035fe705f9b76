package testsuite

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pumphouse/nodes"
	"pumphouse/testsuite/pdtest"
)

// ctl runs binlogctl against a PD.
func ctl(t testing.TB, pd *pdtest.Cluster, args ...string) result {
	t.Helper()
	return runToEnd(t, "", nil, "binlogctl", append([]string{"-pd-urls", strings.Join(pd.Endpoints(), ",")}, args...)...)
}

func TestBinlogctlLists(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		cli := etcd(t, pd.Endpoints())
		ctl(t, pd, "-cmd", "pumps", "-o", "json").expect(t, "no pumps", 0, "[]", "")
		put(t, cli, nodesPrefix+"pumps/pump1", pump1Record)
		put(t, cli, nodesPrefix+"pumps/pump2", strings.Replace(pump2Record, "online", "paused", 1))
		put(t, cli, nodesPrefix+"pumps/pump3", pump3Record)
		put(t, cli, nodesPrefix+"drainers/drainer1", drainer1Record)

		table := regexp.MustCompile(`^NODE ID +ADDRESS +STATE +MAX COMMIT TS +UPDATE TIME +REPORTING
pump1 +127\.0\.0\.1:8250 +online +408553768673342237 +2019-05-22 07:09:04 +no, silent for \d+h\d+m\d+s
pump2 +127\.0\.0\.2:8250 +paused +408553768673342335 +2019-05-22 07:09:04 +-
$`)
		if r := ctl(t, pd); r.code != 0 || r.stderr != "" || !table.MatchString(r.out) {
			t.Errorf("pumps: exit code %d\n%s%s", r.code, r.out, r.stderr)
		}
		ctl(t, pd, "-cmd", "pumps", "-show-offline-nodes").expect(t, "offline ones too", 0, "pump3", "")

		r := ctl(t, pd, "-cmd=drainers", "--o=json")
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 1 || r.code != 0 {
			t.Fatalf("drainers as JSON: %v, exit code %d\n%s", err, r.code, r.out)
		}
		if got, err := nodes.DecodeRecord(list[0]); err != nil || got.NodeID != "drainer1" || got.MaxCommitTS != 408553768673342532 {
			t.Errorf("drainers as JSON: %v, %v", got, err)
		}

		// The form that scripts of the old tool read.
		line := regexp.MustCompile(`^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[INFO\] \[nodes\.go:\d+\] \["query node"\] \[type=drainer\] ` +
			`\[node="{NodeID: drainer1, Addr: 127\.0\.0\.3:8249, State: online, MaxCommitTS: 408553768673342532, UpdateTime: 2019-05-22 07:09:04 \+0000 UTC}"\]` + "\n$")
		if r := ctl(t, pd, "-cmd", "drainers", "-o", "log"); r.code != 0 || !line.MatchString(r.out) {
			t.Errorf("drainers as log lines: exit code %d\n%s%s", r.code, r.out, r.stderr)
		}

		put(t, cli, nodesPrefix+"drainers/broken", "{}")
		ctl(t, pd, "-cmd", "drainers").expect(t, "a record that cannot be read", 1, "drainer1", "drainers/broken")
	})
}

func TestBinlogctlUpdates(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		cli := etcd(t, pd.Endpoints())
		put(t, cli, nodesPrefix+"pumps/pump2", pump2Record)
		put(t, cli, nodesPrefix+"drainers/drainer1", drainer1Record)
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2", "-state", "Paused").expect(t, "update-pump", 0, "pump pump2: online -> paused\n", "")
		ctl(t, pd, "-cmd", "update-drainer", "-node-id", "drainer1", "-state", "offline").expect(t, "update-drainer", 0, "drainer drainer1: online -> offline\n", "")
		for key, want := range map[string]string{
			"pumps/pump2":       strings.Replace(pump2Record, "online", "paused", 1),
			"drainers/drainer1": strings.Replace(drainer1Record, "online", "offline", 1),
		} {
			if got := get(t, cli, nodesPrefix+key); got != want {
				t.Errorf("PD holds\n%s\nwant\n%s", got, want)
			}
		}
		endpoint := strings.TrimPrefix(pd.Endpoint(0), "http://")
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "nope", "-state", "paused").expect(t, "an unknown node", 1,
			"", "node pump, id nope from etcd "+endpoint+" not found")
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2", "-state", "bogus").expect(t, "an unknown state", 2, "", "state bogus is illegal")
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2").expect(t, "no state", 2, "", "needs -state")
		if got := get(t, cli, nodesPrefix+"pumps/pump2"); got != strings.Replace(pump2Record, "online", "paused", 1) {
			t.Errorf("a refused update wrote %s", got)
		}
	})
}

func TestBinlogctlGenerateMeta(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		dir := filepath.Join(t.TempDir(), "meta", "here")
		began := time.Now()
		r := ctl(t, pd, "-cmd", "generate_meta", "-data-dir", dir, "-time-zone", "Asia/Shanghai")
		file := filepath.Join(dir, "savepoint")
		r.expect(t, "generate_meta", 0, file, "")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`^commitTS = (\d+)\n# .* UTC\n# .* \+0800 CST\n$`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("savepoint:\n%s", b)
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if at := nodes.TSO(n).Time(); at.Before(began.Add(-time.Minute)) || at.After(time.Now().Add(time.Minute)) {
			t.Errorf("the TSO is of %v, and it is %v", at, began)
		}
		ctl(t, pd, "-cmd", "generate_meta", "-data-dir", dir, "-time-zone", "Mars/Olympus").expect(t, "an unknown zone", 2, "", "Mars/Olympus")
		if again, err := os.ReadFile(file); err != nil || string(again) != string(b) {
			t.Errorf("a command that failed touched the file: %v", err)
		}
	})
}

// TestBinlogctlEncrypt decrypts as upstream drainers do: base64 of an IV, "@", and the
// text under AES-CFB.
func TestBinlogctlEncrypt(t *testing.T) {
	const own = "00112233445566778899aabbccddeeff"
	for _, key := range []string{"", own} {
		var env []string
		used := key
		if key == "" {
			used = "a529b7665997f043a30ac8fadcb51d6aa032c226ab5b7750530b12b8c1a16a48"
		} else {
			env = []string{"BINLOG_SECRET_KEY=" + key}
		}
		r := runToEnd(t, "", env, "binlogctl", "-cmd", "encrypt", "-text", "pässword")
		if r.code != 0 || (key != "") != (r.stderr == "") {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		if got := decrypt(t, used, strings.TrimSpace(r.out)); got != "pässword" {
			t.Errorf("decrypted to %q", got)
		}
	}
	runToEnd(t, "", []string{"BINLOG_SECRET_KEY=xyz"}, "binlogctl", "-cmd", "encrypt", "-text", "a").expect(t, "a bad key", 1, "", "BINLOG_SECRET_KEY is not hexadecimal")
	runToEnd(t, "", nil, "binlogctl", "-cmd", "encrypt").expect(t, "no text", 2, "", "needs -text")
}

func decrypt(t *testing.T, hexKey, text string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) <= aes.BlockSize || raw[aes.BlockSize] != '@' {
		t.Fatalf("%q is not base64 of an IV, @ and a text: %v", text, err)
	}
	key, err := hex.DecodeString(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, len(raw)-aes.BlockSize-1)
	//lint:ignore SA1019 upstream's mode
	cipher.NewCFBDecrypter(block, raw[:aes.BlockSize]).XORKeyStream(plain, raw[aes.BlockSize+1:])
	return string(plain)
}

// TestBinlogctlAsksNodes: success is printed only when the node has accepted.
func TestBinlogctlAsksNodes(t *testing.T) {
	pd := pdtest.StartEmbed(t)
	cli := etcd(t, pd.Endpoints())
	for _, c := range []struct {
		what, cmd, path string
		status          int
		body            string
		code            int
		out, stderr     string
	}{
		{"an old node refuses", "pause-pump", "/state/n1/pause", 200,
			`{"message":"this pump's state is closing, apply pause failed!","code":3,"data":null}`,
			1, "", "this pump's state is closing, apply pause failed!"},
		{"one of ours refuses", "offline-pump", "/state/n1/close", 409,
			`{"message":"this pump's state is pausing, apply close failed!","code":3,"data":null}`,
			1, "", "this pump's state is pausing, apply close failed!"},
		{"it accepts", "pause-drainer", "/state/n1/pause", 200,
			`{"message":"apply action pause success!","code":200,"data":null}`,
			0, "apply action pause success!", ""},
		{"it is no node", "offline-drainer", "/state/n1/close", 200, `<html>`, 1, "", "<html>"},
	} {
		asked := make(chan string, 10)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Method + " " + r.URL.Path
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		record := strings.NewReplacer("pump1", "n1", "127.0.0.1:8250", srv.Listener.Addr().String()).Replace(pump1Record)
		put(t, cli, nodesPrefix+"pumps/n1", record)
		put(t, cli, nodesPrefix+"drainers/n1", record)
		ctl(t, pd, "-cmd", c.cmd, "-node-id", "n1").expect(t, c.what, c.code, c.out, c.stderr)
		if got := <-asked; got != "PUT "+c.path {
			t.Errorf("%s: the node was asked %s", c.what, got)
		}
		srv.Close()
	}
	// The server has gone; its record says how to say so.
	ctl(t, pd, "-cmd", "pause-pump", "-node-id", "n1").expect(t, "a dead node", 1, "", "binlogctl -cmd update-pump -node-id n1 -state paused")
	ctl(t, pd, "-cmd", "pause-pump", "-node-id", "nope").expect(t, "an unknown node", 1, "", "node pump, id nope from etcd")
}

// TestBinlogctlActs waits for real pumps, asks them how they are, and removes them.
func TestBinlogctlActs(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	c := newPumps(t, pd)
	console := startConsole(t, pd.Endpoints())
	first, last := c.behind("pump1")
	second := c.start("pump2")

	table := regexp.MustCompile(`^KIND +NODE ID +ADDRESS +STATE +COMMIT TS +LAG +WAITS FOR +PROBLEM
pump +pump1 +` + first.addr + ` +online +\d+ +[\d.]+m?s +- +-
pump +pump2 +` + second.addr + ` +online +\d+ +([\d.]+m?s|-) +- +-
drainer +slow +127.0.0.1:\d+ +paused +1 +- +- +how its last process ended is not known: it left no word
$`)
	if r := ctl(t, pd, "-cmd", "status"); r.code != 0 || r.stderr != "" || !table.MatchString(r.out) {
		t.Errorf("status: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	r := ctl(t, pd, "-cmd", "offline-pump", "-node-id", "pump1", "-wait", "2")
	r.expect(t, "it waits in vain", 3, "apply action close success!", "pump pump1 is closing after 2s, not yet offline, and goes on: it waits for drainer slow (paused, ")
	for _, want := range []string{"pump pump1: online -> closing\n", fmt.Sprintf("pump pump1 waits for drainer slow (paused, %s), which has consumed nothing yet of what there is up to commit TS %d", c.host("slow"), last)} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the progress lacks %q:\n%s", want, r.stderr)
		}
	}
	ctl(t, pd, "-cmd", "status", "-node-id", "pump1").expect(t, "status while it waits", 0, "drainer slow (paused, ", "")
	ctl(t, pd, "-cmd", "status", "-o", "log", "-node-id", "pump1").expect(t, "status as log", 0, `["node status"] [type=pump] [node="{NodeID: pump1, `, "")
	ctl(t, pd, "-cmd", "drop-pump", "-node-id", "pump1").expect(t, "drop while it is there", 1, "", "-cmd offline-pump -node-id pump1")
	ctl(t, pd, "-cmd", "update-drainer", "-node-id", "slow", "-state", "offline").expect(t, "give the drainer up", 0, "drainer slow: paused -> offline\n", "")
	first.ends(0)
	ctl(t, pd, "-cmd", "drop-pump", "-node-id", "pump1").expect(t, "drop", 0, "pump pump1 at "+first.addr+", offline since ", "")
	ctl(t, pd, "-cmd", "drop-pump", "-node-id", "pump1").expect(t, "drop again", 1, "", "node pump, id pump1 from etcd")

	r = ctl(t, pd, "-cmd", "pause-pump", "-node-id", "pump2", "-wait", "30s")
	if want := "pump pump2 is paused, after "; r.code != 0 || !strings.Contains(r.out, want) {
		t.Errorf("wait: exit code %d\n%s%s", r.code, r.out, r.stderr)
	}
	second.ends(0)
	second.launch()
	ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2", "-state", "paused").expect(t, "an order", 0, "and takes this as an order to pause.", "")
	second.ends(0)
	second.launch()
	second.kill()
	r = ctl(t, pd, "-cmd", "status", "-o", "json", "-show-offline-nodes")
	var list []struct {
		NodeID, State, Problem string
		Answers                bool
	}
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || r.code != 1 || len(list) != 2 || list[0].NodeID != "pump2" || list[0].Answers ||
		!strings.Contains(list[0].Problem, second.addr) || list[1].State != "offline" || !strings.Contains(r.stderr, "1 of 2 nodes should run and give no answer") {
		t.Errorf("status of a dead pump: %v, exit code %d\n%s%s", err, r.code, r.out, r.stderr)
	}
	ctl(t, pd, "-cmd", "status", "-node-id", "nope").expect(t, "status of nobody", 1, "", "no record of a node nope")

	r = runToEnd(t, "", nil, "binlogctl", "-h")
	for name := range strings.FieldsSeq("status drop-pump drop-drainer -wait") {
		if !strings.Contains(r.out, name) {
			t.Errorf("the help lacks %s", name)
		}
	}
	for form, want := range map[string]string{
		"table": "pump  pump1    closing  offline  node ", "json": `"statement": "drop-pump"`, "log": `["node event"] [type=pump] [event="{NodeID: pump1, Addr: ` + first.addr,
	} {
		ctl(t, pd, "-cmd", "events", "-node-id", "pump1", "-o", form).expect(t, "events as "+form, 0, want, "")
	}
	// The console shows who did it.
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	who := me.Username + " " + host
	got := slices.DeleteFunc(console.events(t), func(e string) bool { return !strings.Contains(e, " binlogctl ") })
	want := []string{
		"pump1 online offline binlogctl offline-pump " + who + " accepted",
		"slow paused offline binlogctl update-drainer " + who + " done",
		"pump1 offline - binlogctl drop-pump " + who + " done",
		"pump2 online paused binlogctl pause-pump " + who + " accepted",
		"pump2 online paused binlogctl update-pump " + who + " done",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the audit says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// host is the address in a drainer's record.
func (c *pumps) host(id string) string {
	c.t.Helper()
	e, err := c.registry.Get(c.t.Context(), nodes.Drainer, id)
	if err != nil {
		c.t.Fatal(err)
	}
	return e.Record.Host
}

func TestBinlogctlExitCodes(t *testing.T) {
	for _, c := range []struct {
		what        string
		args        []string
		code        int
		out, stderr string
	}{
		{"an unknown command", []string{"-cmd", "pump"}, 2, "", "-cmd pump does not exist"},
		{"an unknown flag", []string{"-pd-url", "x"}, 2, "", "-pd-url"},
		{"an argument", []string{"pumps"}, 2, "", `unexpected argument "pumps": write -cmd pumps`},
		{"no node", []string{"-cmd", "pause-pump"}, 2, "", "needs -node-id"},
		{"an unknown form", []string{"-o", "xml"}, 2, "", "-o xml does not exist"},
		{"a bad PD address", []string{"-pd-urls", "ftp://h"}, 2, "", "ftp"},
		{"a wait that is no time", []string{"-cmd", "pause-pump", "-node-id", "a", "-wait", "soon"}, 2, "", "use seconds, or a time like 90s"},
		{"a wait for a list", []string{"-wait", "5"}, 2, "", "-wait does not go with -cmd pumps"},
		{"no node to drop", []string{"-cmd", "drop-drainer"}, 2, "", "needs -node-id"},
		{"no state", []string{"-cmd", "update-pump", "-node-id", "a"}, 2, "", "-cmd update-pump needs -state: online, pausing"},
		{"a zone that is none", []string{"-cmd", "generate_meta", "-time-zone", "Nowhere/Else"}, 2, "", "-time-zone Nowhere/Else"},
		{"nothing to encrypt", []string{"-cmd", "encrypt"}, 2, "", "needs -text"},
		{"half a certificate", []string{"-ssl-cert", "/nonexistent"}, 2, "", "ssl-"},
		{"the version", []string{"-V"}, 0, "binlogctl (Pumphouse) ", ""},
		{"help", []string{"-h"}, 0, "Usage: binlogctl", ""},
	} {
		runToEnd(t, "", nil, "binlogctl", c.args...).expect(t, c.what, c.code, c.out, c.stderr)
	}
	for _, cmd := range [][]string{{"-cmd", "pumps"}, {"-cmd", "update-pump", "-node-id", "a", "-state", "paused"}, {"-cmd", "generate_meta", "-data-dir", t.TempDir()}} {
		began := time.Now()
		args := append([]string{"-pd-urls", "http://127.0.0.1:1", "-timeout", "300ms"}, cmd...)
		runToEnd(t, "", nil, "binlogctl", args...).expect(t, strings.Join(cmd, " ")+" while PD is away", 1, "", "127.0.0.1:1")
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%v took %v to notice that PD is away", cmd, took)
		}
	}
}

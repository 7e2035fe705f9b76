package console

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
	"pumphouse/testsuite/rig"
)

// ctl runs binlogctl against a PD.
func ctl(t testing.TB, pd *pdtest.Cluster, args ...string) rig.Result {
	t.Helper()
	return rig.RunToEnd(t, "", nil, "binlogctl", append([]string{"-pd-urls", strings.Join(pd.Endpoints(), ",")}, args...)...)
}

func TestBinlogctlLists(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		cli := rig.Etcd(t, pd.Endpoints())
		ctl(t, pd, "-cmd", "pumps", "-o", "json").Expect(t, "no pumps", 0, "[]", "")
		rig.Put(t, cli, rig.NodesPrefix+"pumps/pump1", rig.Pump1Record)
		rig.Put(t, cli, rig.NodesPrefix+"pumps/pump2", strings.Replace(rig.Pump2Record, "online", "paused", 1))
		rig.Put(t, cli, rig.NodesPrefix+"pumps/pump3", rig.Pump3Record)
		rig.Put(t, cli, rig.NodesPrefix+"drainers/drainer1", rig.Drainer1Record)

		table := regexp.MustCompile(`^NODE ID +ADDRESS +STATE +MAX COMMIT TS +UPDATE TIME +REPORTING
pump1 +127\.0\.0\.1:8250 +online +408553768673342237 +2019-05-22 07:09:04 +no, silent for \d+h\d+m\d+s
pump2 +127\.0\.0\.2:8250 +paused +408553768673342335 +2019-05-22 07:09:04 +-
$`)
		if r := ctl(t, pd); r.Code != 0 || r.Stderr != "" || !table.MatchString(r.Out) {
			t.Errorf("pumps: exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
		}
		ctl(t, pd, "-cmd", "pumps", "-show-offline-nodes").Expect(t, "offline ones too", 0, "pump3", "")

		r := ctl(t, pd, "-cmd=drainers", "--o=json")
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(r.Out), &list); err != nil || len(list) != 1 || r.Code != 0 {
			t.Fatalf("drainers as JSON: %v, exit code %d\n%s", err, r.Code, r.Out)
		}
		if got, err := nodes.DecodeRecord(list[0]); err != nil || got.NodeID != "drainer1" || got.MaxCommitTS != 408553768673342532 {
			t.Errorf("drainers as JSON: %v, %v", got, err)
		}

		// The form that scripts of the old tool read.
		line := regexp.MustCompile(`^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[INFO\] \[nodes\.go:\d+\] \["query node"\] \[type=drainer\] ` +
			`\[node="{NodeID: drainer1, Addr: 127\.0\.0\.3:8249, State: online, MaxCommitTS: 408553768673342532, UpdateTime: 2019-05-22 07:09:04 \+0000 UTC}"\]` + "\n$")
		if r := ctl(t, pd, "-cmd", "drainers", "-o", "log"); r.Code != 0 || !line.MatchString(r.Out) {
			t.Errorf("drainers as log lines: exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
		}

		rig.Put(t, cli, rig.NodesPrefix+"drainers/broken", "{}")
		ctl(t, pd, "-cmd", "drainers").Expect(t, "a record that cannot be read", 1, "drainer1", "drainers/broken")
	})
}

func TestBinlogctlUpdates(t *testing.T) {
	pdtest.Both(t, func(t *testing.T, pd *pdtest.Cluster) {
		cli := rig.Etcd(t, pd.Endpoints())
		rig.Put(t, cli, rig.NodesPrefix+"pumps/pump2", rig.Pump2Record)
		rig.Put(t, cli, rig.NodesPrefix+"drainers/drainer1", rig.Drainer1Record)
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2", "-state", "Paused").Expect(t, "update-pump", 0, "pump pump2: online -> paused\n", "")
		ctl(t, pd, "-cmd", "update-drainer", "-node-id", "drainer1", "-state", "offline").Expect(t, "update-drainer", 0, "drainer drainer1: online -> offline\n", "")
		for key, want := range map[string]string{
			"pumps/pump2":       strings.Replace(rig.Pump2Record, "online", "paused", 1),
			"drainers/drainer1": strings.Replace(rig.Drainer1Record, "online", "offline", 1),
		} {
			if got := rig.Get(t, cli, rig.NodesPrefix+key); got != want {
				t.Errorf("PD holds\n%s\nwant\n%s", got, want)
			}
		}
		endpoint := strings.TrimPrefix(pd.Endpoint(0), "http://")
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "nope", "-state", "paused").Expect(t, "an unknown node", 1,
			"", "node pump, id nope from etcd "+endpoint+" not found")
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2", "-state", "bogus").Expect(t, "an unknown state", 2, "", "state bogus is illegal")
		ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2").Expect(t, "no state", 2, "", "needs -state")
		if got := rig.Get(t, cli, rig.NodesPrefix+"pumps/pump2"); got != strings.Replace(rig.Pump2Record, "online", "paused", 1) {
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
		r.Expect(t, "generate_meta", 0, file, "")
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
		ctl(t, pd, "-cmd", "generate_meta", "-data-dir", dir, "-time-zone", "Mars/Olympus").Expect(t, "an unknown zone", 2, "", "Mars/Olympus")
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
		r := rig.RunToEnd(t, "", env, "binlogctl", "-cmd", "encrypt", "-text", "pässword")
		if r.Code != 0 || (key != "") != (r.Stderr == "") {
			t.Fatalf("exit code %d\n%s", r.Code, r.Stderr)
		}
		if got := decrypt(t, used, strings.TrimSpace(r.Out)); got != "pässword" {
			t.Errorf("decrypted to %q", got)
		}
	}
	rig.RunToEnd(t, "", []string{"BINLOG_SECRET_KEY=xyz"}, "binlogctl", "-cmd", "encrypt", "-text", "a").Expect(t, "a bad key", 1, "", "BINLOG_SECRET_KEY is not hexadecimal")
	rig.RunToEnd(t, "", nil, "binlogctl", "-cmd", "encrypt").Expect(t, "no text", 2, "", "needs -text")
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
	cli := rig.Etcd(t, pd.Endpoints())
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
		record := strings.NewReplacer("pump1", "n1", "127.0.0.1:8250", srv.Listener.Addr().String()).Replace(rig.Pump1Record)
		rig.Put(t, cli, rig.NodesPrefix+"pumps/n1", record)
		rig.Put(t, cli, rig.NodesPrefix+"drainers/n1", record)
		ctl(t, pd, "-cmd", c.cmd, "-node-id", "n1").Expect(t, c.what, c.code, c.out, c.stderr)
		if got := <-asked; got != "PUT "+c.path {
			t.Errorf("%s: the node was asked %s", c.what, got)
		}
		srv.Close()
	}
	// The server has gone; its record says how to say so.
	ctl(t, pd, "-cmd", "pause-pump", "-node-id", "n1").Expect(t, "a dead node", 1, "", "binlogctl -cmd update-pump -node-id n1 -state paused")
	ctl(t, pd, "-cmd", "pause-pump", "-node-id", "nope").Expect(t, "an unknown node", 1, "", "node pump, id nope from etcd")
}

// TestBinlogctlActs waits for real pumps, asks them how they are, and removes them.
func TestBinlogctlActs(t *testing.T) {
	pd := pdtest.StartReal(t, 1)
	c := rig.NewPumps(t, pd)
	console := rig.StartConsole(t, pd.Endpoints())
	first, last := c.Lagging("pump1")
	second := c.Start("pump2")

	table := regexp.MustCompile(`^KIND +NODE ID +ADDRESS +STATE +COMMIT TS +LAG +WAITS FOR +PROBLEM
pump +pump1 +` + first.Addr + ` +online +\d+ +[\d.]+m?s +- +-
pump +pump2 +` + second.Addr + ` +online +\d+ +([\d.]+m?s|-) +- +-
drainer +slow +127.0.0.1:\d+ +paused +1 +- +- +how its last process ended is not known: it left no word
$`)
	if r := ctl(t, pd, "-cmd", "status"); r.Code != 0 || r.Stderr != "" || !table.MatchString(r.Out) {
		t.Errorf("status: exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
	r := ctl(t, pd, "-cmd", "offline-pump", "-node-id", "pump1", "-wait", "2")
	r.Expect(t, "it waits in vain", 3, "apply action close success!", "pump pump1 is closing after 2s, not yet offline, and goes on: it waits for drainer slow (paused, ")
	for _, want := range []string{"pump pump1: online -> closing\n", fmt.Sprintf("pump pump1 waits for drainer slow (paused, %s), which has consumed nothing yet of what there is up to commit TS %d", c.Host("slow"), last)} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("the progress lacks %q:\n%s", want, r.Stderr)
		}
	}
	ctl(t, pd, "-cmd", "status", "-node-id", "pump1").Expect(t, "status while it waits", 0, "drainer slow (paused, ", "")
	ctl(t, pd, "-cmd", "status", "-o", "log", "-node-id", "pump1").Expect(t, "status as log", 0, `["node status"] [type=pump] [node="{NodeID: pump1, `, "")
	ctl(t, pd, "-cmd", "drop-pump", "-node-id", "pump1").Expect(t, "drop while it is there", 1, "", "-cmd offline-pump -node-id pump1")
	ctl(t, pd, "-cmd", "update-drainer", "-node-id", "slow", "-state", "offline").Expect(t, "give the drainer up", 0, "drainer slow: paused -> offline\n", "")
	first.Ends(0)
	ctl(t, pd, "-cmd", "drop-pump", "-node-id", "pump1").Expect(t, "drop", 0, "pump pump1 at "+first.Addr+", offline since ", "")
	ctl(t, pd, "-cmd", "drop-pump", "-node-id", "pump1").Expect(t, "drop again", 1, "", "node pump, id pump1 from etcd")

	r = ctl(t, pd, "-cmd", "pause-pump", "-node-id", "pump2", "-wait", "30s")
	if want := "pump pump2 is paused, after "; r.Code != 0 || !strings.Contains(r.Out, want) {
		t.Errorf("wait: exit code %d\n%s%s", r.Code, r.Out, r.Stderr)
	}
	second.Ends(0)
	second.Launch()
	ctl(t, pd, "-cmd", "update-pump", "-node-id", "pump2", "-state", "paused").Expect(t, "an order", 0, "and takes this as an order to pause.", "")
	second.Ends(0)
	second.Launch()
	second.Kill()
	r = ctl(t, pd, "-cmd", "status", "-o", "json", "-show-offline-nodes")
	var list []struct {
		NodeID, State, Problem string
		Answers                bool
	}
	if err := json.Unmarshal([]byte(r.Out), &list); err != nil || r.Code != 1 || len(list) != 2 || list[0].NodeID != "pump2" || list[0].Answers ||
		!strings.Contains(list[0].Problem, second.Addr) || list[1].State != "offline" || !strings.Contains(r.Stderr, "1 of 2 nodes should run and give no answer") {
		t.Errorf("status of a dead pump: %v, exit code %d\n%s%s", err, r.Code, r.Out, r.Stderr)
	}
	ctl(t, pd, "-cmd", "status", "-node-id", "nope").Expect(t, "status of nobody", 1, "", "no record of a node nope")

	r = rig.RunToEnd(t, "", nil, "binlogctl", "-h")
	for name := range strings.FieldsSeq("status drop-pump drop-drainer -wait") {
		if !strings.Contains(r.Out, name) {
			t.Errorf("the help lacks %s", name)
		}
	}
	for form, want := range map[string]string{
		"table": "pump  pump1    closing  offline  node ", "json": `"statement": "drop-pump"`, "log": `["node event"] [type=pump] [event="{NodeID: pump1, Addr: ` + first.Addr,
	} {
		ctl(t, pd, "-cmd", "events", "-node-id", "pump1", "-o", form).Expect(t, "events as "+form, 0, want, "")
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
	got := slices.DeleteFunc(console.Events(t), func(e string) bool { return !strings.Contains(e, " binlogctl ") })
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

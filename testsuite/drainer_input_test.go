package testsuite

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pumphouse/binlogpb"
	"pumphouse/drainer/schema"
	"pumphouse/drainer/sink/file"
	"pumphouse/nodes"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"

	"google.golang.org/protobuf/proto"
)

// secret is the password of every downstream here: nothing may ever print it.
const secret = "pa55-w0rd/öffne"

// TestDrainerBadInput gives the drainer's program what is wrong: it ends with exit code 1 and
// the state paused, says what it was and what to do about it, and applies nothing from there on.
func TestDrainerBadInput(t *testing.T) {
	all := newPumps(t, pdtest.StartReal(t, 1))
	db := mariadbtest.Start(t)
	db.Exec("create user repl@'127.0.0.1' identified by '"+secret+"'", "grant all on *.* to repl@'127.0.0.1'")
	in := func(t *testing.T) *input {
		c := all.in(t)
		db.Exec("drop database if exists test", "drop database if exists tidb_binlog")
		return &input{pumps: c, server: db, db: db.Open()}
	}
	t.Run("a checkpoint in a file", func(t *testing.T) { in(t).checkpointFiles() })
	t.Run("a checkpoint in a database", func(t *testing.T) { in(t).checkpointRows() })
	t.Run("a position that is purged", func(t *testing.T) { in(t).purged() })
	for _, b := range badBinlogs {
		t.Run(b.name, func(t *testing.T) { in(t).stops(b.spoil, b.want...) })
	}
	for _, b := range badStreams {
		t.Run("a pump delivers "+b.name, func(t *testing.T) { in(t).delivers(b.spoil, b.want...) })
	}
	t.Run("a downstream that cannot be opened", func(t *testing.T) { in(t).unopened() })
	t.Run("secrets", func(t *testing.T) { in(t).secrets() })
}

type input struct {
	*pumps
	server *mariadbtest.Server
	db     *sql.DB
}

// toMySQL is the configuration of a drainer of the MariaDB.
func (i *input) toMySQL(syncer string) string {
	return fmt.Sprintf("[syncer]\ndb-type = \"mysql\"\n%s\n[syncer.to]\nhost = %q\nport = %d\nuser = \"repl\"\npassword = %q\n", syncer, i.server.Host, i.server.Port, secret)
}

// drainerOf prepares a drainer of the MariaDB.
func (i *input) drainerOf(tr *trade, syncer string) *drainerNode {
	return tr.drainer("drainer1", "-dest-db-type", "mysql", "-config", writeFile(i.t, "drainer.toml", i.toMySQL(syncer)))
}

// rows are those of the table, nil when it is not there.
func (i *input) rows() (all []string) {
	i.t.Helper()
	rows, err := i.db.Query("select concat(id, ' ', v) from test.t100 order by id")
	if err != nil {
		return nil
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			i.t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// fails starts a drainer, which must end in an error that says all that is wanted.
func (n *drainerNode) fails(what string, want ...string) {
	n.c.t.Helper()
	first := get(n.c.t, n.c.etcd, nodes.Drainer.Key(n.id)) == ""
	n.spawn()
	n.ends(1)
	for _, text := range want {
		if !strings.Contains(n.output(), text) {
			n.c.t.Errorf("%s: it does not say %q:\n%s", what, text, n.output())
		}
	}
	if !first || strings.Contains(n.output(), "drainer is online") {
		n.hasState(nodes.Paused)
	} else if rec := get(n.c.t, n.c.etcd, nodes.Drainer.Key(n.id)); rec != "" {
		n.c.t.Errorf("%s: a drainer that has never been online has left the record %s", what, rec)
	}
}

func (i *input) checkpointFiles() {
	tr := i.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	d.consumes(tr, tr.sell("pump1"))
	d.signal(syscall.SIGTERM)
	d.ends(0)
	path := filepath.Join(d.dir, "savepoint")
	good, err := os.ReadFile(path)
	if err != nil {
		i.t.Fatal(err)
	}
	tr.sell("pump1")
	ahead := nodes.MakeTSO(i.tso().Time().Add(time.Hour), 0)
	damaged := []string{path, "the checkpoint is damaged", "commitTS = <"}
	for text, want := range map[string][]string{
		"":                                    damaged,
		"\x00\x00\x00\x00":                    damaged,
		"commitTS = ":                         damaged,
		"commitTS = -5\n":                     damaged,
		"commitTS = \"4\"\n":                  damaged,
		"<html></html>":                       damaged,
		string(good[:9]):                      damaged,
		string(good) + "x y ":                 damaged,
		fmt.Sprintf("commitTS = %d\n", ahead): {path, ahead.String(), "ahead of PD's clock", "-pd-urls"},
		"commitTS = 9223372036854775807\n":    {path, "ahead of PD's clock"},
		"commitTS = 470642465\nclusterID = \"4711\"\n": {path, "is of cluster 4711", fmt.Sprint(i.cluster), "-pd-urls"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			i.t.Fatal(err)
		}
		d.fails(fmt.Sprintf("%q", text), want...)
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			i.t.Errorf("%q became %q, %v", text, now, err)
		}
	}
	if got := d.files(tr).written(); len(got) != len(tr.want)-1 {
		i.t.Errorf("something was applied: %v", got)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		i.t.Fatal(err)
	}
	d.launch() // repaired
	d.consumes(tr, tr.sell("pump1"))
	d.exact(tr)
}

func (i *input) checkpointRows() {
	tr := i.newTrade("pump1")
	d := i.drainerOf(tr, "").launch()
	tr.sell("pump1")
	eventually(i.t, 20*time.Second, "the row is there", func() (bool, string) { return len(i.rows()) == 1, d.output() })
	d.signal(syscall.SIGTERM)
	d.ends(0)
	var good string
	if err := i.db.QueryRow("select checkPoint from tidb_binlog.checkpoint where clusterID = ?", i.cluster).Scan(&good); err != nil {
		i.t.Fatal(err)
	}
	tr.sell("pump1")
	write := func(text any) {
		if _, err := i.db.Exec("update tidb_binlog.checkpoint set checkPoint = ? where clusterID = ?", text, i.cluster); err != nil {
			i.t.Fatal(err)
		}
	}
	place := fmt.Sprintf("clusterID = %d", i.cluster)
	damaged := []string{"tidb_binlog", place, "the checkpoint is damaged", `{\"commitTS\": <`}
	ahead := nodes.MakeTSO(i.tso().Time().Add(time.Hour), 0)
	for text, want := range map[any][]string{
		"": damaged, nil: damaged, "{": damaged, "{}": damaged, "[]": damaged, `{"commitTS":"x"}`: damaged, `{"commitTS":-1}`: damaged, good[:len(good)-2]: damaged,
		fmt.Sprintf(`{"commitTS":%d}`, ahead): {place, ahead.String(), "ahead of PD's clock", "-pd-urls"},
	} {
		write(text)
		d.fails(fmt.Sprint(text), want...)
		if strings.Contains(d.output(), secret) {
			i.t.Errorf("the password is printed:\n%s", d.output())
		}
	}
	if got := i.rows(); len(got) != 1 {
		i.t.Errorf("something was applied: %v", got)
	}
	write(good)
	d.launch()
	eventually(i.t, 20*time.Second, "it goes on", func() (bool, string) { return len(i.rows()) == 2, d.output() })
}

// purged: a drainer that begins where a pump has nothing any more stops, and names both
// positions; it does not begin where the pump's binlogs begin.
func (i *input) purged() {
	p := i.start("pump1", "-gc", "1s")
	tr := &trade{c: i.pumps, shop: &shop{TB: i.t, registry: i.registry, pd: i.pd, cluster: i.cluster, jobs: i.t.TempDir()}}
	cli := p.client()
	first := cli.transaction([]byte("v"))
	for range 20 {
		cli.transaction(make([]byte, 4<<20))
	}
	eventually(i.t, 30*time.Second, "something is purged", func() (bool, string) {
		_, body := p.ask(http.MethodPost, "/debug/gc/trigger")
		return !strings.Contains(body, " 0 segments"), body
	})
	d := tr.drainer("drainer1")
	d.args = append(d.args, "-initial-commit-ts", fmt.Sprint(int64(first)))
	d.fails("purged", `pump \"pump1\"`, p.addr, first.String(), "purged up to", "-initial-commit-ts", "cannot go on and pauses")
	if at := d.files(tr).position(); at != first {
		i.t.Errorf("the checkpoint went from %s to %s", first, at)
	}
}

// badBinlogs are wrong in a way that only shows when they are decoded.
var badBinlogs = []struct {
	name  string
	spoil func(*trade) nodes.TSO
	want  []string
}{
	{"a row that does not decode", func(tr *trade) nodes.TSO { return tr.insertRow("pump1", firstTable, []byte{8, 2, 8}) }, []string{"table `test`.`t100`"}},
	{"an unknown table", func(tr *trade) nodes.TSO { return tr.insert("pump1", 777, 1, "x") }, []string{"777"}},
	{"a prewrite value of nonsense", func(tr *trade) nodes.TSO {
		return tr.transact("pump1", &binlogpb.Binlog{PrewriteValue: []byte("nonsense")})
	}, []string{"malformed binlog"}},
	{"a job that is nonsense", func(tr *trade) nodes.TSO {
		id := int64(50)
		if err := os.WriteFile(filepath.Join(tr.jobs, "50.json"), []byte(`{"id":"what"}`), 0o600); err != nil {
			tr.Fatal(err)
		}
		return tr.transact("pump1", &binlogpb.Binlog{DdlQuery: []byte("alter table t100 add index (v)"), DdlJobId: &id, DdlSchemaState: proto.Int32(5)})
	}, []string{"50.json"}},
}

// stops lets a file and a MariaDB drainer run into a binlog, and checks that the cure they name
// works.
func (i *input) stops(spoil func(*trade) nodes.TSO, want ...string) {
	tr := i.newTrade("pump1")
	files, rows := tr.drainer("drainer2").launch(), i.drainerOf(tr, "").launch()
	before := tr.sell("pump1")
	bad := spoil(tr)
	behind := tr.sell("pump1")
	for _, d := range []*drainerNode{files, rows} {
		d.ends(1)
		d.says(append(want, bad.String(), `pump \"pump1\"`, "ignore-txn-commit-ts", "cannot go on and pauses")...)
		d.hasState(nodes.Paused)
		if at := d.record().MaxCommitTS; at < before || at >= bad {
			i.t.Errorf("the record of %s is at %s, not from %s to before %s", d.id, at, before, bad)
		}
	}
	if got := files.files(tr).written(); len(got) != len(tr.want)-1 || got[len(got)-1].ts != before {
		i.t.Errorf("the files have %v", got)
	}
	if got := i.rows(); len(got) != 1 {
		i.t.Errorf("the database has %v", got)
	}
	tr.writeJob(&schema.Job{ID: 50, Type: schema.ActionAddIndex, State: schema.JobSynced, SchemaID: 1, TableID: firstTable, SchemaName: "test", TableName: "t100",
		Query: "alter table t100 add index (v)", StartTS: before, Result: schema.Result{SchemaVersion: 3, TableInfo: tableInfo(firstTable, "t100"), FinishedTS: tr.tso()}}) // repaired by hand
	ignore := fmt.Sprintf("ignore-txn-commit-ts = [%d]", bad)
	files.args = append(files.args, "-config", writeFile(i.t, "drainer.toml", "[syncer]\n"+ignore+"\n"))
	files.launch()
	files.consumes(tr, behind)
	files.exact(tr)
	rows.args = append(rows.args, "-config", writeFile(i.t, "drainer.toml", i.toMySQL(ignore)))
	rows.launch()
	eventually(i.t, 20*time.Second, "it goes on", func() (bool, string) { return len(i.rows()) == 2, rows.output() })
	rows.says("left out")
}

// badStreams are what no pump should deliver.
var badStreams = []struct {
	name  string
	spoil func(tr *trade, good *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp
	want  []string
}{
	{"a payload of nonsense", func(tr *trade, good *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp {
		good.Entity.Payload = []byte("nonsense")
		return good
	}, []string{`\"old\"`}},
	{"no entity", func(*trade, *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp { return &binlogpb.PullBinlogResp{} }, []string{`old`}},
	{"a commit TS that it has passed", func(tr *trade, good *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp {
		return entry(tr.want[0].ts, tr.want[0].ts+1, good.Entity.Payload)
	}, []string{`old`}},
}

// delivers lets a drainer pull one thing of nonsense: it ends or tries again for ever, but
// applies nothing of it and nothing after it.
func (i *input) delivers(spoil func(*trade, *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp, want ...string) {
	tr := i.newTrade("pump1")
	old := i.oldPump("old")
	d := tr.drainer("drainer1").launch()
	old.deliver <- tr.row()
	d.consumes(tr, tr.want[len(tr.want)-1].ts-1)
	good := tr.row()
	bad := tr.want[len(tr.want)-1].ts
	tr.want = tr.want[:len(tr.want)-1]
	old.deliver <- spoil(tr, good)
	behind := tr.sell("pump1")
	eventually(i.t, 20*time.Second, "it says so", func() (bool, string) {
		for _, text := range want {
			if !strings.Contains(d.output(), text) {
				return false, d.output()
			}
		}
		return strings.Contains(d.output(), "level=error") || strings.Contains(d.output(), "level=warning"), d.output()
	})
	select {
	case <-d.done:
		d.ends(1)
		d.hasState(nodes.Paused)
	case <-time.After(3 * time.Second):
		i.t.Logf("it goes on:\n%s", d.output())
		d.signal(syscall.SIGTERM)
		d.ends(0)
	}
	got := d.files(tr).written()
	if len(got) != len(tr.want)-1 {
		i.t.Errorf("downstream is %v, want all but the last of %v", got, tr.want)
	}
	if at := d.files(tr).position(); at >= bad || at >= behind {
		i.t.Errorf("the checkpoint %s has passed %s", at, bad)
	}
}

// unopened: what keeps a drainer from opening its downstream is named, and nothing is changed.
func (i *input) unopened() {
	tr := i.newTrade("pump1")
	d := tr.drainer("drainer1").launch()
	last := tr.sell("pump1")
	d.consumes(tr, last)
	taken := tr.drainer("drainer2", "-config", writeFile(i.t, "drainer.toml", fmt.Sprintf("[syncer.to]\ndir = %q\n", d.dir)))
	taken.fails("a directory in use", d.dir, "another drainer writes there")
	d.signal(syscall.SIGTERM)
	d.ends(0)

	paths, err := file.Files(d.dir)
	if err != nil || len(paths) == 0 {
		i.t.Fatal(paths, err)
	}
	good, err := os.ReadFile(paths[0])
	if err != nil {
		i.t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[20] ^= 1 // in the first transaction
	if err := os.WriteFile(paths[0], bad, 0o600); err != nil {
		i.t.Fatal(err)
	}
	d.fails("a damaged file", paths[0], "damaged at byte 0", "restore the file")
	if now, err := os.ReadFile(paths[0]); err != nil || !slices.Equal(now, bad) {
		i.t.Errorf("the damaged file was changed, %v", err)
	}
	if err := os.WriteFile(paths[0], good, 0o600); err != nil {
		i.t.Fatal(err)
	}
	d.launch()
	d.consumes(tr, tr.sell("pump1"))
	d.exact(tr)

	addr := deadAddr(i.t)
	host, port, _ := strings.Cut(addr, ":")
	away := tr.drainer("drainer3", "-dest-db-type", "mysql", "-config", writeFile(i.t, "drainer.toml",
		fmt.Sprintf("[syncer.to]\nhost = %q\nport = %s\npassword = %q\n", host, port, secret)))
	away.fails("a database that is away", addr)
}

// secrets runs drainers of which each knows a password, in every way in which one is given, also
// such as cannot work, and looks for it in everything they say.
func (i *input) secrets() {
	tr := i.newTrade("pump1")
	encrypted := strings.TrimSpace(runToEnd(i.t, "", nil, "binlogctl", "-cmd", "encrypt", "-text", secret).out)
	at := fmt.Sprintf("host = %q\nport = %d\nuser = \"repl\"\n", i.server.Host, i.server.Port)
	hidden := func(what, text string) {
		i.t.Helper()
		for _, word := range []string{secret, secret[:9], "w0rd", "%C3%B6ffne"} {
			if strings.Contains(text, word) {
				i.t.Errorf("%s tells the password:\n%s", what, text)
			}
		}
		if strings.Contains(text, encrypted) {
			i.t.Errorf("%s tells the encrypted password:\n%s", what, text)
		}
	}
	type way struct{ name, config string }
	for _, w := range []way{
		{"password", "[syncer]\n[syncer.to]\n" + at + fmt.Sprintf("password = %q\n", secret)},
		{"encrypted_password", "[syncer]\n[syncer.to]\n" + at + fmt.Sprintf("encrypted_password = %q\n", encrypted)},
		{"checkpoint's password", "[syncer]\n[syncer.to]\n" + at + fmt.Sprintf("password = %q\n[syncer.to.checkpoint]\ntype = \"mysql\"\n%sencrypted_password = %q\n", secret, at, encrypted)},
	} {
		d := tr.drainer("drainer1", "-dest-db-type", "mysql", "-L", "debug", "-config", writeFile(i.t, "drainer.toml", w.config)).launch()
		tr.sell("pump1")
		eventually(i.t, 20*time.Second, "the row is there", func() (bool, string) { return len(i.rows()) == int(tr.sold), d.output() })
		for _, path := range []string{"/status", "/metrics", "/commit_ts", "/config", "/debug/vars", "/debug/pprof/cmdline"} {
			_, body := d.ask(http.MethodGet, path)
			hidden(w.name+": "+path, body)
		}
		hidden(w.name+": the record", get(i.t, i.etcd, nodes.Drainer.Key("drainer1")))
		away := time.Now()
		i.server.Stop() // it complains
		tr.sell("pump1")
		eventually(i.t, 20*time.Second, "it says that the database is away", func() (bool, string) {
			return strings.Contains(d.output(), "level=warning") || strings.Contains(d.output(), "level=error"), d.output()
		})
		hidden(w.name+": /status without the database", func() string { _, body := d.ask(http.MethodGet, "/status"); return body }())
		i.server.StartAgain()
		eventually(i.t, 30*time.Second, "the row is there", func() (bool, string) { return len(i.rows()) == int(tr.sold), d.output() })
		// It complains once, then once in 30 s, and says when it is over.
		const complaint = "the downstream does not take a transaction now"
		if n, most := strings.Count(d.output(), complaint), 1+int(time.Since(away)/(30*time.Second)); n < 1 || n > most {
			i.t.Errorf("%d lines about the outage, want 1 to %d:\n%s", n, most, d.output())
		}
		eventually(i.t, 20*time.Second, "it says that the database is back", func() (bool, string) {
			return strings.Contains(d.output(), "the downstream takes transactions again"), d.output()
		})
		d.signal(syscall.SIGTERM)
		d.ends(0)
		hidden(w.name+": the log", d.output())
	}

	// What cannot work.
	wrong := tr.drainer("drainer2", "-dest-db-type", "mysql", "-config", writeFile(i.t, "drainer.toml", "[syncer.to]\n"+at+fmt.Sprintf("password = %q\n", secret+"w0rd")))
	wrong.spawn()
	wrong.ends(1)
	wrong.says("repl", "Access denied")
	hidden("a wrong password", wrong.output())
	base := "[syncer]\n[syncer.to]\n" + at
	for name, text := range map[string]string{
		"no quotes":           base + "password = " + secret + "\n",
		"open string":         base + "password = \"" + secret + "\n",
		"single quote":        base + "password = '" + secret + "\n",
		"after the string":    base + "password = \"x\" " + secret + "\n",
		"bad escape":          base + "password = \"\\" + secret + "\"\n",
		"a list":              base + "password = [\"" + secret + "\"]\n",
		"a table":             base + "password = {\"" + secret + "\" = 1}\n",
		"twice":               base + "password = \"x\"\npassword = \"" + secret + "\"\n",
		"no equals sign":      base + "password \"" + secret + "\"\n",
		"a control character": base + "password = \"" + secret + "\x01\"\n",
		"not the key":         base + "encrypted_password = \"" + secret + "\"\n",
		"a key nobody knows":  base + "passwort = \"" + secret + "\"\n",
	} {
		r := runToEnd(i.t, "", nil, "drainer", "-config", writeFile(i.t, "drainer.toml", text), "-node-id", "drainer3", "-pd-urls", i.endpoints[0])
		if r.code != 2 || !strings.Contains(r.stderr, "drainer.toml") && !strings.Contains(r.stderr, "password") && !strings.Contains(r.stderr, "passwort") {
			i.t.Errorf("%s: exit code %d, %s", name, r.code, r.stderr)
		}
		hidden(name, r.out+r.stderr)
	}
	v := runToEnd(i.t, "", []string{"MYSQL_PSWD=" + secret}, "drainer", "-V", "-config", writeFile(i.t, "drainer.toml", base+fmt.Sprintf("password = %q\n", secret)))
	v.expect(i.t, "-V", 0, "drainer (Pumphouse)", "")
	hidden("-V", v.out+v.stderr)
}

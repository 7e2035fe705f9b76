package drainer

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

	"google.golang.org/protobuf/proto"

	"pumphouse/binlogpb"
	"pumphouse/drainer/binlogfile"
	"pumphouse/drainer/schema"
	"pumphouse/nodes"
	"pumphouse/testsuite/form"
	"pumphouse/testsuite/mariadbtest"
	"pumphouse/testsuite/pdtest"
	"pumphouse/testsuite/rig"
)

// secret is the password of every downstream here: nothing may ever print it.
const secret = "pa55-w0rd/öffne"

// TestDrainerBadInput gives the drainer's program what is wrong: it ends with exit code 1 and
// the state paused, says what it was and what to do about it, and applies nothing from there on.
func TestDrainerBadInput(t *testing.T) {
	all := rig.NewPumps(t, pdtest.StartReal(t, 1))
	db := mariadbtest.Start(t)
	db.Exec("create user repl@'127.0.0.1' identified by '"+secret+"'", "grant all on *.* to repl@'127.0.0.1'")
	in := func(t *testing.T) *input {
		c := all.In(t)
		db.Exec("drop database if exists test", "drop database if exists tidb_binlog")
		return &input{Pumps: c, server: db, db: db.Open()}
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
	*rig.Pumps
	server *mariadbtest.Server
	db     *sql.DB
}

// toMySQL is the configuration of a drainer of the MariaDB.
func (i *input) toMySQL(syncer string) string {
	return fmt.Sprintf("[syncer]\ndb-type = \"mysql\"\n%s\n[syncer.to]\nhost = %q\nport = %d\nuser = \"repl\"\npassword = %q\n", syncer, i.server.Host, i.server.Port, secret)
}

// drainerOf prepares a drainer of the MariaDB.
func (i *input) drainerOf(tr *rig.Trade, syncer string) *rig.DrainerNode {
	return tr.Drainer("drainer1", "-dest-db-type", "mysql", "-config", rig.WriteFile(i.T, "drainer.toml", i.toMySQL(syncer)))
}

// rows are those of the table, nil when it is not there.
func (i *input) rows() (all []string) {
	i.T.Helper()
	rows, err := i.db.Query("select concat(id, ' ', v) from test.t100 order by id")
	if err != nil {
		return nil
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			i.T.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func (i *input) checkpointFiles() {
	tr := i.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	d.Signal(syscall.SIGTERM)
	d.Ends(0)
	path := filepath.Join(d.Dir, "savepoint")
	good, err := os.ReadFile(path)
	if err != nil {
		i.T.Fatal(err)
	}
	tr.Sell("pump1")
	ahead := nodes.MakeTSO(i.TSO().Time().Add(time.Hour), 0)
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
		"commitTS = 470642465\nclusterID = \"4711\"\n": {path, "is of cluster 4711", fmt.Sprint(i.ClusterID), "-pd-urls"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			i.T.Fatal(err)
		}
		d.Fails(fmt.Sprintf("%q", text), want...)
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			i.T.Errorf("%q became %q, %v", text, now, err)
		}
	}
	if got := d.Files(tr).Written(); len(got) != len(tr.Want)-1 {
		i.T.Errorf("something was applied: %v", got)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		i.T.Fatal(err)
	}
	d.Launch() // repaired
	d.Consumes(tr, tr.Sell("pump1"))
	d.Exact(tr)
}

func (i *input) checkpointRows() {
	tr := i.NewTrade("pump1")
	d := i.drainerOf(tr, "").Launch()
	tr.Sell("pump1")
	rig.Eventually(i.T, 20*time.Second, "the row is there", func() (bool, string) { return len(i.rows()) == 1, d.Output() })
	d.Signal(syscall.SIGTERM)
	d.Ends(0)
	var good string
	if err := i.db.QueryRow("select checkPoint from tidb_binlog.checkpoint where clusterID = ?", i.ClusterID).Scan(&good); err != nil {
		i.T.Fatal(err)
	}
	tr.Sell("pump1")
	write := func(text any) {
		if _, err := i.db.Exec("update tidb_binlog.checkpoint set checkPoint = ? where clusterID = ?", text, i.ClusterID); err != nil {
			i.T.Fatal(err)
		}
	}
	place := fmt.Sprintf("clusterID = %d", i.ClusterID)
	damaged := []string{"tidb_binlog", place, "the checkpoint is damaged", `{\"commitTS\": <`}
	ahead := nodes.MakeTSO(i.TSO().Time().Add(time.Hour), 0)
	for text, want := range map[any][]string{
		"": damaged, nil: damaged, "{": damaged, "{}": damaged, "[]": damaged, `{"commitTS":"x"}`: damaged, `{"commitTS":-1}`: damaged, good[:len(good)-2]: damaged,
		fmt.Sprintf(`{"commitTS":%d}`, ahead): {place, ahead.String(), "ahead of PD's clock", "-pd-urls"},
	} {
		write(text)
		d.Fails(fmt.Sprint(text), want...)
		if strings.Contains(d.Output(), secret) {
			i.T.Errorf("the password is printed:\n%s", d.Output())
		}
	}
	if got := i.rows(); len(got) != 1 {
		i.T.Errorf("something was applied: %v", got)
	}
	write(good)
	d.Launch()
	rig.Eventually(i.T, 20*time.Second, "it goes on", func() (bool, string) { return len(i.rows()) == 2, d.Output() })
}

// purged: a drainer that begins where a pump has nothing any more stops, and names both
// positions; it does not begin where the pump's binlogs begin.
func (i *input) purged() {
	p := i.Start("pump1", "-gc", "1s")
	tr := &rig.Trade{Pumps: i.Pumps, Shop: &rig.Shop{TB: i.T, Registry: i.Registry, PD: i.PD, ClusterID: i.ClusterID, Jobs: i.T.TempDir()}}
	cli := p.Client()
	first := cli.Transaction([]byte("v"))
	for range 20 {
		cli.Transaction(make([]byte, 4<<20))
	}
	rig.Eventually(i.T, 30*time.Second, "something is purged", func() (bool, string) {
		_, body := p.Ask(http.MethodPost, "/debug/gc/trigger")
		return !strings.Contains(body, " 0 segments"), body
	})
	d := tr.Drainer("drainer1")
	d.Args = append(d.Args, "-initial-commit-ts", fmt.Sprint(int64(first)))
	d.Fails("purged", `pump \"pump1\"`, p.Addr, first.String(), "purged up to", "-initial-commit-ts", "cannot go on and pauses")
	if at := d.Files(tr).Position(); at != first {
		i.T.Errorf("the checkpoint went from %s to %s", first, at)
	}
}

// badBinlogs are wrong in a way that only shows when they are decoded.
var badBinlogs = []struct {
	name  string
	spoil func(*rig.Trade) nodes.TSO
	want  []string
}{
	{"a row that does not decode", func(tr *rig.Trade) nodes.TSO { return tr.InsertRow("pump1", rig.FirstTable, []byte{8, 2, 8}) }, []string{"table `test`.`t100`"}},
	{"an unknown table", func(tr *rig.Trade) nodes.TSO { return tr.Insert("pump1", 777, 1, "x") }, []string{"777"}},
	{"a prewrite value of nonsense", func(tr *rig.Trade) nodes.TSO {
		return tr.Transact("pump1", &binlogpb.Binlog{PrewriteValue: []byte("nonsense")})
	}, []string{"malformed binlog"}},
	{"a job that is nonsense", func(tr *rig.Trade) nodes.TSO {
		id := int64(50)
		if err := os.WriteFile(filepath.Join(tr.Jobs, "50.json"), []byte(`{"id":"what"}`), 0o600); err != nil {
			tr.Fatal(err)
		}
		return tr.Transact("pump1", &binlogpb.Binlog{DdlQuery: []byte("alter table t100 add index (v)"), DdlJobId: &id, DdlSchemaState: proto.Int32(5)})
	}, []string{"50.json"}},
}

// stops lets a file and a MariaDB drainer run into a binlog, and checks that the cure they name
// works.
func (i *input) stops(spoil func(*rig.Trade) nodes.TSO, want ...string) {
	tr := i.NewTrade("pump1")
	files, rows := tr.Drainer("drainer2").Launch(), i.drainerOf(tr, "").Launch()
	before := tr.Sell("pump1")
	bad := spoil(tr)
	behind := tr.Sell("pump1")
	for _, d := range []*rig.DrainerNode{files, rows} {
		d.Ends(1)
		d.Says(append(want, bad.String(), `pump \"pump1\"`, "ignore-txn-commit-ts", "cannot go on and pauses")...)
		d.HasState(nodes.Paused)
		if at := d.Record().MaxCommitTS; at < before || at >= bad {
			i.T.Errorf("the record of %s is at %s, not from %s to before %s", d.ID, at, before, bad)
		}
	}
	if got := files.Files(tr).Written(); len(got) != len(tr.Want)-1 || got[len(got)-1].TS != before {
		i.T.Errorf("the files have %v", got)
	}
	if got := i.rows(); len(got) != 1 {
		i.T.Errorf("the database has %v", got)
	}
	tr.WriteJob(&schema.Job{ID: 50, Type: schema.ActionAddIndex, State: schema.JobSynced, SchemaID: 1, TableID: rig.FirstTable, SchemaName: "test", TableName: "t100",
		Query: "alter table t100 add index (v)", StartTS: before, Result: schema.Result{SchemaVersion: 3, TableInfo: rig.TableInfo(rig.FirstTable, "t100"), FinishedTS: tr.TSO()}}) // repaired by hand
	ignore := fmt.Sprintf("ignore-txn-commit-ts = [%d]", bad)
	files.Args = append(files.Args, "-config", rig.WriteFile(i.T, "drainer.toml", "[syncer]\n"+ignore+"\n"))
	files.Launch()
	files.Consumes(tr, behind)
	files.Exact(tr)
	rows.Args = append(rows.Args, "-config", rig.WriteFile(i.T, "drainer.toml", i.toMySQL(ignore)))
	rows.Launch()
	rig.Eventually(i.T, 20*time.Second, "it goes on", func() (bool, string) { return len(i.rows()) == 2, rows.Output() })
	rows.Says("left out")
}

// badStreams are what no pump should deliver.
var badStreams = []struct {
	name  string
	spoil func(tr *rig.Trade, good *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp
	want  []string
}{
	{"a payload of nonsense", func(tr *rig.Trade, good *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp {
		good.Entity.Payload = []byte("nonsense")
		return good
	}, []string{`\"old\"`}},
	{"no entity", func(*rig.Trade, *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp { return &binlogpb.PullBinlogResp{} }, []string{`old`}},
	{"a commit TS that it has passed", func(tr *rig.Trade, good *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp {
		return rig.Entry(tr.Want[0].TS, tr.Want[0].TS+1, good.Entity.Payload)
	}, []string{`old`}},
}

// delivers lets a drainer pull one thing of nonsense: it ends or tries again for ever, but
// applies nothing of it and nothing after it.
func (i *input) delivers(spoil func(*rig.Trade, *binlogpb.PullBinlogResp) *binlogpb.PullBinlogResp, want ...string) {
	tr := i.NewTrade("pump1")
	old := i.OldPump("old")
	d := tr.Drainer("drainer1").Launch()
	old.Deliver <- tr.Row()
	d.Consumes(tr, tr.Want[len(tr.Want)-1].TS-1)
	good := tr.Row()
	bad := tr.Want[len(tr.Want)-1].TS
	tr.Want = tr.Want[:len(tr.Want)-1]
	old.Deliver <- spoil(tr, good)
	behind := tr.Sell("pump1")
	rig.Eventually(i.T, 20*time.Second, "it says so", func() (bool, string) {
		for _, text := range want {
			if !strings.Contains(d.Output(), text) {
				return false, d.Output()
			}
		}
		return strings.Contains(d.Output(), "level=error") || strings.Contains(d.Output(), "level=warning"), d.Output()
	})
	if strings.Contains(d.Output(), "level=error") {
		d.Ends(1)
	} else {
		i.T.Logf("it tries again:\n%s", d.Output())
		d.Signal(syscall.SIGTERM)
		d.Ends(0)
	}
	d.HasState(nodes.Paused)
	got := d.Files(tr).Written()
	if len(got) != len(tr.Want)-1 {
		i.T.Errorf("downstream is %v, want all but the last of %v", got, tr.Want)
	}
	if at := d.Files(tr).Position(); at >= bad || at >= behind {
		i.T.Errorf("the checkpoint %s has passed %s", at, bad)
	}
}

// unopened: what keeps a drainer from opening its downstream is named, and nothing is changed.
func (i *input) unopened() {
	tr := i.NewTrade("pump1")
	d := tr.Drainer("drainer1").Launch()
	last := tr.Sell("pump1")
	d.Consumes(tr, last)
	taken := tr.Drainer("drainer2", "-config", rig.WriteFile(i.T, "drainer.toml", fmt.Sprintf("[syncer.to]\ndir = %q\n", d.Dir)))
	taken.Fails("a directory in use", d.Dir, "another drainer writes there")
	d.Signal(syscall.SIGTERM)
	d.Ends(0)

	paths, err := binlogfile.Files(d.Dir)
	if err != nil || len(paths) == 0 {
		i.T.Fatal(paths, err)
	}
	good, err := os.ReadFile(paths[0])
	if err != nil {
		i.T.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[20] ^= 1 // in the first transaction
	if err := os.WriteFile(paths[0], bad, 0o600); err != nil {
		i.T.Fatal(err)
	}
	d.Fails("a damaged file", paths[0], "damaged at byte 0", "restore the file")
	if now, err := os.ReadFile(paths[0]); err != nil || !slices.Equal(now, bad) {
		i.T.Errorf("the damaged file was changed, %v", err)
	}
	if err := os.WriteFile(paths[0], good, 0o600); err != nil {
		i.T.Fatal(err)
	}
	d.Launch()
	d.Consumes(tr, tr.Sell("pump1"))
	d.Exact(tr)

	addr := form.Addr(i.T)
	host, port, _ := strings.Cut(addr, ":")
	away := tr.Drainer("drainer3", "-dest-db-type", "mysql", "-config", rig.WriteFile(i.T, "drainer.toml",
		fmt.Sprintf("[syncer.to]\nhost = %q\nport = %s\npassword = %q\n", host, port, secret)))
	away.Fails("a database that is away", addr)
}

// secrets runs drainers of which each knows a password, in every way in which one is given, also
// such as cannot work, and looks for it in everything they say.
func (i *input) secrets() {
	tr := i.NewTrade("pump1")
	encrypted := strings.TrimSpace(rig.RunToEnd(i.T, "", nil, "binlogctl", "-cmd", "encrypt", "-text", secret).Out)
	at := fmt.Sprintf("host = %q\nport = %d\nuser = \"repl\"\n", i.server.Host, i.server.Port)
	hidden := func(what, text string) {
		i.T.Helper()
		for _, word := range []string{secret, secret[:9], "w0rd", "%C3%B6ffne"} {
			if strings.Contains(text, word) {
				i.T.Errorf("%s tells the password:\n%s", what, text)
			}
		}
		if strings.Contains(text, encrypted) {
			i.T.Errorf("%s tells the encrypted password:\n%s", what, text)
		}
	}
	type way struct{ name, config string }
	for _, w := range []way{
		{"password", "[syncer]\n[syncer.to]\n" + at + fmt.Sprintf("password = %q\n", secret)},
		{"encrypted_password", "[syncer]\n[syncer.to]\n" + at + fmt.Sprintf("encrypted_password = %q\n", encrypted)},
		{"checkpoint's password", "[syncer]\n[syncer.to]\n" + at + fmt.Sprintf("password = %q\n[syncer.to.checkpoint]\ntype = \"mysql\"\n%sencrypted_password = %q\n", secret, at, encrypted)},
	} {
		d := tr.Drainer("drainer1", "-dest-db-type", "mysql", "-L", "debug", "-config", rig.WriteFile(i.T, "drainer.toml", w.config)).Launch()
		tr.Sell("pump1")
		rig.Eventually(i.T, 20*time.Second, "the row is there", func() (bool, string) { return len(i.rows()) == int(tr.Sold), d.Output() })
		for _, path := range []string{"/status", "/metrics", "/commit_ts", "/config", "/debug/vars", "/debug/pprof/cmdline"} {
			_, body := d.Ask(http.MethodGet, path)
			hidden(w.name+": "+path, body)
		}
		hidden(w.name+": the record", rig.Get(i.T, i.Etcd, nodes.Drainer.Key("drainer1")))
		away := time.Now()
		i.server.Stop() // it complains
		tr.Sell("pump1")
		rig.Eventually(i.T, 20*time.Second, "it says that the database is away", func() (bool, string) {
			return strings.Contains(d.Output(), "level=warning") || strings.Contains(d.Output(), "level=error"), d.Output()
		})
		hidden(w.name+": /status without the database", func() string { _, body := d.Ask(http.MethodGet, "/status"); return body }())
		i.server.StartAgain()
		rig.Eventually(i.T, 30*time.Second, "the row is there", func() (bool, string) { return len(i.rows()) == int(tr.Sold), d.Output() })
		// It complains once, then once in 30 s, and says when it is over.
		const complaint = "the downstream does not take a transaction now"
		if n, most := strings.Count(d.Output(), complaint), 1+int(time.Since(away)/(30*time.Second)); n < 1 || n > most {
			i.T.Errorf("%d lines about the outage, want 1 to %d:\n%s", n, most, d.Output())
		}
		rig.Eventually(i.T, 20*time.Second, "it says that the database is back", func() (bool, string) {
			return strings.Contains(d.Output(), "the downstream takes transactions again"), d.Output()
		})
		d.Signal(syscall.SIGTERM)
		d.Ends(0)
		hidden(w.name+": the log", d.Output())
	}

	// What cannot work.
	wrong := tr.Drainer("drainer2", "-dest-db-type", "mysql", "-config", rig.WriteFile(i.T, "drainer.toml", "[syncer.to]\n"+at+fmt.Sprintf("password = %q\n", secret+"w0rd")))
	wrong.Spawn()
	wrong.Ends(1)
	wrong.Says("repl", "Access denied")
	hidden("a wrong password", wrong.Output())
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
		r := rig.RunToEnd(i.T, "", nil, "drainer", "-config", rig.WriteFile(i.T, "drainer.toml", text), "-node-id", "drainer3", "-pd-urls", i.Endpoints[0])
		if r.Code != 2 || !strings.Contains(r.Stderr, "drainer.toml") && !strings.Contains(r.Stderr, "password") && !strings.Contains(r.Stderr, "passwort") {
			i.T.Errorf("%s: exit code %d, %s", name, r.Code, r.Stderr)
		}
		hidden(name, r.Out+r.Stderr)
	}
	v := rig.RunToEnd(i.T, "", []string{"MYSQL_PSWD=" + secret}, "drainer", "-V", "-config", rig.WriteFile(i.T, "drainer.toml", base+fmt.Sprintf("password = %q\n", secret)))
	v.Expect(i.T, "-V", 0, "drainer (Pumphouse)", "")
	hidden("-V", v.Out+v.Stderr)
}
